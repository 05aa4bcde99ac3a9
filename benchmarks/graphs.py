"""Graph convolutions on a CSR matrix against torch-geometric's on an edge list."""

from collections.abc import Iterator

import torch
from torch_geometric.nn import GCNConv

from benchmarks.timing import in_turns
from symbench.data.graphs.adjacency import symmetric_adjacency
from symbench.models.graphs.graph_convolution import GraphConvolution


def rows() -> Iterator[dict[str, object]]:
    """Milliseconds forward and backward on the graphs of the link prediction study."""
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(2000, (2, 40000), generator=generator)
    edges = torch.cat([edges, edges.flip(0)], dim=1).unique(dim=1)
    adjacency = symmetric_adjacency(edges, 2000)
    for sizes in ((1, 128), (128, 128)):
        ours, theirs = GraphConvolution(*sizes), GCNConv(*sizes)
        values = torch.randn(2000, sizes[0], generator=generator, requires_grad=True)
        fast, slow = in_turns(
            lambda ours=ours, values=values: ours(values, adjacency).sum().backward(),
            lambda theirs=theirs, values=values: theirs(values, edges).sum().backward(),
        )
        yield {
            "layer": f"{sizes[0]} to {sizes[1]}, 2,000 nodes, {edges.shape[1]} edges",
            "symbench, CSR (ms)": 1e3 * fast,
            "torch-geometric, edge list (ms)": 1e3 * slow,
            "ratio": slow / fast,
        }
