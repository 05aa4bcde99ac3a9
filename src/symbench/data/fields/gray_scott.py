"""Gray-Scott reaction-diffusion on the periodic square: two scalar concentrations.

    A_t = d_A ΔA - A B² + f (1 - A),    B_t = d_B ΔB + A B² - (f + k) B

with the diffusivities, the cell size (1/64) and the six regimes (f, k) of The Well's
gray_scott_reaction_diffusion; at its resolution of 128 the box is its box. Equation and law of
the starts are invariant under D4 and shifts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from symbench.data.fields.simulation import SimulatedFields
from symbench.symmetry.grids.field import Field

if TYPE_CHECKING:
    import exponax as ex
    import jax

# Feed rate f, kill rate k, radius and amplitude of the clusters that B starts in: where feed is
# slow, wide clusters use up A and die; where it is fast, thin ones are washed out.
_REGIMES = {
    "gliders": (0.014, 0.054, 0.03, 0.25),
    "bubbles": (0.098, 0.057, 0.05, 1.0),
    "maze": (0.029, 0.057, 0.03, 0.25),
    "worms": (0.058, 0.065, 0.05, 1.0),
    "spirals": (0.018, 0.051, 0.03, 0.25),
    "spots": (0.030, 0.062, 0.03, 0.25),
}
_CLUSTERS = 8


class GrayScott(SimulatedFields):
    """Pattern formation in six regimes; The Well tells neither f nor k to the model."""

    name = "gray_scott"
    dimension = 2
    fields = (Field("A"), Field("B"))
    state_fields = fields

    @staticmethod
    def regimes() -> dict[str, dict[str, float]]:
        """Feed rate f and kill rate k (1/s), diffusivities and start of each regime."""
        return {
            name: {
                "f": f,
                "k": k,
                "diffusivity_A": 2e-5,
                "diffusivity_B": 1e-5,
                "start_radius": radius,
                "start_amplitude": amplitude,
            }
            for name, (f, k, radius, amplitude) in _REGIMES.items()
        }

    @property
    def extent(self) -> float:
        """Length of the box; the cell size is fixed, because the patterns set the scale."""
        return self.resolution / 64

    def stepper(self, time_step: float, physics: Mapping[str, float]) -> ex.BaseStepper:
        """Exponential time differencing with both reactions."""
        import exponax as ex

        return ex.stepper.reaction.GrayScott(
            *self.box,
            time_step,
            diffusivity_1=physics["diffusivity_A"],
            diffusivity_2=physics["diffusivity_B"],
            feed_rate=physics["f"],
            kill_rate=physics["k"],
        )

    def fastest_rate(self, fields: np.ndarray, physics: Mapping[str, float]) -> float:
        """Half of the fastest reaction, 2 A B - B² with what is fed and killed, 1/time.

        A step may be longer in time constants of a reaction, which decays, than in cells of a flow.
        """
        a, b = fields[:, 0], fields[:, 1]
        return float(np.abs(2 * a * b - b**2).max() + 2 * physics["f"] + physics["k"]) / 2

    def start(self, key: jax.Array, physics: Mapping[str, float]) -> jax.Array:
        """Random clusters of Gaussians of B, where A is used up."""
        import jax
        import jax.numpy as jnp

        nodes = (jnp.arange(self.resolution) + 0.5) / 64
        centres = self.extent * jax.random.uniform(key, (self.dimension, _CLUSTERS, 1))
        distance = (nodes - centres + self.extent / 2) % self.extent - self.extent / 2
        along = jnp.exp(-((distance / physics["start_radius"]) ** 2) / 2)
        clusters = jnp.clip(jnp.einsum("ci,cj->ij", along[0], along[1]), 0, 1)
        amplitude = physics["start_amplitude"]
        return jnp.stack([1 - min(1, 2 * amplitude) * clusters, amplitude * clusters])

    def observe(self, state: jax.Array) -> jax.Array:
        """The concentrations are the state."""
        return state
