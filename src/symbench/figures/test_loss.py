"""Test loss against epoch, for the eye: no choice is made by it."""

from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import nothing_to_draw
from symbench.figures.validation_loss import learning_curves


def draw(results: StudyResults) -> Figure:
    """One panel a task whose settings have `test_every`; the band spans the seeds."""
    history = results.history
    if "test_loss" not in history:
        return nothing_to_draw()
    return learning_curves(history.dropna(subset="test_loss"), "test_loss")
