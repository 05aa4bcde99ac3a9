"""Fields of one test trajectory: truth, plain and averaged rollouts, and their errors."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH

COLUMNS = ("truth", "plain", "averaged each step", "error, plain", "error, averaged")


def draw(results: StudyResults) -> Figure:
    """A block of rows for each task, with the last of its models; the first channel is shown."""
    chosen = {f.task: f for f in results.grid_families if f.treatment == "none"}
    leads = {task: family.open("none").panel_lead.values for task, family in chosen.items()}
    rows = sum(len(values) for values in leads.values())
    figure, axes = plt.subplots(
        rows, len(COLUMNS), figsize=(WIDTH, WIDTH / len(COLUMNS) * rows * 0.93), squeeze=False
    )
    row = 0
    for task, family in chosen.items():
        plain = family.open("none").sel(operator="plain").isel(seed=0, channel=0)
        averaged = family.open("average").sel(operator="stepwise").isel(seed=0, channel=0)
        for lead in leads[task]:
            truth = plain.panel_truth.sel(panel_lead=lead).values
            first = plain.panel.sel(panel_lead=lead).values
            second = averaged.panel.sel(panel_lead=lead).values
            low, high = float(truth.min()), float(truth.max())
            bound = max(float(np.abs(first - truth).max()), 1e-12)
            images = (truth, first, second, first - truth, second - truth)
            for axis, image, title in zip(axes[row], images, COLUMNS, strict=True):
                is_error = title.startswith("error")
                axis.imshow(
                    image.T,
                    origin="lower",
                    cmap="RdBu_r" if is_error else "viridis",
                    vmin=-bound if is_error else low,
                    vmax=bound if is_error else high,
                )
                axis.set_xticks([])
                axis.set_yticks([])
                if row == 0:
                    axis.set_title(title)
                if is_error:
                    rms = float(np.sqrt(np.mean(image**2)))
                    axis.set_xlabel(f"rms {rms:.2g}", fontsize="x-small", labelpad=1)
            name = str(plain.channel.values)
            axes[row, 0].set_ylabel(
                f"{task}\n{family.model}, {name}, lead {lead}", fontsize="x-small"
            )
            row += 1
    return figure
