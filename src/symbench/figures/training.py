"""Validation loss against epoch."""

import seaborn as sns
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import model_palette


def draw(results: StudyResults) -> Figure:
    """One panel a task; the band spans the seeds."""
    history = results.history
    grid = sns.relplot(
        data=history,
        x="epoch",
        y="valid_loss",
        hue="model",
        style="treatment",
        col="task",
        kind="line",
        palette=model_palette(history.model),
        errorbar=("pi", 100),
        height=2.6,
        aspect=0.9,
        facet_kws={"sharey": False},
    )
    grid.figure.set_layout_engine("constrained")
    grid.set(yscale="log", ylabel="validation loss")
    grid.set_titles("{col_name}")
    return grid.figure
