"""The action of a grid group on scalar, vector and tensor fields, in physical units.

A field of order n has one channel per tuple of n axes, in row-major order (The Well's layout).
Under R it goes to T'[a1..an](x) = det(R)^p R[a1,b1]..R[an,bn] T[b1..bn](R^-1 x), with p = 1 for
axial quantities (parity -1: vorticity, magnetic field). R is a signed permutation, so each output
channel is one input channel, moved, and times +1 or -1.

Networks see normalised channels, (value - mean) / std per channel. Such an affine map does not
commute with swaps and signs, so the action denormalises, acts and normalises again, folded into
one scale and one offset per element and channel.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from symbench.errors import SymmetryError
from symbench.symmetry.grids.field import Field, channel_count
from symbench.symmetry.grids.isometries import GridGroup, GridIsometry, check_grid

# Cells of one channel that are moved at once: 128 KiB in single precision.
_BLOCK = 2**15


@dataclass(frozen=True)
class Normalizer:
    """Affine map per channel, normalised = (physical - mean) / std.

    Attributes:
        mean: one value per channel of a frame, in the units of the channel.
        std: the same.

    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check that the map can be undone."""
        if len(self.mean) != len(self.std):
            raise SymmetryError("A normalizer needs as many means as standard deviations.")
        if not all(np.isfinite(self.mean)) or not all(s > 0 and np.isfinite(s) for s in self.std):
            raise SymmetryError("A normalizer needs finite means and positive finite stds.")

    def __add__(self, other: "Normalizer") -> "Normalizer":
        """The normalizer of channels put one after the other."""
        return Normalizer(self.mean + other.mean, self.std + other.std)

    def __mul__(self, steps: int) -> "Normalizer":
        """The normalizer of several frames put one after the other."""
        return Normalizer(self.mean * steps, self.std * steps)

    def normalize(self, values: Tensor, channel_axis: int = 1) -> Tensor:
        """Physical to normalised units, along `channel_axis`."""
        mean, std = self._broadcast(values, channel_axis)
        return (values - mean) / std

    def denormalize(self, values: Tensor, channel_axis: int = 1) -> Tensor:
        """Normalised to physical units, along `channel_axis`."""
        mean, std = self._broadcast(values, channel_axis)
        return values * std + mean

    def _broadcast(self, values: Tensor, channel_axis: int) -> tuple[Tensor, Tensor]:
        shape = [1] * values.ndim
        shape[channel_axis] = len(self.mean)
        return (
            values.new_tensor(self.mean).reshape(shape),
            values.new_tensor(self.std).reshape(shape),
        )


@dataclass(frozen=True)
class ChannelMove:
    """Where one output channel comes from: out = scale · moved input[source] + offset."""

    source: int
    scale: float = 1.0
    offset: float = 0.0


def channel_moves(
    fields: Sequence[Field], element: GridIsometry, normalizer: Normalizer | None = None
) -> tuple[ChannelMove, ...]:
    """The channel part of an element's action on one frame, one entry per output channel.

    In physical units the scale is +1 or -1 and the offset 0; a normalizer is folded in:
    x'_c = (s (std_p x_p + mean_p) - mean_c) / std_c for sign s and source p.
    """
    moves = []
    start = 0
    for field in fields:
        factor = element.determinant if field.parity == -1 else 1
        for index in itertools.product(range(element.dimension), repeat=field.order):
            source, sign = 0, factor
            for axis in index:
                source = source * element.dimension + element.permutation[axis]
                sign *= element.signs[axis]
            moves.append(ChannelMove(start + source, float(sign)))
        start += field.channels(element.dimension)
    if normalizer is None:
        return tuple(moves)
    mean, std = normalizer.mean, normalizer.std
    return tuple(
        ChannelMove(
            move.source,
            move.scale * std[move.source] / std[c],
            (move.scale * mean[move.source] - mean[c]) / std[c],
        )
        for c, move in enumerate(moves)
    )


class FieldAction:
    """Action of a group on tensors of shape (batch, steps·channel, *space), by element index."""

    def __init__(
        self, group: GridGroup, fields: Sequence[Field], normalizer: Normalizer | None = None
    ) -> None:
        """Tabulate the channel moves.

        Args:
            group: the group.
            fields: the fields of one frame, in channel order.
            normalizer: the affine map that the tensors are normalised by, one entry per channel;
                None if they are in physical units.

        Raises:
            SymmetryError: if the normalizer has another number of channels than the fields.

        """
        dimension = group.elements[0].dimension
        self.group = group
        self.fields = tuple(fields)
        self.normalizer = normalizer
        self.channels = channel_count(fields, dimension)
        if normalizer and len(normalizer.mean) != self.channels:
            raise SymmetryError(
                f"The normalizer has {len(normalizer.mean)} channels, the fields have "
                f"{self.channels}: {', '.join(field.name for field in fields)}."
            )
        # The check goes through the whole group: once for each grid, not for each element.
        self._checked_shape: torch.Size | None = None
        self.moves = [channel_moves(fields, element, normalizer) for element in group.elements]

    def __call__(self, element: int | Tensor, values: Tensor) -> Tensor:
        """Act with the element of this index; every frame of the channel axis is treated alike.

        Raises:
            SymmetryError: if the channels are no whole number of frames, or if the grid cannot
                carry the group.

        """
        if not self.channels or values.shape[1] % self.channels:
            names = ", ".join(field.name for field in self.fields)
            raise SymmetryError(
                f"{values.shape[1]} channels are not a whole number of frames of "
                f"{self.channels} channels ({names})."
            )
        if values.shape[2:] != self._checked_shape:
            check_grid(self.group, values.shape[2:])
            self._checked_shape = values.shape[2:]
        frames = values.reshape(-1, self.channels, *values.shape[2:])
        moved = torch.empty_like(frames, memory_format=torch.contiguous_format)
        # In blocks of one channel that fit in the cache, where flipping and scaling are then two
        # passes over the cache and one over memory.
        rows = max(1, _BLOCK // frames[0, 0].numel())
        index = int(element)
        isometry = self.group.elements[index]
        flips, shifts = _flipped_and_shifted(isometry, values.shape[2:])
        for start in range(0, len(frames), rows):
            block = slice(start, start + rows)
            for channel, move in enumerate(self.moves[index]):
                source = frames[block, move.source]
                if flips:
                    source = source.flip(flips)
                if shifts:
                    source = source.roll(list(shifts.values()), dims=list(shifts))
                _write(_permute(source, isometry.permutation), move, moved[block, channel])
        return moved.reshape(values.shape)


def _flipped_and_shifted(
    element: GridIsometry, shape: Sequence[int]
) -> tuple[list[int], dict[int, int]]:
    """Axes of (frame, *space) to flip, and cells to roll some by, before axes are permuted."""
    moved = list(zip(element.permutation, element.flips, element.shift, strict=True))
    flips = [1 + axis for axis, flip, _ in moved if flip]
    return flips, {1 + axis: int(shift * shape[axis]) for axis, _, shift in moved if shift}


def _write(values: Tensor, move: ChannelMove, target: Tensor) -> None:
    """Write one channel, shape (frame, *space), scaled, into `target` of the same shape."""
    if move.scale == 1.0:
        target.copy_(values)
    elif torch.is_grad_enabled():
        target.copy_(values * move.scale)
    else:
        # One pass less, but autograd does not record functions with out=.
        torch.mul(values, move.scale, out=target)
    if move.offset:
        target.add_(move.offset)


def _permute(values: Tensor, permutation: tuple[int, ...]) -> Tensor:
    """The values, shape (frame, *space), with their spatial axes in another order."""
    last = len(permutation) - 1
    if permutation[last] == last or len(values) > 1:
        return values.permute(0, *(1 + axis for axis in permutation))
    # One large frame whose rows do not stay rows. Torch transposes a matrix 2 to 5 times faster
    # than it permutes in general, so the permutation is one that keeps rows, then a transposition.
    split = permutation.index(last) + 1
    rows_kept = values[0].permute(permutation[split:] + permutation[:split])
    columns = math.prod(rows_kept.shape[-split:])
    shape = [values.shape[1 + axis] for axis in permutation]
    return rows_kept.reshape(-1, columns).t().contiguous().view(1, *shape)


class InputAction:
    """Action on a history of frames followed by fields that do not change in time."""

    def __init__(self, frames: FieldAction, constants: FieldAction) -> None:
        """Combine the actions on frames and on constant fields."""
        self.frames = frames
        self.constants = constants

    def __call__(self, element: int | Tensor, values: Tensor) -> Tensor:
        """Act with an element on (batch, steps·channel + constant channel, *space)."""
        steps = values.shape[1] - self.constants.channels
        history, constants = values[:, :steps], values[:, steps:]
        return torch.cat([self.frames(element, history), self.constants(element, constants)], dim=1)
