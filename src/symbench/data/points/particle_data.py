"""Data of charged particles, opened: batches, loss, scores and symmetry; targets are positions."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from symbench.data.arrays import Array, read_arrays
from symbench.data.batch import Batch
from symbench.data.dataset import Data, Dataset, Split
from symbench.data.points.particle_inputs import ParticleInputs
from symbench.data.points.point_audit import Moments, audit_rotations
from symbench.data.points.point_graph import rotation_group, rotation_symmetry
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.principal_axes import principal_frame, relative_gap
from symbench.symmetry.symmetry import Element, Symmetry

# Standard deviation of the random change of positions that `disturbed` makes.
DISTURBANCE = 1e-3


class ParticleData(Data[ParticleInputs]):
    """The trajectories of one task."""

    def __init__(self, directory: Path) -> None:
        """Open a folder; raises `DataError` if it holds no particles."""
        self.directory = directory
        self.dimension = self._read("test")["positions"].shape[2]

    def _read(self, split: str) -> dict[str, Array]:
        path = self.directory / f"{split}.hdf5"
        arrays = read_arrays(path)
        shapes = {key: value.shape for key, value in arrays.items()}
        vectors = shapes.get("positions", ())
        wanted = dict.fromkeys(("positions", "velocities", "targets"), vectors)
        if len(vectors) != 3 or shapes != {**wanted, "charges": vectors[:2]}:
            raise DataError(
                f"{path} holds no particles: positions, velocities and targets must be of one "
                "shape (sample, particle, axis), and charges of shape (sample, particle)."
            )
        return arrays

    def model_arguments(self) -> dict[str, object]:
        """Dimension of space."""
        return {"dimension": self.dimension}

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[ParticleInputs]:
        """O(d) or SO(d) on positions, velocities and predictions."""
        chosen = rotation_group(group, self.dimension)

        def frame(inputs: ParticleInputs) -> Tensor:
            return principal_frame(inputs.positions, others=[inputs.velocities])

        return rotation_symmetry(chosen, _rotate_inputs, rotate, frame, exact)

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit quarter turns and reflections in random planes: dynamics, and law of the data."""
        training = self._read("train")
        return audit_rotations(
            rotation_group(group, self.dimension),
            Moments.of(training["positions"], training["velocities"]),
            partial(dataset.dynamics_errors, group),
        )

    def split(self, name: str) -> "ParticleSplit":
        """One of train, valid, test."""
        return ParticleSplit(self._read(name))


def _rotate_inputs(element: Element, inputs: ParticleInputs) -> ParticleInputs:
    """Rotate positions and velocities about the origin; charges stay."""
    return replace(
        inputs,
        positions=rotate(element, inputs.positions),
        velocities=rotate(element, inputs.velocities),
    )


class ParticleSplit(Split[ParticleInputs]):
    """The trajectories of one split, in memory."""

    quantities = ("position",)

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        """Take the arrays of a file."""
        tensors = {key: torch.from_numpy(value).float() for key, value in arrays.items()}
        self.targets = tensors.pop("targets")
        self.inputs = ParticleInputs(**tensors)

    @property
    def samples(self) -> Array:
        """One row for each trajectory."""
        return np.arange(len(self.targets))[:, None]

    def batch(self, rows: Array, generator: torch.Generator | None = None) -> Batch[ParticleInputs]:
        """Some trajectories; nothing in them is random."""
        index = torch.from_numpy(rows[:, 0])
        inputs = ParticleInputs(
            self.inputs.positions[index], self.inputs.velocities[index], self.inputs.charges[index]
        )
        return Batch(inputs, self.targets[index], len(rows))

    def loss(self, prediction: Tensor, batch: Batch[ParticleInputs]) -> Tensor:
        """Mean squared error of all coordinates."""
        return nn.functional.mse_loss(prediction, batch.targets)

    def scores(self, prediction: Tensor, batch: Batch[ParticleInputs]) -> dict[str, Tensor]:
        """Squared error, and how well the principal axes are told apart; shape (sample,)."""
        return {
            "mse": batch.mean_per_sample((prediction - batch.targets).square()),
            "relative_gap": relative_gap(batch.inputs.positions),
        }

    def values_of(self, outputs: Tensor, batch: Batch[ParticleInputs]) -> dict[str, Tensor]:
        """All coordinates of all particles, shape (sample, particle · axis)."""
        return {"position": outputs.flatten(1)}

    def disturbed(
        self, batch: Batch[ParticleInputs], generator: torch.Generator
    ) -> tuple[ParticleInputs, float]:
        """The inputs with positions moved at random, and by how much (RMS)."""
        noise = torch.randn(batch.inputs.positions.shape, generator=generator)
        moved = batch.inputs.positions + DISTURBANCE * noise.to(batch.inputs.positions)
        return replace(batch.inputs, positions=moved), DISTURBANCE
