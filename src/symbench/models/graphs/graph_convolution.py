"""Graph convolutions on adjacency matrices, sparse or batched dense, over any trailing axes.

The same layer as torch-geometric's `GCNConv` (a test holds them together), which takes no trailing
axes beside the features; SignNet needs them for its columns. On a CSR matrix a step costs a
fifteenth of that over an edge list (measured in `benchmarks/`), and importing torch-geometric costs
each job more than most of its training.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def propagate(adjacency: Tensor, values: Tensor) -> Tensor:
    """Adjacency times values.

    Args:
        adjacency: sparse (node, node), or dense (graph, node, node).
        values: shape (node, ...) with a sparse adjacency, (graph, node, ...) with a dense one.

    """
    first = adjacency.ndim - 1
    flat = values.flatten(first) if values.ndim > first else values
    return (adjacency @ flat).reshape(values.shape)


class GraphConvolution(nn.Module):
    """x -> A x W + b (Kipf and Welling, arXiv 1609.02907), the smaller product first."""

    def __init__(self, features_in: int, features_out: int) -> None:
        """Draw W by Glorot, b zero."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features_in, features_out))
        self.bias = nn.Parameter(torch.zeros(features_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, values: Tensor, adjacency: Tensor) -> Tensor:
        """Map (..., node, ..., feature) to (..., node, ..., feature); see `propagate`."""
        if self.weight.shape[0] <= self.weight.shape[1]:
            return propagate(adjacency, values) @ self.weight + self.bias
        return propagate(adjacency, values @ self.weight) + self.bias


class GraphNetwork(nn.Module):
    """Graph convolutions with ReLU between them."""

    def __init__(self, widths: Sequence[int]) -> None:
        """Set the widths, input and output included."""
        super().__init__()
        self.layers = nn.ModuleList(GraphConvolution(a, b) for a, b in pairwise(widths))

    def forward(self, values: Tensor, adjacency: Tensor) -> Tensor:
        """Map features of nodes to features of nodes."""
        for number, layer in enumerate(self.layers):
            values = layer(values.relu() if number else values, adjacency)
        return values
