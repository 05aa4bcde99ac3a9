"""Viscous Burgers' equation in the periodic cube: a vector field under O_h.

    u_t + (u·∇) u = ν Δu

Equation and law of the starts are invariant under all 48 isometries of the cube and shifts.
"""

from collections.abc import Mapping
from typing import ClassVar

import exponax as ex
import jax
import jax.numpy as jnp

from symbench.data.fields.simulation import SimulatedTask, band_limited_noise
from symbench.symmetry.grids.field import Field


class Burgers3D(SimulatedTask):
    """A velocity that steepens and decays in a box of side 2π."""

    name: ClassVar[str] = "burgers_3d"
    dimension: ClassVar[int] = 3
    fields: ClassVar[tuple[Field, ...]] = (Field("velocity", order=1),)
    state_fields: ClassVar[tuple[Field, ...]] = fields

    @staticmethod
    def regimes() -> dict[str, dict[str, float]]:
        """Viscosity and root mean square of each velocity component at the start."""
        return {"decay": {"viscosity": 0.1, "start_velocity": 1.0}}

    def stepper(self, time_step: float, physics: Mapping[str, float]) -> ex.BaseStepper:
        """The convective form, three channels."""
        return ex.stepper.Burgers(
            self.dimension,
            self.extent,
            self.resolution,
            time_step,
            diffusivity=physics["viscosity"],
        )

    def start(self, key: jax.Array, physics: Mapping[str, float]) -> jax.Array:
        """Independent band-limited random components: an isotropic law on the grid."""
        components = [
            band_limited_noise(part, self.dimension, self.resolution, waves=3)
            for part in jax.random.split(key, self.dimension)
        ]
        return physics["start_velocity"] * jnp.concatenate(components)

    def observe(self, state: jax.Array) -> jax.Array:
        """The velocity is the state."""
        return state
