"""Networks for particles with positions, velocities and charges; they predict later positions.

Every pair of particles exchanges messages; tensors are dense, (sample, particle, particle, ...).
The backbone after the public code of EGNN (Satorras et al., arXiv 2102.09844).
"""

import torch
from torch import Tensor, nn

from symbench.data.points.particle_inputs import ParticleInputs
from symbench.errors import choose
from symbench.models.perceptron import perceptron
from symbench.models.sign_equivariant import ColumnLinear
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.principal_axes import (
    minimal_frame,
    principal_axes,
    principal_frame,
)


def pairs(first: Tensor, second: Tensor, *more: Tensor) -> Tensor:
    """Features of receiver, sender and pair side by side, (sample, particle, particle, feature)."""
    n = first.shape[1]
    receiver = first[:, :, None].expand(-1, -1, n, -1)
    sender = second[:, None].expand(-1, n, -1, -1)
    return torch.cat([receiver, sender, *more], dim=-1)


def invariants(inputs: ParticleInputs) -> Tensor:
    """q_i q_j and |x_i - x_j|² of pairs, shape (sample, particle, particle, 2)."""
    difference = inputs.positions[:, :, None] - inputs.positions[:, None]
    products = inputs.charges[:, :, None] * inputs.charges[:, None]
    return torch.stack([products, difference.square().sum(dim=-1)], dim=-1)


def other_particles(n: int, like: Tensor) -> Tensor:
    """1 for pairs of different particles, else 0, shape (particle, particle, 1)."""
    return (1 - torch.eye(n, dtype=like.dtype, device=like.device))[..., None]


class MessageLayer(nn.Module):
    """h_i + MLP(h_i, sum_j m_ij) with m_ij = MLP(h_i, h_j, e_ij)."""

    def __init__(self, hidden: int, pair_features: int) -> None:
        """Set the widths."""
        super().__init__()
        self.message = perceptron(2 * hidden + pair_features, hidden, hidden, last=True)
        self.update = perceptron(2 * hidden, hidden, hidden)

    def forward(self, features: Tensor, pair_features: Tensor) -> tuple[Tensor, Tensor]:
        """New features, (sample, particle, feature), and the messages from j to i behind them."""
        messages: Tensor = self.message(pairs(features, features, pair_features))
        messages = messages * other_particles(features.shape[1], messages)
        update: Tensor = self.update(torch.cat([features, messages.sum(dim=2)], dim=-1))
        return features + update, messages


class GraphNeuralNetwork(nn.Module):
    """`gnn`: coordinates as plain features; knows neither rotations nor reflections.

    With `centred` it sees positions relative to the centroid and predicts them so (invariant to
    translations), and distances of pairs, as the backbone of frame averaging does.
    """

    def __init__(
        self, dimension: int, hidden: int = 64, layers: int = 4, centred: bool = False
    ) -> None:
        """Set width and depth."""
        super().__init__()
        self.centred = centred
        self.embed = nn.Linear(2 * dimension, hidden)
        self.layers = nn.ModuleList(MessageLayer(hidden, 1 + centred) for _ in range(layers))
        self.decode = perceptron(hidden, hidden, dimension)

    def forward(self, inputs: ParticleInputs) -> Tensor:
        """Positions, shape (sample, particle, axis)."""
        centre = inputs.positions.mean(dim=1, keepdim=True) * self.centred
        pair_features = invariants(inputs)[..., : 1 + self.centred]
        features = self.embed(torch.cat([inputs.positions - centre, inputs.velocities], dim=-1))
        for layer in self.layers:
            features, _ = layer(features, pair_features)
        positions: Tensor = centre + self.decode(features)
        return positions


class Framed(nn.Module):
    """A centred `gnn` averaged over frames of O(d), in training and after: exactly equivariant.

    One frame around the whole network; the public code of frame averaging (Puny et al., arXiv
    2110.03336) frames its latent features anew after each layer as well.
    """

    def __init__(
        self, dimension: int, hidden: int = 60, layers: int = 4, frame: str = "principal_axes"
    ) -> None:
        """Set width, depth and frame: "principal_axes" (2^d passes) or "minimal" (one).

        Raises:
            ConfigError: for another frame.

        """
        super().__init__()
        self.backbone = GraphNeuralNetwork(dimension, hidden, layers, centred=True)
        frames = {"principal_axes": principal_frame, "minimal": minimal_frame}
        self.frame = frames[choose(frame, frames, "frame")]

    def forward(self, inputs: ParticleInputs) -> Tensor:
        """Positions, shape (sample, particle, axis); all poses go through in one batch."""
        elements = self.frame(inputs.positions)
        count, samples = elements.shape[:2]
        flat = elements.flatten(0, 1)
        repeated = ParticleInputs(
            rotate(flat, inputs.positions.repeat(count, 1, 1)),
            rotate(flat, inputs.velocities.repeat(count, 1, 1)),
            inputs.charges.repeat(count, 1),
        )
        back = rotate(flat.mT, self.backbone(repeated))
        return back.unflatten(0, (count, samples)).mean(dim=0)


class SignEquivariantLayer(nn.Module):
    """Messages and updates on signed features (sample, particle, axis, channel).

    Signed paths are linear for each axis and without bias; their gates, sigmoids of networks as in
    the paper's public code, see magnitudes and invariants only. A change of the sign of an axis
    goes through the layer unchanged. Without the sigmoids, products of products let the few
    trajectories with close encounters blow up.
    """

    def __init__(self, dimension: int, channels: int, hidden: int, pair_invariants: int) -> None:
        """Set the widths."""
        super().__init__()
        signed = dimension * channels
        self.edge = ColumnLinear(dimension, channels, channels)
        self.node = ColumnLinear(dimension, channels, channels)
        self.gathered = ColumnLinear(dimension, channels, channels)
        self.edge_gate = perceptron(3 * signed + pair_invariants + 2, hidden, signed)
        self.node_gate = perceptron(2 * signed + 1, hidden, 2 * signed)
        self.shape = (dimension, channels)

    def forward(self, features: Tensor, pair_features: Tensor, speed: Tensor) -> Tensor:
        """One layer.

        Args:
            features: shape (sample, particle, axis, channel).
            pair_features: invariants of pairs, shape (sample, particle, particle, invariant).
            speed: an invariant of each particle, shape (sample, particle, 1).

        """
        n = features.shape[1]
        difference = features[:, :, None] - features[:, None]
        magnitude = torch.cat([features.abs().flatten(2), speed], dim=-1)
        seen = pairs(magnitude, magnitude, difference.abs().flatten(3), pair_features)
        gate = torch.sigmoid(self.edge_gate(seen)).unflatten(-1, self.shape)
        messages = self.edge(difference) * gate * other_particles(n, gate)[..., None]
        gathered = messages.sum(dim=2) / max(1, n - 1)
        seen = torch.cat([magnitude, gathered.abs().flatten(2)], dim=-1)
        gates = torch.sigmoid(self.node_gate(seen))
        own, received = (part.unflatten(-1, self.shape) for part in gates.chunk(2, dim=-1))
        return features + self.node(features) * own + self.gathered(gathered) * received


class SignEquivariantParticles(nn.Module):
    """f(X) = h(X R) Rᵀ with principal axes R and a sign-equivariant h: O(d) in one pass.

    The construction is that of arXiv 2312.02339; the network h is our own design, since the
    paper's was not to be had. With `pair_invariants` the gates also see charges' products and
    distances of pairs; without, only the products.
    """

    def __init__(
        self,
        dimension: int,
        channels: int = 12,
        hidden: int = 72,
        layers: int = 4,
        pair_invariants: bool = True,
    ) -> None:
        """Set the widths and the depth."""
        super().__init__()
        self.pair_invariants = 2 if pair_invariants else 1
        self.embed = ColumnLinear(dimension, 2, channels)
        self.layers = nn.ModuleList(
            SignEquivariantLayer(dimension, channels, hidden, self.pair_invariants)
            for _ in range(layers)
        )
        self.drift = nn.Parameter(torch.ones(()))
        self.decode = ColumnLinear(dimension, channels, 1)

    def forward(self, inputs: ParticleInputs) -> Tensor:
        """Positions, shape (sample, particle, axis)."""
        _, axes = principal_axes(inputs.positions)
        centre = inputs.positions.mean(dim=1, keepdim=True)
        positions = (inputs.positions - centre) @ axes
        velocities = inputs.velocities @ axes
        features = self.embed(torch.stack([positions, velocities], dim=-1))
        pair_features = invariants(inputs)[..., : self.pair_invariants]
        speed = inputs.velocities.norm(dim=-1, keepdim=True)
        for layer in self.layers:
            features = layer(features, pair_features, speed)
        moved = positions + self.drift * velocities + self.decode(features)[..., 0]
        return moved @ axes.mT + centre
