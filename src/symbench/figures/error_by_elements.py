"""What averaging buys at how many evaluations of the model, beside models that need only one."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from symbench.config.schema import Selection
from symbench.figures.results import StudyResults
from symbench.figures.style import (
    WIDTH,
    family_label,
    log_ticks,
    model_palette,
    nothing_to_draw,
)


def draw(results: StudyResults) -> Figure:
    """A panel a task: error of the average over the first elements; lines for one evaluation."""
    shown = results.full_families
    tasks = list(dict.fromkeys(family.task for family in shown if "average" in family.evaluations))
    if not tasks:
        return nothing_to_draw()
    figure, axes = plt.subplots(1, len(tasks), figsize=(WIDTH, 3.4), squeeze=False)
    palette = model_palette(family_label(family) for family in shown)
    for axis, task in zip(axes[0], tasks, strict=True):
        for family in shown:
            if family.task != task:
                continue
            label = family_label(family)
            if "average" in family.evaluations:
                dataset = family.open("average")
                values = dataset[f"{family.score}_by_elements"].mean(("seed", "sample"))
                axis.plot(
                    dataset.elements,
                    values,
                    "s-",
                    color=palette[label],
                    label=f"{label}, averaged",
                )
            elif (estimate := family.estimate(Selection(metric=family.score))) is not None:
                axis.axhline(estimate.value, color=palette[label], linestyle="--", label=label)
        axis.set_xscale("log", base=2)
        axis.set(yscale="log", title=task, xlabel="evaluations of the model", ylabel=shown[0].score)
        log_ticks(axis.yaxis)
    named: dict[str, Any] = {}
    for axis in axes[0]:
        handles, labels = axis.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    figure.legend(
        list(named.values()), list(named), loc="outside lower center", ncols=4, fontsize="xx-small"
    )
    return figure
