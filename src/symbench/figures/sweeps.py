"""Curves over tasks that differ in one number: sample efficiency, strength of a broken symmetry."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symbench.cells import CellFamily
from symbench.config.schema import Selection
from symbench.figures.results import StudyResults
from symbench.figures.style import (
    EVALUATIONS,
    WIDTH,
    error_bars,
    log_ticks,
    nothing_to_draw,
    treatment_palette,
)

COLUMNS = 2


def draw(results: StudyResults) -> Figure:
    """A panel a curve and model; colour is the training, line and marker the evaluation."""
    panels = _panels(results)
    if not panels:
        return nothing_to_draw()
    rows = -(-len(panels) // COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(WIDTH, 3.0 * rows), squeeze=False, layout="constrained"
    )
    palette = treatment_palette(family.treatment for family in results.families)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, ((curve, model), families) in zip(axes.flat, panels.items(), strict=False):
        for treatment in sorted({family.treatment for family, _, _ in families}):
            chosen = sorted(
                ((value, family) for family, value, _ in families if family.treatment == treatment),
                key=lambda pair: pair[0],
            )
            for evaluation in ("none", "average"):
                _line(axis, chosen, treatment, evaluation, palette[treatment])
        quantity = families[0][2]
        metric = families[0][0].score
        axis.set(title=f"{curve}, {model}", xlabel=quantity, ylabel=metric)
        if metric != "accuracy":
            axis.set_yscale("log")
            log_ticks(axis.yaxis)
        if quantity.startswith("training"):
            axis.set_xscale("log")
            values = sorted({value for _, value, _ in families})
            axis.set_xticks(values, [f"{value:g}" for value in values])
            axis.set_xticks([], minor=True)
    shown: dict[str, Any] = {}
    for axis in axes.flat:
        handles, labels = axis.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    figure.legend(
        list(shown.values()), list(shown), loc="outside lower center", ncols=3, fontsize="x-small"
    )
    return figure


def _panels(
    results: StudyResults,
) -> dict[tuple[str, str], list[tuple[CellFamily, float, str]]]:
    found: dict[tuple[str, str], list[tuple[CellFamily, float, str]]] = {}
    for family in results.families:
        for place in results.study.task(family.task).places:
            entry = (family, place.value, place.quantity)
            found.setdefault((place.curve, family.model), []).append(entry)
    return {
        key: entries
        for key, entries in found.items()
        if len({value for _, value, _ in entries}) > 1
    }


def _line(
    axis: Axes,
    chosen: list[tuple[float, CellFamily]],
    treatment: str,
    evaluation: str,
    colour: tuple[float, float, float],
) -> None:
    points = []
    for value, family in chosen:
        if evaluation not in family.evaluations:
            continue
        estimate = family.estimate(
            Selection.model_validate({"metric": family.score, "evaluation": evaluation})
        )
        if estimate is not None:
            points.append((value, estimate.value, *estimate.interval))
    if len(points) < 2:
        return
    x, y, low, high = np.array(points).T
    look = EVALUATIONS[evaluation]
    label = treatment if evaluation == "none" else f"{treatment}, {look.label}"
    style = "-" if evaluation == "none" else ":"
    bars = error_bars(y, low, high)
    axis.errorbar(
        x, y, bars, fmt=look.marker + style, color=colour, label=label, capsize=2, markersize=4
    )
