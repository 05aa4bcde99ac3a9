"""Kolmogorov flow: 2-D Navier-Stokes driven by a sinusoidal body force along x.

    u_t + (u·∇) u = -∇p + ν Δu - λ u + γ sin(k y) e_x,   ∇·u = 0

The force breaks D4: of its 8 elements only the half turn about the centre of the box maps the
force to itself. The negative control of the study of group averaging.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from symbench.data.fields.decaying_turbulence import DecayingTurbulence

if TYPE_CHECKING:
    import exponax as ex
    import jax


class KolmogorovFlow(DecayingTurbulence):
    """The fields and random starts of decaying turbulence, driven by the force."""

    name = "kolmogorov_flow"

    @staticmethod
    def regimes() -> dict[str, dict[str, float]]:
        """Viscosity, drag, wave number and strength of the force, vorticity of the start."""
        return {
            "forced": {
                "viscosity": 5e-3,
                "drag": 0.1,
                "forcing_waves": 4,
                "forcing_strength": 1.0,
                "start_vorticity": 2.0,
            }
        }

    @model_validator(mode="after")
    def _check_waves(self) -> Self:
        waves = self.physics.get("forcing_waves", 0)
        if waves < 0 or not float(waves).is_integer():
            raise ValueError(
                f"physics.forcing_waves is {waves}; give a whole number of waves in the box"
            )
        return self

    def stepper(self, time_step: float, physics: Mapping[str, float]) -> ex.BaseStepper:
        """Vorticity and stream function with the force and linear drag."""
        import exponax as ex

        return ex.stepper.KolmogorovFlowVorticity(
            *self.box,
            time_step,
            diffusivity=physics["viscosity"],
            order=4,
            drag=-physics["drag"],
            injection_mode=int(physics["forcing_waves"]),
            injection_scale=physics["forcing_strength"],
        )

    def driven_speed(self, physics: Mapping[str, float]) -> float:
        """What the force drives along one of its waves."""
        wave = self.extent / max(1.0, physics["forcing_waves"])
        return float((abs(physics["forcing_strength"]) * wave) ** 0.5)

    def prepare(self, state: jax.Array) -> jax.Array:
        """From cell centres to the nodes on which exponax places the force.

        Seen from the cell centres the force is then odd about the centre of the box, which makes
        the half turn an exact symmetry of the grid.
        """
        return shift_along_y(state, -0.5)

    def observe(self, state: jax.Array) -> jax.Array:
        """Pressure and velocity at cell centres."""
        return super().observe(shift_along_y(state, 0.5))


def shift_along_y(values: jax.Array, cells: float) -> jax.Array:
    """Values of the periodic function at points `cells` further along the last axis."""
    import jax.numpy as jnp

    modes = jnp.fft.rfft(values, axis=-1)
    wave_numbers = jnp.arange(modes.shape[-1])
    phase = jnp.exp(2j * jnp.pi * wave_numbers * cells / values.shape[-1])
    return jnp.fft.irfft(modes * phase, n=values.shape[-1], axis=-1)
