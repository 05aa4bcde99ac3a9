"""Every way of imposing the symmetry: score, invariance and price of one prediction."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import best_and_worst
from symbench.figures.results import StudyResults, label
from symbench.figures.style import (
    EVALUATIONS,
    finite,
    hue,
    line,
    log_scale,
    note_not_finite,
    nothing_to_draw,
    panels,
)

# Above this relative error a prediction visibly depends on the pose.
INVARIANT = 1e-3
COLUMNS = [
    "task",
    "label",
    "number",
    "evaluation",
    "milliseconds",
    "metric",
    "score",
    "better",
    "equivariance_error",
]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each model, treatment and evaluation: means over samples and seeds."""
    rows = []
    for group in results.groups:
        for evaluation in EVALUATIONS:
            if evaluation not in group.evaluations:
                continue
            rows.append(
                [
                    group.task,
                    label(group),
                    results.label_number(group),
                    evaluation,
                    1e3 * results.value(group, evaluation, "seconds_per_sample"),
                    group.score.name,
                    results.value(group, evaluation, group.score.name),
                    group.score.better,
                    results.value(group, evaluation, "equivariance_error"),
                ]
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(table: Table) -> Figure:
    """A panel a task; colour is model and training, marker the evaluation, hollow not invariant."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw("No run of this study has evaluations.")
    tasks = list(dict.fromkeys(shown.task))
    figure, axes = panels(len(tasks), 2, 3.4)
    for axis, task in zip(axes, tasks, strict=True):
        here = shown[shown.task == task]
        for name, rows in here.groupby("label", sort=False):
            number = int(rows.number.iloc[0])
            times, scores = finite(rows.milliseconds), finite(rows.score)
            axis.plot(
                times, scores, line(number), color=hue(number), linewidth=0.7, label=str(name)
            )
            errors = rows.equivariance_error
            for time, value, evaluation, error in zip(
                times, scores, rows.evaluation, errors, strict=True
            ):
                fill = hue(number) if error < INVARIANT else "white"
                marker = EVALUATIONS[str(evaluation)].marker
                axis.plot(time, value, marker, color=hue(number), markerfacecolor=fill)
        log_scale(axis, "x", here.milliseconds)
        if here.better.iloc[0] == "lower":
            log_scale(axis, "y", here.score)
        axis.set(title=task, xlabel="inference (ms per sample)", ylabel=here.metric.iloc[0])
        axis.legend(fontsize="xx-small", loc="center left", bbox_to_anchor=(1, 0.5))
    handles = [
        Line2D([], [], marker=look.marker, linestyle="", color="0.3", label=look.label)
        for look in EVALUATIONS.values()
    ]
    note_not_finite(figure, shown.score)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def tell(table: Table) -> str:
    """The best and the worst way where they lie farthest apart."""
    return best_and_worst(rows_of(table))


FIGURE = Drawing(table, draw, tell)
