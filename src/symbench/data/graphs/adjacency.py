"""Matrices of a graph from its edges, (2, edge) in both directions; repeated ones count once."""

import torch
from torch import Tensor


def _adjacency(edges: Tensor, nodes: int) -> Tensor:
    """Adjacency of directed edges, sparse COO, shape (node, node)."""
    full = torch.sparse_coo_tensor(edges, torch.ones(edges.shape[1]), (nodes, nodes)).coalesce()
    return torch.sparse_coo_tensor(full.indices(), full.values().clamp(max=1), (nodes, nodes))


def symmetric_adjacency(edges: Tensor, nodes: int) -> Tensor:
    """D^-1/2 (A + 1) D^-1/2 with D of A + 1, sparse CSR, shape (node, node)."""
    loops = torch.arange(nodes).expand(2, -1)
    keep = edges[0] != edges[1]
    full = _adjacency(torch.cat([edges[:, keep], loops], dim=1), nodes).coalesce()
    scale = torch.sparse.sum(full, dim=1).to_dense() ** -0.5
    row, column = full.indices()
    return torch.sparse_coo_tensor(
        full.indices(), full.values() * scale[row] * scale[column], (nodes, nodes)
    ).to_sparse_csr()


def mean_adjacency(edges: Tensor, nodes: int) -> Tensor:
    """D^-1 A, the mean over neighbours, sparse CSR, shape (node, node)."""
    full = _adjacency(edges, nodes).coalesce()
    degree = torch.sparse.sum(full, dim=1).to_dense().clamp(min=1)
    values = full.values() / degree[full.indices()[0]]
    return torch.sparse_coo_tensor(full.indices(), values, (nodes, nodes)).to_sparse_csr()


def laplacian(edges: Tensor, nodes: int) -> Tensor:
    """1 - D^-1/2 A D^-1/2 without loops, dense, double precision, shape (node, node)."""
    full = _adjacency(edges[:, edges[0] != edges[1]], nodes).to_dense().double()
    scale = full.sum(dim=1).clamp(min=1) ** -0.5
    return torch.eye(nodes, dtype=torch.float64) - scale[:, None] * full * scale
