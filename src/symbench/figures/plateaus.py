"""Random circuits of growing size: variance of gradients, and which states are reached."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults
from symbench.figures.style import (
    WIDTH,
    finite,
    grid,
    hue,
    legend_below,
    line,
    log_scale,
    note_not_finite,
    nothing_to_draw,
)

METRICS = {
    "gradient_variance": "variance of derivatives by angles",
    "divergence": "divergence from random states",
}
COLUMNS = ["architecture", "number", "active", "qubits", *METRICS]


def table(results: StudyResults) -> pd.DataFrame:
    """The table `circuit_statistics` of the comparison, with the number of a model in the study."""
    statistics = results.further_table("circuit_statistics", COLUMNS)
    numbers = statistics.architecture.map(results.architecture_numbers).fillna(0)
    return statistics.assign(number=numbers.astype(int))[COLUMNS]


def draw(table: Table) -> Figure:
    """Against the number of qubits; nothing here is trained."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw("No statistics of circuits were made: none is among the models.")
    figure, axes = grid(1, 2, (WIDTH, 3.2))
    for axis, (metric, label) in zip(axes[0], METRICS.items(), strict=True):
        for architecture, rows in shown.groupby("architecture", sort=False):
            number = int(rows.number.iloc[0])
            values = finite(rows[metric])
            style = "o" + line(number)
            axis.plot(rows.qubits, values, style, color=hue(number), label=str(architecture))
        log_scale(axis, "y", shown[metric])
        axis.set(xlabel="qubits", ylabel=label)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    note_not_finite(figure, shown[list(METRICS)].to_numpy().ravel())
    legend_below(figure, axes[0])
    return figure


def tell(table: Table) -> str:
    """Variance of derivatives of the largest circuits."""
    shown = rows_of(table)
    largest = shown[shown.qubits == shown.groupby("architecture").qubits.transform("max")]
    what = "Variance of derivatives by angles of the largest circuits"
    return smallest_and_largest(what, largest, "gradient_variance", ["qubits"])


FIGURE = Drawing(table, draw, tell)
