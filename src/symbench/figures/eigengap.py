"""Where principal axes are hardly told apart, methods that use them jump."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, log_ticks, model_palette, nothing_to_draw

METRICS = {
    "equivariance_error": "equivariance error",
    "sensitivity": "change of output / of input",
}


def draw(results: StudyResults) -> Figure:
    """A column a task; a point is a test sample of the first seed."""
    shown = [
        family
        for family in results.sample_families
        if family.score == "mse" and family.treatment == "none"
    ]
    if not shown:
        return nothing_to_draw()
    tasks = list(dict.fromkeys(family.task for family in shown))
    palette = model_palette([family.model for family in shown])
    figure, axes = plt.subplots(
        2, len(tasks), figsize=(WIDTH, 5.2), sharex="col", sharey="row", squeeze=False
    )
    for column, task in zip(axes.T, tasks, strict=False):
        for family in shown:
            if family.task != task:
                continue
            dataset = family.open("none").isel(seed=0)
            for axis, metric in zip(column, METRICS, strict=True):
                axis.plot(
                    dataset.relative_gap,
                    dataset[metric],
                    ".",
                    ms=3,
                    alpha=0.5,
                    color=palette[family.model],
                    label=family.model,
                )
                axis.set(xscale="log", yscale="log")
                log_ticks(axis.xaxis)
        column[0].set_title(task)
        column[-1].set_xlabel("relative eigengap")
    for axis, label in zip(axes[:, 0], METRICS.values(), strict=True):
        axis.set_ylabel(label)
    handles, labels = [], []
    for axis in axes[0]:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles.append(handle)
                labels.append(label)
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), markerscale=3)
    return figure
