"""Layers that are equivariant or invariant to the signs of eigenvectors.

Eigenvectors v_1..v_k are the columns of V; f is sign equivariant if f(V S) = f(V) S for every
diagonal matrix S of signs, and sign invariant if f(V S) = f(V). Linear sign-equivariant maps keep
the columns apart, and so does any stack of them with odd nonlinearities; every sign-equivariant
polynomial is linear ⊙ sign invariant, W2((W1 V) ⊙ p(V)).
Source: Lim, Robinson, Jegelka and Maron, arXiv 2312.02339; layers as in its public code.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class ColumnLinear(nn.Module):
    """The general linear sign-equivariant map: a matrix of its own for each column, no bias."""

    def __init__(self, columns: int, channels_in: int, channels_out: int) -> None:
        """Draw the matrices like those of `nn.Linear`."""
        super().__init__()
        bound = channels_in**-0.5
        self.weight = nn.Parameter(
            torch.empty(columns, channels_in, channels_out).uniform_(-bound, bound)
        )

    def forward(self, values: Tensor) -> Tensor:
        """Map (..., column, channel) to (..., column, channel)."""
        return torch.einsum("...kc,kcd->...kd", values, self.weight)


class SignProduct(nn.Module):
    """W2((W1 V) ⊙ p(V)): all sign-equivariant polynomials are of this form."""

    def __init__(
        self,
        columns: int,
        channels_in: int,
        channels_out: int,
        hidden: int,
        invariant: Callable[[Tensor], Tensor],
    ) -> None:
        """Set the widths.

        Args:
            columns: number of eigenvectors.
            channels_in: channels of each column.
            channels_out: channels of each column after the layer.
            hidden: channels of each column in between.
            invariant: sign-invariant network p from (..., column, channel) to (..., column,
                hidden).

        """
        super().__init__()
        self.first = ColumnLinear(columns, channels_in, hidden)
        self.second = ColumnLinear(columns, hidden, channels_out)
        self.invariant = invariant

    def forward(self, values: Tensor) -> Tensor:
        """Map (..., column, channel) to (..., column, channel)."""
        return self.second(self.first(values) * self.invariant(values))


class SignGate(nn.Module):
    """x + d ⊙ x ⊙ sigmoid(MLP(|x|)) on k-vectors, with a learned diagonal d."""

    def __init__(self, columns: int, hidden: int) -> None:
        """Set the width of the network in the gate."""
        super().__init__()
        self.diagonal = nn.Parameter(torch.ones(columns))
        self.gate = nn.Sequential(nn.Linear(columns, hidden), nn.ReLU(), nn.Linear(hidden, columns))

    def forward(self, values: Tensor) -> Tensor:
        """Map (..., column) to (..., column)."""
        return values + self.diagonal * values * torch.sigmoid(self.gate(values.abs()))


class SignDSS(nn.Module):
    """x + gate(x) + gate(mean of the neighbours): sign and permutation equivariant.

    Both gates carry their own residual, as in the public code, so a layer about triples smooth
    signals; that brings products of unit eigenvectors to the scale of logits.
    """

    def __init__(self, columns: int, hidden: int) -> None:
        """Set the width of the networks in the gates."""
        super().__init__()
        self.own = SignGate(columns, hidden)
        self.neighbours = SignGate(columns, hidden)

    def forward(self, values: Tensor, mean: Tensor) -> Tensor:
        """One layer.

        Args:
            values: shape (..., node, column).
            mean: row-normalised adjacency, sparse (node, node) or dense (..., node, node).

        """
        return values + self.own(values) + self.neighbours(mean @ values)


class SignNet(nn.Module):
    """rho([phi(v_j) + phi(-v_j)]_j): sign invariant, column by column.

    Source: Lim et al., Sign and Basis Invariant Networks, arXiv 2202.13013.
    """

    def __init__(self, column_network: nn.Module, combination: nn.Module) -> None:
        """Give phi and rho.

        Args:
            column_network: phi from (..., node, column, 1) and an adjacency to (..., node, column,
                channel), each column by itself.
            combination: rho from (..., node, column · channel) and an adjacency to (..., node,
                feature).

        """
        super().__init__()
        self.column_network = column_network
        self.combination = combination

    def forward(self, vectors: Tensor, adjacency: Tensor) -> Tensor:
        """Map (..., node, column) to invariant features (..., node, feature)."""
        columns = vectors[..., None]
        both = self.column_network(columns, adjacency) + self.column_network(-columns, adjacency)
        features: Tensor = self.combination(both.flatten(-2), adjacency)
        return features
