"""How γ, λ, slacks and free branches of homotopy layers move while a network is trained."""

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, nothing_to_draw

QUANTITIES = {"gamma": "γ", "ratio": "ratio", "lambda": "λ", "slack": "u"}


def draw(results: StudyResults) -> Figure:
    """A row a constrained cell, first seed; a column a quantity; a line a layer."""
    shown = [family for family in results.families if "lambda" in family.multipliers]
    if not shown:
        return nothing_to_draw()
    figure, axes = plt.subplots(
        len(shown), len(QUANTITIES), figsize=(WIDTH, 1.7 * len(shown)), squeeze=False, sharex="row"
    )
    for row, family in zip(axes, shown, strict=True):
        multipliers = family.multipliers.sel(seed=family.seeds[0])
        for axis, (name, symbol) in zip(row, QUANTITIES.items(), strict=True):
            if name not in multipliers:
                axis.set_visible(False)
                continue
            lines = multipliers[name].transpose("layer", "epoch")
            for line, colour in zip(lines, sns.color_palette("viridis", len(lines)), strict=True):
                axis.plot(line.epoch, line, color=colour, linewidth=1)
            if name == "ratio":
                axis.set_yscale("log")
            else:
                axis.axhline(0, color="0.5", linewidth=0.6)
            axis.set_ylabel(symbol)
        row[0].set_title(f"{family.task}, {family.model}, {family.treatment}", loc="left")
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    return figure
