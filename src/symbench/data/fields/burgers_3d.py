"""Viscous Burgers' equation in the periodic cube: a vector field under O_h.

    u_t + (u·∇) u = ν Δu

Equation and law of the starts are invariant under all 48 isometries of the cube and shifts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from symbench.data.fields.simulation import SimulatedFields, band_limited_noise
from symbench.symmetry.grids.field import Field

if TYPE_CHECKING:
    import exponax as ex
    import jax


class Burgers3D(SimulatedFields):
    """A velocity that steepens and decays in a box of side 2π."""

    name = "burgers_3d"
    dimension = 3
    fields = (Field("velocity", order=1),)
    state_fields = fields

    @staticmethod
    def regimes() -> dict[str, dict[str, float]]:
        """Viscosity and root mean square of each velocity component at the start."""
        return {"decay": {"viscosity": 0.1, "start_velocity": 1.0}}

    def stepper(self, time_step: float, physics: Mapping[str, float]) -> ex.BaseStepper:
        """The convective form, three channels."""
        import exponax as ex

        return ex.stepper.Burgers(*self.box, time_step, diffusivity=physics["viscosity"])

    def start(self, key: jax.Array, physics: Mapping[str, float]) -> jax.Array:
        """Independent band-limited random components: an isotropic law on the grid."""
        import jax
        import jax.numpy as jnp

        components = [
            band_limited_noise(part, self.dimension, self.resolution, waves=3)
            for part in jax.random.split(key, self.dimension)
        ]
        return physics["start_velocity"] * jnp.concatenate(components)

    def observe(self, state: jax.Array) -> jax.Array:
        """The velocity is the state."""
        return state
