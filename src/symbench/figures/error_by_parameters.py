"""Test error against the number of parameters and the depth of circuits."""

import pandas as pd
from matplotlib.figure import Figure

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import NOTHING, smallest_and_largest
from symbench.figures.results import StudyResults, estimated
from symbench.figures.style import (
    WIDTH,
    error_bars,
    finite,
    grid,
    hue,
    legend_below,
    line,
    log_scale,
    note_not_finite,
    nothing_to_draw,
)

# So few values have a tick each.
FEW = 5
CIRCUITS = "circuit_gates"
COLUMNS = [
    "task",
    "model",
    "architecture",
    "number",
    "parameters",
    "blocks",
    "metric",
    "score",
    "low",
    "high",
]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each task and model that is trained and evaluated plainly.

    `blocks` is the depth of a circuit, empty for what is none; `number` is that of the first model
    of the architecture.
    """
    depth = _depths(results)
    rows = []
    for group in results.full_groups:
        if group.treatment != "none" or "plain" not in group.evaluations:
            continue
        architecture = results.study.settings.models[group.model].architecture
        parameters = int(group.open("plain").attrs["parameters"])
        row = [group.task, group.model, architecture, results.architecture_numbers[architecture]]
        row += [parameters, depth.get(group.model), group.score.name, *estimated(group)]
        rows.append(row)
    found = pd.DataFrame(rows, columns=COLUMNS)
    return found.sort_values(["task", "parameters"], key=_in_order, kind="stable")


def _in_order(column: pd.Series) -> pd.Series:
    """Tasks in the order in which they come, numbers by size."""
    if column.name == "task":
        return pd.Series(pd.factorize(column)[0], index=column.index)
    return column


def _depths(results: StudyResults) -> dict[str, int]:
    """Number of blocks of each circuit, by model."""
    circuits = results.further_table(CIRCUITS, ("model", "blocks")).drop_duplicates("model")
    return dict(zip(circuits.model, circuits.blocks, strict=True))


def draw(table: Table) -> Figure:
    """A row a task; left parameters, right blocks; models of one architecture are joined."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw("No run was trained plainly and evaluated plainly.")
    tasks = list(dict.fromkeys(shown.task))
    figure, axes = grid(len(tasks), 2, (WIDTH, 3.0 * len(tasks)))
    for row, task in zip(axes, tasks, strict=True):
        here = shown[shown.task == task]
        for axis, quantity in zip(row, ("parameters", "blocks"), strict=True):
            known = here.dropna(subset=quantity)
            for architecture, rows in known.groupby("architecture", sort=False):
                rows = rows.sort_values(quantity)
                number = int(rows.number.iloc[0])
                axis.errorbar(
                    rows[quantity].to_numpy(dtype=float),
                    finite(rows.score),
                    error_bars(rows.score, rows.low, rows.high),
                    fmt="o" + line(number),
                    color=hue(number),
                    label=str(architecture),
                    capsize=2,
                )
            if known.empty:
                axis.text(0.5, 0.5, "no circuits", transform=axis.transAxes, ha="center")
            axis.set(xlabel=quantity, title=task, ylabel=here.metric.iloc[0])
            log_scale(axis, "y", known.score)
            if quantity == "blocks" and 0 < known[quantity].nunique() < FEW:
                axis.set_xticks(sorted(set(known[quantity].astype(int))))
            else:
                log_scale(axis, "x", known[quantity])
    note_not_finite(figure, shown.score)
    legend_below(figure, axes[:, 0], 3)
    return figure


def tell(table: Table) -> str:
    """The smallest and the largest score, with the number of parameters."""
    parts = [
        smallest_and_largest(f"Test {metric}", rows, "score", ["parameters"])
        for metric, rows in rows_of(table).groupby("metric", sort=False)
    ]
    return " ".join(part for part in parts if part != NOTHING) or NOTHING


FIGURE = Drawing(table, draw, tell)
