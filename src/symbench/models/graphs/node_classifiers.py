"""Node classifiers that find the community of a node, with eigenvectors in several ways.

All see the graph and the seed nodes; they differ in what they make of the eigenvectors. Heads are
of two kinds: class logits of each node, or a product with the encoding of each seed,
logit_ir = MLP(z_i ⊙ z_seed(r)), which is sign invariant for a sign-equivariant encoding z.
"""

import torch
from torch import Tensor, nn

from symbench.data.graphs.clusters import ClusterInputs
from symbench.models.graphs.graph_convolution import GraphConvolution, GraphNetwork
from symbench.models.sign_equivariant import SignDSS, SignNet
from symbench.models.size import size, width_of_size
from symbench.symmetry.points.canonical_signs import canonical_signs


def _scaled(inputs: ClusterInputs) -> Tensor:
    """Eigenvectors of unit mean square, shape (graph, node, column)."""
    nodes: Tensor = inputs.real.sum(dim=1) ** 0.5
    return inputs.vectors * nodes[:, None, None]


def _seed_features(inputs: ClusterInputs) -> Tensor:
    """One-hot community of the seed nodes, 0 elsewhere, shape (graph, node, community)."""
    graphs, communities = inputs.seeds.shape
    features = inputs.real.new_zeros(graphs, inputs.real.shape[1], communities)
    rows = torch.arange(graphs, device=features.device)[:, None]
    features[rows, inputs.seeds, torch.arange(communities, device=features.device)] = 1
    return features


class ResidualConvolution(nn.Module):
    """h + ReLU(LayerNorm(A h W + b)).

    The normalisation lifts the small differences that an average over half of a dense graph leaves;
    without it and the residual, deep stacks see all nodes alike.
    """

    def __init__(self, hidden: int) -> None:
        """Set the width."""
        super().__init__()
        self.convolution = GraphConvolution(hidden, hidden)
        self.normalisation = nn.LayerNorm(hidden)

    def forward(self, values: Tensor, adjacency: Tensor) -> Tensor:
        """Map (graph, node, feature) to the same shape."""
        change: Tensor = self.normalisation(self.convolution(values, adjacency))
        return values + change.relu()


class NodeClassifier(nn.Module):
    """Graph convolutions on seeds and a positional encoding, then class logits.

    `encoding` is "none", "plain" (eigenvectors as they come), "absolute" (|v|), "signnet", or a
    rule of `symmetry.points.canonical_signs` for canonical signs.
    """

    def __init__(
        self,
        columns: int,
        communities: int,
        encoding: str = "none",
        hidden: int = 128,
        layers: int = 4,
    ) -> None:
        """Set encoding, width and depth."""
        super().__init__()
        self.encoding = encoding
        self.signnet: nn.Module | None = None
        if encoding == "signnet":
            self.signnet = SignNet(
                GraphNetwork([1, hidden // 4, 4]), GraphNetwork([4 * columns, hidden, columns])
            )
        elif encoding not in ("none", "plain", "absolute"):
            self.signs = canonical_signs(encoding)
        width = communities + (0 if encoding == "none" else columns)
        self.embed = nn.Linear(width, hidden)
        self.layers = nn.ModuleList(ResidualConvolution(hidden) for _ in range(layers))
        self.head = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, communities)
        )

    def _encode(self, inputs: ClusterInputs) -> Tensor:
        vectors = _scaled(inputs)
        if self.signnet is not None:
            features: Tensor = self.signnet(vectors, inputs.adjacency)
            return features
        if self.encoding in ("plain", "absolute"):
            return vectors if self.encoding == "plain" else vectors.abs()
        return vectors * self.signs(vectors)[:, None]

    def forward(self, inputs: ClusterInputs) -> Tensor:
        """Logits, shape (graph, node, community), zero where there is no node."""
        features = _seed_features(inputs)
        if self.encoding != "none":
            features = torch.cat([features, self._encode(inputs)], dim=-1)
        values = self.embed(features)
        for layer in self.layers:
            values = layer(values, inputs.adjacency)
        logits: Tensor = self.head(values)
        return logits * inputs.real[..., None]


def _head(columns: int, width: int) -> nn.Module:
    """From products of encodings to a logit."""
    return nn.Sequential(
        nn.Linear(columns, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 1),
    )


class ProductClassifier(nn.Module):
    """logit_ir = MLP(z_i ⊙ z_seed(r)) with z from sign-equivariant layers, or raw with none."""

    def __init__(
        self,
        columns: int,
        communities: int,
        layers: int = 4,
        hidden: int | None = None,
        head: int | None = None,
    ) -> None:
        """Set depth and widths.

        Args:
            columns: eigenvectors.
            communities: to be told apart.
            layers: sign-equivariant ones; with none the eigenvectors stay raw.
            hidden: width of the layers; by default that which makes the network as large as
                `NodeClassifier` with SignNet.
            head: width of the head: 160 by default, or, without layers, that which does so.

        """
        super().__init__()
        with torch.device("meta"):
            wanted = size(NodeClassifier(columns, communities, "signnet"))
        if head is None:
            head = 160 if layers else width_of_size(lambda width: _head(columns, width), wanted)
        self.head = _head(columns, head)
        if hidden is None:
            left = (wanted - size(self.head)) / max(layers, 1)
            hidden = width_of_size(lambda width: SignDSS(columns, width), left)
        self.layers = nn.ModuleList(SignDSS(columns, hidden) for _ in range(layers))

    def forward(self, inputs: ClusterInputs) -> Tensor:
        """Logits, shape (graph, node, community), zero where there is no node."""
        values = _scaled(inputs)
        for layer in self.layers:
            # The layer about triples smooth signals, and these have entries near one already.
            values = layer(values, inputs.mean) / 3
        rows = torch.arange(len(values), device=values.device)[:, None]
        seeds = values[rows, inputs.seeds]
        logits: Tensor = self.head(values[:, :, None] * seeds[:, None])[..., 0]
        return logits * inputs.real[..., None]
