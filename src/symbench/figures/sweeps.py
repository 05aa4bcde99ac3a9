"""Curves over tasks that differ in one number: sample efficiency, strength of a broken symmetry."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import AMOUNTS, StudyResults, estimated
from symbench.figures.style import (
    EVALUATIONS,
    error_bars,
    finite,
    hue,
    legend_below,
    log_scale,
    note_not_finite,
    nothing_to_draw,
    panels,
)

SHOWN = ("plain", "average")
CURVE = ["sweep", "model", "treatment", "evaluation"]
COLUMNS = [
    "sweep",
    "quantity",
    "value",
    "task",
    "model",
    "treatment",
    "number",
    "evaluation",
    "metric",
    "better",
    "score",
    "low",
    "high",
]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each run group of a sweep and each evaluation; `number` is of the treatment.

    Left out is what was run on a single task of the sweep.
    """
    rows = []
    for group in results.groups:
        for point in results.study.task(group.task).sweeps:
            for evaluation in SHOWN:
                if evaluation not in group.evaluations:
                    continue
                number = results.treatments.index(group.treatment)
                row = [point.sweep, point.quantity, point.value, group.task, group.model]
                row += [group.treatment, number, evaluation, group.score.name, group.score.better]
                rows.append([*row, *estimated(group, evaluation)])
    return curves(pd.DataFrame(rows, columns=COLUMNS), CURVE)


def curves(points: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Points along sweeps by their value, without curves of one value; a curve is of some names."""
    values = points.groupby(names).value.transform("nunique")
    return points[values > 1].sort_values("value", kind="stable", ignore_index=True)


def tick_amounts(axis: Axes, points: pd.DataFrame) -> None:
    """A tick for each value, on a logarithmic scale, where the sweep is over an amount."""
    if points.quantity.iloc[0] in AMOUNTS:
        axis.set_xscale("log")
        values = sorted(set(points.value))
        axis.set_xticks(values, [f"{value:g}" for value in values])
        axis.set_xticks([], minor=True)


def draw(table: Table) -> Figure:
    """A panel a curve and model; colour is the training, line and marker the evaluation."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw(
            "No model of this study was run on two tasks of one sweep, which differ in one number."
        )
    pairs = sorted(dict.fromkeys(zip(shown.sweep, shown.model, strict=True)))
    figure, axes = panels(len(pairs), 2, 3.0)
    for axis, (sweep, model) in zip(axes, pairs, strict=True):
        here = shown[(shown.sweep == sweep) & (shown.model == model)]
        for treatment in sorted(set(here.treatment)):
            for evaluation in SHOWN:
                of_both = (here.treatment == treatment) & (here.evaluation == evaluation)
                _curve(axis, here[of_both], str(treatment), evaluation)
        quantity = here.quantity.iloc[0]
        axis.set(title=f"{sweep}, {model}", xlabel=quantity, ylabel=here.metric.iloc[0])
        if here.better.iloc[0] == "lower":
            log_scale(axis, "y", here.score)
        tick_amounts(axis, here)
    note_not_finite(figure, shown.score)
    legend_below(figure, axes, 3)
    return figure


def _curve(axis: Axes, rows: pd.DataFrame, treatment: str, evaluation: str) -> None:
    if rows.empty:
        return
    look = EVALUATIONS[evaluation]
    axis.errorbar(
        rows.value,
        finite(rows.score),
        error_bars(rows.score, rows.low, rows.high),
        fmt=look.marker + ("-" if evaluation == "plain" else ":"),
        color=hue(int(rows.number.iloc[0])),
        label=treatment if evaluation == "plain" else f"{treatment}, {look.label}",
        capsize=2,
        markersize=4,
    )


def tell(table: Table) -> str:
    """What the largest value of each sweep makes of the score at its smallest."""
    shown = rows_of(table).sort_values("value", kind="stable")
    by_curve = shown.groupby(CURVE, sort=False).score
    ratios = (by_curve.last(skipna=False) / by_curve.first(skipna=False)).reset_index()
    what = "Score at the last value of a sweep over that at its first"
    return smallest_and_largest(what, ratios, "score", ["sweep"])


FIGURE = Drawing(table, draw, tell)
