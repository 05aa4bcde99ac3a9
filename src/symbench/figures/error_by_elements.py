"""What averaging buys at how many evaluations of the model, beside models that need only one."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults, estimated, label
from symbench.figures.style import (
    finite,
    hue,
    legend_below,
    line,
    log_scale,
    note_not_finite,
    nothing_to_draw,
    panels,
)

COLUMNS = ["task", "label", "number", "averaged", "elements", "metric", "score"]


def table(results: StudyResults) -> pd.DataFrame:
    """Rows for each model and treatment on tasks where some model is averaged.

    What is averaged has a row for each number of elements, the mean over samples and seeds of the
    average over the first of them; what is not has one row, of its plain evaluation.
    """
    averaged = {
        group.task
        for group in results.full_groups
        if "average" in group.evaluations
        and _by_elements(group.score.name) in group.open("average")
    }
    rows = []
    for group in results.full_groups:
        if group.task not in averaged:
            continue
        head = [group.task, label(group), results.label_number(group)]
        name = group.score.name
        if "average" in group.evaluations and _by_elements(name) in group.open("average"):
            dataset = group.open("average")
            for count, values in dataset[_by_elements(name)].groupby("elements"):
                rows.append([*head, True, count, name, float(values.mean())])
        elif "plain" in group.evaluations:
            rows.append([*head, False, 1, name, estimated(group)[0]])
    return pd.DataFrame(rows, columns=COLUMNS)


def _by_elements(metric: str) -> str:
    return f"{metric}_by_elements"


def draw(table: Table) -> Figure:
    """A panel a task: error of the average over the first elements; lines for one evaluation."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw("No model was averaged over a growing number of elements.")
    tasks = list(dict.fromkeys(shown.task))
    figure, axes = panels(len(tasks), 3, 3.4)
    for axis, task in zip(axes, tasks, strict=True):
        here = shown[shown.task == task]
        for name, rows in here.groupby("label", sort=False):
            number = int(rows.number.iloc[0])
            if rows.averaged.iloc[0]:
                axis.plot(
                    rows.elements,
                    finite(rows.score),
                    "s" + line(number),
                    color=hue(number),
                    label=f"{name}, averaged",
                )
            elif not pd.isna(value := finite(rows.score)[0]):
                axis.axhline(value, color=hue(number), linestyle="--", label=str(name))
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        log_scale(axis, "y", here.score)
        axis.set(title=task, xlabel="evaluations of the model", ylabel=here.metric.iloc[0])
    note_not_finite(figure, shown.score)
    legend_below(figure, axes)
    return figure


def tell(table: Table) -> str:
    """What all elements leave of the error of one."""
    averaged = rows_of(table).query("averaged").sort_values("elements", kind="stable")
    by_network = averaged.groupby(["task", "label"], sort=False).score
    left = (by_network.last(skipna=False) / by_network.first(skipna=False)).reset_index()
    what = "Score of the average over most elements, over that of one element"
    return smallest_and_largest(what, left, "score")


FIGURE = Drawing(table, draw, tell)
