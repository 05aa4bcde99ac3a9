"""Canonical periodic shifts of a grid.

Only shifts have a cheap frame of grid elements; rotations and flips of pixels would need
resampling or a choice that jumps (P9).
"""

import math
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from symbench.errors import SymmetryError

# Where rounding goes up, in cells: fields that are their own mirror image have phases of exactly
# half a cell, which must not be a matter of the last digit.
_ROUNDING = 0.5 - 1e-6
# Error of a mean or of a wave in double precision, relative to the mean of the absolute values.
_ERROR = 100 * torch.finfo(torch.float64).eps


def check_periodic(boundary: str | Sequence[str]) -> None:
    """Raise `SymmetryError` unless all axes are periodic; one kind stands for all of them."""
    boundary = [boundary] if isinstance(boundary, str) else boundary
    if any(kind.upper() != "PERIODIC" for kind in boundary):
        raise SymmetryError(
            f"Canonical shifts ('frame') need periodic axes; the boundaries are "
            f"{', '.join(boundary)}."
        )


def canonical_shift(reference: Tensor, otherwise: Tensor | None = None) -> Tensor:
    """The shift, in cells, that brings the longest wave along each axis to phase zero.

    Exactly equivariant: rolling the reference by n cells lowers the answer by n (modulo the grid).
    It is not continuous where the amplitude of that wave vanishes. A sample that is not finite
    has no pose and is not shifted.

    Args:
        reference: shape (batch, *space).
        otherwise: the shifts of samples that have none, shape (batch, axis), with a warning.

    Returns:
        Integers of shape (batch, axis).

    Raises:
        SymmetryError: if the wave is too weak to tell the cell, or its phase between two cells, and
            no others are given.

    """
    axes = range(1, reference.ndim)
    if not len(reference):
        return torch.zeros(0, len(axes), dtype=torch.long, device=reference.device)
    wide = reference.to(torch.promote_types(reference.dtype, torch.float64))
    scale = wide.abs().flatten(1).mean(dim=1)
    finite = scale.isfinite()
    shifts = []
    for axis in axes:
        others = [other for other in axes if other != axis]
        profile = wide.mean(dim=others) if others else wide
        size = profile.shape[1]
        wave = torch.fft.fft(profile, dim=1, norm="forward")[:, 1 % size]
        cells = size / (2 * math.pi)
        place = wave.angle() * cells + _ROUNDING
        uncertain = cells * _ERROR * (1 + scale / wave.abs())
        unclear = finite & ~((place - place.round()).abs() > uncertain)
        if size > 1 and bool(unclear.any()):
            why = (
                f"no canonical shift along axis {'xyz'[axis - 1]}: the longest wave of its "
                "reference channel is too weak, or between two cells"
            )
            if otherwise is None:
                raise SymmetryError(
                    f"Sample {int(unclear.nonzero()[0, 0])} has {why}. Choose another reference, "
                    "or average over shifts."
                )
            warnings.warn(f"A sample has {why}; its frame is not exact.", stacklevel=2)
        found = place.masked_fill(~finite, 0).floor().long() % size
        shifts.append(found if otherwise is None else found.where(~unclear, otherwise[:, axis - 1]))
    return torch.stack(shifts, dim=1)


def roll_each(values: Tensor, shifts: Tensor) -> Tensor:
    """Roll each sample by its own shift; values (batch, channel, *space), shifts (batch, axis)."""
    axes = list(range(1, values.ndim - 1))
    if not len(values):
        return values
    return torch.stack(
        [torch.roll(v, s, dims=axes) for v, s in zip(values, shifts.tolist(), strict=True)]
    )


class CanonicalShift(nn.Module):
    """A model made exactly equivariant to periodic grid shifts at the price of one pass."""

    def __init__(
        self,
        model: Callable[[Tensor], Tensor],
        reference_channel: int = 0,
        boundary: str | Sequence[str] = (),
        refuse: bool = True,
        follow: bool = False,
    ) -> None:
        """Wrap a model.

        Args:
            model: maps (batch, channel, *space) to (batch, channel, *space).
            reference_channel: the input channel whose longest waves fix the pose; a scalar of the
                newest frame is a good choice.
            boundary: kind of boundary of each axis, or of all; not checked if it is not given.
            refuse: whether a sample without a pose is refused; else it stays where it is, with a
                warning.
            follow: for the calls of one rollout: a sample that loses its pose, since predictions
                become constant along an axis, keeps that of the call before, which moves with it.

        Raises:
            SymmetryError: if an axis is not periodic.

        """
        super().__init__()
        check_periodic(boundary)
        self.model = model
        self.reference_channel = reference_channel
        self.refuse = refuse
        self.follow = follow
        self.last: Tensor | None = None

    def forward(self, values: Tensor) -> Tensor:
        """Move to the canonical pose, apply the model, move back."""
        otherwise = self.last
        if otherwise is None and not self.refuse:
            otherwise = values.new_zeros(len(values), values.ndim - 2, dtype=torch.long)
        shifts = canonical_shift(values[:, self.reference_channel], otherwise)
        if self.follow:
            self.last = shifts
        return roll_each(self.model(roll_each(values, shifts)), -shifts)
