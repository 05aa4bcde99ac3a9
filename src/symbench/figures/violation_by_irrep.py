"""The squared error over the orbit of a finite group by irreps: what averaging leaves or takes."""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from symbench.evaluation.violation import errors_by_irrep, subgroups_left, whole_group
from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults, label
from symbench.figures.style import (
    error_bars,
    finite,
    hue,
    legend_below,
    log_scale,
    marker,
    note,
    note_not_finite,
    nothing_to_draw,
    panels,
)
from symbench.statistics import ratio
from symbench.symmetry.irreps import TRIVIAL

# Shares below this are round-off of single precision.
_ROUND_OFF = 1e-6
COLUMNS = ["task", "model", "treatment", "label", "number", "group", "irrep", "left_by"]
COLUMNS += ["elements", "share", "low", "high"]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each irrep of each run group that was averaged over a whole finite group.

    `share` is the part of the squared error over the orbit that is of the irrep, with its interval;
    `left_by` names the subgroups whose averages leave something of it; `elements` is the part of
    the functions on the group that are of the irrep: the share of an error without any order.
    """
    rows = []
    for group in results.groups:
        whole, errors = whole_group(group), errors_by_irrep(group)
        if whole is None or not errors:
            continue
        whole_error = np.sum([values.values for _, values in errors], axis=0)
        total = group.mean(replace(errors[0][1], values=whole_error))
        number = results.label_number(group)
        about = (group.task, group.model, group.treatment, label(group), number, whole.name)
        for irrep, values in errors:
            share = ratio(group.mean(values), total)
            left = "" if irrep.name == TRIVIAL else subgroups_left(irrep, whole)
            interval = share.interval("this network")
            part = irrep.rank / whole.order
            rows.append([*about, irrep.name, left, part, share.value, *interval])
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(table: Table) -> Figure:
    """A panel a task: the share of each irrep for each network, beside that of noise (grey)."""
    rows = rows_of(table)
    if rows.empty:
        return nothing_to_draw("No network was averaged over a finite group with a list of irreps.")
    tasks = list(rows.groupby("task", sort=False))
    figure, axes = panels(len(tasks), 2 if rows.irrep.nunique() <= 12 else 1, 3.2)
    labels: dict[str, int] = {}
    for axis, (task, here) in zip(axes, tasks, strict=True):
        irreps = here.drop_duplicates("irrep")
        places = np.arange(len(irreps))
        width = 0.35
        axis.hlines(irreps.elements * 100, places - width, places + width, color="0.7", zorder=1)
        networks = list(here.groupby("label", sort=False))
        offsets = np.linspace(-width, width, len(networks) + 2)[1:-1]
        for offset, (name, of_network) in zip(offsets, networks, strict=True):
            labels[str(name)] = int(of_network.number.iloc[0])
            axis.errorbar(
                places + offset,
                100 * finite(of_network.share.where(of_network.share >= _ROUND_OFF)),
                yerr=100 * error_bars(of_network.share, of_network.low, of_network.high),
                fmt="o",
                markersize=4,
                color=hue(labels[str(name)]),
                elinewidth=0.8,
            )
        shown = here.share[here.share >= _ROUND_OFF]
        log_scale(axis, "y", 100 * np.concatenate([shown, irreps.elements]))
        axis.set_xticks(places, list(irreps.irrep))
        axis.set(title=f"{task}, {here.group.iloc[0]}", ylabel="share of the squared error, %")
        axis.grid(visible=False, axis="x")
    if len(small := rows[rows.share < _ROUND_OFF]):
        names = dict.fromkeys(f"{row.task}, {row.label}" for row in small.itertuples(index=False))
        note(
            figure,
            f"{len(small)} of {len(rows)} shares are below {100 * _ROUND_OFF:g} %, which is "
            f"round-off, and not shown: of {'; '.join(names)}.",
        )
    note_not_finite(figure, rows.share)
    noise = Line2D([], [], color="0.7", label="an error without any order")
    points = [marker("o", hue(number), name) for name, number in labels.items()]
    legend_below(figure, [], 4, last=[*points, noise])
    return figure


def tell(table: Table) -> str:
    """The part of the error that averaging takes away."""
    names = ["task", "model", "treatment"]
    taken = rows_of(table).query("irrep != @TRIVIAL")
    shares = 100 * taken.groupby(names, sort=False).share.sum(skipna=False)
    what = "Part of the squared error over the orbit that averaging takes away, in %"
    return smallest_and_largest(what, shares.reset_index(), "share")


FIGURE = Drawing(table, draw, tell)
