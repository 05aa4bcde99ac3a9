"""Errors on training samples, on test samples, and outside the range of training."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import NOTHING, smallest_and_largest
from symbench.figures.results import StudyResults, estimated, label
from symbench.figures.style import (
    WIDTH,
    error_bars,
    finite,
    grid,
    legend_below,
    log_scale,
    note_not_finite,
    nothing_to_draw,
)

METRICS = ("energy_mae", "force_mae")
PARTS = {"train": "0.75", "test": "#0072b2", "outside": "#d55e00"}
LABELS = {
    "train": "training samples",
    "test": "test samples",
    "outside": "outside the range",
}
COLUMNS = ["task", "label", "metric", "unit", "part", "score", "low", "high"]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each run group, error and part of the samples; plain evaluation."""
    rows = []
    for group in results.full_groups:
        if "plain" not in group.evaluations:
            continue
        dataset = group.open("plain")
        for metric in METRICS:
            if f"{metric}_outside" not in dataset:
                continue
            unit = str(dataset[metric].attrs.get("units", "1"))
            for part in PARTS:
                name = metric if part == "test" else f"{metric}_{part}"
                value, low, high = estimated(group, metric=name)
                rows.append([group.task, label(group), metric, unit, part, value, low, high])
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(table: Table) -> Figure:
    """A row a task, energies and forces beside each other; bars with 95 % intervals."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw("No task of this study has errors outside the range of training.")
    tasks = list(dict.fromkeys(shown.task))
    metrics = list(dict.fromkeys(shown.metric))
    figure, axes = grid(len(tasks), len(metrics), (WIDTH, 3.2 * len(tasks)))
    for row, task in zip(axes, tasks, strict=True):
        for axis, metric in zip(row, metrics, strict=True):
            here = shown[(shown.task == task) & (shown.metric == metric)]
            names = list(dict.fromkeys(here.label))
            for number, (part, colour) in enumerate(PARTS.items()):
                bars = here[here.part == part]
                at = np.arange(len(names)) + 0.27 * (number - 1)
                ends = error_bars(bars.score, bars.low, bars.high)
                axis.bar(at, finite(bars.score), 0.26, color=colour, label=LABELS[part])
                axis.errorbar(at, finite(bars.score), ends, fmt="none", ecolor="0.3", linewidth=0.7)
            log_scale(axis, "y", here.score)
            unit = here.unit.iloc[0] if len(here) else "1"
            axis.set(title=task, ylabel=f"{metric.split('_')[0]} error ({unit})")
            axis.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize="x-small")
    note_not_finite(figure, shown.score)
    legend_below(figure, axes[:, 0])
    return figure


def tell(table: Table) -> str:
    """How much larger errors are outside of the range of training."""
    columns = ["task", "label", "metric"]
    shown = rows_of(table)
    by_part = {part: rows.set_index(columns).score for part, rows in shown.groupby("part")}
    if not {"test", "outside"} <= set(by_part):
        return NOTHING
    ratios = (by_part["outside"] / by_part["test"]).reset_index()
    what = "Error outside of the range of training over that on test samples"
    return smallest_and_largest(what, ratios, "score", ["metric"])


FIGURE = Drawing(table, draw, tell)
