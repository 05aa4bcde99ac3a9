"""What an array of points, graphs and molecules is, and how rotations and permutations move it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from symbench.errors import SymmetryError, nearest
from symbench.symmetry.groups import FiniteGroup, whole_number
from symbench.symmetry.points.actions import rotate, rotate_tensors
from symbench.symmetry.points.orders import Orders, order_of
from symbench.symmetry.points.point_groups import (
    Permutation,
    PointGroup,
    dimension_of,
    matrix_of,
)
from symbench.symmetry.symmetry import Element

# Number of last axes that are axes of space.
KINDS = {
    "scalar": 0,
    "pseudoscalar": 0,
    "position": 1,
    "vector": 1,
    "axial": 1,
    "tensor": 2,
    "edges": 0,
    "samples": 0,
}


@dataclass(frozen=True)
class Role:
    """What an input or output of a model is; its kind alone may be written in place of it.

    Attributes:
        kind: "scalar" (numbers that no rotation changes), "pseudoscalar" (they change sign under
            reflections), "position", "vector" (a velocity, a force; the last axis is that of
            space), "axial" (a vector that keeps its sign under inversion, such as a torque),
            "tensor" (the last two axes are those of space), "edges" (numbers of nodes, any shape)
            or "samples" (the sample of each node, shape (node,)).
        nodes: the axis that counts the nodes, for permutations, or all of them, such as (1, 2) of
            an adjacency matrix; None where there is none.

    """

    kind: str
    nodes: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Raise `SymmetryError` for an unknown kind, and what is no axis."""
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise SymmetryError(
                f"Unknown role {self.kind!r}; allowed: {', '.join(KINDS)}."
                f"{nearest(str(self.kind), KINDS)}"
            )
        if self.nodes == () or None in map(whole_number, self.axes_of_nodes):
            raise SymmetryError(
                f"nodes={self.nodes!r} is no axis: give its number, or those of several as (1, 2)."
            )

    @property
    def axes_of_nodes(self) -> tuple[int, ...]:
        """All axes that count the nodes."""
        if self.nodes is None:
            return ()
        return self.nodes if isinstance(self.nodes, tuple) else (self.nodes,)

    def moves(self, permutations: bool) -> bool:
        """Whether permutations of nodes, or else rotations and reflections, change such arrays."""
        if permutations:
            return self.nodes is not None
        return self.kind == "pseudoscalar" or KINDS[self.kind] > 0

    def check(self, name: str, values: object, dimension: int | None) -> Tensor:
        """Return an array; raises `SymmetryError` unless it can have this role."""
        if not isinstance(values, Tensor):
            raise SymmetryError(
                f"'{name}' is a {type(values).__name__}, and a {self.kind} is a tensor."
            )
        axes = KINDS[self.kind]
        if axes and dimension is not None:
            if tuple(values.shape[-axes:]) != (dimension,) * axes or values.ndim < axes:
                raise SymmetryError(
                    f"'{name}' of shape {tuple(values.shape)} is no {self.kind} in {dimension} "
                    f"dimensions, which has {axes} last "
                    f"{'axis' if axes == 1 else 'axes'} of {dimension}; groups of other "
                    "dimensions have other names or `dimension=`."
                )
            if not (values.is_floating_point() or values.is_complex()):
                raise SymmetryError(f"'{name}' is {values.dtype}, which cannot be rotated.")
        if self.kind in ("edges", "samples") and not are_whole(values):
            raise SymmetryError(f"'{name}' is {values.dtype}, and {self.kind} are whole numbers.")
        if self.kind == "axial" and dimension not in (None, 3):
            raise SymmetryError(
                f"'{name}' is axial, which means vectors of space: in {dimension} dimensions it is "
                "a pseudoscalar or a tensor."
            )
        for axis in self.axes_of_nodes:
            if not -values.ndim <= axis < values.ndim:
                raise SymmetryError(f"'{name}' of shape {tuple(values.shape)} has no axis {axis}.")
            if axis % values.ndim >= values.ndim - axes:
                raise SymmetryError(
                    f"Axis {axis} of '{name}' of shape {tuple(values.shape)} is one of space, "
                    "and counts no nodes."
                )
        if len({axis % values.ndim for axis in self.axes_of_nodes}) < len(self.axes_of_nodes):
            raise SymmetryError(
                f"nodes={self.nodes} name an axis of '{name}' of shape {tuple(values.shape)} twice."
            )
        return values


def are_whole(values: Tensor) -> bool:
    """Whether an array holds whole numbers."""
    return not (values.is_floating_point() or values.is_complex() or values.dtype == torch.bool)


def as_role(role: object) -> Role:
    """A role, or that of a kind; raises `SymmetryError` for anything else."""
    if isinstance(role, Role):
        return role
    if isinstance(role, str):
        return Role(role)
    raise SymmetryError(f"{role!r} is no role: write 'vector', or Role('vector', nodes=1).")


@dataclass(frozen=True)
class Nodes:
    """What permutations must know of the nodes.

    Attributes:
        number: number of nodes, of all samples where these lie one after the other.
        samples: the sample of each node, shape (node,), where they do; None elsewhere.

    """

    number: int
    samples: Tensor | None = None

    def __post_init__(self) -> None:
        """Raise `SymmetryError` for samples that are no numbers from 0, one of each node."""
        if self.samples is None:
            return
        if self.samples.ndim != 1 or (len(self.samples) and bool(self.samples.min() < 0)):
            raise SymmetryError(
                f"Samples of shape {tuple(self.samples.shape)} are no list of the sample of each "
                "node, counted from 0."
            )

    def places(self, group: PointGroup, element: Element) -> Tensor:
        """Which node comes to each place, shape (node,); nodes stay in their samples."""
        if self.samples is None:
            return _order(group, element, self.number)
        places = torch.empty(self.number, dtype=torch.long)
        for members in (
            self.samples.cpu().argsort(stable=True).split(self.samples.bincount().tolist())
        ):
            places[members] = members[_order(group, element, len(members))]
        return places


def seems_of_nodes(role: Role, values: Tensor, nodes: Nodes) -> bool:
    """Whether an array has an axis of as many as there are nodes that its role does not name.

    Where the role names others, the first axis is taken for that of samples.
    """
    if role.kind in ("edges", "samples") or nodes.number < 2:
        return False
    named = [axis % values.ndim for axis in role.axes_of_nodes]
    others = range(bool(named), values.ndim - KINDS[role.kind])
    return any(values.shape[axis] == nodes.number for axis in others if axis not in named)


def _order(group: PointGroup, element: Element, nodes: int) -> Tensor:
    if isinstance(group, Orders):
        seed, sign = torch.as_tensor(element).tolist()
        return order_of(seed, sign, nodes)
    listed = group.elements[int(element)] if isinstance(group, FiniteGroup) else None
    assert isinstance(listed, Permutation)
    if nodes not in (0, len(listed.order)):
        raise SymmetryError(
            f"{group.name} orders {len(listed.order)} nodes, and there are {nodes}: 'S_n' takes "
            "any number."
        )
    return torch.tensor(listed.order[:nodes], dtype=torch.long)


def move(
    group: PointGroup, element: Element, role: Role, values: Tensor, nodes: Nodes | None = None
) -> Tensor:
    """Move an array that `Role.check` let pass.

    Args:
        group: rotations and reflections, or permutations.
        element: an element of the group.
        role: what the array is.
        values: the array.
        nodes: what is known of the nodes, for permutations.

    Returns:
        v for a scalar, Q v for a vector, Q T Q^t for a tensor, times det Q for what changes sign
        under reflections; the nodes in another order, and edges between them.

    """
    if dimension_of(group) is None:
        return _reordered(group, element, role, values, nodes)
    matrix = matrix_of(group, element)
    if role.kind == "tensor":
        return rotate_tensors(matrix, values)
    if role.kind in ("position", "vector", "axial"):
        values = rotate(matrix, values)
    if role.kind in ("axial", "pseudoscalar"):
        values = values * torch.linalg.det(matrix).round().to(values)
    return values


def _reordered(
    group: PointGroup, element: Element, role: Role, values: Tensor, nodes: Nodes | None
) -> Tensor:
    if role.kind == "edges":
        assert nodes is not None
        if bool(((values < 0) | (values >= nodes.number)).any()):
            raise SymmetryError(
                f"Some edge is none of the {nodes.number} nodes, which are counted from 0."
            )
        places = nodes.places(group, element).argsort().to(values)
        return places[values.long()]
    for axis in role.axes_of_nodes:
        number = values.shape[axis]
        nodes = nodes or Nodes(number)
        if nodes.number != number:
            raise SymmetryError(
                f"An axis of {number} nodes is none of the inputs' {nodes.number} nodes, which are "
                "permuted."
            )
        values = values.index_select(axis, nodes.places(group, element).to(values.device))
    return values
