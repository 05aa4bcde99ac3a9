"""Simulated fields: periodic PDEs solved spectrally with exponax, written in The Well's schema.

Grids are cell-centred, so that flipping an axis is a reflection about the centre of the box.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
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
    steps_per_frame: Count = Field(description="solver steps in that time")
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

    def solver(self, regime: str, frames: int, warm_up: int = 0) -> Callable[[Array], Array]:
        """A function from states (batch, ...) to fields (batch, frame, channel, *space).

        The first frame is the start itself, after the warm-up. Everything runs in double
        precision: it makes the audit exact, and XLA on CPUs (jaxlib 0.10.2) compiles the 3-D
        single-precision solver to one that decays some components of a vector faster than others.
        """
        import equinox as eqx
        import exponax as ex
        import jax
        import jax.numpy as jnp

        with jax.enable_x64(True):
            time_step = self.frame_interval / self.steps_per_frame
            stepper = self.stepper(time_step, self.physics_of(regime))
            step = ex.RepeatedStepper(stepper, self.steps_per_frame)

        @eqx.filter_jit
        def solve(states: jax.Array) -> jax.Array:
            def one(state: jax.Array) -> jax.Array:
                state = self.prepare(state)
                if warm_up:
                    state = ex.repeat(step, warm_up)(state)
                states = ex.rollout(step, frames - 1, include_init=True)(state)
                return jax.vmap(self.observe)(states)

            # As many trajectories at once as stay in the cache.
            together = max(1, 2**16 // self.resolution**self.dimension)
            return jax.lax.map(one, states, batch_size=together)

        def in_double_precision(states: Array) -> Array:
            with jax.enable_x64(True):
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
        """Simulate every split, and write the files and the statistics of the training data."""
        import exponax as ex
        import jax

        from symbench.data.fields.well_format import read_header
        from symbench.data.fields.well_writer import write_file, write_statistics

        time = np.arange(self.frames) * self.frame_interval
        counts = self.trajectories
        files: dict[str, list[Path]] = {split: [] for split in SPLITS}
        for index, regime in enumerate(self.regimes()):
            starts = [self.starts(regime, n, k, index) for k, n in enumerate(counts.values())]
            values = self.solver(regime, self.frames, self.warm_up)(np.concatenate(starts))
            parts = np.split(values, np.cumsum(list(counts.values()))[:-1])
            for split, part in zip(counts, parts, strict=True):
                self._refuse_blown_up(regime, split, part)
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
        statistics = directory / "stats.yaml"
        write_statistics(statistics, [read_header(path) for path in files["train"]])
        return Manifest(
            source="simulated by symbench with exponax",
            licence="CC0-1.0",
            parameters={
                **self.model_dump(),
                "physics": {regime: self.physics_of(regime) for regime in self.regimes()},
                "exponax": ex.__version__,
                "jax": jax.__version__,
            },
            files=(statistics, *(path for paths in files.values() for path in paths)),
        )

    def _refuse_blown_up(self, regime: str, split: str, values: Array) -> None:
        """Raise `DataError` that names the trajectories whose values are not finite."""
        wrong = np.flatnonzero(~np.isfinite(values).all(axis=tuple(range(1, values.ndim))))
        if len(wrong):
            shown = ", ".join(map(str, wrong[:5])) + (", ..." if len(wrong) > 5 else "")
            raise DataError(
                f"The simulation of {self.name} blew up: regime {regime}, split {split}, "
                f"trajectories {shown} ({len(wrong)} of {len(values)}) of seed {self.seed}; use "
                f"more steps_per_frame than {self.steps_per_frame}."
            )


def band_limited_noise(key: jax.Array, dimension: int, resolution: int, waves: int) -> jax.Array:
    """White noise kept up to `waves` per axis, mean 0, std 1, shape (1, *space).

    Its law is invariant under every isometry of the grid.
    """
    import exponax as ex

    series = ex.ic.RandomTruncatedFourierSeries(dimension, cutoff=waves, std_one=True)
    return series(resolution, key=key)
