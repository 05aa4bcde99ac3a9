"""What a figure shows, in words: one to three sentences that follow from its table by rule."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

from symbench.figures.style import EVALUATIONS

NOTHING = "Nothing can be shown: there is no finite value."
# A change of less than half a per mille is none, however small its interval: round-off, say.
UNCHANGED = 5e-4
# What is left as it is has no name in a sentence.
_SILENT = {"", "none", "plain", "nan"}


def finite_rows(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Rows whose values in these columns are all finite."""
    values = table[list(columns)].to_numpy(dtype=float)
    return table[np.isfinite(values).all(axis=1)]


def smallest_and_largest(
    what: str,
    table: pd.DataFrame,
    column: str,
    names: Sequence[str] = (),
) -> str:
    """The smallest and the largest finite value of a column, whose they are, and the median.

    How many are not finite is said behind. They stand without intervals, which do not know that the
    values were chosen for their size.

    Args:
        what: the values are.
        table: with a row for each value.
        column: of the values.
        names: of the columns that tell rows apart, beside task, network and evaluation.

    Returns:
        A sentence: `NOTHING` if no value is finite.

    """
    rows = finite_rows(table, column).sort_values(column, kind="stable")
    if rows.empty:
        return NOTHING
    first, last = (
        f"{_value(row, column)} ({called(row, names)})"
        for row in rows.iloc[[0, -1]].to_dict("records")
    )
    told = first
    if len(rows) > 1:
        told = f"from {first} to {last}, in the median {rows[column].median():.3g}"
    if lost := _not_finite(table, column):
        told += f"; {lost}"
    return f"{what}: {told}."


def best_and_worst(table: pd.DataFrame, column: str = "score") -> str:
    """Of each metric of a table, how far the best network of a task leads before the worst.

    Args:
        table: with a row for each score, and columns task, metric and better.
        column: of the scores.

    Returns:
        Two sentences: how many tasks there are, and the one where most is won, and a third if some
        scores are not finite; `NOTHING` if no score is.

    """
    leads = []
    for (task, metric), rows in finite_rows(table, column).groupby(["task", "metric"], sort=False):
        ordered = rows.sort_values(column, ascending=rows.better.iloc[0] == "lower", kind="stable")
        best, worst = ordered.iloc[[0, -1]].to_dict("records")
        small, large = sorted(abs(float(row[column])) for row in (best, worst))
        ratio = large / small if small else np.inf
        told = f"the best {metric} is {_value(best, column)} ({called(best, task=False)})"
        if len(ordered) > 1:
            told += f", the worst {_value(worst, column)} ({called(worst, task=False)})"
        leads.append((ratio, f"On {task} {told}."))
    if not leads:
        return NOTHING
    widest = max(leads, key=lambda lead: lead[0])[1]
    if lost := _not_finite(table, column):
        widest += f" Of all scores {lost}."
    if len(leads) == 1:
        return widest
    return f"Of {len(leads)} tasks, networks lie farthest apart on one. {widest}"


def _not_finite(table: pd.DataFrame, column: str) -> str:
    """How many infinite values a column has beside others; an empty cell was not evaluated."""
    count = int(np.isinf(table[column].to_numpy(dtype=float)).sum())
    return f"{count} more {'is' if count == 1 else 'are'} not finite" if count else ""


def called(row: Mapping[Hashable, object], names: Sequence[str] = (), task: bool = True) -> str:
    """A row of a table by network, treatment, evaluation and further columns, and its task."""
    network = str(row.get("label", row.get("model", row.get("architecture", ""))))
    evaluation = str(row.get("evaluation", ""))
    look = EVALUATIONS.get(evaluation)
    ways = ["" if "label" in row else str(row.get("treatment", ""))]
    ways.append(look.label if look and evaluation not in _SILENT else evaluation)
    parts = [network, *(way for way in ways if way not in _SILENT)]
    for name in names:
        value, quantity = row[name], name.replace("_", " ")
        counted = isinstance(value, int | float)
        parts.append(f"{value:g} {quantity}" if counted else f"{quantity} {value}")
    told = ", ".join(part for part in parts if part)
    return f"{told} on {row['task']}" if task and "task" in row else told


def _value(row: Mapping[Hashable, object], column: str) -> str:
    return f"{float(str(row[column])):.3g}"
