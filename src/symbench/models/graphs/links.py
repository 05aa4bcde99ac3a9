"""Link prediction: the five models of the study, matched near 25,000 parameters, and a plain one.

Each is an encoder of the nodes and a decoder of pairs, as in the public code of the paper.
"""

from torch import Tensor, nn

from symbench.data.graphs.links import LinkInputs
from symbench.models.graphs.graph_convolution import GraphNetwork
from symbench.models.sign_equivariant import SignDSS, SignNet
from symbench.symmetry.points.canonical_signs import canonical_signs


def dot_product(features: Tensor, pairs: Tensor) -> Tensor:
    """Logits z_i · z_j; features (node, feature), pairs (2, pair), result (pair,)."""
    # Selecting rows is faster than indexing, whose derivative sorts the indices.
    first, second = (features.index_select(0, nodes) for nodes in pairs)
    return (first * second).sum(dim=-1)


class ConstantGraphNetwork(nn.Module):
    """`gcn`: three graph convolutions on a constant input; sees the graph, not the eigenvectors."""

    def __init__(self, columns: int, hidden: int = 128, features: int = 64) -> None:
        """Set the widths."""
        super().__init__()
        self.encoder = GraphNetwork([1, hidden, hidden, features])

    def forward(self, inputs: LinkInputs) -> Tensor:
        """Logits of the pairs, shape (pair,)."""
        constant = inputs.vectors.new_ones(len(inputs.vectors), 1)
        return dot_product(self.encoder(constant, inputs.adjacency), inputs.pairs)


class PlainGraphNetwork(nn.Module):
    """Graph convolutions on the eigenvectors, with the signs as they come or made canonical."""

    def __init__(
        self, columns: int, hidden: int = 122, features: int = 64, canonical: str | None = None
    ) -> None:
        """Set the widths and the rule of `symmetry.points.canonical_signs`, if any."""
        super().__init__()
        self.encoder = GraphNetwork([columns, hidden, hidden, features])
        self.signs = canonical_signs(canonical) if canonical is not None else None

    def forward(self, inputs: LinkInputs) -> Tensor:
        """Logits of the pairs, shape (pair,)."""
        vectors = inputs.vectors
        if self.signs is not None:
            vectors = vectors * self.signs(vectors)
        # Entries of unit vectors are far below one; a network that is not homogeneous minds.
        features = self.encoder(len(vectors) ** 0.5 * vectors, inputs.adjacency)
        return dot_product(features, inputs.pairs)


class SignNetLinks(nn.Module):
    """`signnet`: graph convolutions in phi and in rho; sign invariant."""

    def __init__(self, columns: int, hidden: int = 128, features: int = 64) -> None:
        """Set the widths."""
        super().__init__()
        each = hidden // columns
        self.encoder = SignNet(
            GraphNetwork([1, hidden, each]), GraphNetwork([each * columns, hidden, features])
        )

    def forward(self, inputs: LinkInputs) -> Tensor:
        """Logits of the pairs, shape (pair,)."""
        return dot_product(self.encoder(inputs.vectors, inputs.adjacency), inputs.pairs)


class RawDecoder(nn.Module):
    """`decode_only`: v_i · v_j of the eigenvectors themselves; nothing to train."""

    def __init__(self, columns: int) -> None:
        """Nothing to set."""
        super().__init__()

    def forward(self, inputs: LinkInputs) -> Tensor:
        """Logits of the pairs, shape (pair,)."""
        return dot_product(inputs.vectors, inputs.pairs)


class LearnedDecoder(nn.Module):
    """`learn_decode`: MLP(v_i ⊙ v_j); sign invariant as a function of the pair."""

    def __init__(self, columns: int, hidden: int = 148) -> None:
        """Set the width."""
        super().__init__()
        self.decoder = nn.Sequential(
            nn.Linear(columns, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, inputs: LinkInputs) -> Tensor:
        """Logits of the pairs, shape (pair,)."""
        first, second = inputs.vectors[inputs.pairs]
        logits: Tensor = self.decoder(first * second)
        return logits[:, 0]


class SignEquivariantLinks(nn.Module):
    """`sign_equiv`: DSS layers on the eigenvectors, then z_i · z_j."""

    def __init__(self, columns: int, layers: int = 4, hidden: int = 92) -> None:
        """Set depth and width."""
        super().__init__()
        self.layers = nn.ModuleList(SignDSS(columns, hidden) for _ in range(layers))

    def forward(self, inputs: LinkInputs) -> Tensor:
        """Logits of the pairs, shape (pair,)."""
        values = inputs.vectors
        for layer in self.layers:
            values = layer(values, inputs.mean)
        return dot_product(values, inputs.pairs)
