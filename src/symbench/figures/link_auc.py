"""AUC of link prediction by model and evaluation, beside the oracle and chance."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import NOTHING, finite_rows, smallest_and_largest
from symbench.figures.results import StudyResults, label
from symbench.figures.style import (
    EVALUATIONS,
    WIDTH,
    finite,
    grid,
    legend_below,
    note_not_finite,
    nothing_to_draw,
)

METRIC, ORACLE = "auc", "oracle_auc"
COLUMNS = ["task", "label", "evaluation", "seed", METRIC, ORACLE]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each trial: run group, evaluation and seed."""
    parts = []
    for group in results.groups:
        rows = results.rows(group)
        found = rows[rows.metric.isin((METRIC, ORACLE)) & rows.evaluation.isin(EVALUATIONS)]
        if not {METRIC, ORACLE} <= set(found.metric):
            continue
        wide = found.pivot_table(
            index=["task", "evaluation", "seed"], columns="metric", values="value", dropna=False
        ).reset_index()
        parts.append(wide.assign(label=label(group))[COLUMNS])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def draw(table: Table) -> Figure:
    """A panel a graph; small points are trials, large ones their mean."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw("No task of this study is the prediction of links.")
    tasks = list(dict.fromkeys(shown.task))
    figure, axes = grid(1, len(tasks), (WIDTH, 3.8))
    for axis in axes[0, 1:]:
        axis.sharey(axes[0, 0])
    for axis, task in zip(axes[0], tasks, strict=True):
        here = shown[shown.task == task]
        names = list(dict.fromkeys(here.label))
        for position, name in enumerate(names):
            for offset, (evaluation, look) in enumerate(EVALUATIONS.items()):
                chosen = here[(here.label == name) & (here.evaluation == evaluation)]
                if chosen.empty:
                    continue
                values = finite(chosen[METRIC])
                at = position + 0.22 * (offset - 1)
                axis.plot(np.full(len(values), at), values, ".", color=look.colour, alpha=0.4, ms=4)
                axis.plot(at, values.mean(), look.marker, color=look.colour, label=look.label)
        oracle = finite(here[here.evaluation == "plain"][ORACLE]).mean()
        if np.isfinite(oracle):
            axis.axhline(oracle, color="0.3", linestyle="--", label="oracle: same copy?")
        axis.axhline(0.5, color="0.3", linestyle=":", label="chance")
        axis.set(title=task, ylabel="AUC on test links")
        axis.set_xlim(-0.7, len(names) - 0.3)
        axis.set_xticks(range(len(names)), names, rotation=60, ha="right")
    note_not_finite(figure, shown[METRIC])
    legend_below(figure, axes[0], 5)
    return figure


def tell(table: Table) -> str:
    """The smallest and the largest mean AUC, beside that of the oracle."""
    shown = rows_of(table)
    keys = ["task", "label", "evaluation"]
    means = shown.groupby(keys, sort=False)[METRIC].apply(lambda each: each.mean(skipna=False))
    told = smallest_and_largest("Mean AUC", means.reset_index(), METRIC)
    oracles = finite_rows(shown, ORACLE).groupby("task", sort=False)[ORACLE].mean()
    if told == NOTHING or oracles.empty:
        return told
    each = ", ".join(f"{oracle:.3g} on {task}" for task, oracle in oracles.items())
    return f"{told} Oracle: {each}; chance: 0.5."


FIGURE = Drawing(table, draw, tell)
