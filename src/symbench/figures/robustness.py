"""Scores on other test sets: corrupted, or beyond the law of the training data."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from symbench.evaluation.results import RunGroup
from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults, estimated
from symbench.figures.style import (
    WIDTH,
    finite,
    grid,
    hue,
    log_scale,
    note_not_finite,
    nothing_to_draw,
)

COLUMNS = ["task", "model", "treatment", "number", "test_set", "metric", "better", "score"]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each run group and test set, plain evaluation; `number` is that of the treatment.

    The metric is the score of the task, or else the first that all of its test sets have.
    """
    rows = []
    for group in results.groups:
        if "plain" not in group.evaluations:
            continue
        sets = _test_sets(group)
        metric = _shared_metric(group, sets)
        if not sets or metric is None:
            continue
        for name in ("", *sets):
            rows.append(
                [
                    group.task,
                    group.model,
                    group.treatment,
                    results.treatments.index(group.treatment),
                    name or "as trained",
                    metric,
                    group.score.better,
                    estimated(group, metric=f"{metric}_{name}" if name else metric)[0],
                ]
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _test_sets(group: RunGroup) -> list[str]:
    dimensions = map(str, group.open("plain").dims)
    return [name.removeprefix("sample_") for name in dimensions if name.startswith("sample_")]


def _shared_metric(group: RunGroup, sets: list[str]) -> str | None:
    known = [str(name) for name in group.open("plain").data_vars]
    shared = [name for name in known if all(f"{name}_{other}" in known for other in sets)]
    return group.score.name if group.score.name in shared else next(iter(sorted(shared)), None)


def draw(table: Table) -> Figure:
    """A panel a task and model: bars of each test set, one for each training."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw("No task of this study has a further test set.")
    pairs = list(dict.fromkeys(zip(shown.task, shown.model, strict=True)))
    figure, axes = grid(len(pairs), 1, (WIDTH, 2.8 * len(pairs)))
    for axis, (task, model) in zip(axes[:, 0], pairs, strict=True):
        here = shown[(shown.task == task) & (shown.model == model)]
        sets = list(dict.fromkeys(here.test_set))
        treatments = list(dict.fromkeys(here.treatment))
        width = 0.8 / len(treatments)
        for order, treatment in enumerate(treatments):
            bars = here[here.treatment == treatment]
            at = np.array([sets.index(name) for name in bars.test_set])
            at = at + (order - (len(treatments) - 1) / 2) * width
            colour = hue(int(bars.number.iloc[0]))
            axis.bar(at, finite(bars.score), width, color=colour, label=treatment)
        axis.set_xticks(range(len(sets)), sets, rotation=20, ha="right")
        axis.set(title=f"{task}, {model}", ylabel=here.metric.iloc[0])
        if here.better.iloc[0] == "lower":
            log_scale(axis, "y", here.score)
        axis.legend(fontsize="xx-small", loc="center left", bbox_to_anchor=(1, 0.5))
    note_not_finite(figure, shown.score)
    return figure


def tell(table: Table) -> str:
    """What other test sets do to the score."""
    names = ["task", "model", "treatment"]
    shown = rows_of(table)
    trained = shown[shown.test_set == "as trained"].set_index(names).score.rename("trained")
    others = shown[shown.test_set != "as trained"].join(trained, on=names)
    ratios = others.assign(ratio=others.score / others.trained)
    what = "Score on another test set over that on the one as trained"
    return smallest_and_largest(what, ratios, "ratio", ["test_set"])


FIGURE = Drawing(table, draw, tell)
