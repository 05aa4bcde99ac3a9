"""Test error against the number of parameters and the depth of circuits."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from symbench.config.schema import Selection
from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, error_bars, log_ticks, model_palette, nothing_to_draw


def draw(results: StudyResults) -> Figure:
    """A row a task; left parameters, right blocks; models of one architecture are joined."""
    shown = [family for family in results.full_families if family.treatment == "none"]
    if not shown:
        return nothing_to_draw()
    tasks = list(dict.fromkeys(family.task for family in shown))
    models = results.study.settings.models
    palette = model_palette(models[family.model].architecture for family in shown)
    figure, axes = plt.subplots(len(tasks), 2, figsize=(WIDTH, 3.0 * len(tasks)), squeeze=False)
    for row, task in zip(axes, tasks, strict=True):
        for architecture, colour in palette.items():
            points = []
            for family in shown:
                if family.task != task or models[family.model].architecture != architecture:
                    continue
                estimate = family.estimate(Selection(metric=family.score))
                if estimate is None:
                    continue
                low, high = estimate.interval
                parameters = int(family.open("none").attrs["parameters"])
                blocks = _blocks(results.study.model_settings(task, family.model), architecture)
                points.append((parameters, blocks, estimate.value, low, high))
            for axis, index in zip(row, (0, 1), strict=True):
                known = sorted(point for point in points if point[index] is not None)
                if not known:
                    continue
                x = [point[index] for point in known]
                y, low, high = zip(*(point[2:] for point in known), strict=True)
                bars = error_bars(y, low, high)
                axis.errorbar(x, y, bars, fmt="o-", color=colour, label=architecture, capsize=2)
        row[0].set(xscale="log", xlabel="parameters", title=task)
        row[1].set(xlabel="blocks", title=task)
        for axis in row:
            axis.set(yscale="log", ylabel=shown[0].score)
            log_ticks(axis.yaxis)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _blocks(settings: dict[str, Any], architecture: str) -> int | None:
    """Depth of a circuit; None for what is none."""
    from symbench.models.molecules.quantum_circuits import BLOCKS

    return int(settings.get("blocks", BLOCKS)) if architecture.endswith("circuit") else None
