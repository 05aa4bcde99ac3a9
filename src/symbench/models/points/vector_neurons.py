"""VN-DGCNN: rotation-equivariant networks of vector neurons for point clouds, and their classifier.

Source: Deng et al., Vector Neurons, arXiv 2104.12229; graphs of nearest neighbours in feature space
after Wang et al., DGCNN, arXiv 1801.07829. Free branches as in the public code of arXiv 2505.13631:
beside the map to features and the map to directions of each layer, each with its own γ. In the
layers after the fourth the public code reshapes them without a permutation, so that they mix
points and channels; here, as is meant there, each point has a free branch of its own.
Features have the shape (sample, ..., axis, channel); no layer has a bias but the last ones.
"""

import torch
from torch import Tensor, nn

from symbench.errors import ConfigError
from symbench.models.homotopy import Free, Homotopy

TINY = 1e-6


class FreeVectors(nn.Module):
    """A linear layer on all components of all channels at once."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        """Set the widths."""
        super().__init__()
        self.linear = nn.Linear(3 * channels_in, 3 * channels_out)
        self.channels = channels_out

    def forward(self, vectors: Tensor) -> Tensor:
        """Shape (sample, ..., axis, channel)."""
        mixed: Tensor = self.linear(vectors.flatten(-2))
        return mixed.unflatten(-1, (3, self.channels))


class VectorLayer(nn.Module):
    """Linear map of channels, normalised lengths, and a leaky ReLU along learned directions."""

    def __init__(
        self, channels_in: int, channels_out: int, *, shared: bool = False, free: bool = True
    ) -> None:
        """Set the widths; with `shared`, one direction serves all channels."""
        super().__init__()
        directions = 1 if shared else channels_out
        features: nn.Module = nn.Linear(channels_in, channels_out, bias=False)
        direction: nn.Module = nn.Linear(channels_in, directions, bias=False)
        if free:
            features = Homotopy(features, Free(FreeVectors(channels_in, channels_out)))
            direction = Homotopy(direction, Free(FreeVectors(channels_in, directions)))
        self.features, self.direction = features, direction
        self.norm = nn.BatchNorm1d(channels_out)

    def forward(self, vectors: Tensor) -> Tensor:
        """Shape (sample, ..., axis, channel)."""
        features = self.features(vectors)
        # As a sum of squares: torch's norm over an inner axis takes a third of a training step.
        length = features.square().sum(dim=-2, keepdim=True).clamp(min=TINY**4).sqrt() + TINY
        flat = length.flatten(0, -2)
        features = features * (self.norm(flat).reshape(length.shape) / length)
        direction = self.direction(vectors)
        along = (features * direction).sum(dim=-2, keepdim=True)
        squared = direction.square().sum(dim=-2, keepdim=True)
        # Slope 0.2 on the side against the direction: 0.8 of that part is taken away.
        return features - 0.8 * along.clamp(max=0) / (squared + TINY) * direction


def neighbour_features(vectors: Tensor, neighbours: int) -> Tensor:
    """Differences to the nearest points in feature space, and the point itself.

    Args:
        vectors: shape (sample, point, axis, channel).
        neighbours: how many at most, the point itself among them; all points where there are
            fewer, as in clouds that have lost some.

    Returns:
        Shape (sample, point, neighbour, axis, 2 channel).

    """
    flat = vectors.flatten(2)
    neighbours = min(neighbours, flat.shape[1])
    with torch.no_grad():
        nearest = torch.cdist(flat, flat).topk(neighbours, largest=False).indices
    samples = torch.arange(len(vectors), device=vectors.device)[:, None, None]
    others = vectors[samples, nearest]
    own = vectors[:, :, None].expand_as(others)
    return torch.cat([others - own, own], dim=-1)


class VectorNeuronClassifier(nn.Module):
    """`vn_dgcnn`: logits of the classes of point clouds, invariant to rotations and reflections.

    In clouds of fewer points than neighbours, all points are neighbours.
    """

    def __init__(
        self,
        classes: int,
        width: int = 64,
        neighbours: int = 20,
        dropout: float = 0.5,
        free: bool = True,
    ) -> None:
        """Set the width (64 is the published one), the neighbours and the dropout of the head."""
        super().__init__()
        if neighbours < 1:
            raise ConfigError(f"neighbours is {neighbours}; give one at least, the point itself.")
        self.neighbours = neighbours
        small, middle, wide, last = (factor * width // 3 for factor in (1, 2, 4, 16))
        sizes = [(1, small), (small, small), (small, middle), (middle, wide)]
        self.rounds = nn.ModuleList(VectorLayer(2 * a, b, free=free) for a, b in sizes)
        self.join = VectorLayer(2 * small + middle + wide, last, shared=True, free=free)
        both = 2 * last
        self.pose = nn.Sequential(
            VectorLayer(both, both // 2, free=free), VectorLayer(both // 2, both // 4, free=free)
        )
        self.axes = nn.Linear(both // 4, 3, bias=False)
        self.head = nn.Sequential(
            nn.Linear(12 * last, 8 * width),
            nn.BatchNorm1d(8 * width),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(8 * width, 4 * width),
            nn.BatchNorm1d(4 * width),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(4 * width, classes),
        )

    def forward(self, points: Tensor) -> Tensor:
        """Points (sample, point, axis) to logits (sample, class)."""
        vectors, rounds = points[..., None], []
        for layer in self.rounds:
            vectors = layer(neighbour_features(vectors, self.neighbours)).mean(dim=2)
            rounds.append(vectors)
        vectors = self.join(torch.cat(rounds, dim=-1))
        mean = vectors.mean(dim=1, keepdim=True).expand_as(vectors)
        vectors = torch.cat([vectors, mean], dim=-1)
        axes = self.axes(self.pose(vectors))
        # Scalar products with learned axes that turn along: invariant features of each point.
        invariant = (vectors.mT @ axes).flatten(2)
        pooled = torch.cat([invariant.amax(dim=1), invariant.mean(dim=1)], dim=1)
        logits: Tensor = self.head(pooled)
        return logits
