"""Fields of one test trajectory: truth, plain and averaged rollouts, and their errors."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from symbench.evaluation.results import RunGroup
from symbench.figures.drawing import Drawing, Table
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, grid, note, nothing_to_draw

IMAGES = ("truth", "plain", "averaged each step", "error, plain", "error, averaged")


def table(results: StudyResults) -> xr.Dataset:
    """Images of the last plainly trained model of each task with plain and averaged rollouts.

    A variable for each task, of shape (lead time, image, x, y), whose grid is the task's own; its
    attributes name model and channel. `<task>_rms` is the root mean square of each image.
    """
    chosen = {group.task: group for group in results.plainly_trained if _has_images(group)}
    found = xr.Dataset(coords={"image": list(IMAGES)})
    for task, group in chosen.items():
        plain = group.open("plain").sel(operator="plain").isel(seed=0, channel=0)
        averaged = group.open("average").sel(operator="stepwise").isel(seed=0, channel=0)
        leads = plain.panel_lead.values
        truth, first = plain.panel_truth.values, plain.panel.values
        second = averaged.panel.sel(panel_lead=leads).values
        # Rollouts that diverged hold infinite values.
        with np.errstate(invalid="ignore", over="ignore"):
            images = np.stack([truth, first, second, first - truth, second - truth], axis=1)
            rms = np.sqrt(np.mean(images**2, axis=(2, 3)))
        lead = f"{task}_lead"
        found[task] = ((lead, "image", f"{task}_x", f"{task}_y"), images)
        found[task].attrs = {"model": group.model, "channel": str(plain.channel.values)}
        found[f"{task}_rms"] = ((lead, "image"), rms)
        found = found.assign_coords({lead: leads})
    return found


def _has_images(group: RunGroup) -> bool:
    names = ("plain", "average")
    return set(names) <= set(group.evaluations) and all("panel" in group.open(n) for n in names)


def draw(table: Table) -> Figure:
    """A block of rows for each task, a row a lead time; the first channel is shown."""
    if isinstance(table, pd.DataFrame):
        raise TypeError("This figure is drawn from a data set with images, not from a table.")
    tasks = [str(name) for name, values in table.data_vars.items() if "model" in values.attrs]
    if not tasks:
        return nothing_to_draw(
            "No run that was trained plainly has both plain and averaged rollouts: its tasks are "
            "no fields, or their trajectories are shorter than the rollouts of the config."
        )
    rows = [(task, lead) for task in tasks for lead in table[f"{task}_lead"].values]
    count = len(IMAGES)
    figure, axes = grid(len(rows), count, (WIDTH, WIDTH / count * len(rows) * 0.93))
    for number, (row, (task, lead)) in enumerate(zip(axes, rows, strict=True)):
        values = table[task].sel({f"{task}_lead": lead})
        rms = table[f"{task}_rms"].sel({f"{task}_lead": lead})
        low, high = _ends(values.sel(image="truth").values)
        bound = max(abs(end) for end in _ends(values.sel(image="error, plain").values))
        for axis, image in zip(row, IMAGES, strict=True):
            is_error = image.startswith("error")
            axis.imshow(
                values.sel(image=image).values.T,
                origin="lower",
                cmap="RdBu_r" if is_error else "viridis",
                vmin=-(bound or 1.0) if is_error else low,
                vmax=(bound or 1.0) if is_error else high,
                # An image of one axis is a row of cells.
                aspect="auto" if 1 in values.shape[1:] else "equal",
            )
            axis.set(xticks=[], yticks=[])
            if number == 0:
                axis.set_title(image)
            if is_error:
                size = float(rms.sel(image=image))
                axis.set_xlabel(f"rms {size:.2g}", fontsize="x-small", labelpad=1)
        about = values.attrs
        row[0].set_ylabel(
            f"{task}\n{about['model']}, {about['channel']}, lead {lead}", fontsize="x-small"
        )
    lost = sum(int((~np.isfinite(table[task].values)).any(axis=(2, 3)).sum()) for task in tasks)
    if lost:
        note(figure, f"{lost} images hold values that are not finite: their rollouts diverged.")
    return figure


def _ends(image: np.ndarray) -> tuple[float, float]:
    """Smallest and largest finite value; zeros if there is none."""
    found = image[np.isfinite(image)]
    return (float(found.min()), float(found.max())) if found.size else (0.0, 0.0)


def tell(table: Table) -> str:
    """How large errors are at the last lead time shown, plain and averaged."""
    if isinstance(table, pd.DataFrame):
        raise TypeError("This figure is drawn from a data set with images, not from a table.")
    errors = [
        {
            "task": task,
            "model": values.attrs["model"],
            "plain": float(last.sel(image="error, plain")),
            "averaged": float(last.sel(image="error, averaged")),
        }
        for task, values in table.data_vars.items()
        if "model" in values.attrs
        for last in [table[f"{task}_rms"].isel({f"{task}_lead": -1})]
    ]
    found = pd.DataFrame(errors, columns=["task", "model", "plain", "averaged"])
    ratios = found.assign(ratio=found.averaged / found.plain)
    what = "Error of averaged rollouts over that of plain ones, at the last lead time shown"
    return smallest_and_largest(what, ratios, "ratio")


FIGURE = Drawing(table, draw, tell)
