"""SEGNN with one property of a molecule, as its public code has it for QM9 (arXiv 2110.02905).

Attributes are spherical harmonics of a higher degree than features; the scalars of all atoms are
averaged, and a small network reads the property from the mean.
"""

from dataclasses import replace

import torch
from e3nn.o3 import Irreps
from torch import Tensor, nn

from symbench.data.parameters import positive_number
from symbench.data.points.point_graph import PointGraph, mean_at, rows_at
from symbench.models.points.segnn import (
    Harmonics,
    SEGNNLayer,
    SteerableGate,
    balanced_irreps,
    with_constant,
)
from symbench.models.points.steerable import SteerableLinear


class SEGNNProperty(nn.Module):
    """`segnn_property`: a number for each molecule; invariant where no free branch is on."""

    def __init__(
        self,
        *,
        node_scalars: int,
        edge_scalars: int,
        target_mean: float,
        target_scale: float,
        radius: float = 2.0,
        hidden: int = 64,
        layers: int = 5,
        largest_degree: int = 2,
        attribute_degree: int = 3,
        norm: bool = True,
        free: bool = True,
    ) -> None:
        """Set the network; the defaults are those of the published command.

        Args:
            node_scalars: features of atoms.
            edge_scalars: features of pairs besides the distance.
            target_mean: added to what is read out.
            target_scale: what is read out is multiplied by.
            radius: pairs at a larger distance send no messages, Å.
            hidden: width of scalars that has as many weights; see `balanced_irreps`.
            layers: rounds of messages.
            largest_degree: l_max of features.
            attribute_degree: l_max of attributes.
            norm: whether features are normalised after each round.
            free: whether updates have free branches.

        """
        super().__init__()
        self.radius = positive_number(radius, "radius")
        self.target_mean, self.target_scale = target_mean, target_scale
        attributes = Irreps.spherical_harmonics(attribute_degree)
        self.harmonics = Harmonics(attributes, "component")
        irreps = balanced_irreps(hidden, attributes, largest_degree)
        self.embed = SteerableLinear(Irreps([(node_scalars, (0, 1))]), irreps, attributes)
        self.layers = nn.ModuleList(
            SEGNNLayer(irreps, attributes, 1 + edge_scalars, norm=norm, free=free)
            for _ in range(layers)
        )
        pooled = irreps.num_irreps
        self.gate = SteerableGate(irreps, irreps, attributes)
        self.pool = SteerableLinear(irreps, Irreps([(pooled, (0, 1))]), attributes)
        self.decode = nn.Sequential(nn.Linear(pooled, pooled), nn.SiLU(), nn.Linear(pooled, 1))

    def forward(self, graph: PointGraph) -> Tensor:
        """Shape (sample, 1)."""
        receivers, senders = graph.edges
        difference = rows_at(graph.positions, senders) - rows_at(graph.positions, receivers)
        squared = difference.square().sum(dim=1, keepdim=True)
        near = (squared[:, 0] < self.radius**2).nonzero()[:, 0]
        scalars = rows_at(torch.cat([squared, graph.edge_scalars], dim=1), near)
        graph = replace(
            graph,
            edges=graph.edges.index_select(1, near),
            edge_scalars=rows_at(graph.edge_scalars, near),
        )
        harmonics = self.harmonics(rows_at(difference, near))
        of_nodes = with_constant(mean_at(harmonics, graph.edges[0], graph.degrees()))
        features = self.embed(graph.scalars, of_nodes)
        for layer in self.layers:
            features = layer(features, graph, harmonics, of_nodes, scalars)
        values = self.pool(self.gate(features, of_nodes), of_nodes)
        mean = graph.mean_of_samples(values)
        return self.target_mean + self.target_scale * self.decode(mean)
