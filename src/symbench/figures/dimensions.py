"""One pass against 2^d: time and error of equivariant networks by dimension of space."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from symbench.evaluation.results import RunGroup
from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
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
    note,
    note_not_finite,
    nothing_to_draw,
)

# Runs that are there for the time of a pass are trained for less, and their errors say nothing.
ENOUGH_EPOCHS = 5
REFERENCE = "sign_equivariant"
COLUMNS = [
    "model",
    "number",
    "task",
    "dimension",
    "epochs",
    "seconds",
    "time_ratio",
    "metric",
    "score",
    "low",
    "high",
]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each model on tasks of several dimensions, trained and evaluated plainly.

    `time_ratio` is the time of a pass over that of the sign-equivariant network on the same task;
    the score is empty after fewer than five epochs.
    """
    shown = [
        (group, dimension)
        for group in results.plainly_trained
        if "plain" in group.evaluations and (dimension := _dimension(results, group)) is not None
    ]
    count: dict[str, set[int]] = {}
    for group, dimension in shown:
        count.setdefault(group.model, set()).add(dimension)
    swept = [(group, dimension) for group, dimension in shown if len(count[group.model]) > 1]
    seconds = {
        (group.task, group.model): results.value(group, "plain", "seconds_per_sample")
        for group, _ in swept
    }
    reference = {task: time for (task, model), time in seconds.items() if REFERENCE in model}
    rows = []
    for group, dimension in sorted(swept, key=lambda pair: pair[1]):
        epochs = len(group.history) / len(group.seeds)
        trained = epochs >= ENOUGH_EPOCHS
        time = seconds[group.task, group.model]
        value, low, high = estimated(group) if trained else (float("nan"),) * 3
        row = [group.model, results.number(group.model), group.task, dimension, epochs, time]
        row += [time / reference.get(group.task, float("nan")), group.score.name, value, low, high]
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("number", kind="stable")


def _dimension(results: StudyResults, group: RunGroup) -> int | None:
    found = results.study.task(group.task).parameters.get("dimension")
    return found if isinstance(found, int) else None


def draw(table: Table) -> Figure:
    """Left: time over that of the sign-equivariant network. Right: score."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw("No model was trained plainly on tasks of several dimensions.")
    figure, axes = grid(1, 2, (WIDTH, 3.4))
    left, right = axes[0]
    for model, rows in shown.groupby("model", sort=False):
        number = int(rows.number.iloc[0])
        style = {"color": hue(number), "linestyle": line(number), "marker": "o"}
        left.plot(rows.dimension, finite(rows.time_ratio), label=str(model), **style)
        rows = rows.dropna(subset="score")
        if len(rows):
            bars = error_bars(rows.score, rows.low, rows.high)
            right.errorbar(rows.dimension, finite(rows.score), bars, capsize=2, **style)
    span = np.arange(shown.dimension.min(), shown.dimension.max() + 1)
    left.plot(span, 2.0**span, color="0.5", linestyle="--", label="2^d passes")
    left.set(yscale="log", ylabel="time of a pass / sign-equivariant")
    right.set(ylabel=f"test {shown.metric.iloc[0]}")
    log_scale(left, "y", [*shown.time_ratio, *2.0**span])
    log_scale(right, "y", shown.score)
    for axis in (left, right):
        axis.set_xlabel("dimension of space")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if shown.time_ratio.isna().all():
        note(figure, "Times cannot be compared: no sign-equivariant network is among the runs.")
    if shown.score.isna().all():
        right.set_visible(False)
    trained = shown.epochs >= ENOUGH_EPOCHS
    if untrained := list(dict.fromkeys(shown[~trained].task)):
        few = f"not trained for {ENOUGH_EPOCHS} epochs"
        note(figure, f"No errors are shown of what was {few}: {', '.join(untrained)}.")
    note_not_finite(figure, shown[trained].score)
    legend_below(figure, (left,), 5)
    return figure


def tell(table: Table) -> str:
    """Times of a pass in the highest dimension."""
    shown = rows_of(table)
    last = shown[shown.dimension == shown.dimension.max()]
    what = "Time of a pass over that of the sign-equivariant network, in the highest dimension"
    return smallest_and_largest(what, last, "time_ratio")


FIGURE = Drawing(table, draw, tell)
