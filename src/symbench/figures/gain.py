"""Relative change of the one-step score by averaging, per task, model and training treatment."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import NOTHING, UNCHANGED, finite_rows, smallest_and_largest
from symbench.figures.results import PLAINLY, StudyResults, change_by_averaging
from symbench.figures.style import (
    MARKERS,
    error_bars,
    finite,
    hue,
    note_not_finite,
    nothing_to_draw,
    panels,
)

COLUMNS = [
    "task",
    "group",
    "symmetry",
    "model",
    "number",
    "treatment",
    "metric",
    "percent",
    "low",
    "high",
]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each run group with a plain and an averaged evaluation; change in percent."""
    rows = []
    for group in results.groups:
        if (percent := change_by_averaging(group)) is None:
            continue
        settings = results.study.task(group.task).settings
        symmetry = "exact" if group.exact else "broken"
        about = (group.task, settings.group, symmetry, group.model, results.number(group.model))
        rows.append([*about, group.treatment, group.score.name, *percent])
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(table: Table) -> Figure:
    """One panel a task; points with 95 % intervals, hollow if they were not trained plainly."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw("No run of this study was evaluated both plainly and averaged.")
    tasks = list(dict.fromkeys(shown.task))
    treatments = sorted(set(shown.treatment), key=lambda name: (name != PLAINLY, name))
    markers = {name: MARKERS[i % len(MARKERS)] for i, name in enumerate(treatments)}
    metrics = list(dict.fromkeys(shown.metric))
    figure, axes = panels(len(tasks), 4, 2.9)
    for axis in axes[1:]:
        axis.sharey(axes[0])
    for axis, task in zip(axes, tasks, strict=True):
        here = shown[shown.task == task]
        bars = error_bars(here.percent, here.low, here.high)
        for position, row in enumerate(here.itertuples()):
            colour = hue(int(str(row.number)))
            axis.errorbar(
                position,
                finite(here.percent)[position],
                yerr=bars[:, [position]],
                fmt=markers[str(row.treatment)],
                markerfacecolor=colour if row.treatment == PLAINLY else "white",
                color=colour,
                capsize=3,
            )
        axis.axhline(0, color="0.3", linewidth=0.8)
        axis.set_title(f"{task}\n{here.group.iloc[0]}, {here.symmetry.iloc[0]}")
        axis.set_xticks([])
        axis.set_xlim(-0.7, len(here) - 0.3)
    metric = metrics[0].upper() if metrics == ["vrmse"] else " or ".join(metrics)
    axes[0].set_ylabel(f"change of {metric} by averaging (%)")
    figure.legend(
        handles=[*_models(shown), *_treatments(markers)],
        loc="outside lower center",
        ncols=5,
        fontsize="small",
    )
    note_not_finite(figure, shown.percent)
    return figure


def _models(shown: pd.DataFrame) -> list[Line2D]:
    numbers = dict(zip(shown.model, shown.number, strict=True))
    return [
        Line2D([], [], marker="o", linestyle="", color=hue(int(number)), label=str(model))
        for model, number in numbers.items()
    ]


def _treatments(markers: dict[str, str]) -> list[Line2D]:
    """Markers of treatments, where there is more than that of the plain training."""
    if list(markers) == [PLAINLY]:
        return []
    return [
        Line2D(
            [],
            [],
            marker=marker,
            linestyle="",
            color="0.3",
            markerfacecolor="0.3" if name == PLAINLY else "white",
            label="trained plainly" if name == PLAINLY else f"trained with {name}",
        )
        for name, marker in markers.items()
    ]


def tell(table: Table) -> str:
    """For how many networks averaging lowers or raises the score, and for which most."""
    everything = rows_of(table)
    shown = finite_rows(everything, "percent")
    if shown.empty:
        return NOTHING
    changed = shown[shown[["low", "high"]].abs().max(axis=1) >= 100 * UNCHANGED]
    lower, higher = int((changed.high < 0).sum()), int((changed.low > 0).sum())
    changes = smallest_and_largest("Change in %", everything, "percent")
    return (
        f"Averaging lowers the score of {lower} of {len(everything)} networks and raises that of "
        f"{higher}, with intervals that leave out zero. {changes}"
    )


FIGURE = Drawing(table, draw, tell)
