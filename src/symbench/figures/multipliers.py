"""How γ, λ, slacks and free branches of homotopy layers move while a network is trained."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults
from symbench.figures.style import (
    WIDTH,
    finite,
    grid,
    log_scale,
    note_not_finite,
    nothing_to_draw,
)

QUANTITIES = {"gamma": "γ", "ratio": "ratio", "lambda": "λ", "slack": "u"}
RUN = ["task", "model", "treatment"]
COLUMNS = [*RUN, "seed", "quantity", "layer", "epoch", "value"]


def table(results: StudyResults) -> pd.DataFrame:
    """A row for each quantity, layer and epoch of the first seed of what was constrained."""
    parts = []
    for group in results.groups:
        if "lambda" not in group.multipliers:
            continue
        multipliers = group.multipliers.sel(seed=group.seeds[0])
        for quantity in QUANTITIES:
            if quantity not in multipliers:
                continue
            values = multipliers[quantity].rename("value")
            part = values.to_dataframe(dim_order=["layer", "epoch"]).reset_index()
            run = dict(zip(RUN, (group.task, group.model, group.treatment), strict=True))
            parts.append(part.dropna(subset="value").assign(**run, quantity=quantity)[COLUMNS])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def draw(table: Table) -> Figure:
    """A row a constrained run, first seed; a column a quantity; a line a layer."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw("No run of this study has homotopy layers that are constrained.")
    runs = list(dict.fromkeys(shown[RUN].itertuples(index=False, name=None)))
    figure, axes = grid(len(runs), len(QUANTITIES), (WIDTH, 1.7 * len(runs)))
    by_run = dict(iter(shown.groupby(RUN, sort=False)))
    for row, run in zip(axes, runs, strict=True):
        for axis, (quantity, symbol) in zip(row, QUANTITIES.items(), strict=True):
            lines = by_run[run][by_run[run].quantity == quantity]
            if lines.empty:
                axis.set_visible(False)
                continue
            layers = list(dict.fromkeys(lines.layer))
            for layer, colour in zip(
                layers, sns.color_palette("viridis", len(layers)), strict=True
            ):
                one = lines[lines.layer == layer]
                style = "-" if len(one) > 1 else "."
                axis.plot(one.epoch, finite(one.value), style, color=colour, linewidth=1)
            if quantity == "ratio":
                log_scale(axis, "y", lines.value)
            else:
                axis.axhline(0, color="0.5", linewidth=0.6)
            axis.set_ylabel(symbol)
        row[0].set_title(", ".join(run), loc="left")
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    note_not_finite(figure, shown.value)
    return figure


def tell(table: Table) -> str:
    """How far the layers are from equivariant at the end of training."""
    shown = rows_of(table)
    gammas = shown[shown.quantity == "gamma"]
    end = gammas[gammas.epoch == gammas.groupby(RUN).epoch.transform("max")]
    values = end.assign(value=end.value.abs())
    return smallest_and_largest("|γ| after the last epoch", values, "value", ["layer"])


FIGURE = Drawing(table, draw, tell)
