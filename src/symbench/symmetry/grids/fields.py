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
from symbench.symmetry.grids.isometries import GridGroup, GridIsometry, check_grid, grid_needs

# Cells of one channel that are moved at once: 128 KiB in single precision.
_BLOCK = 2**15


@dataclass(frozen=True)
class Normalizer:
    """Affine map per channel, normalised = (physical - mean) / std.

    Attributes:
        mean: one value per channel of a frame, in the units of the channel: a sequence, an array
            or a tensor of any shape, which is kept as a tuple.
        std: the same.

    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Take the values, and check that the map can be undone."""
        for name, values in (("mean", self.mean), ("std", self.std)):
            try:
                flat = torch.as_tensor(values, dtype=torch.float64).flatten()
            except (TypeError, ValueError, OverflowError) as error:
                raise SymmetryError(
                    f"The {name} of a normalizer holds no numbers: {error}."
                ) from None
            object.__setattr__(self, name, tuple(flat.tolist()))
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
        if normalizer is not None and not isinstance(normalizer, Normalizer):
            raise SymmetryError(f"The normalizer is {normalizer!r}: give Normalizer(mean, std).")
        if normalizer and len(normalizer.mean) != self.channels:
            raise SymmetryError(
                f"The normalizer has {len(normalizer.mean)} channels, the fields have "
                f"{self.channels}: {', '.join(field.name for field in fields)}."
            )
        self.moves = [channel_moves(fields, element, normalizer) for element in group.elements]
        # Numbers alone, so that a compiler follows the action.
        self._places = [_Places.of(element) for element in group.elements]
        self._needs = grid_needs(group)

    def __call__(self, element: int | Tensor, values: Tensor) -> Tensor:
        """Act with the element of this index; every frame of the channel axis is treated alike.

        The result is in the memory format of the values, where that is one of torch's.

        Raises:
            SymmetryError: if the values are integers, if the channels are no whole number of
                frames, or if the grid cannot carry the group.

        """
        tracing = torch.jit.is_tracing()  # type: ignore[attr-defined]
        shape = [int(n) for n in values.shape[1:]] if tracing else list(values.shape[1:])
        self._check(shape, values.dtype)
        index = int(element)
        frames = values.unflatten(1, (shape[0] // self.channels, self.channels))
        if tracing or torch.compiler.is_compiling():
            return self._moved_at_once(index, frames).flatten(1, 2)
        return in_format_of(values, self._moved_in_blocks(index, frames).reshape(values.shape))

    def _check(self, shape: Sequence[int], dtype: torch.dtype) -> None:
        channels, space = shape[0] if shape else 0, shape[1:]
        if not (dtype.is_floating_point or dtype.is_complex):
            raise SymmetryError(f"Fields of {dtype} cannot be moved: convert them with .float().")
        if not self._needs.met_by(space):
            check_grid(self.group, space)
        if not self.channels or not channels or channels % self.channels:
            names = ", ".join(field.name for field in self.fields)
            raise SymmetryError(
                f"{channels} channels are not a whole number of frames of {self.channels} channels "
                f"({names}); tensors have the shape (batch, steps·channels, *space)."
            )

    def _moved_at_once(self, index: int, frames: Tensor) -> Tensor:
        """The action without loops over the batch and without writing in place, for compilers."""
        channels = []
        for move in self.moves[index]:
            channel = frames[:, :, move.source]
            channel = channel if move.scale == 1.0 else channel * move.scale
            channels.append(channel + move.offset if move.offset else channel)
        flips, permutation = self._places[index].flips, self._places[index].permutation
        shifts = self._places[index].shifts(frames.shape[3:])
        moved = torch.stack(channels, dim=2)
        if flips:
            moved = moved.flip([3 + axis for axis in flips])
        if shifts:
            moved = moved.roll(list(shifts.values()), dims=[3 + axis for axis in shifts])
        return moved.permute(0, 1, 2, *(3 + axis for axis in permutation))

    def _moved_in_blocks(self, index: int, frames: Tensor) -> Tensor:
        """The action in blocks of one channel that fit in the cache.

        Flipping and scaling are then two passes over the cache and one over memory.
        """
        frames = frames.flatten(0, 1)
        moved = torch.empty_like(frames, memory_format=torch.contiguous_format)
        places = self._places[index]
        rows = max(1, _BLOCK // max(1, math.prod(frames.shape[2:])))
        flips = [1 + axis for axis in places.flips]
        shifts = {1 + axis: cells for axis, cells in places.shifts(frames.shape[2:]).items()}
        for start in range(0, len(frames), rows):
            block = slice(start, start + rows)
            for channel, move in enumerate(self.moves[index]):
                source = frames[block, move.source]
                if flips:
                    source = source.flip(flips)
                if shifts:
                    source = source.roll(list(shifts.values()), dims=list(shifts))
                _write(_permute(source, places.permutation), move, moved[block, channel])
        return moved


@dataclass(frozen=True)
class _Places:
    """Where an element moves cells: what is flipped and shifted before axes are permuted.

    Attributes:
        flips: axes to flip.
        fractions: axes to shift, with numerator and denominator of the fraction of the box.
        permutation: axis `permutation[i]` becomes axis i.

    """

    flips: tuple[int, ...]
    fractions: tuple[tuple[int, int, int], ...]
    permutation: tuple[int, ...]

    @classmethod
    def of(cls, element: GridIsometry) -> "_Places":
        moved = list(zip(element.permutation, element.flips, element.shift, strict=True))
        return cls(
            tuple(axis for axis, flip, _ in moved if flip),
            tuple((axis, s.numerator, s.denominator) for axis, _, s in moved if s),
            element.permutation,
        )

    def shifts(self, shape: Sequence[int]) -> dict[int, int]:
        """Cells to shift some axes by."""
        return {axis: shape[axis] // parts * count for axis, count, parts in self.fractions}


def in_format_of(values: Tensor, moved: Tensor) -> Tensor:
    """The moved values, with channels last where the values had them last."""
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(values.ndim)
    if last and not values.is_contiguous() and values.is_contiguous(memory_format=last):
        return moved.contiguous(memory_format=last)
    return moved


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
        if steps < 0:
            names = ", ".join(field.name for field in self.constants.fields)
            raise SymmetryError(
                f"{values.shape[1]} channels do not hold the constant fields ({names}), which have "
                f"{self.constants.channels}."
            )
        history, constants = values[:, :steps], values[:, steps:]
        moved = [self.frames(element, history), self.constants(element, constants)]
        return in_format_of(values, torch.cat(moved, dim=1))
