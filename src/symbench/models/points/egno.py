"""EGNO: equivariant graph neural operator (Xu et al., arXiv 2401.11037): a curve of positions.

Every layer convolves features and vectors in time, in Fourier space, then passes messages at each
time; edges see the squared distance of the first frame too. Free branches as in the public code of
arXiv 2505.13631: a stream of features, and a branch of positions anew in each layer, each with its
own γ.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from symbench.data.points.point_graph import PointGraph, mean_at, rows_at, sum_at
from symbench.errors import ConfigError
from symbench.models.homotopy import Free, Relaxation
from symbench.models.perceptron import perceptron

LARGEST_MOVE = 100.0


class TimeConvolution(nn.Module):
    """Adds a convolution in time with a few Fourier modes; the same for every component."""

    def __init__(self, channels: int, modes: int, scale: float, activated: bool) -> None:
        """Set the width, the number of modes, and the size of the first weights."""
        super().__init__()
        self.weights = nn.Parameter(scale * torch.rand(channels, channels, modes, 2))
        self.activation = nn.LeakyReLU() if activated else nn.Identity()

    def forward(self, values: Tensor) -> Tensor:
        """Values of shape (time, ..., channel)."""
        spectrum = torch.fft.rfft(values, dim=0)
        kernel = torch.view_as_complex(self.weights)
        modes = min(len(spectrum), kernel.shape[2])
        mixed = torch.einsum("m...i,iom->m...o", spectrum[:modes], kernel[..., :modes])
        change = torch.fft.irfft(mixed, n=len(values), dim=0)
        return values + self.activation(change)


class MotionLayer(nn.Module):
    """Messages along bones that move joints; features are made anew, not added to."""

    def __init__(self, hidden: int, edge_scalars: int) -> None:
        """Set the widths."""
        super().__init__()
        self.message = perceptron(2 * hidden + edge_scalars + 1, hidden, hidden, last=True)
        self.move = perceptron(hidden, hidden, 1)
        self.drift = perceptron(hidden, hidden, 1)
        self.update = perceptron(2 * hidden, hidden, hidden)

    def forward(
        self,
        features: Tensor,
        positions: Tensor,
        velocities: Tensor,
        edges: Tensor,
        degrees: Tensor,
        edge_scalars: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """New features (node, feature) and positions (node, axis)."""
        receivers, senders = edges
        difference = rows_at(positions, receivers) - rows_at(positions, senders)
        squared = difference.square().sum(dim=1, keepdim=True)
        seen = torch.cat(
            [rows_at(features, receivers), rows_at(features, senders), squared, edge_scalars], dim=1
        )
        messages = self.message(seen)
        move = mean_at(difference * self.move(messages), receivers, degrees)
        moved = positions + self.drift(features) * velocities
        # By length: the public code clamps each component, which no rotation leaves alone.
        length = move.norm(dim=1, keepdim=True)
        moved = moved + move * (LARGEST_MOVE / length.clamp(min=LARGEST_MOVE))
        gathered = sum_at(messages, receivers, len(features))
        return self.update(torch.cat([features, gathered], dim=1)), moved


class EGNO(nn.Module):
    """`egno`: positions at the last few times of an interval from positions and velocities."""

    def __init__(
        self,
        node_scalars: int,
        edge_scalars: int,
        time_steps: int,
        hidden: int = 128,
        layers: int = 6,
        modes: int = 2,
        time_embedding: int = 32,
        free: bool = True,
    ) -> None:
        """Set widths, depth, Fourier modes and the length of the embedding of time."""
        super().__init__()
        if time_embedding % 2 or time_embedding == 2:
            raise ConfigError(f"time_embedding is {time_embedding}; give an even number but 2.")
        self.time_steps = time_steps
        self.time_embedding = time_embedding
        seen = 1 + node_scalars + time_embedding
        self.embed = nn.Linear(seen, hidden)
        self.layers = nn.ModuleList(MotionLayer(hidden, edge_scalars + 1) for _ in range(layers))
        self.in_time = nn.ModuleList(
            TimeConvolution(hidden, modes, hidden**-2.0, activated=True) for _ in range(layers)
        )
        self.vectors_in_time = nn.ModuleList(
            TimeConvolution(2, modes, 0.1, activated=False) for _ in range(layers)
        )
        count = layers if free else 0
        self.free_embed = Free(nn.Linear(seen, hidden)) if free else None
        self.free_positions_embed = Free(nn.Linear(3, 3)) if free else None
        self.free_features = nn.ModuleList(
            Free(nn.BatchNorm1d(hidden), _bounded(hidden, hidden)) for _ in range(count)
        )
        self.free_positions = nn.ModuleList(
            Free(
                nn.BatchNorm1d(3),
                _bounded(3, hidden),
                nn.SiLU(),
                nn.BatchNorm1d(hidden),
                _bounded(hidden, 3),
            )
            for _ in range(count)
        )
        self.features = nn.ModuleList(Relaxation() for _ in range(count))
        self.positions = nn.ModuleList(Relaxation() for _ in range(count))

    def forward(self, graph: PointGraph) -> Tensor:
        """Positions of shape (node, time, axis)."""
        times, nodes = self.time_steps, len(graph.positions)
        edges = torch.cat([graph.edges + nodes * time for time in range(times)], dim=1)
        degrees = graph.degrees().repeat(times)
        edge_scalars = torch.cat([graph.edge_scalars, graph.squared_distances()], dim=1)
        edge_scalars = edge_scalars.repeat(times, 1)
        velocities = graph.velocities.repeat(times, 1)
        positions = graph.positions.repeat(times, 1)
        centre = graph.mean_of_samples(graph.positions)
        centre = graph.to_nodes(centre).repeat(times, 1)
        speed = graph.velocities.norm(dim=1, keepdim=True)
        seen = torch.cat([speed, graph.scalars], dim=1).repeat(times, 1)
        embedded = embed_times(times, self.time_embedding, seen.device).to(seen)
        seen = torch.cat([seen, embedded.repeat_interleave(nodes, dim=0)], dim=1)
        features = self.embed(seen)
        branches = [*self.features, *self.positions]
        free = self.free_embed is not None and any(branch.on for branch in branches)
        stream = self.free_embed(seen) if free and self.free_embed is not None else None
        for index, layer in enumerate(self.layers):
            features = self.in_time[index](features.unflatten(0, (times, nodes))).flatten(0, 1)
            vectors = torch.stack([positions - centre, velocities], dim=-1)
            vectors = self.vectors_in_time[index](vectors.unflatten(0, (times, nodes)))
            vectors = vectors.flatten(0, 1)
            positions, velocities = vectors[..., 0] + centre, vectors[..., 1]
            before = positions
            features, positions = layer(
                features, positions, velocities, edges, degrees, edge_scalars
            )
            if stream is not None:
                stream = self.free_features[index](stream)
                features = self.features[index](features, lambda stream=stream: stream)
                positions = self.positions[index](
                    positions, lambda index=index, before=before: self._free_move(index, before)
                )
        return positions.unflatten(0, (times, nodes)).transpose(0, 1)

    def _free_move(self, index: int, positions: Tensor) -> Tensor:
        assert self.free_positions_embed is not None
        moved: Tensor = self.free_positions[index](self.free_positions_embed(positions))
        return moved


def _bounded(features_in: int, features_out: int) -> nn.Module:
    """A linear layer with spectral norm 1."""
    return spectral_norm(nn.Linear(features_in, features_out), n_power_iterations=5)


def embed_times(times: int, length: int, device: torch.device | None = None) -> Tensor:
    """Sines and cosines of 0, 1, ..., shape (time, length)."""
    steps = torch.arange(length // 2, device=device)
    rates = torch.exp(steps * (-math.log(1e4) / (length // 2 - 1)))
    angles = torch.arange(times, device=device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
