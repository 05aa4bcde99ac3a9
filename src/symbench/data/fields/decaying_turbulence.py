"""Decaying 2-D turbulence: incompressible Navier-Stokes from an isotropic random start.

    u_t + (u·∇) u = -∇p + ν Δu,   ∇·u = 0

solved for the pseudo-scalar w with u = (∂_y, -∂_x) Δ⁻¹ w (exponax's sign: w is minus the curl).
Equation and law of the starts are invariant under D4 and shifts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from symbench.data.fields.simulation import SimulatedFields, band_limited_noise
from symbench.symmetry.grids.field import Field

if TYPE_CHECKING:
    import exponax as ex
    import jax


class DecayingTurbulence(SimulatedFields):
    """Velocity and pressure of freely decaying flow in a box of side 2π."""

    name = "decaying_turbulence"
    dimension = 2
    fields = (Field("pressure"), Field("velocity", order=1))
    state_fields = (Field("vorticity", parity=-1),)

    @staticmethod
    def regimes() -> dict[str, dict[str, float]]:
        """Kinematic viscosity and root mean square vorticity of the start."""
        return {"decay": {"viscosity": 2e-3, "start_vorticity": 4.0}}

    def stepper(self, time_step: float, physics: Mapping[str, float]) -> ex.BaseStepper:
        """Vorticity and stream function."""
        import exponax as ex

        return ex.stepper.NavierStokesVorticity(
            *self.box, time_step, diffusivity=physics["viscosity"], order=4
        )

    def start(self, key: jax.Array, physics: Mapping[str, float]) -> jax.Array:
        """Band-limited random vorticity."""
        noise = band_limited_noise(key, self.dimension, self.resolution, waves=5)
        return physics["start_vorticity"] * noise

    def observe(self, state: jax.Array) -> jax.Array:
        """Pressure and velocity."""
        return pressure_and_velocity(state, self.extent)


def pressure_and_velocity(vorticity: jax.Array, extent: float) -> jax.Array:
    """Channels (p, u_x, u_y) from w of shape (1, N, N), all of mean zero.

    The pressure solves Δp = -∂_i u_j ∂_j u_i.
    """
    import exponax as ex
    import jax.numpy as jnp

    poisson = ex.poisson.Poisson(2, extent, vorticity.shape[-1])
    gradient = ex.derivative(-poisson.step(vorticity), extent).reshape(2, *vorticity.shape[1:])
    velocity = jnp.stack([gradient[1], -gradient[0]])
    jacobian = ex.derivative(velocity, extent)
    pressure = poisson.step(jnp.einsum("ij...,ji...->...", jacobian, jacobian)[None])
    return jnp.concatenate([pressure, velocity])
