"""Charged particles that attract and repel each other: simulator, data, loss and symmetry.

Particles of charge ±1 feel sum_j q_i q_j (x_i - x_j) / |x_i - x_j|^3, in any dimension (in d
dimensions Coulomb's law would be 1/r^(d-1); the same law everywhere keeps tasks comparable). The
protocol, with its integrator and its clipped forces, is that of the "charged5" data of EGNN
(Satorras et al., arXiv 2102.09844): predict positions 1,000 steps ahead.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from symbench.data.arrays import read_arrays, write_arrays, write_manifest
from symbench.data.batch import Batch, Inputs
from symbench.data.points.point_audit import Moments, audit_rotations
from symbench.data.points.point_graph import PointGraph, complete_edges, rotation_group
from symbench.data.splits import SPLITS, check_splits
from symbench.errors import ConfigError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.principal_axes import principal_frame, relative_gap
from symbench.symmetry.symmetry import Symmetry

Array = npt.NDArray[np.floating]

TIME_STEP = 1e-3
LARGEST_FORCE = 100.0
BOX = 5.0
SPEED = 0.5
DISTURBANCE = 1e-3
# Trajectories advanced together: their arrays stay in the cache.
_TOGETHER = 256
_AUDITED_STARTS = 200


class Start(NamedTuple):
    """Where particles start.

    Attributes:
        positions: shape (trajectory, particle, axis).
        velocities: the same.
        charges: ±1, shape (trajectory, particle).

    """

    positions: Array
    velocities: Array
    charges: Array


def random_start(rng: np.random.Generator, count: int, particles: int, dimension: int) -> Start:
    """Normal positions, velocities of fixed norm, random charges.

    Positions have the standard deviation (n/5)^(1/3) and are reflected at the walls of a box that
    they seldom reach; velocities have random directions and norm 0.5.
    """
    charges = rng.choice([-1.0, 1.0], size=(count, particles))
    positions = rng.normal(size=(count, particles, dimension)) * (particles / 5) ** (1 / 3)
    velocities = rng.normal(size=positions.shape)
    velocities *= SPEED / np.linalg.norm(velocities, axis=-1, keepdims=True)
    outside = np.abs(positions) > BOX
    wall = np.sign(positions)
    positions = np.where(outside, 2 * BOX * wall - positions, positions)
    velocities = np.where(outside, -wall * np.abs(velocities), velocities)
    return Start(positions, velocities, charges)


def forces(positions: Array, charge_products: Array, external: Array | float = 0.0) -> Array:
    """Force on each particle, clipped component by component, shape (..., particle, axis).

    Args:
        positions: shape (trajectory, particle, axis).
        charge_products: q_i q_j, zero for i = j, shape (trajectory, particle, particle).
        external: a force that does not depend on positions, along the last axis, broadcast to
            shape (trajectory, particle).

    """
    difference = positions[:, :, None] - positions[:, None]
    squared = np.einsum("tijd,tijd->tij", difference, difference)
    # The distance of a particle to itself is no distance: its charge product is zero.
    diagonal = np.arange(positions.shape[1])
    squared[:, diagonal, diagonal] = 1.0
    strength = charge_products / (squared * np.sqrt(squared))
    total: Array = np.einsum("tij,tijd->tid", strength, difference)
    total[..., -1] += external
    return np.clip(total, -LARGEST_FORCE, LARGEST_FORCE, out=total)


@dataclass(frozen=True)
class Background:
    """What breaks the symmetry: uniform forces along the last axis, none by default.

    Attributes:
        field: strength E of an electric field; particle i feels q_i E.
        gravity: strength g; every particle feels -g.
        since: first step at which they act. Before a model looks, velocities would tell it the
            direction, and nothing would be broken for it.

    """

    field: float = 0.0
    gravity: float = 0.0
    since: int = 0

    def forces(self, charges: Array, step: int) -> Array | float:
        """Force along the last axis at a step, shape (trajectory, particle)."""
        return charges * self.field - self.gravity if step >= self.since else 0.0


FREE_SPACE = Background()


def simulate(
    start: Start, steps: tuple[int, ...], background: Background = FREE_SPACE
) -> tuple[Array, Array]:
    """Positions and velocities after some numbers of steps.

    One kick, then drift and kick in turns (symplectic Euler), as in the published generator:
    stored velocities are those of half a step earlier.

    Args:
        start: where the particles start.
        steps: ascending numbers of drifts; stored before the kick that follows.
        background: uniform forces.

    Returns:
        Two arrays of shape (step, trajectory, particle, axis).

    """
    parts = [
        _simulate_together(
            Start(*(values[first : first + _TOGETHER] for values in start)), steps, background
        )
        for first in range(0, len(start.charges), _TOGETHER)
    ]
    positions, velocities = zip(*parts, strict=True)
    return np.concatenate(positions, axis=1), np.concatenate(velocities, axis=1)


def _simulate_together(
    start: Start, steps: tuple[int, ...], background: Background
) -> tuple[Array, Array]:
    products = start.charges[:, :, None] * start.charges[:, None]
    diagonal = np.arange(products.shape[1])
    products[:, diagonal, diagonal] = 0.0
    x = start.positions.copy()
    external = background.forces(start.charges, 0)
    v = start.velocities + TIME_STEP * forces(x, products, external)
    stored_x, stored_v = [], []
    for step in range(1, steps[-1] + 1):
        x += TIME_STEP * v
        if step in steps:
            stored_x.append(x.copy())
            stored_v.append(v.copy())
        external = background.forces(start.charges, step)
        v += TIME_STEP * forces(x, products, external)
    return np.stack(stored_x), np.stack(stored_v)


class ChargedParticles:
    """The simulated task."""

    def __init__(
        self,
        *,
        trajectories: Mapping[str, int],
        dimension: int = 3,
        particles: int | None = None,
        input_step: int = 3100,
        target_step: int = 4100,
        field: float = 0.0,
        gravity: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Set the size.

        Args:
            trajectories: number per split: train, valid, test.
            dimension: of space.
            particles: five at least, and two more than axes, by default.
            input_step: step whose positions and velocities a model sees.
            target_step: step whose positions it predicts.
            field: strength of a uniform electric field along the last axis, switched on at the
                input step; see `Background`.
            gravity: strength of a uniform pull against the last axis, likewise.
            seed: seed of all starts.

        Raises:
            ConfigError: for splits or steps that make no sense.

        """
        if not 0 < input_step < target_step:
            raise ConfigError(f"Steps must ascend: 0 < {input_step} < {target_step}.")
        self.trajectories = check_splits(trajectories, "trajectories of charged_particles")
        self.dimension = dimension
        self.particles = particles or max(5, dimension + 2)
        self.steps = (input_step, target_step)
        self.background = Background(field, gravity, since=input_step)
        self.seed = seed

    def starts(self, stream: int, count: int) -> Start:
        """Random starts of a stream; see `random_start`."""
        rng = np.random.default_rng([self.seed, stream])
        return random_start(rng, count, self.particles, self.dimension)

    def fetch(self, directory: Path) -> None:
        """Simulate every split and write files and manifest."""
        directory.mkdir(parents=True, exist_ok=True)
        paths = []
        for stream, split in enumerate(SPLITS):
            start = self.starts(stream, self.trajectories[split])
            positions, velocities = simulate(start, self.steps, self.background)
            path = directory / f"{split}.hdf5"
            arrays = {
                "positions": positions[0],
                "velocities": velocities[0],
                "targets": positions[1],
                "charges": start.charges,
            }
            write_arrays(path, arrays)
            paths.append(path)
        write_manifest(
            directory,
            self,
            data_format="particles",
            tools="numpy",
            parameters={
                "trajectories": self.trajectories,
                "dimension": self.dimension,
                "particles": self.particles,
                "steps": self.steps,
                "time_step": TIME_STEP,
                **vars(self.background),
                "seed": self.seed,
            },
            paths=paths,
        )


@dataclass(frozen=True)
class ParticleInputs(Inputs):
    """What a model sees.

    Attributes:
        positions: shape (sample, particle, axis).
        velocities: the same.
        charges: shape (sample, particle).

    """

    positions: Tensor
    velocities: Tensor
    charges: Tensor

    def graph(self) -> PointGraph:
        """The same as one graph, with an edge between every two particles of a sample."""
        samples, particles, _ = self.positions.shape
        edges = complete_edges(samples, particles).to(self.positions.device)
        charges = self.charges.flatten()
        index = torch.arange(samples, device=charges.device)
        return PointGraph(
            positions=self.positions.flatten(0, 1),
            velocities=self.velocities.flatten(0, 1),
            scalars=charges[:, None],
            edges=edges,
            edge_scalars=(charges[edges[0]] * charges[edges[1]])[:, None],
            sample_of_node=index.repeat_interleave(particles),
            nodes=torch.full_like(index, particles),
        )


class ParticleData:
    """The data of one task; targets are positions."""

    kind = "samples"
    units: ClassVar[dict[str, str]] = {
        "mse": "length squared",
        "relative_gap": "1",
        "sensitivity": "1",
    }

    def __init__(self, directory: Path) -> None:
        """Open a folder; raises `DataError` if it holds no particles."""
        self.directory = directory
        _, self.particles, self.dimension = self._read("test")["positions"].shape

    @classmethod
    def open(cls, directory: Path, settings: Any, seed: int) -> "ParticleData":
        """Open what the config says; all seeds share the data."""
        return cls(directory)

    def _read(self, split: str) -> dict[str, Array]:
        return read_arrays(self.directory / f"{split}.hdf5")

    def model_arguments(self) -> dict[str, object]:
        """Dimension of space."""
        return {"dimension": self.dimension}

    def symmetry(self, group: str, exact: bool = True) -> Symmetry:
        """O(d) on positions, velocities and predictions; its frames are principal axes.

        Raises:
            SymmetryError: if the group does not act on so many axes.

        """
        return Symmetry(
            rotation_group(group, self.dimension),
            act_on_input=lambda g, inputs: replace(
                inputs,
                positions=rotate(g, inputs.positions),
                velocities=rotate(g, inputs.velocities),
            ),
            act_on_output=rotate,
            exact=exact,
            frame=lambda inputs: principal_frame(inputs.positions),
        )

    def audit(self, group: str, task: Any) -> list[ElementAudit]:
        """Audit quarter turns and reflections in random planes: dynamics, and law of the data."""
        start = task.starts(len(SPLITS), _AUDITED_STARTS)
        background = replace(task.background, since=0)
        solution = simulate(start, (50,), background)[0]

        def dynamics_error(element: Array) -> float:
            turned = Start(start.positions @ element.T, start.velocities @ element.T, start.charges)
            moved = simulate(turned, (50,), background)[0]
            expected = solution @ element.T
            return float(np.linalg.norm(moved - expected) / np.linalg.norm(expected))

        data = self._read("train")
        vectors = [data[key] for key in ("positions", "velocities")]
        return audit_rotations(
            rotation_group(group, self.dimension), Moments.of(*vectors), dynamics_error
        )

    def split(self, name: str) -> "ParticleSplit":
        """One of train, valid, test."""
        return ParticleSplit(self._read(name))


class ParticleSplit:
    """The trajectories of one split, in memory."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        """Take the arrays of a file."""
        tensors = {key: torch.from_numpy(value).float() for key, value in arrays.items()}
        self.targets = tensors.pop("targets")
        self.inputs = ParticleInputs(**tensors)

    @property
    def samples(self) -> npt.NDArray[np.int64]:
        """One row for each trajectory."""
        return np.arange(len(self.targets))[:, None]

    def batch(self, rows: npt.NDArray[np.int64], generator: torch.Generator | None = None) -> Batch:
        """Some trajectories; nothing in them is random."""
        index = torch.from_numpy(rows[:, 0])
        inputs = ParticleInputs(
            self.inputs.positions[index],
            self.inputs.velocities[index],
            self.inputs.charges[index],
        )
        return Batch(inputs, self.targets[index], len(rows))

    def loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Mean squared error of all coordinates."""
        return nn.functional.mse_loss(prediction, batch.targets)

    validation_loss = loss

    def disturbed(self, batch: Batch, generator: torch.Generator) -> tuple[ParticleInputs, float]:
        """The inputs with positions moved at random, and by how much (RMS)."""
        noise = torch.randn(batch.inputs.positions.shape, generator=generator)
        moved = batch.inputs.positions + DISTURBANCE * noise.to(batch.inputs.positions)
        return replace(batch.inputs, positions=moved), DISTURBANCE

    def scores(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Squared error, and how well the principal axes are told apart; shape (sample,)."""
        return {
            "mse": batch.mean_per_sample((prediction - batch.targets).square()),
            "relative_gap": relative_gap(batch.inputs.positions),
        }
