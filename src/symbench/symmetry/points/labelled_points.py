"""Points with labels: rotations of space together with exchanges of points that are alike."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symbench.errors import SymmetryError
from symbench.symmetry.groups import check_subset
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.symmetry import stacked

if TYPE_CHECKING:
    from symbench.symmetry.groups import Element, Elements

Order = tuple[int, ...]


def automorphisms(colours: Sequence[str], edges: Sequence[tuple[int, int]]) -> tuple[Order, ...]:
    """All orders of the nodes of a graph that keep colours and edges, the identity first.

    An order p puts node p[i] at place i.
    """
    # Late: every job imports this module, few ask for automorphisms.
    import networkx as nx
    from networkx.algorithms.isomorphism import GraphMatcher

    graph = nx.Graph(list(edges))
    graph.add_nodes_from((node, {"colour": colour}) for node, colour in enumerate(colours))
    matcher = GraphMatcher(graph, graph, node_match=lambda a, b: a["colour"] == b["colour"])
    found = {tuple(match[node] for node in sorted(match)) for match in matcher.isomorphisms_iter()}
    return tuple(sorted(found))


def orbits(orders: Sequence[Order], size: int) -> list[list[Order]]:
    """Orbits of all sets of so many nodes (1: nodes, 2: pairs), each sorted."""
    nodes = range(len(orders[0]))
    sets = set(map(frozenset, itertools.combinations(nodes, size)))
    found = []
    while sets:
        first = min(sets, key=sorted)
        orbit = {frozenset(order[node] for node in first) for order in orders}
        found.append(sorted(tuple(sorted(each)) for each in orbit))
        sets -= orbit
    return found


@dataclass(frozen=True)
class LabelledPointGroup:
    """Rotations of space times a group of orders of the labels.

    An element is one orthogonal matrix with two blocks, the rotation of vectors and the permutation
    matrix of labels: shape (axis + point, axis + point).

    Attributes:
        rotations: O(d) or SO(d).
        orders: a group of orders of the points, the identity first; see `automorphisms`.

    """

    rotations: OrthogonalGroup
    orders: tuple[Order, ...]

    @property
    def name(self) -> str:
        """Such as SO(3)*6, by the number of orders."""
        return f"{self.rotations.name}*{len(self.orders)}"

    @property
    def order(self) -> None:
        """Infinite."""
        return None

    @property
    def points(self) -> int:
        """Number of labels."""
        return len(self.orders[0])

    @property
    def identity(self) -> Tensor:
        """The unit matrix."""
        return torch.eye(self.rotations.dimension + self.points, dtype=torch.float64)

    def inverse(self, element: Element) -> Tensor:
        """The transposed matrix."""
        return torch.as_tensor(element).mT

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Uniform elements, shape (count, axis + point, axis + point)."""
        turns = self.rotations.sample(count, generator)
        drawn = torch.randint(len(self.orders), (count,), generator=generator)
        return self._join(turns, drawn)

    def subset(self, count: int, seed: int) -> Tensor:
        """All orders with each of some rotations, the unit matrix first among them.

        A multiple of the number of orders leaves no order out: an average over such elements is
        exactly invariant under permutations.
        """
        check_subset(self, count)
        orders = len(self.orders)
        generator = torch.Generator().manual_seed(seed)
        turns = self.rotations.sample(-(-count // orders), generator)
        turns[0] = self.rotations.identity
        drawn = torch.arange(orders).repeat(len(turns))
        return self._join(turns.repeat_interleave(orders, dim=0), drawn)[:count]

    def _join(self, turns: Tensor, drawn: Tensor) -> Tensor:
        """Elements from rotations, (count, axis, axis), and numbers of orders, (count,)."""
        axes = self.rotations.dimension
        elements = turns.new_zeros(len(turns), axes + self.points, axes + self.points)
        elements[:, :axes, :axes] = turns
        elements[:, axes:, axes:] = self.identity[axes:, axes:][torch.tensor(self.orders)[drawn]]
        return elements

    def listed(self) -> Tensor:
        """Raises `SymmetryError`: there is no list of infinitely many elements."""
        return self.rotations.listed()

    def check(self, elements: Elements) -> Tensor:
        """Return a stack of elements; raises `SymmetryError` if they are none of this group."""
        elements = stacked(elements)
        axes, points = self.rotations.dimension, self.points
        if elements.shape[1:] != (axes + points, axes + points):
            raise SymmetryError(
                f"Elements of {self.name} are matrices of {axes} axes and {points} labels."
            )
        self.rotations.check(elements[:, :axes, :axes])
        known = self.identity[axes:, axes:][torch.tensor(self.orders)].to(elements)
        labels = elements[:, None, axes:, axes:]
        if not bool((labels == known).flatten(2).all(dim=2).any(dim=1).all()):
            raise SymmetryError(f"Some element of {self.name} puts labels in an order not in it.")
        return elements

    def split(self, element: Element) -> tuple[Tensor, Tensor]:
        """The rotation and the permutation matrix of an element or of a stack."""
        element = torch.as_tensor(element)
        axes = self.rotations.dimension
        return element[..., :axes, :axes], element[..., axes:, axes:]

    def __str__(self) -> str:
        """The name."""
        return self.name
