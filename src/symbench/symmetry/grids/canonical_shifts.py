"""Canonical periodic shifts of a grid.

Only shifts have a cheap frame of grid elements; rotations and flips of pixels would need
resampling or a choice that jumps (P9).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


def canonical_shift(reference: Tensor) -> Tensor:
    """The shift, in cells, that brings the longest wave along each axis to phase zero.

    Equivariant: rolling the reference by n cells lowers the answer by n (modulo the grid). It is
    not continuous where the amplitude of that wave vanishes.

    Args:
        reference: shape (batch, *space).

    Returns:
        Integers of shape (batch, axis).

    """
    axes = range(1, reference.ndim)
    shifts = []
    for axis in axes:
        others = [other for other in axes if other != axis]
        profile = reference.double().mean(dim=others) if others else reference.double()
        size = profile.shape[1]
        phase = torch.fft.fft(profile, dim=1)[:, 1].angle()
        shifts.append(torch.round(phase * size / (2 * math.pi)).long() % size)
    return torch.stack(shifts, dim=1)


def roll_each(values: Tensor, shifts: Tensor) -> Tensor:
    """Roll each sample by its own shift; values (batch, channel, *space), shifts (batch, axis)."""
    axes = list(range(1, values.ndim - 1))
    return torch.stack(
        [torch.roll(v, s, dims=axes) for v, s in zip(values, shifts.tolist(), strict=True)]
    )


class CanonicalShift(nn.Module):
    """A model made exactly equivariant to periodic grid shifts at the price of one pass."""

    def __init__(self, model: Callable[[Tensor], Tensor], reference_channel: int = 0) -> None:
        """Wrap a model.

        Args:
            model: maps (batch, channel, *space) to (batch, channel, *space).
            reference_channel: the input channel whose longest waves fix the pose; a scalar of the
                newest frame is a good choice.

        """
        super().__init__()
        self.model = model
        self.reference_channel = reference_channel

    def forward(self, values: Tensor) -> Tensor:
        """Move to the canonical pose, apply the model, move back."""
        shifts = canonical_shift(values[:, self.reference_channel])
        return roll_each(self.model(roll_each(values, shifts)), -shifts)
