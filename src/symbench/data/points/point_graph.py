"""Points in space with edges: particles, joints, atoms; many samples in one flat graph."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from symbench.data.batch import Batch, Inputs
from symbench.errors import SymmetryError
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.points.principal_axes import sign_patterns
from symbench.symmetry.symmetry import Symmetry

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class PointGraph(Inputs):
    """What a model of points sees; the nodes of all samples one after the other.

    Attributes:
        positions: shape (node, axis).
        velocities: the same; zero where nothing moves.
        scalars: features of nodes that no rotation changes, shape (node, feature).
        edges: receiving and sending nodes, shape (2, edge).
        edge_scalars: features of edges that no rotation changes, shape (edge, feature).
        sample_of_node: shape (node,).
        nodes: number of nodes of each sample, shape (sample,).

    """

    positions: Tensor
    velocities: Tensor
    scalars: Tensor
    edges: Tensor
    edge_scalars: Tensor
    sample_of_node: Tensor
    nodes: Tensor

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.nodes)

    def graph(self) -> "PointGraph":
        """Itself; other inputs of points turn into a graph by this method."""
        return self


def sum_at(values: Tensor, places: Tensor, count: int) -> Tensor:
    """Sum of the rows that belong to each of so many places."""
    return values.new_zeros(count, *values.shape[1:]).index_add_(0, places, values)


def mean_at(values: Tensor, places: Tensor, count: int) -> Tensor:
    """Mean of the rows that belong to each of so many places, zero where there are none."""
    sizes = places.bincount(minlength=count).clamp(min=1)
    return sum_at(values, places, count) / sizes.reshape(-1, *[1] * (values.ndim - 1))


@lru_cache(maxsize=64)
def complete_edges(samples: int, nodes: int) -> Tensor:
    """All ordered pairs of different nodes of each of some samples, shape (2, edge)."""
    pairs = (1 - torch.eye(nodes)).nonzero().T
    offsets = nodes * torch.arange(samples)
    return (pairs[:, None, :] + offsets[None, :, None]).flatten(1)


def turn(element: Tensor, vectors: Tensor, sample_of_node: Tensor) -> Tensor:
    """Apply orthogonal matrices to vectors at nodes.

    Args:
        element: shape (axis, axis), or one for each sample, (sample, axis, axis).
        vectors: shape (node, ..., axis).
        sample_of_node: shape (node,).

    """
    element = element.to(vectors)
    if element.ndim == 2:
        return vectors @ element.mT
    return torch.einsum("nab,n...b->n...a", element[sample_of_node], vectors)


def turn_equal(element: Tensor, vectors: Tensor, nodes: int) -> Tensor:
    """`turn` where every sample has the same number of nodes."""
    return turn(element, vectors, torch.arange(len(vectors), device=vectors.device) // nodes)


def turn_graph(element: Tensor, graph: PointGraph) -> PointGraph:
    """Turn positions and velocities about the origin."""
    return replace(
        graph,
        positions=turn(element, graph.positions, graph.sample_of_node),
        velocities=turn(element, graph.velocities, graph.sample_of_node),
    )


def graph_axes(graph: PointGraph) -> Tensor:
    """Elements of O(3) that turn each sample into its principal axes, all 2^d signs.

    Returns:
        Shape (pattern, sample, axis, axis); see `frames.principal_axes`.

    """
    with torch.no_grad():
        centre = mean_at(graph.positions, graph.sample_of_node, graph.samples)
        centred = graph.positions - centre[graph.sample_of_node]
        products = centred[:, :, None] * centred[:, None]
        covariance = mean_at(products, graph.sample_of_node, graph.samples)
        axes = torch.linalg.eigh(covariance)[1].flip(-1)
        patterns = sign_patterns(axes.shape[-1]).to(axes)
        return patterns[:, None, :, None] * axes.mT


def rotation_group(group: str, dimension: int = 3) -> OrthogonalGroup:
    """O(d) or SO(d) by name; raises `SymmetryError` for any other group."""
    groups = [OrthogonalGroup(dimension, proper) for proper in (False, True)]
    named = {each.name: each for each in groups}
    if group not in named:
        raise SymmetryError(
            f"Group '{group}' does not act on points in {dimension} dimensions: {', '.join(named)}."
        )
    return named[group]


def point_symmetry(group: str, act_on_output: Any, exact: bool) -> Symmetry:
    """O(3) or SO(3) on graphs of points; its frames are principal axes, for O(3) only."""
    chosen = rotation_group(group)
    return Symmetry(
        chosen,
        act_on_input=turn_graph,
        act_on_output=act_on_output,
        exact=exact,
        frame=None if chosen.proper else graph_axes,
    )


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
        velocities = arrays.get("velocities")
        self.at_nodes = {
            "positions": positions,
            "velocities": torch.zeros_like(positions)
            if velocities is None
            else torch.from_numpy(velocities).float(),
            "scalars": torch.from_numpy(arrays["scalars"]).float(),
        }
        self.complete = "edges" not in arrays
        if not self.complete:
            self.edge_counts = arrays["edge_counts"].astype(np.int64)
            self.first_edge = np.cumsum(self.edge_counts) - self.edge_counts
            self.edges = torch.from_numpy(arrays["edges"].astype(np.int64))
            self.edge_scalars = torch.from_numpy(arrays["edge_scalars"]).float()

    def rows_of_nodes(self, samples: npt.NDArray[np.int64]) -> Tensor:
        """Rows of the arrays of nodes that belong to some samples."""
        return torch.from_numpy(_ranges(self.first_node[samples], self.nodes[samples]))

    def graph(self, samples: npt.NDArray[np.int64]) -> PointGraph:
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

    def _edges(self, samples: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Edges within their samples, (edge, 2), numbers of each sample, and features."""
        if self.complete:
            of_each = [complete_edges(1, int(n)).T for n in self.nodes[samples]]
            edges = torch.cat(of_each)
            counts = torch.tensor([len(part) for part in of_each])
            return edges, counts, torch.zeros(len(edges), 0)
        rows = torch.from_numpy(_ranges(self.first_edge[samples], self.edge_counts[samples]))
        counts = torch.from_numpy(self.edge_counts[samples])
        return self.edges[rows], counts, self.edge_scalars[rows]


class NodeSplit:
    """Samples in memory whose targets are rows of nodes."""

    def __init__(self, arrays: Mapping[str, Array], targets: Array) -> None:
        """Take the arrays of a file, see `GraphStore`, and targets of shape (node, ...)."""
        self.store = GraphStore(arrays)
        self.targets = torch.from_numpy(targets).float()

    @property
    def samples(self) -> npt.NDArray[np.int64]:
        """One row for each sample."""
        return np.arange(len(self.store.nodes))[:, None]

    def batch(self, rows: npt.NDArray[np.int64], generator: torch.Generator | None = None) -> Batch:
        """Some samples; nothing in them is random."""
        graph = self.store.graph(rows[:, 0])
        targets = self.targets[self.store.rows_of_nodes(rows[:, 0])]
        return Batch(graph, targets, len(rows), graph.sample_of_node)


def _ranges(first: npt.NDArray[np.int64], count: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """first[0], first[0] + 1, ... for each of some ranges, one after the other."""
    ends = np.cumsum(count)
    return np.arange(ends[-1]) + np.repeat(first - (ends - count), count)
