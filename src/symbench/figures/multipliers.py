"""How γ, λ, slacks and free branches of homotopy layers move while a network is trained."""

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, nothing_to_draw

QUANTITIES = {"gamma": "γ", "ratio": "|γ free| / |equivariant|", "lambda": "λ", "slack": "u"}
CONSTRAINED = "lambda:"


def draw(results: StudyResults) -> Figure:
    """A row a constrained cell, first seed; a column a quantity; a line a layer."""
    shown = [
        family
        for family in results.families
        if any(str(name).startswith(CONSTRAINED) for name in family.history)
    ]
    if not shown:
        return nothing_to_draw()
    figure, axes = plt.subplots(
        len(shown), len(QUANTITIES), figsize=(WIDTH, 1.7 * len(shown)), squeeze=False, sharex="row"
    )
    for row, family in zip(axes, shown, strict=True):
        history = family.history[family.history.seed == family.seeds[0]]
        for axis, (prefix, symbol) in zip(row, QUANTITIES.items(), strict=True):
            columns = [name for name in history if str(name).startswith(f"{prefix}:")]
            if not columns:
                axis.set_visible(False)
                continue
            colours = sns.color_palette("viridis", len(columns))
            for name, colour in zip(columns, colours, strict=True):
                axis.plot(history.epoch, history[name], color=colour, linewidth=1)
            if prefix == "ratio":
                axis.set_yscale("log")
            else:
                axis.axhline(0, color="0.5", linewidth=0.6)
            axis.set_ylabel(symbol)
        row[0].set_title(f"{family.task}, {family.model}, {family.treatment}", loc="left")
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    return figure
