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
from symbench.models.size import size, width_of_size
from symbench.symmetry.points.principal_axes import (
    axes_frame,
    determined_axes,
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
    """`gnn`: coordinates as plain features; knows neither rotations nor translations."""

    def __init__(self, dimension: int, hidden: int = 64, layers: int = 4) -> None:
        """Set width and depth."""
        super().__init__()
        self.embed = nn.Linear(2 * dimension, hidden)
        self.layers = nn.ModuleList(MessageLayer(hidden, 1) for _ in range(layers))
        self.decode = perceptron(hidden, hidden, dimension)

    def forward(self, inputs: ParticleInputs) -> Tensor:
        """Positions, shape (sample, particle, axis)."""
        products = invariants(inputs)[..., :1]
        features = self.embed(torch.cat([inputs.positions, inputs.velocities], dim=-1))
        for layer in self.layers:
            features, _ = layer(features, products)
        positions: Tensor = self.decode(features)
        return positions


class Origin(nn.Module):
    """Where predictions start: at x + t·v with a learned time t, 1 at first, or at the centroid."""

    def __init__(self, drift: bool) -> None:
        """Say whether particles drift."""
        super().__init__()
        self.time = nn.Parameter(torch.ones(())) if drift else None

    def forward(self, inputs: ParticleInputs) -> Tensor:
        """Positions, shape (sample, particle or 1, axis)."""
        if self.time is None:
            return inputs.positions.mean(dim=1, keepdim=True)
        return inputs.positions + self.time * inputs.velocities


class Framed(nn.Module):
    """Frame averaging of a graph network, in training and after: exactly equivariant to O(d).

    As in the public code (Puny et al., arXiv 2110.03336) the features between two layers are read
    as vectors, averaged over the frame, and framed anew by the principal axes of all of them;
    without `anew` there is one frame around the whole network. The public code has no `drift`.
    """

    def __init__(
        self,
        dimension: int,
        hidden: int = 60,
        layers: int = 4,
        frame: str = "principal_axes",
        anew: bool = True,
        drift: bool = True,
    ) -> None:
        """Set width, depth and frame.

        Args:
            dimension: of space.
            hidden: width; the multiple of the dimension that is nearest is taken.
            layers: rounds of messages.
            frame: "principal_axes" (2^d passes) or "minimal" (one).
            anew: whether the features of each layer get a frame of their own.
            drift: whether x + t·v is added to what is predicted.

        Raises:
            ConfigError: for another frame.

        `forward` raises `SymmetryError` for particles whose positions leave the frame open, as two
        particles in 3 dimensions do, or four at the corners of a square.

        """
        super().__init__()
        hidden = dimension * max(1, round(hidden / dimension))
        self.embed = nn.Linear(2 * dimension, hidden)
        self.layers = nn.ModuleList(MessageLayer(hidden, 2) for _ in range(layers))
        self.decode = perceptron(hidden, hidden, dimension)
        self.origin = Origin(drift)
        self.minimal = choose(frame, ("principal_axes", "minimal"), "frame") == "minimal"
        self.anew = anew

    def forward(self, inputs: ParticleInputs) -> Tensor:
        """Positions, shape (sample, particle, axis); all poses go through in one batch."""
        centred = inputs.positions - inputs.positions.mean(dim=1, keepdim=True)
        elements = (
            minimal_frame(centred)
            if self.minimal
            else principal_frame(centred, others=[inputs.velocities])
        )
        vectors = torch.stack([centred, inputs.velocities], dim=2)
        features = self.embed(_posed(elements, vectors))
        pair_features = invariants(inputs).repeat(len(elements), 1, 1, 1)
        for number, layer in enumerate(self.layers):
            if number and self.anew:
                vectors = _returned(elements, features)
                vectors = vectors - vectors.mean(dim=(1, 2), keepdim=True)
                elements = self._frame_of_features(vectors.flatten(1, 2))
                features = _posed(elements, vectors)
            features, _ = layer(features, pair_features)
        origin: Tensor = self.origin(inputs)
        return origin + _returned(elements, self.decode(features))[:, :, 0]

    def _frame_of_features(self, vectors: Tensor) -> Tensor:
        """Unchecked: positions were, and a step of training must not fail by chance."""
        if self.minimal:
            return minimal_frame(vectors, checked=False)
        return axes_frame(principal_axes(vectors)[1])


def _posed(elements: Tensor, vectors: Tensor) -> Tensor:
    """Vectors (sample, particle, vector, axis) in all poses, (pose · sample, particle, feature)."""
    posed = torch.einsum("psij,snvj->psnvi", elements, vectors)
    return posed.flatten(3).flatten(0, 1)


def _returned(elements: Tensor, features: Tensor) -> Tensor:
    """Features of all poses as vectors, back and averaged, (sample, particle, vector, axis)."""
    posed = features.unflatten(0, elements.shape[:2]).unflatten(-1, (-1, elements.shape[-1]))
    return torch.einsum("psji,psnvj->snvi", elements, posed) / len(elements)


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
    paper's was not to be had. By default it is as large as `Framed` in every dimension. With
    `pair_invariants` the gates also see distances of pairs, and without, charges' products alone.
    `forward` raises `SymmetryError` for positions that leave the axes open; see `determined_axes`.
    """

    def __init__(
        self,
        dimension: int,
        channels: int | None = None,
        hidden: int | None = None,
        layers: int = 4,
        pair_invariants: bool = True,
        drift: bool = True,
    ) -> None:
        """Set the widths and the depth.

        Args:
            dimension: of space.
            channels: signed features of each axis; 36 of all axes together by default.
            hidden: width of the gates; by default that which makes the network as large as
                `Framed` by default.
            layers: rounds of messages.
            pair_invariants: whether gates see distances of pairs.
            drift: whether x + t·v is added to what is predicted; see `Framed`.

        """
        super().__init__()
        self.pair_invariants = 2 if pair_invariants else 1
        channels = max(1, round(36 / dimension)) if channels is None else channels

        def layer(width: int) -> SignEquivariantLayer:
            return SignEquivariantLayer(dimension, channels, width, self.pair_invariants)

        if hidden is None:
            others = 3 * dimension * channels
            with torch.device("meta"):
                wanted = (size(Framed(dimension)) - others) / layers
            hidden = width_of_size(layer, wanted)
        self.embed = ColumnLinear(dimension, 2, channels)
        self.layers = nn.ModuleList(layer(hidden) for _ in range(layers))
        self.decode = ColumnLinear(dimension, channels, 1)
        self.origin = Origin(drift)

    def forward(self, inputs: ParticleInputs) -> Tensor:
        """Positions, shape (sample, particle, axis)."""
        axes = determined_axes(inputs.positions, inputs.velocities)
        centred = inputs.positions - inputs.positions.mean(dim=1, keepdim=True)
        features = self.embed(torch.stack([centred @ axes, inputs.velocities @ axes], dim=-1))
        pair_features = invariants(inputs)[..., : self.pair_invariants]
        speed = inputs.velocities.norm(dim=-1, keepdim=True)
        for layer in self.layers:
            features = layer(features, pair_features, speed)
        origin: Tensor = self.origin(inputs)
        return origin + self.decode(features)[..., 0] @ axes.mT
