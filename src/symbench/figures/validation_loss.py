"""Validation loss against epoch."""

from symbench.figures.drawing import Drawing
from symbench.figures.learning_curves import learning_curves

FIGURE: Drawing = learning_curves("valid_loss", "validation loss")
