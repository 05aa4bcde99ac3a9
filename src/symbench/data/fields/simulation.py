"""Simulated tasks: periodic PDEs solved spectrally with exponax, written in The Well's schema.

Grids are cell-centred, so that flipping an axis is a reflection about the centre of the box.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import exponax as ex
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from symbench.data.fields.well_format import read_header, write_file, write_statistics
from symbench.data.splits import SPLITS, check_splits
from symbench.errors import ConfigError, DataError
from symbench.files import sha256, write_json
from symbench.symmetry.grids.field import Field

Array = npt.NDArray[np.floating]


class SimulatedTask(ABC):
    """A periodic PDE with random starts.

    Class attributes:
        name: name of the data set.
        dimension: spatial axes.
        fields: what is stored, in channel order.
        state_fields: what the solver steps, as fields with their own action.
    """

    name: ClassVar[str]
    dimension: ClassVar[int]
    fields: ClassVar[tuple[Field, ...]]
    state_fields: ClassVar[tuple[Field, ...]]

    def __init__(
        self,
        *,
        resolution: int,
        trajectories: Mapping[str, int],
        frames: int,
        frame_interval: float,
        steps_per_frame: int,
        warm_up: int = 0,
        seed: int = 0,
        physics: Mapping[str, float] | None = None,
    ) -> None:
        """Set the size of the data.

        Args:
            resolution: cells along each axis.
            trajectories: number per split and regime: train, valid, test.
            frames: frames stored in each trajectory.
            frame_interval: physical time between two frames.
            steps_per_frame: solver steps in that time.
            warm_up: frames simulated before the first that is stored.
            seed: seed of all starts.
            physics: overrides of the physical parameters that `regimes` lists.

        Raises:
            ConfigError: for a split or a physical parameter that does not exist.

        """
        unknown = set(physics or {}) - {key for regime in self.regimes().values() for key in regime}
        if unknown:
            raise ConfigError(f"physics of {self.name}: unknown {', '.join(sorted(unknown))}.")
        self.resolution = resolution
        self.trajectories = check_splits(trajectories, f"trajectories of {self.name}")
        self.frames = frames
        self.frame_interval = frame_interval
        self.steps_per_frame = steps_per_frame
        self.warm_up = warm_up
        self.seed = seed
        self.physics = {
            name: {**regime, **(physics or {})} for name, regime in self.regimes().items()
        }

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

    def solver(self, regime: str, frames: int, warm_up: int = 0) -> Callable[[Array], Array]:
        """A function from states (batch, ...) to fields (batch, frame, channel, *space).

        The first frame is the start itself, after the warm-up. Everything runs in double
        precision: it makes the audit exact, and XLA on CPUs (jaxlib 0.10.2) compiles the 3-D
        single-precision solver to one that decays some components of a vector faster than others.
        """
        with jax.enable_x64(True):
            time_step = self.frame_interval / self.steps_per_frame
            stepper = self.stepper(time_step, self.physics[regime])
            step = ex.RepeatedStepper(stepper, self.steps_per_frame)

        @eqx.filter_jit
        def solve(states: jax.Array) -> jax.Array:
            def one(state: jax.Array) -> jax.Array:
                state = self.prepare(state)
                if warm_up:
                    state = ex.repeat(step, warm_up)(state)
                states = ex.rollout(step, frames - 1, include_init=True)(state)
                return jax.vmap(self.observe)(states)

            return jax.lax.map(one, states, batch_size=self._batch)

        def in_double_precision(states: Array) -> Array:
            with jax.enable_x64(True):
                return np.asarray(solve(jnp.asarray(states, dtype=jnp.float64)))

        return in_double_precision

    @property
    def extent(self) -> float:
        """Length of every axis."""
        return 2 * math.pi

    @property
    def _batch(self) -> int:
        """Trajectories solved at once: few enough to stay in the cache."""
        return max(1, 2**16 // self.resolution**self.dimension)

    def starts(self, regime: str, count: int, *labels: int) -> Array:
        """Random states, shape (count, state channel, *space); the labels pick the stream."""
        physics = self.physics[regime]
        with jax.enable_x64(True):
            key = jax.random.key(self.seed)
            for label in labels:
                key = jax.random.fold_in(key, label)
            keys = jax.random.split(key, count)
            return np.asarray(jax.vmap(lambda k: self.start(k, physics))(keys))

    def simulate_start(self, count: int) -> Array:
        """States for the audit, from a stream that no split uses."""
        return self.starts(next(iter(self.physics)), count, len(SPLITS))

    def solve(self, states: Array, frames: int) -> Array:
        """Solution of the first regime, shape (batch, frame, channel, *space)."""
        return self.solver(next(iter(self.physics)), frames)(states)

    def fetch(self, directory: Path) -> None:
        """Simulate every split, write the files, the statistics and the manifest."""
        files: dict[str, Path] = {}
        time = np.arange(self.frames) * self.frame_interval
        counts = list(self.trajectories.values())
        for index, regime in enumerate(self.physics):
            starts = [self.starts(regime, n, split, index) for split, n in enumerate(counts)]
            values = self.solver(regime, self.frames, self.warm_up)(np.concatenate(starts))
            if not np.isfinite(values).all():
                raise DataError(
                    f"The simulation of {self.name} ({regime}) blew up; use more "
                    f"steps_per_frame than {self.steps_per_frame}."
                )
            parts = np.split(values, np.cumsum(counts)[:-1])
            for split, part in zip(self.trajectories, parts, strict=True):
                path = directory / split / f"{self.name}_{regime}.hdf5"
                write_file(
                    path,
                    dataset=self.name,
                    fields=self.fields,
                    values=part,
                    extent=self.extent,
                    time=time,
                    parameters=self.physics[regime],
                )
                files[f"{split}/{path.name}"] = path
        headers = [read_header(path) for name, path in files.items() if name.startswith("train")]
        write_statistics(directory / "stats.yaml", headers)
        write_json(
            directory / "manifest.json",
            {
                "source": "simulated by symbench with exponax",
                "generator": f"{type(self).__module__}:{type(self).__qualname__}",
                "parameters": self._parameters(),
                "licence": "CC0-1.0",
                "sha256": {name: sha256(path) for name, path in files.items()},
            },
        )

    def _parameters(self) -> dict[str, Any]:
        names = ("resolution", "trajectories", "frames", "frame_interval", "steps_per_frame")
        return {
            **{name: getattr(self, name) for name in (*names, "warm_up", "seed", "physics")},
            "exponax": ex.__version__,
            "jax": jax.__version__,
        }


def band_limited_noise(key: jax.Array, dimension: int, resolution: int, waves: int) -> jax.Array:
    """White noise kept up to `waves` per axis, mean 0, std 1, shape (1, *space).

    Its law is invariant under every isometry of the grid.
    """
    series = ex.ic.RandomTruncatedFourierSeries(dimension, cutoff=waves, std_one=True)
    return series(resolution, key=key)
