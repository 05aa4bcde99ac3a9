"""The gain predicted without labels against the gain that was measured."""

import itertools

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults, label
from symbench.figures.style import (
    MARKERS,
    WIDTH,
    error_bars,
    finite,
    grid,
    hue,
    legend_below,
    log_scale,
    marker,
    note,
    note_not_finite,
    nothing_to_draw,
)
from symbench.statistics import difference

# Orbit variances below this part of the variance are round-off of single precision.
_ROUND_OFF = 1e-10

COLUMNS = [
    "task",
    "label",
    "number",
    "predicted",
    "predicted_low",
    "predicted_high",
    "gain",
    "gain_low",
    "gain_high",
]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each run group with an exact symmetry and errors of the whole orbit.

    In units of the variance of each field or quantity: the orbit variance, which needs no labels,
    and by how much averaging lowers the squared error.
    """
    rows = []
    for group in results.groups:
        found = group.squared_errors() if group.exact else {}
        if not found:
            continue
        errors = {name: group.mean(values) for name, values in found.items()}
        predicted = errors["orbit_variance"]
        gain = difference(errors["plain"], errors["averaged"])
        row = [group.task, label(group), results.label_number(group)]
        row += [
            predicted.value,
            *predicted.interval("this network"),
            gain.value,
            *gain.interval("this network"),
        ]
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(table: Table) -> Figure:
    """One point for each run group; on the dashed line the prediction is right.

    Networks that are equivariant to round-off are named above the axes: they have no place on them.
    """
    rows = rows_of(table)
    equivariant = rows.predicted < _ROUND_OFF
    shown = rows[~equivariant]
    names = [f"{row.task}, {row.label}" for row in rows[equivariant].itertuples(index=False)]
    sentence = (
        f"Equivariant to round-off, so that averaging cannot gain anything ({len(names)} of "
        f"{len(rows)} networks): {'; '.join(names)}."
    )
    if shown.empty:
        return nothing_to_draw(
            sentence
            if names
            else "No run with an exact symmetry was averaged over its group when it was evaluated."
        )
    tasks = dict(zip(dict.fromkeys(shown.task), itertools.cycle(MARKERS), strict=False))
    hues = dict(zip(shown.label, shown.number, strict=True))
    figure, axes = grid(1, 1, (WIDTH, 5.0))
    axis = axes[0, 0]
    across = error_bars(shown.predicted, shown.predicted_low, shown.predicted_high)
    up = error_bars(shown.gain, shown.gain_low, shown.gain_high)
    for position, row in enumerate(shown.itertuples(index=False)):
        axis.errorbar(
            finite(shown.predicted)[position],
            finite(shown.gain)[position],
            xerr=across[:, [position]],
            yerr=up[:, [position]],
            fmt=tasks[row.task],
            color=hue(int(str(row.number))),
            capsize=2,
        )
    values = [*finite(shown.predicted), *finite(shown.gain)]
    positive = [value for value in values if value > 0]
    if positive:
        span = [min(positive) / 2, max(positive) * 2]
        axis.plot(span, span, color="0.4", linestyle="--")
        log_scale(axis, "x", [*span, *shown.predicted])
        log_scale(axis, "y", [*span, *shown.gain])
    axis.set_xlabel("predicted gain: orbit variance / field variance, no labels")
    axis.set_ylabel("measured gain in squared error / field variance")
    if names:
        note(figure, sentence)
    note_not_finite(figure, values)
    markers = [
        *(marker(shape, "0.4", str(task)) for task, shape in tasks.items()),
        *(marker("o", hue(int(number)), str(name)) for name, number in hues.items()),
    ]
    line = Line2D([], [], color="0.4", linestyle="--", label="predicted = measured (P4)")
    legend_below(figure, [], 4, last=[*markers, line])
    return figure


def tell(table: Table) -> str:
    """How far predicted gains are from measured ones."""
    shown = rows_of(table)
    shown = shown[shown.predicted >= _ROUND_OFF]
    ratios = shown.assign(ratio=shown.gain / shown.predicted)
    return smallest_and_largest("Measured gain over the predicted one", ratios, "ratio")


FIGURE = Drawing(table, draw, tell)
