"""Gain by averaging along a sweep: length of training, number of samples, a broken symmetry."""

import pandas as pd
from matplotlib.figure import Figure

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import AMOUNTS, StudyResults, change_by_averaging
from symbench.figures.style import (
    error_bars,
    finite,
    hue,
    legend_below,
    line,
    note_not_finite,
    nothing_to_draw,
    panels,
)
from symbench.figures.sweeps import curves, tick_amounts

COLUMNS = [
    "sweep",
    "quantity",
    "value",
    "task",
    "model",
    "number",
    "treatment",
    "metric",
    "percent",
    "low",
    "high",
]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each run group of a sweep that was evaluated plainly and averaged; in percent.

    Left out is what was run on a single task of the sweep.
    """
    rows = []
    for group in results.groups:
        if (percent := change_by_averaging(group)) is None:
            continue
        for point in results.study.task(group.task).sweeps:
            about = [point.sweep, point.quantity, point.value, group.task, group.model]
            about += [results.number(group.model), group.treatment, group.score.name]
            rows.append([*about, *percent])
    return curves(pd.DataFrame(rows, columns=COLUMNS), ["sweep", "model", "treatment"])


def draw(table: Table) -> Figure:
    """A panel a sweep; colour is the model, the line its training."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw(
            "No model of this study was evaluated plainly and averaged on two tasks of one sweep, "
            "which differ in one number."
        )
    sweeps = list(dict.fromkeys(shown.sweep))
    treatments = list(dict.fromkeys(shown.treatment))
    figure, axes = panels(len(sweeps), 2, 3.0)
    for axis, sweep in zip(axes, sweeps, strict=True):
        here = shown[shown.sweep == sweep]
        for (model, treatment), curve in here.groupby(["model", "treatment"], sort=False):
            axis.errorbar(
                curve.value,
                finite(curve.percent),
                error_bars(curve.percent, curve.low, curve.high),
                fmt="o" + line(treatments.index(str(treatment))),
                color=hue(int(curve.number.iloc[0])),
                label=f"{model}, {treatment}",
                capsize=2,
                markersize=4,
            )
        axis.axhline(0, color="0.3", linewidth=0.8)
        quantity, metric = here.quantity.iloc[0], here.metric.iloc[0]
        axis.set(title=sweep, xlabel=quantity, ylabel=f"change of {metric} by averaging (%)")
        tick_amounts(axis, here)
        if quantity in AMOUNTS:
            # Where no change is finite nothing else tells the axis how far it goes.
            axis.set_xlim(here.value.min() / 1.3, 1.3 * here.value.max())
    note_not_finite(figure, shown.percent)
    legend_below(figure, axes, 3)
    return figure


def tell(table: Table) -> str:
    """What averaging changes at the end of each sweep."""
    shown = rows_of(table)
    last = shown[shown.value == shown.groupby("sweep").value.transform("max")]
    what = "Change of the score by averaging at the last value of a sweep, in %"
    return smallest_and_largest(what, last, "percent", ["sweep"])


FIGURE = Drawing(table, draw, tell)
