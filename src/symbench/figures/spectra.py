"""Power spectra of truth and rollouts at some lead times."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults
from symbench.figures.style import (
    COLOURS,
    OPERATORS,
    WIDTH,
    finite,
    grid,
    legend_below,
    note,
    nothing_to_draw,
)

TRUTH = "truth"
EVALUATIONS = ("plain", "average")
COLUMNS = ["task", "model", "lead_time", "series", "wavenumber", "power"]
# What is so much below the largest power of the truth is round-off.
ROUND_OFF = 1e-9


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each wavenumber, lead time and operator; means over trajectories and seeds.

    Of each task the last of the models that were trained plainly and have rollouts; the mean of a
    field (wavenumber 0) is left out.
    """
    chosen = {
        group.task: group
        for group in results.plainly_trained
        if "plain" in group.evaluations and "spectrum" in group.open("plain")
    }
    rows = []
    for task, group in chosen.items():
        plain = group.open("plain")
        series = {TRUTH: plain.spectrum_truth.sel(operator="plain")}
        for name in EVALUATIONS:
            if name in group.evaluations and "spectrum" in group.open(name):
                dataset = group.open(name)
                for operator in dataset.operator.values:
                    label = OPERATORS[str(operator)]
                    series[label] = dataset.spectrum.sel(operator=operator)
        for lead in plain.panel_lead.values:
            for label, values in series.items():
                power = values.sel(panel_lead=lead).mean("seed", skipna=False)
                for wave, value in zip(plain.wavenumber.values[1:], power.values[1:], strict=True):
                    rows.append([task, group.model, int(lead), label, int(wave), float(value)])
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(table: Table) -> Figure:
    """A row for each task; a column for each lead time."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw(
            "No run that was trained plainly has rollouts: its tasks are no fields, or their "
            "trajectories are shorter than the rollouts of the config."
        )
    tasks = list(dict.fromkeys(shown.task))
    most = max(rows.lead_time.nunique() for _, rows in shown.groupby("task"))
    figure, axes = grid(len(tasks), most, (WIDTH, 0.8 + 1.9 * len(tasks)))
    lost = []
    for row, task in zip(axes, tasks, strict=True):
        here = shown[shown.task == task]
        leads = list(dict.fromkeys(here.lead_time))
        for axis in row[len(leads) :]:
            axis.set_visible(False)
        for axis, lead in zip(row, leads, strict=False):
            at_lead = here[here.lead_time == lead]
            for label, rows in at_lead.groupby("series", sort=False):
                power = finite(rows.power)
                if label == TRUTH:
                    axis.plot(rows.wavenumber, power, color="0.7", linewidth=3, label=TRUTH)
                elif pd.isna(power).all():
                    lost.append(f"{task}, lead {lead}, {label}")
                else:
                    axis.plot(rows.wavenumber, power, color=COLOURS[str(label)], label=str(label))
            truth = finite(at_lead[at_lead.series == TRUTH].power)
            axis.set_title(f"{task}\n{here.model.iloc[0]}, lead {lead}", fontsize="small")
            if (truth > 0).any():
                axis.set(xscale="log", yscale="log")
                bottom = max(np.nanmax(truth) * ROUND_OFF, truth[truth > 0].min() / 10)
                axis.set_ylim(bottom=bottom)
            for one in (axis.xaxis, axis.yaxis):
                one.set_major_formatter("{x:g}")
                one.set_minor_locator(NullLocator())
        row[0].set_ylabel("power")
    for axis in axes[-1]:
        axis.set_xlabel("wavenumber (waves along the longest side)", fontsize="small")
    if lost:
        note(figure, f"No spectrum, because rollouts diverged: {'; '.join(lost)}.")
    legend_below(figure, (axes[0, 0],))
    return figure


def tell(table: Table) -> str:
    """How much power rollouts have at the last lead time shown, over all waves."""
    shown = rows_of(table)
    last = shown[shown.lead_time == shown.groupby("task").lead_time.transform("max")]
    names = ["task", "model", "series"]
    sums = last.groupby(names, sort=False).power.sum(skipna=False)
    power = sums.reset_index()
    truth = power[power.series == TRUTH].set_index("task").power.rename("truth")
    ratios = power[power.series != TRUTH].join(truth, on="task")
    ratios = ratios.assign(ratio=ratios.power / ratios.truth)
    what = "Power over that of the truth, at the last lead time shown"
    return smallest_and_largest(what, ratios, "ratio", ["series"])


FIGURE = Drawing(table, draw, tell)
