"""Simulated fields: periodic PDEs solved spectrally with exponax, written in The Well's schema.

Grids are cell-centred, so that flipping an axis is a reflection about the centre of the box.
"""

from __future__ import annotations

import math
import os
import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from symbench.data.dataset import SPLITS, TaskOptions
from symbench.data.fields.field_dataset import FieldDataset
from symbench.data.manifest import Manifest
from symbench.data.parameters import Count, Positive, Splits, Whole
from symbench.errors import DataError, choose
from symbench.symmetry.grids.field import Field as GridField
from symbench.symmetry.grids.isometries import named_group

if TYPE_CHECKING:
    import exponax as ex
    import jax

    from symbench.data.fields.grid_data import FieldData
    from symbench.data.raw_files import RawFiles
    from symbench.symmetry.groups import Elements

Array = np.ndarray

# JAX reads them when it is imported, which only functions of simulations do: they run on the
# processor unless the environment says otherwise, and JAX keeps no memory of a GPU from torch.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

# Where the config gives no step: cells that the fastest flow crosses in one, or what the fastest
# reaction changes. Linear terms, diffusion too, are exact in exponential time differencing.
COURANT = 0.5
# Steps of the config are warned of where they are so many times longer.
_RISKY = 3
# Trajectories that blow up by the chosen step are tried again with so many times more steps.
_FINER = (2, 4, 8)


class SimulatedFields(FieldDataset):
    """A periodic PDE with random starts.

    Class attributes:
        name: name of the data set.
        dimension: spatial axes.
        fields: what is stored, in channel order.
        state_fields: what the solver steps, as fields with their own action.
    """

    name: ClassVar[str]
    dimension: ClassVar[int]
    fields: ClassVar[tuple[GridField, ...]]
    state_fields: ClassVar[tuple[GridField, ...]]

    resolution: int = Field(ge=4, description="cells along each axis")
    trajectories: Splits = Field(description="number per split and regime")
    frames: Count = Field(description="stored in each trajectory")
    frame_interval: Positive = Field(description="physical time between two frames")
    steps_per_frame: Count | None = Field(
        None,
        description="solver steps in that time; by default as many as are stable from the starts",
    )
    warm_up: Whole = Field(0, description="frames simulated before the first that is stored")
    seed: Whole = Field(0, description="of all starts")
    physics: dict[str, float] = Field({}, description="overrides of what `regimes` lists")

    @model_validator(mode="after")
    def _check_physics(self) -> Self:
        for key in self.physics:
            known = {key for regime in self.regimes().values() for key in regime}
            choose(key, known, f"physics of {self.name}")
        return self

    def physics_of(self, regime: str) -> dict[str, float]:
        """Physical parameters of a regime, with the overrides."""
        return {**self.regimes()[regime], **self.physics}

    @staticmethod
    @abstractmethod
    def regimes() -> dict[str, dict[str, float]]:
        """Physical parameters of each regime; one file per split and regime."""

    @abstractmethod
    def stepper(self, time_step: float, physics: Mapping[str, float]) -> ex.BaseStepper:
        """The solver of one step."""

    @abstractmethod
    def start(self, key: jax.Array, physics: Mapping[str, float]) -> jax.Array:
        """A random state, shape (state channel, *space)."""

    def prepare(self, state: jax.Array) -> jax.Array:
        """The solver's own form of a state given at cell centres."""
        return state

    @abstractmethod
    def observe(self, state: jax.Array) -> jax.Array:
        """The stored fields of a state in the solver's form, shape (channel, *space)."""

    def fastest_rate(self, fields: Array, physics: Mapping[str, float]) -> float:
        """The fastest rate of what is not linear, 1/time: cells crossed by vectors, by default.

        Fields of shape (trajectory, channel, *space).
        """
        speeds, channel = [0.0], 0
        for field in self.fields:
            part = fields[:, channel : channel + field.channels(self.dimension)]
            channel += part.shape[1]
            if field.order == 1:
                speeds.append(float(np.abs(part).sum(axis=1).max()))
        return max(speeds) * self.resolution / self.extent

    def driven_speed(self, physics: Mapping[str, float]) -> float:
        """The speed that forces add to that of the starts."""
        return 0.0

    def stable_steps(self, regime: str, states: Array) -> int:
        """Solver steps in a frame that are stable from some states, by the Courant number."""
        import jax
        import jax.numpy as jnp

        with jax.enable_x64(True):
            solved = jax.vmap(lambda state: self.observe(self.prepare(state)))
            fields = np.asarray(solved(jnp.asarray(states, dtype=jnp.float64)))
        physics = self.physics_of(regime)
        driven = self.driven_speed(physics) * self.resolution / self.extent
        return self._steps(self.fastest_rate(fields, physics) + driven)

    def _steps(self, rate: float) -> int:
        return max(1, math.ceil(self.frame_interval * rate / COURANT))

    @property
    def box(self) -> tuple[int, float, int]:
        """The grid, as exponax's steppers take it: axes, length, and cells of each."""
        return self.dimension, self.extent, self.resolution

    @property
    def extent(self) -> float:
        """Length of every axis."""
        return 2 * math.pi

    def check_group(self, name: str) -> None:
        """Raise `SymmetryError` unless a group of this name acts in the data's dimension."""
        named_group(name, self.dimension)

    def open(self, directory: Path, options: TaskOptions, seed: int) -> FieldData:
        """Open the files; all seeds share them."""
        from symbench.data.fields.grid_data import FieldData

        return FieldData(directory, input_steps=options.input_steps, parity=options.parity)

    def solver(
        self, regime: str, frames: int, warm_up: int = 0, steps: int | None = None
    ) -> Callable[[Array], Array]:
        """A function from states (batch, ...) to fields (batch, frame, channel, *space).

        So many steps in a frame; by default those of the config, or else as many as are stable from
        the states. The first frame is the start itself, after the warm-up. Everything runs in
        double precision: it makes the audit exact, and XLA on CPUs (jaxlib 0.10.2) compiles the 3-D
        single-precision solver to one that decays some components of a vector faster than others.
        """
        import equinox as eqx
        import exponax as ex
        import jax
        import jax.numpy as jnp

        def in_double_precision(states: Array) -> Array:
            count = steps or self.steps_per_frame or self.stable_steps(regime, states)
            # As many trajectories at once as stay in the cache.
            together = max(1, 2**16 // self.resolution**self.dimension)
            with jax.enable_x64(True):
                stepper = self.stepper(self.frame_interval / count, self.physics_of(regime))
                step = ex.RepeatedStepper(stepper, count)

                def one(state: jax.Array) -> jax.Array:
                    state = self.prepare(state)
                    if warm_up:
                        state = ex.repeat(step, warm_up)(state)
                    states = ex.rollout(step, frames - 1, include_init=True)(state)
                    return jax.vmap(self.observe)(states)

                solve = eqx.filter_jit(partial(jax.lax.map, one, batch_size=together))
                return np.asarray(solve(jnp.asarray(states, dtype=jnp.float64)))

        return in_double_precision

    def starts(self, regime: str, count: int, *labels: int) -> Array:
        """Random states, shape (count, state channel, *space); the labels pick the stream."""
        import jax

        physics = self.physics_of(regime)
        with jax.enable_x64(True):
            key = jax.random.key(self.seed)
            for label in labels:
                key = jax.random.fold_in(key, label)
            keys = jax.random.split(key, count)
            return np.asarray(jax.vmap(lambda k: self.start(k, physics))(keys))

    def audit_starts(self, count: int) -> Array:
        """States of the first regime from a stream that no split uses, shape as `starts`."""
        return self.starts(next(iter(self.regimes())), count, len(SPLITS))

    def solve(self, states: Array, frames: int) -> Array:
        """Solution of the first regime, shape (batch, frame, channel, *space)."""
        return self.solver(next(iter(self.regimes())), frames)(states)

    def dynamics_errors(self, group: str, elements: Elements) -> list[float]:
        """Relative differences between the solution of a moved start and the moved solution."""
        from symbench.symmetry.audit import audit_dynamics

        chosen = named_group(group, self.dimension)
        errors = audit_dynamics(
            self.solve, self.audit_starts(1), chosen, self.state_fields, self.fields
        )
        return [errors[index] for index in chosen.check(elements)]

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Simulate every split, and write the files and the statistics of the training data.

        Raises:
            DataError: after all others are simulated, for the trajectories that blew up.

        """
        import exponax as ex
        import jax

        from symbench.data.fields.well_format import read_header
        from symbench.data.fields.well_writer import write_file, write_statistics

        time = np.arange(self.frames) * self.frame_interval
        counts = self.trajectories
        files: dict[str, list[Path]] = {split: [] for split in SPLITS}
        steps: dict[str, dict[int, int]] = {}
        lost: list[str] = []
        for index, regime in enumerate(self.regimes()):
            starts = [self.starts(regime, n, k, index) for k, n in enumerate(counts.values())]
            values, steps[regime] = self._simulated(regime, np.concatenate(starts))
            parts = np.split(values, np.cumsum(list(counts.values()))[:-1])
            told = [_not_finite(part) for part in parts]
            lost += [
                f"regime {regime}, split {s}, {t}" for s, t in zip(counts, told, strict=True) if t
            ]
            if any(told):
                continue
            for split, part in zip(counts, parts, strict=True):
                files[split].append(directory / split / f"{self.name}_{regime}.hdf5")
                write_file(
                    files[split][-1],
                    dataset=self.name,
                    fields=self.fields,
                    values=part,
                    extent=self.extent,
                    time=time,
                    parameters=self.physics_of(regime),
                )
        if lost:
            most = max(count for counts in steps.values() for count in counts)
            raise DataError(
                f"The simulation of {self.name} blew up: {'; '.join(lost)} of seed {self.seed}; "
                f"use more steps_per_frame than {most}"
                + (", or leave it out." if self.steps_per_frame else ", or other physics.")
            )
        statistics = directory / "stats.yaml"
        write_statistics(statistics, [read_header(path) for path in files["train"]])
        chosen = {
            regime: {str(count): trajectories for count, trajectories in counts.items()}
            for regime, counts in steps.items()
        }
        return Manifest(
            source="simulated by symbench with exponax",
            licence="CC0-1.0",
            parameters={
                **self.model_dump(),
                "steps_per_frame": self.steps_per_frame or chosen,
                "physics": {regime: self.physics_of(regime) for regime in self.regimes()},
                "exponax": ex.__version__,
                "jax": jax.__version__,
            },
            files=(statistics, *(path for paths in files.values() for path in paths)),
        )

    def _simulated(self, regime: str, starts: Array) -> tuple[Array, dict[int, int]]:
        """Fields of all trajectories, and how many of them were solved with how many steps.

        Where the config gives no steps, trajectories that blow up are solved again with more.
        """
        steps = self.steps_per_frame or self.stable_steps(regime, starts)
        values = self.solver(regime, self.frames, self.warm_up, steps)(starts)
        solved = {steps: len(starts)}
        if self.steps_per_frame is None:
            print(f"{self.name}, regime {regime}: {steps} steps_per_frame are stable", flush=True)
            for finer in (factor * steps for factor in _FINER):
                wrong = ~_finite(values)
                if not wrong.any():
                    break
                values = values.copy()
                values[wrong] = self.solver(regime, self.frames, self.warm_up, finer)(starts[wrong])
                solved[finer] = int(wrong.sum())
                print(f"{solved[finer]} of these blew up, and took {finer}", flush=True)
        elif len(sound := values[_finite(values), 0]):
            stable = self._steps(self.fastest_rate(sound, self.physics_of(regime)))
            if _RISKY * steps < stable:
                warnings.warn(
                    f"{self.name}, regime {regime}: steps_per_frame {steps} do not resolve the "
                    f"fastest flow or reaction; {stable} do (Courant number {COURANT}).",
                    stacklevel=3,
                )
        return values, solved


def _finite(values: Array) -> Array:
    """Which trajectories, the first axis, are finite."""
    return np.isfinite(values).all(axis=tuple(range(1, values.ndim)))


def _not_finite(values: Array) -> str:
    """The numbers of the trajectories that are not finite, in words; empty without any."""
    wrong = np.flatnonzero(~_finite(values))
    shown = ", ".join(map(str, wrong[:5])) + (", ..." if len(wrong) > 5 else "")
    return f"trajectories {shown} ({len(wrong)} of {len(values)})" if len(wrong) else ""


def band_limited_noise(key: jax.Array, dimension: int, resolution: int, waves: int) -> jax.Array:
    """White noise kept up to `waves` per axis, mean 0, std 1, shape (1, *space).

    Its law is invariant under every isometry of the grid.
    """
    import exponax as ex

    series = ex.ic.RandomTruncatedFourierSeries(dimension, cutoff=waves, std_one=True)
    return series(resolution, key=key)
