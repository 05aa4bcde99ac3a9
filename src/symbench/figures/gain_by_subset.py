"""How much of the gain a part of the group keeps: random subsets, subgroups, theory."""

import re

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import StrMethodFormatter

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import NOTHING, finite_rows, smallest_and_largest
from symbench.figures.results import StudyResults
from symbench.figures.style import (
    finite,
    hue,
    legend_below,
    line,
    note,
    note_not_finite,
    nothing_to_draw,
    panels,
)
from symbench.statistics import kept_gain

METRIC = "nmse"
# The part of the shares that is shown; some subgroups make errors several times larger.
SHARES = (-0.35, 1.15)
PATTERNS = {"subset": r"^subset(\d+)$", "subgroup": r"^subgroup\d+_order(\d+)$"}
COLUMNS = ["task", "model", "number", "part", "name", "elements", METRIC, "share"]


def table(results: StudyResults) -> pd.DataFrame:
    """Rows for random subsets, subgroups and theory, of what was trained plainly.

    `nmse` is the squared error over the variance of the target, mean over samples and seeds;
    `share` the part of the gain by the whole group, empty where averaging gains nothing. Theory
    (P5) has rows without a model.
    """
    rows = []
    orders: dict[str, int] = {}
    for group in results.plainly_trained:
        metrics = results.rows(group)
        means = metrics[metrics.metric == METRIC].groupby("evaluation", sort=False).value.mean()
        found = [
            (part, name, int(match[1]), float(value))
            for name, value in zip(means.index.astype(str), means, strict=True)
            for part, pattern in PATTERNS.items()
            if (match := re.match(pattern, name))
        ]
        subsets = {count: value for part, _, count, value in found if part == "subset"}
        if not subsets:
            continue
        order = max(subsets)
        orders[group.task] = max(order, orders.get(group.task, 1))
        gain = subsets[1] - subsets[order]
        for part, name, count, value in sorted(found, key=lambda row: (row[0], row[2])):
            share = (subsets[1] - value) / gain if gain > 0 else float("nan")
            head = [group.task, group.model, results.number(group.model)]
            rows.append([*head, part, name, count, value, share])
    for task, order in orders.items():
        kept = kept_gain(order, np.arange(1, order + 1, dtype=float))
        for elements, part_kept in enumerate(kept, start=1):
            rows.append([task, "", -1, "theory", "", elements, float("nan"), float(part_kept)])
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(table: Table) -> Figure:
    """One panel a task: share of the gain in normalised squared error against elements."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw(
            "No run that was trained plainly has errors of averages over parts of its group."
        )
    tasks = list(dict.fromkeys(shown.task))
    figure, axes = panels(len(tasks), 4, 2.8)
    without = []
    for axis, task in zip(axes, tasks, strict=True):
        here = shown[shown.task == task]
        for model, rows in here[here.part != "theory"].groupby("model", sort=False):
            number = int(rows.number.iloc[0])
            if rows.share.isna().all():
                without.append(f"{model} on {task}")
                continue
            subsets, groups = (rows[rows.part == part] for part in PATTERNS)
            axis.plot(
                subsets.elements,
                finite(subsets.share),
                "." + line(number),
                color=hue(number),
                label=str(model),
            )
            axis.scatter(
                groups.elements,
                finite(groups.share),
                facecolors="none",
                edgecolors=[hue(number)],
                s=16,
                linewidths=0.7,
            )
        theory = here[here.part == "theory"]
        axis.plot(theory.elements, theory.share, color="black", linestyle="--")
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_ylim(*SHARES)
        axis.set(title=task, xlabel="elements averaged")
    axes[0].set_ylabel("share of the gain kept")
    if without:
        note(figure, f"Averaging gains nothing that could be shared out: {', '.join(without)}.")
    measured = shown[shown.part != "theory"]
    note_not_finite(figure, measured[METRIC])
    outside = int((np.isfinite(measured.share) & ~measured.share.between(*SHARES)).sum())
    if outside:
        note(figure, f"{outside} of {len(measured)} shares lie outside of the panels.")
    theory_line = Line2D([], [], color="black", linestyle="--", label="theory")
    legend_below(figure, axes, 5, last=[theory_line])
    return figure


def tell(table: Table) -> str:
    """What random halves of the group keep of the gain, and subgroups of as many elements."""
    shown = rows_of(table)
    most = shown.groupby("task").elements.transform("max")
    half = finite_rows(shown[2 * shown.elements == most], "share")
    kept = half[half.part == "subset"].share
    if kept.empty and finite_rows(shown, "share").empty:
        return NOTHING
    if kept.empty:
        return "No average over half of the elements has a finite share of the gain."
    told = f"Half of the elements keep {kept.median():.3g} of the gain in the median."
    subgroups = smallest_and_largest(
        "Share that subgroups of half of the elements keep", half[half.part == "subgroup"], "share"
    )
    return told if subgroups == NOTHING else f"{told} {subgroups}"


FIGURE = Drawing(table, draw, tell)
