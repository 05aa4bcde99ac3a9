"""The small network inside many layers."""

from torch import nn


def perceptron(
    features_in: int, hidden: int, features_out: int, last: bool = False
) -> nn.Sequential:
    """Two linear layers with SiLU between them, and after them if `last`."""
    layers = [nn.Linear(features_in, hidden), nn.SiLU(), nn.Linear(hidden, features_out)]
    return nn.Sequential(*layers, nn.SiLU()) if last else nn.Sequential(*layers)
