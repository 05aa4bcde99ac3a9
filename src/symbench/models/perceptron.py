"""The small network inside many layers."""

from torch import nn


def perceptron(
    features_in: int, hidden: int, features_out: int, last: bool = False
) -> nn.Sequential:
    """Two linear layers with SiLU between them, and after them if `last`."""
    layers = [nn.Linear(features_in, hidden), nn.SiLU(), nn.Linear(hidden, features_out)]
    return nn.Sequential(*layers, nn.SiLU()) if last else nn.Sequential(*layers)


def small_steps(hidden: int) -> nn.Module:
    """Small at first, as in the public code: coordinates feed back into distances."""
    network = perceptron(hidden, hidden, 1)
    last = network[-1]
    assert isinstance(last, nn.Linear)
    nn.init.xavier_uniform_(last.weight, gain=0.001)
    return network
