"""Points in space with edges: particles, joints, atoms; many samples in one flat graph."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from symbench.data.batch import Inputs, V
from symbench.symmetry.group_names import check_rotations
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.points.principal_axes import (
    axes_frame,
    equal_variances,
    finite_eigh,
    left_open,
    rotations_of,
)
from symbench.symmetry.symmetry import Element, Symmetry

CPU = torch.device("cpu")


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

    def squared_distances(self) -> Tensor:
        """Of receiver and sender of each edge, shape (edge, 1)."""
        receivers, senders = self.edges
        difference = rows_at(self.positions, receivers) - rows_at(self.positions, senders)
        return difference.square().sum(dim=1, keepdim=True)

    def degrees(self) -> Tensor:
        """How many edges each node receives from, shape (node,)."""
        return count_at(self.edges[0], len(self.positions))

    def to_nodes(self, values: Tensor) -> Tensor:
        """The row of its sample for each node, (sample, ...) to (node, ...)."""
        return rows_at(values, self.sample_of_node)

    def mean_of_samples(self, values: Tensor) -> Tensor:
        """Mean over the nodes of each sample, (node, ...) to (sample, ...)."""
        return mean_at(values, self.sample_of_node, self.nodes)


def rows_at(values: Tensor, places: Tensor) -> Tensor:
    """The rows at some places, which may repeat.

    The same as `values[places]`, whose derivative sorts the places on a graphics card.
    """
    return values.index_select(0, places)


def sum_at(values: Tensor, places: Tensor, count: int) -> Tensor:
    """Sum of the rows that belong to each of so many places."""
    return values.new_zeros(count, *values.shape[1:]).index_add_(0, places, values)


def count_at(places: Tensor, count: int) -> Tensor:
    """How many rows belong to each of so many places, shape (place,).

    Unlike `bincount`, which asks a graphics card for the largest place, and waits for it.
    """
    return places.new_zeros(count).index_add_(0, places, torch.ones_like(places))


def mean_at(values: Tensor, places: Tensor, counts: Tensor) -> Tensor:
    """Mean of the rows that belong to each place, zero where there are none; see `count_at`."""
    sizes = counts.clamp(min=1).reshape(-1, *[1] * (values.ndim - 1))
    return sum_at(values, places, len(counts)) / sizes


@lru_cache(maxsize=64)
def complete_edges(samples: int, nodes: int, device: torch.device = CPU) -> Tensor:
    """All ordered pairs of different nodes of each of some samples, shape (2, edge)."""
    pair = torch.arange(nodes * (nodes - 1), device=device)
    others = max(1, nodes - 1)
    receivers, senders = pair // others, pair % others
    pairs = torch.stack([receivers, senders + (senders >= receivers)])
    offsets = nodes * torch.arange(samples, device=device)
    return (pairs[:, None, :] + offsets[None, :, None]).flatten(1)


def rotate_graph(element: Element, graph: PointGraph) -> PointGraph:
    """Rotate about the origin; one element (axis, axis), or one for each sample."""
    return replace(
        graph,
        positions=rotate(element, graph.positions, graph.sample_of_node),
        velocities=rotate(element, graph.velocities, graph.sample_of_node),
    )


def sample_of_equal_rows(rows: Tensor, nodes: int) -> Tensor:
    """The sample of each row where every sample has the same number of nodes, shape (row,)."""
    return torch.arange(len(rows), device=rows.device) // nodes


def graph_axes(graph: PointGraph) -> Tensor:
    """Elements of O(3) that rotate each sample into its principal axes, with all signs.

    Shape (pattern, sample, axis, axis); see `symmetry.points.principal_axes`.
    """
    with torch.no_grad():
        centre = graph.mean_of_samples(graph.positions)
        centred = graph.positions - graph.to_nodes(centre)
        products = centred[:, :, None] * centred[:, None]
        covariance = graph.mean_of_samples(products)
        variances, axes = finite_eigh(covariance)
        variances, axes = variances.flip(-1), axes.flip(-1)
        equal = equal_variances(variances)
        if bool(equal.any()):
            _warn_of_open_axes(graph, centred, axes, equal)
        return axes_frame(axes)


def _warn_of_open_axes(graph: PointGraph, centred: Tensor, axes: Tensor, equal: Tensor) -> None:
    """Say for how many samples vectors lie along axes of equal variance; see `determined_axes`."""
    of_nodes = graph.to_nodes(axes)
    squares = [
        sum_at((vectors[:, None] @ of_nodes)[:, 0].square(), graph.sample_of_node, graph.samples)
        for vectors in (centred, graph.velocities)
    ]
    if count := int(left_open(equal, (squares[0] + squares[1]).sqrt()).sum()):
        warnings.warn(
            f"{count} of {graph.samples} samples have equal variances along some of their "
            "principal axes: an average over this frame is not equivariant there.",
            stacklevel=3,
        )


def rotation_group(group: str, dimension: int = 3) -> OrthogonalGroup:
    """O(d) or SO(d) by name; raises `SymmetryError` for any other group."""
    check_rotations(group, dimension)
    return OrthogonalGroup(dimension, proper=group.startswith("S"))


def rotation_symmetry(
    group: OrthogonalGroup,
    act_on_input: Callable[[Element, V], V],
    act_on_output: Callable[[Element, Tensor], Tensor],
    frame: Callable[[V], Tensor],
    exact: bool,
) -> Symmetry[V]:
    """O(d) or SO(d) on points of some kind; see `Symmetry`.

    The frame is one of O(d); of SO(d), its half that does not reflect.
    """

    def rotations(inputs: V) -> Tensor:
        return rotations_of(frame(inputs))

    return Symmetry(group, act_on_input, act_on_output, exact, rotations if group.proper else frame)


def graph_symmetry(
    group: str, act_on_output: Callable[[Element, Tensor], Tensor], exact: bool
) -> Symmetry[PointGraph]:
    """O(3) or SO(3) on graphs; raises `SymmetryError` for any other group."""
    return rotation_symmetry(rotation_group(group), rotate_graph, act_on_output, graph_axes, exact)
