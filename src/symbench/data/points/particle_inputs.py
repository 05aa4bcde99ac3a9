"""What models of particles see: positions, velocities and charges, as many particles a sample."""

from dataclasses import dataclass

import torch
from torch import Tensor

from symbench.data.batch import Inputs
from symbench.data.points.point_graph import PointGraph, complete_edges


@dataclass(frozen=True)
class ParticleInputs(Inputs):
    """Particles of some samples, the same number in each.

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
        edges = complete_edges(samples, particles, self.positions.device)
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
