"""A loss against epoch: what the figures of validation and test loss share."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults
from symbench.figures.style import (
    HUES,
    finite,
    hue,
    log_scale,
    note_not_finite,
    nothing_to_draw,
    panels,
)

DASHES: tuple[tuple[float, Sequence[float]], ...] = (
    (0, ()),
    (0, (4, 2)),
    (0, (1, 1.5)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (8, 1.5)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (1, 4)),
)
COLUMNS = ["task", "model", "treatment", "colour", "number", "epoch", "mean", "low", "high"]


def learning_curves(loss: str, name: str) -> Drawing:
    """A figure of a column of the training histories; `name` is what the axis says."""
    parts = (partial(_table, loss=loss), partial(_draw, name=name), partial(_tell, name=name))
    return Drawing(*parts)


def _table(results: StudyResults, loss: str) -> pd.DataFrame:
    """A row for each run group and epoch: mean, smallest and largest value over the seeds.

    `colour` says what has a colour: the treatment where some task has more treatments than models,
    else the model; `number` is that of it in the study.
    """
    colour, order = "model", results.models
    if _more_treatments(results):
        colour, order = "treatment", results.treatments
    parts = []
    for group in results.groups:
        if loss not in group.history or group.history[loss].isna().all():
            continue
        values = group.history.dropna(subset=loss).groupby("epoch")[loss]
        found = values.agg(mean="mean", low="min", high="max").reset_index()
        about = {"task": group.task, "model": group.model, "treatment": group.treatment}
        number = order.index(about[colour])
        parts.append(found.assign(**about, colour=colour, number=number)[COLUMNS])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _more_treatments(results: StudyResults) -> bool:
    names = pd.DataFrame(list(results.study.groups), columns=["task", "model", "treatment"])
    most = names.groupby("task").nunique().max()
    return bool(most.treatment > most.model)


def _draw(table: Table, name: str) -> Figure:
    """One panel a task; the band spans the seeds."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw(
            f"No run of this study has a history with a {name}: all weights were published, or the "
            "training settings did not ask for it."
        )
    tasks = list(dict.fromkeys(shown.task))
    coloured = str(shown.colour.iloc[0])
    other = "treatment" if coloured == "model" else "model"
    others = list(dict.fromkeys(shown[other]))
    figure, axes = panels(len(tasks), 3, 2.6)
    for axis, task in zip(axes, tasks, strict=True):
        here = shown[shown.task == task]
        for _, rows in here.groupby(["model", "treatment"], sort=False):
            colour = hue(int(rows.number.iloc[0]))
            position = others.index(rows[other].iloc[0])
            style = _dashes(int(rows.number.iloc[0]), position, len(others))
            low, mean, high = (finite(rows[key]) for key in ("low", "mean", "high"))
            marker = "." if len(rows) == 1 else None
            axis.plot(rows.epoch, mean, marker=marker, color=colour, linestyle=style)
            axis.fill_between(rows.epoch, low, high, color=colour, alpha=0.2, linewidth=0)
        log_scale(axis, "y", here[["low", "mean", "high"]].to_numpy().ravel())
        axis.set(title=task, xlabel="epoch", ylabel=name)
    numbers = dict(zip(shown[coloured], shown.number, strict=True))
    handles = [
        Line2D(
            [], [], color=hue(number), linestyle=_dashes(number, 0, len(others)), label=str(value)
        )
        for value, number in numbers.items()
    ]
    if len(others) > 1:
        handles += [
            Line2D(
                [], [], color="0.3", linestyle=_dashes(0, position, len(others)), label=str(value)
            )
            for position, value in enumerate(others)
        ]
    figure.legend(handles=handles, loc="outside right upper", fontsize="small")
    note_not_finite(figure, shown["mean"])
    return figure


def _tell(table: Table, name: str) -> str:
    """The loss after the last epoch of each run group, over that after its first."""
    shown = rows_of(table).sort_values("epoch", kind="stable")
    by_group = shown.groupby(["task", "model", "treatment"], sort=False)["mean"]
    ratios = (by_group.last(skipna=False) / by_group.first(skipna=False)).reset_index()
    what = f"{name.capitalize()} after the last epoch over that after the first"
    return smallest_and_largest(what, ratios, "mean")


def _dashes(number: int, position: int, positions: int) -> tuple[float, Sequence[float]]:
    """The line style of a hue and a position among others: hues that come again have others."""
    return DASHES[(number // len(HUES) * positions + position) % len(DASHES)]
