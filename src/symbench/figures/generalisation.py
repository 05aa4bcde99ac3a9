"""Errors on training samples, on test samples, and outside the range of training."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from symbench.config.schema import Selection
from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, error_bars, family_label, log_ticks, nothing_to_draw

PARTS = {"train": "0.75", "": "#0072b2", "outside": "#d55e00"}
LABELS = {"train": "training samples", "": "test samples", "outside": "outside the range"}


def draw(results: StudyResults) -> Figure:
    """A row a task, energies and forces beside each other; bars with 95 % intervals."""
    shown = [
        family for family in results.full_families if "energy_mae_outside" in family.open("none")
    ]
    if not shown:
        return nothing_to_draw()
    tasks = list(dict.fromkeys(family.task for family in shown))
    figure, axes = plt.subplots(
        len(tasks), 2, figsize=(WIDTH, 3.0 * len(tasks)), squeeze=False, sharex="row"
    )
    for row, task in zip(axes, tasks, strict=True):
        families = [family for family in shown if family.task == task]
        for axis, (metric, unit) in zip(
            row, (("energy_mae", "meV"), ("force_mae", "meV/Å")), strict=True
        ):
            for number, (part, colour) in enumerate(PARTS.items()):
                name = f"{metric}_{part}" if part else metric
                estimates = [family.estimate(Selection(metric=name)) for family in families]
                values = np.array([e.value if e else np.nan for e in estimates])
                ends = np.array([e.interval if e else (np.nan, np.nan) for e in estimates])
                bars = error_bars(values, *ends.T)
                at = np.arange(len(families)) + 0.27 * (number - 1)
                axis.bar(at, values, 0.26, color=colour, label=LABELS[part])
                axis.errorbar(at, values, bars, fmt="none", ecolor="0.3", linewidth=0.7)
            axis.set_yscale("log")
            log_ticks(axis.yaxis)
            axis.set(title=task, ylabel=f"{metric.split('_')[0]} error ({unit})")
            axis.set_xticks(
                range(len(families)),
                [family_label(family) for family in families],
                rotation=30,
                ha="right",
                fontsize="x-small",
            )
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
