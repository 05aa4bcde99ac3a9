"""Charged particles that attract and repel each other: the simulator and the data set.

Particles of charge ±1 feel sum_j q_i q_j (x_i - x_j) / |x_i - x_j|^3, in any dimension (in d
dimensions Coulomb's law would be 1/r^(d-1); the same law everywhere keeps tasks comparable). The
protocol, with its integrator and its clipped forces, is that of the "charged5" data of EGNN
(Satorras et al., arXiv 2102.09844): predict positions 1,000 steps ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from symbench.data.arrays import Array, write_files
from symbench.data.dataset import SPLITS, Dataset, Score, TaskOptions
from symbench.data.manifest import Manifest
from symbench.data.parameters import Count, Splits, Whole
from symbench.data.raw_files import RawFiles
from symbench.symmetry.group_names import check_rotations

if TYPE_CHECKING:
    from symbench.data.points.particle_data import ParticleData
    from symbench.symmetry.groups import Elements

TIME_STEP = 1e-3
LARGEST_FORCE = 100.0
BOX = 5.0
SPEED = 0.5
# Trajectories advanced together: their arrays stay in the cache.
_TOGETHER = 256
_AUDITED_STARTS = 200
_AUDITED_STEPS = 50


class Start(NamedTuple):
    """Where particles start.

    Positions and velocities (trajectory, particle, axis), and charges ±1 (trajectory, particle).
    """

    positions: Array
    velocities: Array
    charges: Array


def random_start(rng: np.random.Generator, count: int, particles: int, dimension: int) -> Start:
    """Normal positions, velocities of fixed norm, random charges.

    Positions have the standard deviation (n/5)^(1/3) and are reflected at the walls of a box that
    they seldom reach.
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
        external: a further force along the last axis, broadcast to (trajectory, particle).

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


class ChargedParticles(Dataset):
    """`charged_particles`: simulated trajectories; a model predicts later positions."""

    kind = "points"
    training_samples = "trajectories.train"

    trajectories: Splits
    dimension: int = Field(3, ge=2, description="of space")
    particles: int = Field(
        default_factory=lambda given: max(5, given["dimension"] + 2),
        ge=2,
        description="five, or two more than axes if that is more, by default",
    )
    input_step: Count = Field(3100, description="whose positions and velocities a model sees")
    target_step: Count = Field(4100, description="whose positions it predicts")
    field: float = Field(0.0, description="electric, along the last axis; see `Background`")
    gravity: float = Field(0.0, description="pull against the last axis; see `Background`")
    seed: Whole = Field(0, description="of all starts")

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        if self.input_step >= self.target_step:
            raise ValueError(
                f"input_step is {self.input_step} and target_step is {self.target_step}; the "
                "target must come after the input"
            )
        return self

    @property
    def background(self) -> Background:
        """Forces that are switched on at the input step."""
        return Background(self.field, self.gravity, since=self.input_step)

    def _starts(self, stream: int, count: int) -> Start:
        rng = np.random.default_rng([self.seed, stream])
        return random_start(rng, count, self.particles, self.dimension)

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Simulate every split and write its file."""
        splits = {}
        for stream, (split, count) in enumerate(self.trajectories.items()):
            start = self._starts(stream, count)
            steps = (self.input_step, self.target_step)
            positions, velocities = simulate(start, steps, self.background)
            splits[split] = {
                "positions": positions[0],
                "velocities": velocities[0],
                "targets": positions[1],
                "charges": start.charges,
            }
        parameters = {**self.model_dump(), "time_step": TIME_STEP}
        files = write_files(directory, splits)
        return Manifest("generated by symbench with numpy", "CC0-1.0", parameters, files)

    def open(self, directory: Path, options: TaskOptions, seed: int) -> ParticleData:
        """Open the files; all seeds share the data."""
        from symbench.data.points.particle_data import ParticleData

        return ParticleData(directory)

    @property
    def scores(self) -> tuple[Score, ...]:
        """Squared error, and how well the principal axes of a sample are told apart."""
        return Score("mse", "length squared"), Score("relative_gap", better="higher")

    def check_group(self, name: str) -> None:
        """O(d) and SO(d) act on particles in d dimensions."""
        check_rotations(name, self.dimension)

    def dynamics_errors(self, group: str, elements: Elements) -> list[float]:
        """Solve some starts anew, each moved by every element, shape (element, axis, axis)."""
        from symbench.data.points.point_graph import rotation_group

        checked = rotation_group(group, self.dimension).check(elements)
        start = self._starts(len(SPLITS), _AUDITED_STARTS)
        background = replace(self.background, since=0)
        solution = simulate(start, (_AUDITED_STEPS,), background)[0]
        errors = []
        for element in checked.double().numpy():
            vectors = (start.positions @ element.T, start.velocities @ element.T)
            moved = simulate(Start(*vectors, start.charges), (_AUDITED_STEPS,), background)[0]
            expected = solution @ element.T
            errors.append(float(np.linalg.norm(moved - expected) / np.linalg.norm(expected)))
        return errors
