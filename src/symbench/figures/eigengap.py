"""Where principal axes are hardly told apart, methods that use them jump."""

import pandas as pd
from matplotlib.figure import Figure

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults
from symbench.figures.style import (
    WIDTH,
    finite,
    grid,
    hue,
    legend_below,
    log_scale,
    note_not_finite,
    nothing_to_draw,
)

METRICS = {
    "equivariance_error": "equivariance error",
    "sensitivity": "change of output / of input",
}
COLUMNS = ["task", "model", "number", "sample", "relative_gap", *METRICS]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each test sample of the first seed of what was trained and evaluated plainly."""
    parts = []
    for group in results.plainly_trained:
        if "plain" not in group.evaluations or "relative_gap" not in group.open("plain"):
            continue
        dataset = group.open("plain").isel(seed=0)
        part = pd.DataFrame(
            {
                name: dataset[name].to_numpy() if name in dataset else float("nan")
                for name in ("relative_gap", *METRICS)
            }
        )
        part.insert(0, "sample", range(len(part)))
        part.insert(0, "number", results.number(group.model))
        part.insert(0, "model", group.model)
        part.insert(0, "task", group.task)
        parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def draw(table: Table) -> Figure:
    """A column a task; a point is a test sample."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw(
            "No task whose samples have principal axes was trained and evaluated plainly."
        )
    tasks = list(dict.fromkeys(shown.task))
    figure, axes = grid(2, len(tasks), (max(WIDTH, 2.2 * len(tasks)), 5.2))
    for column, task in zip(axes.T, tasks, strict=True):
        here = shown[shown.task == task]
        for model, rows in here.groupby("model", sort=False):
            colour = hue(int(rows.number.iloc[0]))
            for axis, metric in zip(column, METRICS, strict=True):
                gaps, values = finite(rows.relative_gap), finite(rows[metric])
                axis.plot(gaps, values, ".", ms=3, alpha=0.5, color=colour, label=str(model))
        for axis, (metric, label) in zip(column, METRICS.items(), strict=True):
            log_scale(axis, "x", here.relative_gap)
            log_scale(axis, "y", here[metric])
            axis.set_ylabel(label)
        column[0].set_title(task)
        column[-1].set_xlabel("relative eigengap")
    note_not_finite(figure, shown[list(METRICS)].to_numpy().ravel())
    legend_below(figure, axes[0], 5, markerscale=3)
    return figure


def tell(table: Table) -> str:
    """Which network is farthest from equivariant where axes are hardly told apart."""
    shown = rows_of(table)
    half = shown.groupby(["task", "model"]).relative_gap.transform("median")
    closest = shown[shown.relative_gap <= half]
    errors = closest.groupby(["task", "model"], sort=False).equivariance_error.median()
    what = "Median equivariance error over the half of the samples with the smaller eigengaps"
    return smallest_and_largest(what, errors.reset_index(), "equivariance_error")


FIGURE = Drawing(table, draw, tell)
