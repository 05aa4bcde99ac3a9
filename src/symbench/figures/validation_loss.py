"""Validation loss against epoch."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import model_palette, treatment_palette

COLUMNS = 3
LABELS = {"valid_loss": "validation loss", "test_loss": "test loss"}


def draw(results: StudyResults) -> Figure:
    """One panel a task; the band spans the seeds."""
    return learning_curves(results.history, "valid_loss")


def learning_curves(history: pd.DataFrame, loss: str) -> Figure:
    """A column of training histories against epoch."""
    most = history.groupby("task")[["model", "treatment"]].nunique().max()
    hue, style = ("treatment", "model") if most.treatment > most.model else ("model", "treatment")
    palette = treatment_palette if hue == "treatment" else model_palette
    grid = sns.relplot(
        data=history,
        x="epoch",
        y=loss,
        hue=hue,
        style=style,
        col="task",
        col_wrap=min(COLUMNS, history.task.nunique()),
        kind="line",
        palette=palette(history[hue]),
        errorbar=("pi", 100),
        height=2.4,
        aspect=1.1,
        facet_kws={"sharex": False, "sharey": False},
    )
    grid.figure.set_layout_engine("constrained")
    grid.set(yscale="log", ylabel=LABELS[loss])
    grid.set_titles("{col_name}")
    sns.move_legend(grid, "outside right upper")
    return grid.figure
