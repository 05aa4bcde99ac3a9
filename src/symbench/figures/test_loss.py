"""Test loss against epoch, for the eye: no choice is made by it."""

from symbench.figures.drawing import Drawing
from symbench.figures.learning_curves import learning_curves

FIGURE: Drawing = learning_curves("test_loss", "test loss")
