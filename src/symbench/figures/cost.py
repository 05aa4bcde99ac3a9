"""Error against the price of inference."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults
from symbench.figures.style import (
    EVALUATIONS,
    finite,
    hue,
    legend_below,
    line,
    log_scale,
    note_not_finite,
    nothing_to_draw,
    panels,
)

COLUMNS = ["task", "model", "number", "evaluation", "metric", "score", "seconds", "time_ratio"]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each model that is trained plainly, and each of its evaluations.

    `time_ratio` is the time of inference over that of the plain evaluation.
    """
    rows = []
    for group in results.plainly_trained:
        if len(group.evaluations) < 2 or "plain" not in group.evaluations:
            continue
        plain = results.value(group, "plain", "seconds_per_sample")
        for evaluation in group.evaluations:
            seconds = results.value(group, evaluation, "seconds_per_sample")
            rows.append(
                {
                    "task": group.task,
                    "model": group.model,
                    "number": results.number(group.model),
                    "evaluation": evaluation,
                    "metric": group.score.name,
                    "score": results.value(group, evaluation, group.score.name),
                    "seconds": seconds,
                    "time_ratio": seconds / plain,
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(table: Table) -> Figure:
    """One panel a task; the evaluations of each model are joined by a line."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw(
            "No run that was trained plainly has another evaluation beside the plain one."
        )
    tasks = list(dict.fromkeys(shown.task))
    figure, axes = panels(len(tasks), 4, 2.8)
    for axis, task in zip(axes, tasks, strict=True):
        here = shown[shown.task == task]
        for model, rows in here.groupby("model", sort=False):
            ordered = rows.sort_values("time_ratio")
            number = int(rows.number.iloc[0])
            times, scores = finite(ordered.time_ratio), finite(ordered.score)
            axis.plot(times, scores, line(number), color=hue(number), label=str(model))
            for time, value, evaluation in zip(times, scores, ordered.evaluation, strict=True):
                fill = "white" if evaluation == "frame" else hue(number)
                marker = EVALUATIONS[str(evaluation)].marker
                axis.plot(time, value, marker, color=hue(number), markerfacecolor=fill)
        log_scale(axis, "x", here.time_ratio)
        axis.set(title=task, xlabel="inference time / plain", ylabel=here.metric.iloc[0])
    looks = [EVALUATIONS[str(name)] for name in dict.fromkeys(shown.evaluation)]
    markers = [
        Line2D([], [], marker=look.marker, linestyle="", color="0.4", label=look.label)
        for look in looks
    ]
    note_not_finite(figure, shown.score)
    legend_below(figure, axes, 5, last=markers)
    return figure


def tell(table: Table) -> str:
    """What another evaluation costs, over the plain one."""
    others = rows_of(table).query("evaluation != 'plain'")
    return smallest_and_largest("Time of inference over the plain one", others, "time_ratio")


FIGURE = Drawing(table, draw, tell)
