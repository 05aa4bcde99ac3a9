"""Relative change of the one-step VRMSE by averaging, per task, model and training treatment."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from symbench.config.schema import Selection
from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, model_palette
from symbench.statistics import relative_change


def draw(results: StudyResults) -> Figure:
    """One panel a task; points with 95 % intervals."""
    tasks = results.study.tasks
    palette = model_palette([family.model for family in results.grid_families])
    treatments = list(dict.fromkeys(family.treatment for family in results.grid_families))
    figure, axes = plt.subplots(1, len(tasks), figsize=(WIDTH, 2.9), sharey=True, squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        shown = [family for family in results.grid_families if family.task == task]
        for position, family in enumerate(shown):
            change = relative_change(
                family.one_step(Selection(evaluation="average")),
                family.one_step(Selection(evaluation="none")),
            )
            low, high = change.interval
            hollow = family.treatment != "none"
            axis.errorbar(
                position,
                100 * change.value,
                yerr=100 * np.abs([[change.value - low], [high - change.value]]),
                fmt="s" if hollow else "o",
                markerfacecolor="white" if hollow else None,
                color=palette[family.model],
                capsize=3,
            )
        axis.axhline(0, color="0.3", linewidth=0.8)
        settings = results.study.settings.tasks[task]
        state = "exact" if settings.exact else "broken"
        axis.set_title(f"{task}\n{settings.group}, {state}")
        axis.set_xticks([])
        axis.set_xlim(-0.7, len(shown) - 0.3)
    axes[0, 0].set_ylabel("change of VRMSE by averaging (%)")
    handles = [
        Line2D([], [], marker="o", linestyle="", color=c, label=m) for m, c in palette.items()
    ]
    if len(treatments) > 1:
        handles += [
            Line2D([], [], marker="o", linestyle="", color="0.3", label="trained plainly"),
            Line2D(
                [],
                [],
                marker="s",
                linestyle="",
                color="0.3",
                markerfacecolor="white",
                label="trained with augmentation",
            ),
        ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
