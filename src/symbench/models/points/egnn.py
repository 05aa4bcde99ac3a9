"""EGNN: E(n)-equivariant graph networks (Satorras et al., arXiv 2102.09844), with homotopy layers.

The free branches are our own: the public code of arXiv 2505.13631 has none for EGNN.
"""

from functools import partial

import torch
from torch import Tensor, nn

from symbench.data.points.particle_inputs import ParticleInputs
from symbench.data.points.point_graph import PointGraph, mean_at, rows_at, sum_at
from symbench.models.homotopy import Free, Relaxation
from symbench.models.perceptron import perceptron


class InvariantMessages(nn.Module):
    """h_i + MLP(h_i, sum_j m_ij) with m_ij = MLP(h_i, h_j, |x_i - x_j|², e_ij)."""

    def __init__(self, hidden: int, edge_scalars: int) -> None:
        """Set the widths."""
        super().__init__()
        self.message = perceptron(2 * hidden + 1 + edge_scalars, hidden, hidden, last=True)
        self.update = perceptron(2 * hidden, hidden, hidden)

    def forward(
        self, features: Tensor, edges: Tensor, squared: Tensor, edge_scalars: Tensor
    ) -> tuple[Tensor, Tensor]:
        """New features of nodes, (node, feature), and the messages behind them.

        Args:
            features: shape (node, feature).
            edges: receivers and senders, shape (2, edge).
            squared: squared distances, shape (edge, 1).
            edge_scalars: shape (edge, feature).

        """
        receivers, senders = edges
        seen = torch.cat(
            [rows_at(features, receivers), rows_at(features, senders), squared, edge_scalars],
            dim=-1,
        )
        messages: Tensor = self.message(seen)
        gathered = sum_at(messages, receivers, len(features))
        update: Tensor = self.update(torch.cat([features, gathered], dim=-1))
        return features + update, messages


def small_steps(hidden: int) -> nn.Module:
    """Weights of differences, without bias, and small at first: positions feed back."""
    last = nn.Linear(hidden, 1, bias=False)
    nn.init.xavier_uniform_(last.weight, gain=0.001)
    return nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), last)


class EGNN(nn.Module):
    """`egnn`: predicts positions from positions, velocities and charges, in any dimension.

    Edges see |x_i - x_j|² at the start too, as in the public code for charged particles. Velocities
    stay as they are between layers. With `free`, each layer has free branches beside its features
    and its positions, which see positions about the centroid and velocities as numbers.
    """

    def __init__(
        self, dimension: int, hidden: int = 64, layers: int = 4, free: bool = False
    ) -> None:
        """Set width, depth and whether there are free branches."""
        super().__init__()
        self.embed = nn.Linear(1, hidden)
        self.layers = nn.ModuleList(InvariantMessages(hidden, 2) for _ in range(layers))
        self.moves = nn.ModuleList(small_steps(hidden) for _ in range(layers))
        self.drifts = nn.ModuleList(perceptron(hidden, hidden, 1) for _ in range(layers))
        self.free = nn.ModuleList(
            FreeBranches(hidden, dimension) for _ in range(layers if free else 0)
        )

    def forward(self, inputs: PointGraph | ParticleInputs) -> Tensor:
        """Positions, shaped like the input's."""
        graph = inputs.graph()
        positions = graph.positions
        receivers, senders = graph.edges
        features = self.embed(graph.velocities.norm(dim=-1, keepdim=True))
        edge_scalars = torch.cat([graph.edge_scalars, graph.squared_distances()], dim=1)
        degrees = graph.degrees()
        for index, (layer, move, drift) in enumerate(
            zip(self.layers, self.moves, self.drifts, strict=True)
        ):
            difference = rows_at(positions, receivers) - rows_at(positions, senders)
            squared = difference.square().sum(dim=-1, keepdim=True)
            updated, messages = layer(features, graph.edges, squared, edge_scalars)
            moved = positions + mean_at(difference * move(messages), receivers, degrees)
            moved = moved + drift(features) * graph.velocities
            if self.free:
                updated, moved = self.free[index](graph, features, positions, updated, moved)
            features, positions = updated, moved
        return positions.reshape(inputs.positions.shape)


class FreeBranches(nn.Module):
    """Free branches beside the features and the positions of one layer."""

    def __init__(self, hidden: int, dimension: int) -> None:
        """Set the widths."""
        super().__init__()
        seen = hidden + 2 * dimension
        self.features, self.positions = Relaxation(), Relaxation()
        self.free_features = Free(*perceptron(seen, hidden, hidden))
        self.free_positions = Free(*perceptron(seen, hidden, dimension))

    def forward(
        self,
        graph: PointGraph,
        features: Tensor,
        positions: Tensor,
        new_features: Tensor,
        new_positions: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """New features and positions, each with γ times what its branch says."""
        centre = graph.mean_of_samples(positions)
        centred = positions - graph.to_nodes(centre)
        seen = torch.cat([features, centred, graph.velocities], dim=-1)
        return (
            self.features(new_features, lambda: self.free_features(seen)),
            self.positions(new_positions, lambda: self.free_positions(seen)),
        )


class EGNNAtoms(nn.Module):
    """EGNN on molecules: atoms stay where they are; one number for each atom."""

    def __init__(
        self,
        node_scalars: int,
        edge_scalars: int,
        hidden: int = 64,
        layers: int = 4,
        free: bool = True,
    ) -> None:
        """Set widths and depth."""
        super().__init__()
        self.embed = nn.Linear(node_scalars, hidden)
        self.layers = nn.ModuleList(InvariantMessages(hidden, edge_scalars) for _ in range(layers))
        self.relaxations = nn.ModuleList(Relaxation() for _ in range(layers if free else 0))
        self.free = nn.ModuleList(
            Free(*perceptron(hidden + 3, hidden, hidden)) for _ in range(layers if free else 0)
        )
        self.decode = perceptron(hidden, hidden, 1)

    def forward(self, graph: PointGraph) -> Tensor:
        """Shape (node, 1)."""
        squared = graph.squared_distances()
        features = self.embed(graph.scalars)
        for index, layer in enumerate(self.layers):
            updated, _ = layer(features, graph.edges, squared, graph.edge_scalars)
            if self.free:
                seen = torch.cat([features, graph.positions], dim=-1)
                updated = self.relaxations[index](updated, partial(self.free[index], seen))
            features = updated
        values: Tensor = self.decode(features)
        return values
