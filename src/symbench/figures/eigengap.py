"""Where principal axes are not told apart, methods that use them are not equivariant either."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, model_palette


def draw(results: StudyResults) -> Figure:
    """One panel a task; a point is a test sample of the first seed."""
    shown = [
        family
        for family in results.sample_families
        if family.score == "mse" and family.treatment == "none"
    ]
    tasks = list(dict.fromkeys(family.task for family in shown))
    palette = model_palette([family.model for family in shown])
    figure, axes = plt.subplots(
        1, max(1, len(tasks)), figsize=(WIDTH, 3.0), sharey=True, squeeze=False
    )
    for axis, task in zip(axes[0], tasks, strict=False):
        for family in shown:
            if family.task != task:
                continue
            dataset = family.open("none").isel(seed=0)
            axis.plot(
                dataset.relative_gap,
                dataset.equivariance_error,
                ".",
                ms=3,
                alpha=0.5,
                color=palette[family.model],
                label=family.model,
            )
        axis.set(xscale="log", yscale="log", title=task, xlabel="relative eigengap")
    axes[0, 0].set_ylabel("equivariance error")
    handles, labels = [], []
    for axis in axes[0]:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles.append(handle)
                labels.append(label)
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), markerscale=3)
    return figure
