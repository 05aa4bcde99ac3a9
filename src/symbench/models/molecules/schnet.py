"""SchNet: continuous-filter convolutions on molecules (Schütt et al., arXiv 1706.08566).

The free branch is that of the public code of arXiv 2505.13631: a stream of positions beside the
interactions, of which each layer adds γ times. Weights start as there and in torch-geometric.
"""

import math

import torch
from torch import Tensor, nn

from symbench.data.parameters import positive_number
from symbench.data.points.point_graph import PointGraph, rows_at, sum_at
from symbench.models.homotopy import Free, Relaxation
from symbench.models.molecules.distances import length


class ShiftedSoftplus(nn.Module):
    """log((1 + exp(x)) / 2): zero at zero."""

    def forward(self, values: Tensor) -> Tensor:
        """Of any shape."""
        return nn.functional.softplus(values) - math.log(2.0)


def start(*layers: nn.Module) -> None:
    """Begin linear layers with weights by Glorot and Bengio, and biases of zero."""
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Interaction(nn.Module):
    """Filters of distances times features of neighbours, between two linear layers."""

    def __init__(self, hidden: int, filters: int, gaussians: int) -> None:
        """Set the widths."""
        super().__init__()
        self.filter = nn.Sequential(
            nn.Linear(gaussians, filters), ShiftedSoftplus(), nn.Linear(filters, filters)
        )
        self.into = nn.Linear(hidden, filters, bias=False)
        self.out = nn.Sequential(
            nn.Linear(filters, hidden), ShiftedSoftplus(), nn.Linear(hidden, hidden)
        )
        start(*self.filter, self.into, *self.out)

    def forward(
        self, features: Tensor, edges: Tensor, expanded: Tensor, envelope: Tensor
    ) -> Tensor:
        """What each atom gains, (node, feature), from expanded distances (edge, gaussian)."""
        receivers, senders = edges
        messages = rows_at(self.into(features), senders) * (self.filter(expanded) * envelope)
        gained: Tensor = self.out(sum_at(messages, receivers, len(features)))
        return gained


class SchNet(nn.Module):
    """One number for each atom; invariant to rotations, reflections and translations."""

    centres: Tensor

    def __init__(
        self,
        node_scalars: int,
        edge_scalars: int,
        hidden: int = 64,
        filters: int = 64,
        layers: int = 6,
        gaussians: int = 50,
        cutoff: float = 10.0,
        free: bool = True,
    ) -> None:
        """Set widths, depth and cutoff (in the unit of positions); edge scalars are not used."""
        super().__init__()
        self.cutoff = positive_number(cutoff, "cutoff")
        self.embed = nn.Linear(node_scalars, hidden, bias=False)
        nn.init.normal_(self.embed.weight)
        self.layers = nn.ModuleList(Interaction(hidden, filters, gaussians) for _ in range(layers))
        self.decode = nn.Sequential(
            nn.Linear(hidden, hidden // 2), ShiftedSoftplus(), nn.Linear(hidden // 2, 1)
        )
        start(*self.decode)
        self.register_buffer("centres", torch.linspace(0.0, cutoff, gaussians), persistent=False)
        self.spacing = cutoff / (gaussians - 1)
        count = layers if free else 0
        self.relaxations = nn.ModuleList(Relaxation() for _ in range(count))
        self.free_embed = Free(nn.Linear(3, hidden)) if free else None
        self.free = nn.ModuleList(
            Free(nn.BatchNorm1d(hidden), nn.Linear(hidden, hidden)) for _ in range(count)
        )

    def forward(self, graph: PointGraph) -> Tensor:
        """Shape (node, 1); positions about the centroid, so that only rotations are broken."""
        receivers, senders = graph.edges
        difference = rows_at(graph.positions, receivers) - rows_at(graph.positions, senders)
        distance = length(difference)
        expanded = torch.exp(-0.5 * ((distance - self.centres) / self.spacing).square())
        inside = distance < self.cutoff
        envelope = 0.5 * (torch.cos(distance * (math.pi / self.cutoff)) + 1) * inside
        features = self.embed(graph.scalars)
        stream = None
        if self.free_embed is not None and any(relaxation.on for relaxation in self.relaxations):
            stream = self.free_embed(graph.positions)
        for index, layer in enumerate(self.layers):
            features = features + layer(features, graph.edges, expanded, envelope)
            if stream is not None:
                stream = self.free[index](stream)
                features = self.relaxations[index](features, lambda stream=stream: stream)
        values: Tensor = self.decode(features)
        return values
