"""A configuration of a glass, opened: its graph, targets, blocks of space, symmetry and audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from symbench.data.arrays import Array, read_arrays
from symbench.data.batch import Batch, Inputs
from symbench.data.dataset import Data, Dataset, Split
from symbench.data.points.point_audit import audit_matrices
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.symmetry import Element, Symmetry

_ARRAYS = ("position", "box", "type", "propensity", "final_position")


@dataclass(frozen=True)
class GlassInputs(Inputs):
    """All particles as one graph, and those whose propensity is asked for.

    Attributes:
        types: 0 for A, 1 for B, shape (particle,).
        edges: sender and receiver, shape (2, edge); each particle has an edge to itself.
        displacements: receiver minus sender, the nearest image, shape (edge, axis).
        chosen: particles that are predicted, shape (chosen,).

    """

    types: Tensor
    edges: Tensor
    displacements: Tensor
    chosen: Tensor


def check_arrays(path: Path, arrays: Mapping[str, Array], time: int, cutoff: float) -> None:
    """Raise `DataError` unless arrays are one configuration of a glass in a cubic box."""
    if missing := [name for name in _ARRAYS if name not in arrays]:
        raise DataError(f"{path} holds no {', '.join(missing)}.")
    if arrays["propensity"].ndim != 2:
        raise DataError(f"{path}: propensity must have the shape (time, particle).")
    box, (times, particles) = arrays["box"], arrays["propensity"].shape
    shapes = {
        "position": (particles, 3),
        "box": (3,),
        "type": (particles,),
        "final_position": (len(arrays["final_position"]), particles, 3),
    }
    for name, wanted in shapes.items():
        if arrays[name].shape != wanted:
            raise DataError(f"{path}: {name} has the shape {arrays[name].shape}, not {wanted}.")
    if len(set(box.tolist())) > 1:
        raise DataError(f"{path}: the box is {box.tolist()}; the group of the cube needs a cube.")
    if time >= times:
        raise DataError(f"{path} has {times} times; time {time} is none of them, counted from 0.")
    if not set(np.unique(arrays["type"])) <= {0, 1} or not (arrays["type"] == 0).any():
        raise DataError(f"{path}: type must be 0 or 1, and 0, whose particles count, for some.")
    distances = _distances(arrays).mean(axis=0)
    if len(arrays["final_position"]) < 2 or not np.allclose(
        distances, arrays["propensity"][time], rtol=1e-3, atol=1e-5 * box[0]
    ):
        raise DataError(
            f"{path}: the propensities of time {time} are no mean distances of two or more final "
            "positions, so that nothing says how noisy they are."
        )
    if 2 * cutoff >= box[0]:
        raise DataError(f"{path}: the cutoff {cutoff:g} is not below half of the box, {box[0]:g}.")


def _distances(arrays: Mapping[str, Array]) -> Array:
    """How far each particle moves, the nearest image, shape (trajectory, particle)."""
    moved = arrays["final_position"] - arrays["position"]
    found: Array = np.linalg.norm(moved - arrays["box"] * np.round(moved / arrays["box"]), axis=2)
    return found


class GlassData(Data[GlassInputs]):
    """One configuration, which is the test split."""

    def __init__(self, directory: Path, time: int, cutoff: float, blocks: int) -> None:
        """Open a folder; see `Glass` for the numbers."""
        path = directory / "test.hdf5"
        arrays = read_arrays(path)
        check_arrays(path, arrays, time, cutoff)
        self.test = GlassSplit(arrays, time, cutoff, blocks)

    def split(self, name: str) -> "GlassSplit":
        """The test split; raises `DataError` for the others."""
        if name != "test":
            raise DataError("A single configuration of a glass has no split but the test split.")
        return self.test

    def model_arguments(self) -> dict[str, object]:
        """Nothing: the published network fixes all."""
        return {}

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[GlassInputs]:
        """A group of the cube on displacements; propensities are lengths and stay."""
        chosen = named_group(group, 3)
        matrices = torch.tensor(np.stack([element.matrix for element in chosen.elements]))

        def act(element: Element, inputs: GlassInputs) -> GlassInputs:
            return replace(inputs, displacements=rotate(matrices[element], inputs.displacements))

        return Symmetry(chosen, act, lambda element, outputs: outputs, exact)

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit the law: moments of neighbours, alone and with propensities, block by block."""
        second, third = self.test.moments()

        def moved(matrices: Sequence[Array]) -> dict[str, Array]:
            return {
                "second moments": np.stack(
                    [np.einsum("ia,jb,nfab->nfij", q, q, second) for q in matrices]
                ),
                "third moments": np.stack(
                    [np.einsum("ia,jb,kc,nfabc->nfijk", q, q, q, third) for q in matrices]
                ),
            }

        return audit_matrices(named_group(group, 3), moved, len(second))


class GlassSplit(Split[GlassInputs]):
    """Particles of type A of one configuration."""

    quantities = ("propensity",)

    def __init__(self, arrays: Mapping[str, Array], time: int, cutoff: float, blocks: int) -> None:
        """Find the neighbours of each particle."""
        box = float(arrays["box"][0])
        # Twice: rounding takes what is just below zero to the other side of the box.
        position = arrays["position"] % box % box
        pairs = cKDTree(position, boxsize=box).query_pairs(cutoff, output_type="ndarray")
        own = np.repeat(np.arange(len(position))[:, None], 2, axis=1)
        senders, receivers = np.concatenate([pairs, pairs[:, ::-1], own]).T
        difference = position[receivers] - position[senders]
        self.inputs = GlassInputs(
            torch.tensor(arrays["type"], dtype=torch.float32),
            torch.tensor(np.stack([senders, receivers])),
            torch.tensor(difference - box * np.round(difference / box), dtype=torch.float32),
            torch.arange(len(position)),
        )
        self.targets = torch.tensor(arrays["propensity"][time], dtype=torch.float32)
        distances = _distances(arrays)
        self.noise = torch.tensor(distances.var(axis=0, ddof=1) / len(distances)).float()
        places = np.minimum((position / box * blocks).astype(int), blocks - 1)
        self.block_of_particle = np.ravel_multi_index(tuple(places.T), (blocks,) * 3)
        self._of_type_a = np.flatnonzero(arrays["type"] == 0)

    @property
    def samples(self) -> Array:
        """The particle of each sample, shape (sample, 1)."""
        return self._of_type_a[:, None]

    @property
    def blocks(self) -> Array:
        """The cell of space that each sample lies in."""
        return self.block_of_particle[self._of_type_a]

    def batch(self, rows: Array, generator: torch.Generator | None = None) -> Batch[GlassInputs]:
        """Some particles of the whole configuration."""
        chosen = torch.from_numpy(rows[:, 0])
        inputs = replace(self.inputs, chosen=chosen)
        return Batch(inputs, self.targets[chosen], len(rows))

    def loss(self, prediction: Tensor, batch: Batch[GlassInputs]) -> Tensor:
        """Mean squared error."""
        return nn.functional.mse_loss(prediction, batch.targets)

    def scores(self, prediction: Tensor, batch: Batch[GlassInputs]) -> dict[str, Tensor]:
        """Squared error; the variance of the label, a mean over trajectories; shape (sample,)."""
        return {
            "mse": (prediction - batch.targets).square(),
            "label_noise": self.noise.to(prediction)[batch.inputs.chosen],
        }

    def values_of(self, outputs: Tensor, batch: Batch[GlassInputs]) -> dict[str, Tensor]:
        """The propensity of each particle, shape (sample, 1)."""
        return {"propensity": outputs[:, None]}

    def moments(self) -> tuple[Array, Array]:
        """Second and third moments of displacements, summed over the edges of each block.

        Alone, and weighted by the propensity of the receiver: shapes (block, weight, axis, axis)
        and (block, weight, axis, axis, axis).
        """
        displacements = self.inputs.displacements.double().numpy()
        receivers = self.inputs.edges[1].numpy()
        weights = np.stack([np.ones(len(receivers)), self.targets.double().numpy()[receivers]], 1)
        blocks = self.block_of_particle[receivers]
        count = self.block_of_particle.max() + 1
        second = np.zeros((count, 2, 3, 3))
        third = np.zeros((count, 2, 3, 3, 3))
        products = displacements[:, :, None] * displacements[:, None]
        np.add.at(second, blocks, weights[:, :, None, None] * products[:, None])
        triple = products[..., None] * displacements[:, None, None]
        np.add.at(third, blocks, weights[:, :, None, None, None] * triple[:, None])
        return second, third
