"""The gain predicted without labels against the gain that was measured."""

import pandas as pd
from matplotlib.figure import Figure

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.results import PLAINLY, StudyResults, label
from symbench.figures.style import (
    MARKERS,
    error_bars,
    finite,
    grid,
    hue,
    legend_right,
    log_scale,
    note,
    note_not_finite,
    nothing_to_draw,
)
from symbench.statistics import difference

COLUMNS = [
    "task",
    "label",
    "number",
    "plainly_trained",
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
        row = [group.task, label(group), results.number(group.model), group.treatment == PLAINLY]
        row += [
            predicted.value,
            *predicted.interval("this network"),
            gain.value,
            *gain.interval("this network"),
        ]
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(table: Table) -> Figure:
    """One point for each run group; on the dashed line the prediction is right."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw(
            "No run with an exact symmetry was averaged over its group when it was evaluated."
        )
    tasks = list(dict.fromkeys(shown.task))
    figure, axes = grid(1, 1, (6.2, 4.2))
    axis = axes[0, 0]
    across = error_bars(shown.predicted, shown.predicted_low, shown.predicted_high)
    up = error_bars(shown.gain, shown.gain_low, shown.gain_high)
    for position, row in enumerate(shown.itertuples(index=False)):
        colour = hue(int(str(row.number)))
        axis.errorbar(
            finite(shown.predicted)[position],
            finite(shown.gain)[position],
            xerr=across[:, [position]],
            yerr=up[:, [position]],
            fmt=MARKERS[tasks.index(str(row.task)) % len(MARKERS)],
            color=colour,
            markerfacecolor=colour if row.plainly_trained else "white",
            label=f"{row.task}, {row.label}",
            capsize=2,
        )
    values = [*finite(shown.predicted), *finite(shown.gain)]
    positive = [value for value in values if value > 0]
    if positive:
        span = [min(positive) / 2, max(positive) * 2]
        axis.plot(span, span, color="0.4", linestyle="--", label="predicted = measured (P4)")
        log_scale(axis, "x", [*span, *shown.predicted])
        log_scale(axis, "y", [*span, *shown.gain])
    axis.set_xlabel("predicted gain: orbit variance / field variance, no labels")
    axis.set_ylabel("measured gain in squared error / field variance")
    if (zero := int((shown.predicted == 0).sum())) > 0:
        note(
            figure,
            f"{zero} of {len(shown)} networks have an orbit variance of exactly 0: they are "
            "equivariant, and averaging cannot gain anything.",
        )
    note_not_finite(figure, values)
    legend_right(figure, axis)
    return figure


FIGURE = Drawing(table, draw)
