"""What the audit of fields compares: averages of values, and of products with gradients.

A wrong sign or order of components shows in how one field goes with the gradients of another, and
in how fields are carried along from frame to frame. Averages over the grid move among themselves
under an element: products of components are exchanged and change signs, and waves of the mean field
change places and phases. So those of moved data follow without moving any data.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from symbench.errors import AuditError
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import channel_moves
from symbench.symmetry.grids.isometries import GridIsometry
from symbench.symmetry.randomisation import block_of

Array = npt.NDArray[np.inexact]

# Waves along each axis of the mean field, by number of axes.
_WAVES = {1: 16, 2: 4, 3: 2}
# Values of one channel that are held at once, in double precision.
_AT_ONCE = 2**17
_PRODUCTS = (
    ("values", "values"),
    ("values", "gradients"),
    ("gradients", "gradients"),
    ("squares", "values"),
    ("squares", "gradients"),
    ("squared gradients", "values"),
    ("squared gradients", "gradients"),
    ("changes", "values"),
    ("changes", "gradients"),
    ("changes", "changes"),
    # How values are carried along: by others, and by flows around them.
    ("changes times gradients", "values"),
    ("changes times gradients", "potential flows"),
)


@dataclass(frozen=True)
class Move:
    """How an element moves a list of quantities: out[i] = factor[i] · in[source[i]]."""

    source: npt.NDArray[np.intp]
    factor: Array

    def times(self, other: Move) -> Move:
        """The move of all products; the index of the other runs fastest."""
        source = self.source[:, None] * len(other.source) + other.source
        return Move(source.ravel(), (self.factor[:, None] * other.factor).ravel())

    def squared(self) -> Move:
        """The move of the squares."""
        return Move(self.source, self.factor**2)


class FieldMoments:
    """Averages over grid and time of each trajectory, summed over blocks of trajectories.

    Attributes:
        samples: number of trajectories.
        sums: kinds of averages by name, each of shape (block, average).

    """

    def __init__(self, frames: Tensor, fields: Sequence[Field]) -> None:
        """Take all averages in one pass over the trajectories.

        Args:
            frames: shape (trajectory, time, channel, *space), in physical units.
            fields: the fields in channel order.

        Raises:
            AuditError: if a value is not finite.

        """
        self.fields = tuple(fields)
        self.samples, _, _, *self.space = frames.shape
        self.axes = range(-len(self.space), 0)
        self.waves = _waves(self.space)
        together = max(1, _AT_ONCE // frames[0, 0, 0].numel())
        self.units: dict[str, Tensor] = {}
        self._choose_units(frames[:together].double())
        labels = torch.from_numpy(block_of(self.samples))
        sums: dict[str, Tensor] = {}
        for start in range(0, self.samples, together):
            chunk = self._scaled(frames[start : start + together].double())
            for name, values in self._averages(chunk).items():
                if name not in sums:
                    sums[name] = values.new_zeros((int(labels[-1]) + 1, values.shape[1]))
                sums[name].index_add_(0, labels[start : start + together], values)
        self.sums = {name: values.numpy() for name, values in sums.items()}
        if not all(np.isfinite(values).all() for values in self.sums.values()):
            raise AuditError("The data hold values that are not finite: mask or repair them first.")

    def moved(self, elements: Sequence[GridIsometry]) -> list[tuple[str, npt.NDArray[np.floating]]]:
        """Kinds of sums of the data, moved by each of some elements.

        Returns:
            Name and values of each kind, real, shape (element, block, average).

        """
        moves = [self._moves(element) for element in elements]
        kinds = []
        for name, values in self.sums.items():
            once = self._once(name)
            by_name = [(move[name].source[once], move[name].factor[once]) for move in moves]
            moved = np.stack([values[:, source] * factor for source, factor in by_name])
            kinds.append((name, np.concatenate([moved.real, moved.imag], axis=2)))
        return kinds

    def _once(self, name: str) -> npt.NDArray[np.intp]:
        """The averages of a kind without those that say the same as another one."""
        left, _, right = name.partition(" with ")
        count = self.sums[name].shape[1]
        if left == right:
            side = round(count**0.5)
            return np.ravel_multi_index(np.triu_indices(side), (side, side))
        if name.startswith("mean field"):
            first = np.array([tuple(wave) > (0,) * len(wave) for wave in self.waves.tolist()])
            return np.flatnonzero(np.tile(first, count // len(first)))
        return np.arange(count)

    def _choose_units(self, frames: Tensor) -> None:
        """One unit for all components and axes of a field, so that it commutes with the group.

        Offsets are taken from true scalars alone, for the same reason.
        """
        shape = (-1, *[1] * len(self.space))
        sizes = [field.channels(len(self.space)) for field in self.fields]

        def of_channels(values: Sequence[float]) -> Tensor:
            return frames.new_tensor(np.repeat(values, sizes)).reshape(shape)

        parts = frames.split(sizes, dim=2)
        self.offset = of_channels(
            [
                float(part.mean()) if field.order == 0 and field.parity == 1 else 0.0
                for field, part in zip(self.fields, parts, strict=True)
            ]
        )
        self.unit = of_channels([1.0] * len(sizes))
        spreads = [part.square().mean().sqrt() for part in self._scaled(frames).split(sizes, dim=2)]
        self.unit = of_channels([float(spread) or 1.0 for spread in spreads])
        scaled = self._scaled(frames)
        for name, values in (
            ("gradients", self._gradients(scaled)),
            ("changes", scaled.diff(dim=1)),
            ("potential flows", self._gradients(self._potentials(scaled))),
        ):
            by_field = values.unflatten(2, (-1, sum(sizes))).split(sizes, dim=3)
            sizes_of = [float(part.square().mean().sqrt().nan_to_num()) or 1.0 for part in by_field]
            self.units[name] = of_channels(sizes_of).repeat(
                values.shape[2] // sum(sizes), *shape[1:]
            )

    def _scaled(self, frames: Tensor) -> Tensor:
        return (frames - self.offset) / self.unit

    def _gradients(self, values: Tensor) -> Tensor:
        """Central differences, shape (..., axis·channel, *space); flips reverse them exactly."""
        dimension = len(self.space)
        differences = [values.roll(-1, axis) - values.roll(1, axis) for axis in self.axes]
        return torch.cat(differences, dim=-1 - dimension)

    def _potentials(self, values: Tensor) -> Tensor:
        """The inverse of the Laplacian on the grid, without its mean."""
        symbol = torch.zeros(self.space, dtype=values.dtype)
        for axis, size in zip(self.axes, self.space, strict=True):
            turns = torch.arange(size, dtype=values.dtype) * (2 * torch.pi / size)
            symbol = symbol + (2 - 2 * turns.cos()).reshape(-1, *[1] * (-1 - axis))
        spectrum = torch.fft.fftn(values, dim=tuple(self.axes)) / symbol
        spectrum[(..., *[0] * len(self.space))] = 0
        return torch.fft.ifftn(spectrum, dim=tuple(self.axes)).real

    def _averages(self, frames: Tensor) -> dict[str, Tensor]:
        """All kinds of averages of scaled trajectories, each of shape (trajectory, average)."""
        steps, cells = frames.shape[1], frames[0, 0, 0].numel()
        found: dict[str, Tensor] = {}
        for step in range(steps):
            values = frames[:, step]
            quantities = {
                "values": values,
                "gradients": self._gradients(values) / self.units["gradients"],
            }
            if step + 1 < steps:
                changes = (frames[:, step + 1] - values) / self.units["changes"]
                flows = self._gradients(self._potentials(values)) / self.units["potential flows"]
                carried = quantities["gradients"].unflatten(1, (-1, values.shape[1]))
                quantities |= {
                    "changes": changes,
                    "potential flows": flows,
                    "changes times gradients": (changes[:, None] * carried).flatten(1, 2),
                }
            quantities["squares"] = quantities["values"] ** 2
            quantities["squared gradients"] = quantities["gradients"] ** 2
            flat = {name: part.flatten(2) for name, part in quantities.items()}
            for left, right in _PRODUCTS:
                if left in flat and right in flat:
                    counted = steps if "changes" not in left else steps - 1
                    product = (flat[left] @ flat[right].mT).flatten(1) / (cells * counted)
                    name = f"{left} with {right}"
                    found[name] = found[name] + product if name in found else product
        found["means"] = frames.mean(dim=[1, *self.axes])
        found["mean field"] = self._profile(frames.mean(dim=1))
        found["mean field of squares"] = self._profile(frames.square().mean(dim=1))
        return found

    def _profile(self, mean: Tensor) -> Tensor:
        """Long waves of fields (trajectory, channel, *space), about the centre of the box."""
        spectrum = torch.fft.fftn(mean, dim=tuple(self.axes)) / mean[0, 0].numel()
        centre = np.exp(2j * np.pi * self.waves @ (0.5 - 0.5 / np.array(self.space)))
        chosen = spectrum[(slice(None), slice(None), *torch.from_numpy(self.waves.T))]
        return (chosen * torch.from_numpy(centre)).flatten(1)

    def _moves(self, element: GridIsometry) -> dict[str, Move]:
        """The move of each kind of averages."""
        channels = channel_moves(self.fields, element)
        values = Move(
            np.array([move.source for move in channels]),
            np.array([move.scale for move in channels]),
        )
        axes = Move(np.array(element.permutation), np.array(element.signs, dtype=float))
        gradients = axes.times(values)
        of = {
            "values": values,
            "gradients": gradients,
            "squares": values.squared(),
            "squared gradients": gradients.squared(),
            "changes": values,
            "changes times gradients": axes.times(values.squared()),
            "potential flows": gradients,
        }
        moves = {f"{left} with {right}": of[left].times(of[right]) for left, right in _PRODUCTS}
        # A wave k of the moved field is the wave R^T k of the field, and a shift turns its phase.
        places = {tuple(wave): place for place, wave in enumerate(self.waves.tolist())}
        shift = np.array([float(part) for part in element.shift])
        waves = Move(
            np.array([places[tuple(wave)] for wave in (self.waves @ element.matrix).tolist()]),
            np.exp(-2j * np.pi * self.waves @ shift),
        )
        return {
            **moves,
            "means": values,
            "mean field": values.times(waves),
            "mean field of squares": values.squared().times(waves),
        }


def _waves(space: Sequence[int]) -> npt.NDArray[np.int64]:
    """Wave numbers that are told apart from their opposites, shape (wave, axis)."""
    most = [min(_WAVES[len(space)], (size - 1) // 2) for size in space]
    return np.array(list(itertools.product(*(range(-n, n + 1) for n in most))))
