"""Widths at which networks are of the size of others, so that comparisons are of their kinds."""

from collections.abc import Callable

import torch
from torch import nn


def size(model: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def width_of_size(build: Callable[[int], nn.Module], parameters: float) -> int:
    """The width at which a network is nearest to so many parameters, 1 at least.

    Args:
        build: the network of a width; the wider, the larger. It is built without memory, and
            without drawing a number.
        parameters: that it should have.

    """

    def at(width: int) -> int:
        with torch.device("meta"):
            return size(build(width))

    low, high = 1, 2
    while at(high) < parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at(middle) < parameters else (low, middle)
    return min(low, high, key=lambda width: abs(at(width) - parameters))
