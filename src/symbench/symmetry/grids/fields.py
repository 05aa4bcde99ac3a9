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
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from symbench.errors import SymmetryError
from symbench.symmetry.grids.field import Field, channel_count
from symbench.symmetry.grids.isometries import GridGroup, GridIsometry, check_grid, grid_needs
from symbench.symmetry.grids.moves import ChannelMove, FrameMoves, Spans, moved
from symbench.symmetry.symmetry import Element, TensorAction


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


class GridAction(TensorAction):
    """Action of a group on tensors of shape (batch, channel, *space), by element index.

    Results are in the memory format of the values, where that is one of torch's.
    """

    def __call__(self, element: Element, values: Tensor) -> Tensor:
        """Act with the element of this index.

        Raises:
            SymmetryError: if the values are integers, if the channels are no whole number of
                frames, or if the grid cannot carry the group.

        """
        return self._moved([element], values, parts=False)

    def of_all(self, elements: Sequence[Element], values: Tensor) -> Tensor:
        """Act with each element on all values, as one batch; see `TensorAction`."""
        return self._moved(elements, values, parts=False)

    def of_each(self, elements: Sequence[Element], values: Tensor) -> Tensor:
        """Act with each element on its own part of the batch; see `TensorAction`."""
        return self._moved(elements, values, parts=True)

    @abstractmethod
    def spans(self, channels: int, space: Sequence[int]) -> Spans:
        """How consecutive channels are moved; raises `SymmetryError` where they do not fit."""

    def _moved(self, elements: Sequence[Element], values: Tensor, parts: bool) -> Tensor:
        tracing = torch.jit.is_tracing()  # type: ignore[attr-defined]
        shape = [int(n) for n in values.shape[1:]] if tracing else list(values.shape[1:])
        if not (values.dtype.is_floating_point or values.dtype.is_complex):
            raise SymmetryError(
                f"Fields of {values.dtype} cannot be moved: convert them with .float()."
            )
        spans = self.spans(shape[0] if shape else 0, shape[1:])
        result = moved(values, spans, [int(element) for element in elements], parts)
        return in_format_of(values, result)


class FieldAction(GridAction):
    """Action on tensors of shape (batch, steps·channel, *space): frames are moved alike."""

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
        channels = [channel_moves(fields, element, normalizer) for element in group.elements]
        self._moves = FrameMoves(group.elements, tuple(channels))
        self._needs = grid_needs(group)

    def spans(self, channels: int, space: Sequence[int]) -> Spans:
        """All channels as frames; raises `SymmetryError` where they are none."""
        if not self._needs.met_by(space):
            check_grid(self.group, space)
        if not self.channels or not channels or channels % self.channels:
            names = ", ".join(field.name for field in self.fields)
            raise SymmetryError(
                f"{channels} channels are not a whole number of frames of {self.channels} channels "
                f"({names}); tensors have the shape (batch, steps·channels, *space)."
            )
        return ((self._moves, channels),)


class InputAction(GridAction):
    """Action on (batch, steps·channel + constant channel, *space).

    The channels are a history of frames followed by fields that do not change in time.
    """

    def __init__(self, frames: FieldAction, constants: FieldAction) -> None:
        """Combine the actions on frames and on constant fields."""
        self.frames = frames
        self.constants = constants

    def spans(self, channels: int, space: Sequence[int]) -> Spans:
        """Frames, then constant fields; raises `SymmetryError` where there are none."""
        steps = channels - self.constants.channels
        if steps < 0:
            names = ", ".join(field.name for field in self.constants.fields)
            raise SymmetryError(
                f"{channels} channels do not hold the constant fields ({names}), which have "
                f"{self.constants.channels}."
            )
        constants = self.constants.spans(self.constants.channels, space)
        return self.frames.spans(steps, space) + constants


def in_format_of(values: Tensor, moved: Tensor) -> Tensor:
    """The moved values, with channels last where the values had them last."""
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(values.ndim)
    if last and not values.is_contiguous() and values.is_contiguous(memory_format=last):
        return moved.contiguous(memory_format=last)
    return moved
