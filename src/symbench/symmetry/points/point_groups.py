"""Finite groups of rotations and reflections about a point, and of permutations, by name.

Names in space are those of Schoenflies; C_n and D_n have the axis z unless another is named.
"""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from symbench.errors import SymmetryError, nearest
from symbench.symmetry.group_names import imported_group
from symbench.symmetry.groups import (
    LARGEST_ORDER,
    FiniteGroup,
    Group,
    generate,
    product,
    whole_number,
)
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.points.orders import Orders
from symbench.symmetry.symmetry import Element

Matrix = npt.NDArray[np.float64]
# Entries of different elements of a listed group differ by more; those of equal ones by rounding.
_DECIMALS = 6
# So that all permutations can be listed as a `FiniteGroup`.
MOST_LISTED_NODES = 6


@dataclass(frozen=True)
class PointIsometry:
    """An orthogonal matrix, x -> Q x, equal to another up to rounding.

    Attributes:
        matrix: Q, shape (axis, axis).

    """

    matrix: Matrix = field(compare=False)
    _rounded: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Raise `SymmetryError` unless the matrix is orthogonal."""
        matrix = np.asarray(self.matrix, dtype=float)
        square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
        if not square or not np.allclose(matrix @ matrix.T, np.eye(len(matrix)), atol=1e-8):
            raise SymmetryError(
                f"The matrix {matrix.tolist()} is not orthogonal to eight digits: it is no "
                "rotation or reflection in double precision."
            )
        object.__setattr__(self, "matrix", matrix)
        # Zero is added because -0.0 prints, and hashes in bytes, unlike 0.0.
        rounded = np.round(matrix, _DECIMALS) + 0.0
        object.__setattr__(self, "_rounded", tuple(rounded.flatten().tolist()))

    def __matmul__(self, other: Self) -> "PointIsometry":
        """Compose: `(a @ b)` acts as b first, then a."""
        return PointIsometry(self.matrix @ other.matrix)

    def inverse(self) -> "PointIsometry":
        """The transposed matrix."""
        return PointIsometry(self.matrix.T)

    @cached_property
    def tensor(self) -> Tensor:
        """The matrix in double precision, shape (axis, axis)."""
        return torch.from_numpy(self.matrix.copy())


@dataclass(frozen=True)
class Permutation:
    """An order of nodes: node `order[i]` comes to place i."""

    order: tuple[int, ...]

    def __matmul__(self, other: Self) -> "Permutation":
        """Compose: `(a @ b)` acts as b first, then a."""
        return Permutation(tuple(other.order[i] for i in self.order))

    def inverse(self) -> "Permutation":
        """The order that takes this one back."""
        return Permutation(tuple(int(i) for i in np.argsort(self.order)))


PointGroup = OrthogonalGroup | Orders | FiniteGroup[PointIsometry] | FiniteGroup[Permutation]


def _turn(parts: float) -> Matrix:
    """Rotation about z by the given part of a full turn."""
    angle = 2 * math.pi / parts
    turn = np.eye(3)
    turn[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    return turn


def _axial(kind: str, count: int, end: str) -> list[Matrix]:
    """Generators of C_n, C_nv, C_nh, D_n, D_nh and D_nd about z."""
    generators = [_turn(count)]
    if kind == "D":
        generators.append(np.diag([1.0, -1, -1]))
    if end == "v":
        generators.append(np.diag([-1.0, 1, 1]))
    if end == "h":
        generators.append(np.diag([1.0, 1, -1]))
    if end == "d":
        generators.append(_turn(2 * count) @ np.diag([1.0, 1, -1]))
    return generators


def _polyhedral() -> dict[str, list[Matrix]]:
    """Generators of the groups of the tetrahedron, the cube and the icosahedron."""
    inversion = -np.eye(3)
    cycle, half_turn = np.eye(3)[[1, 2, 0]], np.diag([1.0, -1, -1])
    golden = (1 + math.sqrt(5)) / 2
    # A fifth of a turn about (0, 1, golden) in the frame of that axis.
    axis = np.array([0, 1, golden]) / math.hypot(1, golden)
    frame = np.column_stack([[1.0, 0, 0], np.cross(axis, [1.0, 0, 0]), axis])
    tetrahedron = [cycle, half_turn]
    cube = [cycle, _turn(4)]
    icosahedron = [cycle, half_turn, frame @ _turn(5) @ frame.T]
    return {
        "T": tetrahedron,
        "T_d": [*tetrahedron, np.eye(3)[[1, 0, 2]]],
        "T_h": [*tetrahedron, inversion],
        "O": cube,
        "O_h": [*cube, inversion],
        "I": icosahedron,
        "I_h": [*icosahedron, inversion],
        "inversion": [inversion],
    }


def _flips(dimension: int) -> dict[str, list[Matrix]]:
    """Generators of mirror images in the coordinate planes, and of all signed permutations."""
    axes = range(dimension)
    flips = [np.diag([-1.0 if i == axis else 1.0 for i in axes]) for axis in axes]
    swaps = [np.eye(dimension)[[*range(1, axis + 1), 0, *axes[axis + 1 :]]] for axis in axes[1:]]
    named = zip(("flip_x", "flip_y", "flip_z"), flips, strict=False)
    return {
        **{name: [flip] for name, flip in named},
        "flips": flips,
        "signed permutations": [*flips, *swaps],
        "trivial": [np.eye(dimension)],
    }


_AXIAL = re.compile(r"([CD])_?([1-9]\d*)(v|h|d)?(?:_([xyz]))?")
_PERMUTATIONS = re.compile(r"S_(n|[1-9]\d*)")
_ORTHOGONAL = re.compile(r"(S?)O\(([1-9]\d*)\)")


def _generators(name: str, dimension: int) -> list[Matrix] | None:
    """Generators of a group of matrices by name; None if there is none in that dimension."""
    found = _flips(dimension).get(name)
    if found is None and dimension == 3:
        found = _polyhedral().get(name)
    axial = _AXIAL.fullmatch(name)
    if found is None and axial:
        kind, count, end, axis = axial[1], int(axial[2]), axial[3] or "", axial[4] or "z"
        # The turns of still larger groups would be equal up to rounding.
        if count > LARGEST_ORDER:
            raise SymmetryError(f"Group {name} has more than {LARGEST_ORDER} elements.")
        if dimension == 3 and (kind, end) not in (("D", "v"), ("C", "d")):
            cyclic = np.roll(np.eye(3), "zxy".index(axis), axis=0)
            found = [cyclic @ each @ cyclic.T for each in _axial(kind, count, end)]
        if dimension == 2 and not end and not axial[4]:
            mirror = [np.diag([-1.0, 1])] if kind == "D" else []
            found = [_turn(count)[:2, :2], *mirror]
    return found


def point_group(name: str, dimension: int | None = None) -> PointGroup:
    """A group that acts on points, by name.

    Args:
        name: "O(d)" and "SO(d)"; "S_5", all permutations of 5 nodes, and "S_n", those of any
            number; in space "C4", "C4v", "C4h", "D4", "D4h", "D4d" for any number of turns and
            with "_x" or "_y" about another axis than z, "T", "T_d", "T_h", "O", "O_h", "I", "I_h",
            "inversion"; in the plane "C4" and, with mirror images, "D4"; in any dimension
            "flip_x", "flips" and "signed permutations"; products such as "C4 * inversion"; or
            `package.module:Name` of a group or of matrices of yours.
        dimension: number of axes, by default that of the name, and else 3.

    Raises:
        SymmetryError: if no group of that name acts in that dimension; it gives the nearest name.

    """
    if (own := imported_group(name)) is not None:
        return own_point_group(own, name, dimension)
    if permutations := _PERMUTATIONS.fullmatch(name):
        return Orders() if permutations[1] == "n" else _symmetric(int(permutations[1]))
    if orthogonal := _ORTHOGONAL.fullmatch(name):
        axes = int(orthogonal[2])
        if dimension not in (None, axes):
            raise SymmetryError(
                f"Group '{name}' acts in {axes} dimensions, not {dimension}: "
                f"'{orthogonal[1]}O({dimension})' does."
            )
        return OrthogonalGroup(axes, proper=bool(orthogonal[1]))
    axes = 3 if dimension is None else dimension
    if axes < 1:
        raise SymmetryError(f"dimension={dimension}: points have at least one axis.")
    parts = []
    for part in name.split("*"):
        generators = _generators(part.strip(), axes)
        if generators is None:
            raise _unknown(part.strip(), axes)
        parts.append(generate(part.strip(), [PointIsometry(each) for each in generators]))
    return parts[0] if len(parts) == 1 else product(*parts)


def _unknown(name: str, dimension: int) -> SymmetryError:
    axial = {2: ["C4", "D4"], 3: ["C4", "C4v", "C4h", "C4_x", "D4", "D4h", "D4d"]}
    named = [*axial.get(dimension, []), *(_polyhedral() if dimension == 3 else ())]
    allowed = [f"O({dimension})", f"SO({dimension})", *named, *_flips(dimension), "S_5", "S_n"]
    return SymmetryError(
        f"No group '{name}' acts on points in {dimension} dimensions; allowed: "
        f"{', '.join(allowed)}, other numbers in place of 4 and 5, and products of finite groups "
        f"of matrices.{nearest(name, allowed)}"
    )


def _symmetric(nodes: int) -> FiniteGroup[Permutation]:
    if nodes > MOST_LISTED_NODES:
        raise SymmetryError(
            f"S_{nodes} has too many elements to list (at most S_{MOST_LISTED_NODES}): take 'S_n' "
            "and a number of sampled elements."
        )
    orders = itertools.permutations(range(nodes))
    return FiniteGroup(f"S_{nodes}", tuple(map(Permutation, orders)))


def own_point_group(own: object, name: str, dimension: int | None = None) -> PointGroup:
    """A group of yours: one of this package's, or orthogonal matrices that generate one.

    Args:
        own: the group, or matrices, shape (matrix, axis, axis).
        name: its name in messages, and of the group of the matrices.
        dimension: number of axes that it must have; any by default.

    Raises:
        SymmetryError: if it is no such group, or one in other dimensions.

    """
    group: PointGroup
    if isinstance(own, Orders | OrthogonalGroup) or (
        isinstance(own, FiniteGroup) and isinstance(own.elements[0], PointIsometry | Permutation)
    ):
        group = own
    else:
        try:
            given = np.asarray(own.detach().cpu() if isinstance(own, Tensor) else own)
            matrices = np.zeros(0) if np.iscomplexobj(given) else given.astype(float)
        except (TypeError, ValueError, RuntimeError):
            matrices = np.zeros(0)
        if matrices.ndim != 3 or len(matrices) == 0:
            raise SymmetryError(
                f"'{name}' is neither a group of points nor a list of square matrices."
            )
        group = generate(name, [PointIsometry(matrix) for matrix in matrices])
    axes = dimension_of(group)
    if dimension is not None and axes not in (None, dimension):
        raise SymmetryError(f"'{name}' acts in {axes} dimensions, not {dimension}.")
    return group


def dimension_of(group: PointGroup) -> int | None:
    """Number of axes that a group acts on; None for permutations."""
    if isinstance(group, OrthogonalGroup):
        return group.dimension
    if isinstance(group, FiniteGroup) and isinstance(group.elements[0], PointIsometry):
        return len(group.elements[0].matrix)
    return None


def chosen_group(group: str | Group | Sequence[object], dimension: int | None) -> PointGroup:
    """A group by name, a group, or that which matrices generate; see `point_group`."""
    if dimension is not None and whole_number(dimension) is None:
        raise SymmetryError(f"dimension={dimension!r}: give a whole number of axes.")
    if isinstance(group, str):
        return point_group(group, dimension)
    # Tensors have a name, which is None.
    return own_point_group(group, getattr(group, "name", None) or "own group", dimension)


def matrix_of(group: PointGroup, element: Element) -> Tensor:
    """The orthogonal matrix of an element of a group of matrices, shape (axis, axis)."""
    if isinstance(group, FiniteGroup):
        listed = group.elements[int(element)]
        assert isinstance(listed, PointIsometry)
        return listed.tensor
    return torch.as_tensor(element)
