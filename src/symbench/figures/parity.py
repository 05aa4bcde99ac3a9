"""Predicted against true values on the test split."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from symbench.evaluation.results import RunGroup
from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, finite, grid, note_not_finite, nothing_to_draw

# Energies are kept in meV, of which a surface has thousands.
SCALED = {"meV": (1e-3, "eV"), "meV/Å": (1e-3, "eV/Å")}
COLUMNS = ["task", "model", "quantity", "unit", "seed", "sample", "true", "predicted"]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each predicted number of each test sample and seed; plain training, evaluation."""
    parts = [
        _rows(group)
        for group in results.full_groups
        if group.treatment == "none"
        and "plain" in group.evaluations
        and "predictions" in group.open("plain")
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _rows(group: RunGroup) -> pd.DataFrame:
    dataset = group.open("plain")
    wide = dataset[["targets", "predictions"]].transpose("seed", "sample", "output")
    scales = [SCALED.get(str(unit), (1.0, str(unit))) for unit in dataset.unit.values]
    factors = np.array([factor for factor, _ in scales])
    shape = wide.targets.shape
    return pd.DataFrame(
        {
            "task": group.task,
            "model": group.model,
            "quantity": np.broadcast_to(dataset.quantity.values, shape).ravel(),
            "unit": np.broadcast_to(np.array([unit for _, unit in scales]), shape).ravel(),
            "seed": np.repeat(group.seeds, shape[1] * shape[2]),
            "sample": np.tile(np.repeat(np.arange(shape[1]), shape[2]), shape[0]),
            "true": (wide.targets.values * factors).ravel(),
            "predicted": (wide.predictions.values * factors).ravel(),
        }
    )


def draw(table: Table) -> Figure:
    """A row for each task and quantity; a column a model; points of all seeds."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw(
            "No run that was trained and evaluated plainly predicts a few numbers for each sample."
        )
    rows = list(dict.fromkeys(zip(shown.task, shown.quantity, strict=True)))
    models = {task: list(dict.fromkeys(of.model)) for task, of in shown.groupby("task")}
    columns = max(len(names) for names in models.values())
    figure, axes = grid(len(rows), columns, (WIDTH * max(1.0, columns / 6), 1.9 * len(rows)))
    for axis in axes.flat:
        axis.set_visible(False)
    for row, (task, quantity) in zip(axes, rows, strict=True):
        for axis, model in zip(row, models[task], strict=False):
            here = shown[(shown.task == task) & (shown.quantity == quantity)]
            unit = here.unit.iloc[0]
            here = here[here.model == model]
            axis.set_visible(True)
            axis.plot(finite(here.true), finite(here.predicted), ".", markersize=2, alpha=0.5)
            true = here.true[np.isfinite(here.true)]
            low, high = true.min(), true.max()
            margin = 0.1 * (high - low)
            if margin > 0:
                axis.plot([low, high], [low, high], color="0.4", linewidth=0.7)
                ends = (low - margin, high + margin)
                axis.set(xlim=ends, ylim=ends)
                if outside := int((~here.predicted.between(*ends)).sum()):
                    text = f"{outside} of {len(here)} outside"
                    axis.set_title(text, fontsize="xx-small", loc="right", y=0, color="0.4")
            axis.tick_params(labelsize="xx-small")
            axis.set_xlabel(f"true {quantity} ({unit})", fontsize="x-small")
            axis.set_title(f"{task}\n{str(model).replace('_', ' ')}", fontsize="xx-small")
        row[0].set_ylabel(f"predicted ({unit})", fontsize="x-small")
    note_not_finite(figure, shown.predicted)
    return figure


def tell(table: Table) -> str:
    """How far predictions are from the truth, over how far the truth is from its mean."""
    shown = rows_of(table)
    names = ["task", "model", "quantity"]
    spread = shown.true - shown.groupby(names).true.transform("mean")
    squares = shown.assign(error=(shown.predicted - shown.true) ** 2, spread=spread**2)
    means = squares.groupby(names, sort=False)[["error", "spread"]].mean(skipna=False)
    explained = (1 - means.error / means.spread).rename("explained").reset_index()
    what = "Part of the variance that predictions explain"
    return smallest_and_largest(what, explained, "explained", ["quantity"])


FIGURE = Drawing(table, draw, tell)
