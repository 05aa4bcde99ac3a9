"""Samples of points in memory: flat arrays of nodes and edges, and graphs of some samples."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from symbench.data.arrays import Array
from symbench.data.batch import Batch
from symbench.data.dataset import Split
from symbench.data.points.point_graph import PointGraph, complete_edges


class GraphStore:
    """Samples of points in memory, of one size or of many, and batches of them."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        """Take arrays of nodes and edges, with the numbers of each sample.

        Args:
            arrays: positions (node, axis), velocities, scalars (node, feature), nodes (sample,);
                edges (edge, 2) as receiver and sender within their sample, edge_scalars (edge,
                feature) and edge_counts (sample,). Velocities are zero where they are left out;
                without edges every two nodes of a sample have one, without features.

        """
        self.nodes = arrays["nodes"].astype(np.int64)
        self.first_node = np.cumsum(self.nodes) - self.nodes
        positions = torch.from_numpy(arrays["positions"]).float()
        velocities = arrays.get("velocities", np.zeros_like(arrays["positions"]))
        self.at_nodes = {
            "positions": positions,
            "velocities": torch.from_numpy(velocities).float(),
            "scalars": torch.from_numpy(arrays["scalars"]).float(),
        }
        self.complete = "edges" not in arrays
        if not self.complete:
            self.edge_counts = arrays["edge_counts"].astype(np.int64)
            self.first_edge = np.cumsum(self.edge_counts) - self.edge_counts
            self.edges = torch.from_numpy(arrays["edges"].astype(np.int64))
            self.edge_scalars = torch.from_numpy(arrays["edge_scalars"]).float()

    def rows_of_nodes(self, samples: Array) -> Tensor:
        """Rows of the arrays of nodes that belong to some samples."""
        return torch.from_numpy(_ranges(self.first_node[samples], self.nodes[samples]))

    def graph(self, samples: Array) -> PointGraph:
        """Some samples as one graph."""
        rows = self.rows_of_nodes(samples)
        nodes = torch.from_numpy(self.nodes[samples])
        edges, counts, edge_scalars = self._edges(samples)
        offsets = (nodes.cumsum(0) - nodes).repeat_interleave(counts)
        return PointGraph(
            **{key: value[rows] for key, value in self.at_nodes.items()},
            edges=(edges + offsets[:, None]).T.contiguous(),
            edge_scalars=edge_scalars,
            sample_of_node=torch.arange(len(nodes)).repeat_interleave(nodes),
            nodes=nodes,
        )

    def _edges(self, samples: Array) -> tuple[Tensor, Tensor, Tensor]:
        """Edges within their samples, (edge, 2), numbers of each sample, and features."""
        if self.complete:
            of_each = [complete_edges(1, int(n)).T for n in self.nodes[samples]]
            edges = torch.cat(of_each)
            counts = torch.tensor([len(part) for part in of_each])
            return edges, counts, torch.zeros(len(edges), 0)
        rows = torch.from_numpy(_ranges(self.first_edge[samples], self.edge_counts[samples]))
        counts = torch.from_numpy(self.edge_counts[samples])
        return self.edges[rows], counts, self.edge_scalars[rows]


class NodeSplit(Split[PointGraph]):
    """Samples in memory whose targets are rows of nodes; losses and scores are for subclasses."""

    def __init__(self, arrays: Mapping[str, Array], targets: Array) -> None:
        """Take the arrays of a file, see `GraphStore`, and targets of shape (node, ...)."""
        self.store = GraphStore(arrays)
        self.targets = torch.from_numpy(targets).float()

    @property
    def samples(self) -> Array:
        """One row for each sample."""
        return np.arange(len(self.store.nodes))[:, None]

    def batch(self, rows: Array, generator: torch.Generator | None = None) -> Batch[PointGraph]:
        """Some samples; nothing in them is random."""
        graph = self.store.graph(rows[:, 0])
        targets = self.targets[self.store.rows_of_nodes(rows[:, 0])]
        return Batch(graph, targets, len(rows), graph.sample_of_node)


def _ranges(first: Array, count: Array) -> Array:
    """first[0], first[0] + 1, ... for each of some ranges, one after the other."""
    ends = np.cumsum(count)
    return np.arange(ends[-1]) + np.repeat(first - (ends - count), count)
