"""Error against the price of training and against that of inference, with the Pareto frontier."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import NOTHING, best_and_worst, smallest_and_largest
from symbench.figures.results import PLAINLY, StudyResults, estimated
from symbench.figures.style import (
    EVALUATIONS,
    WIDTH,
    error_bars,
    finite,
    grid,
    hue,
    legend_below,
    log_scale,
    marker,
    note_not_finite,
    nothing_to_draw,
)

COSTS = {"training": "training time / plain", "inference": "inference time / plain"}
COLUMNS = ["task", "model", "treatment", "number", "evaluation", "metric", "better"]
COLUMNS += ["score", "low", "high", *COSTS]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each evaluation of each treatment, where a model has several on one task.

    Costs are over those of plain training and of its plain evaluation.
    """
    order = results.treatments
    rows = []
    for plain in results.plainly_trained:
        alike = [g for g in results.groups if (g.task, g.model) == (plain.task, plain.model)]
        if len(alike) < 2 or "plain" not in plain.evaluations:
            continue
        seconds = results.value(plain, "plain", "seconds_per_sample")
        for group in alike:
            for evaluation in group.evaluations:
                costs = [
                    group.seconds_of_training / plain.seconds_of_training,
                    results.value(group, evaluation, "seconds_per_sample") / seconds,
                ]
                row = [group.task, group.model, group.treatment, order.index(group.treatment)]
                row += [evaluation, group.score.name, group.score.better]
                rows.append([*row, *estimated(group, evaluation), *costs])
    return pd.DataFrame(rows, columns=COLUMNS)


def frontier(costs: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Positions of the points that nothing as cheap is better than, from cheap to dear.

    Costs and errors have the shape (point,); points where one is not finite are left out.
    """
    best, chosen = np.inf, []
    for position in np.lexsort((errors, costs)):
        if np.isfinite(costs[position]) and errors[position] < best:
            best = errors[position]
            chosen.append(position)
    return np.array(chosen, dtype=int)


def draw(table: Table) -> Figure:
    """A row for each model and task: left the price of training, right that of inference."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw("No model has another treatment beside plain training on a task.")
    cases = list(shown.groupby(["task", "model"], sort=False))
    figure, axes = grid(len(cases), 2, (WIDTH, 3.0 * len(cases)))
    for row, ((task, model), here) in zip(axes, cases, strict=True):
        for axis, cost in zip(row, COSTS, strict=True):
            _draw_points(axis, here, cost)
            axis.set(title=f"{task}, {model}", xlabel=COSTS[cost], ylabel=here.metric.iloc[0])
    looks = [EVALUATIONS[str(name)] for name in dict.fromkeys(shown.evaluation)]
    hues = dict(zip(shown.treatment, shown.number, strict=True))
    markers = [
        *(marker("o", hue(int(number)), str(treatment)) for treatment, number in hues.items()),
        *(marker(look.marker, "0.4", look.label) for look in looks),
    ]
    line = Line2D([], [], color="0.6", drawstyle="steps-post", label="Pareto frontier")
    note_not_finite(figure, shown[["score", *COSTS]].to_numpy().ravel())
    legend_below(figure, [], 4, last=[*markers, line])
    return figure


def _draw_points(axis: Axes, here: pd.DataFrame, cost: str) -> None:
    scores, costs = finite(here.score), finite(here[cost])
    sign = -1 if here.better.iloc[0] == "higher" else 1
    best = frontier(costs, np.where(np.isnan(scores), np.inf, sign * scores))
    axis.plot(costs[best], scores[best], color="0.6", drawstyle="steps-post", zorder=1)
    bars = error_bars(here.score, here.low, here.high)
    for position, (number, evaluation) in enumerate(zip(here.number, here.evaluation, strict=True)):
        axis.errorbar(
            costs[position],
            scores[position],
            bars[:, position, None],
            fmt=EVALUATIONS[str(evaluation)].marker,
            color=hue(int(number)),
            markerfacecolor=hue(int(number)) if position in best else "white",
            elinewidth=0.8,
        )
    log_scale(axis, "x", here[cost])


def tell(table: Table) -> str:
    """The best and the worst way where they lie farthest apart, and what other trainings cost."""
    shown = rows_of(table)
    others = shown[(shown.treatment != PLAINLY) & (shown.evaluation == "plain")]
    price = smallest_and_largest("Time of training over the plain one", others, "training")
    scores = best_and_worst(shown)
    return scores if NOTHING in (scores, price) else f"{scores} {price}"


FIGURE = Drawing(table, draw, tell)
