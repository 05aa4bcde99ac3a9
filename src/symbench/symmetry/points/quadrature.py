"""Which elements of a group of points an average takes, and with which weights.

A quadrature of degree L on SO(3) gives the mean of every polynomial of degree up to L in the
entries of the rotation, that is of all Wigner matrices D^l with l <= L: the average of a network
whose predictions over the orbit are such polynomials is exactly equivariant.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from scipy.integrate import lebedev_rule
from scipy.spatial.transform import Rotation
from torch import Tensor

from symbench.errors import SymmetryError
from symbench.symmetry.groups import checked_seed, whole_number
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.points.point_groups import PointGroup, matrix_of, point_group
from symbench.symmetry.reynolds import chosen_elements, warn_unless_subgroup
from symbench.symmetry.symmetry import Element, Elements

# Groups whose mean is a quadrature on SO(3) of this degree, which is that of the first spherical
# harmonic that they leave unchanged, less one; no product rule of these degrees is as small.
_BY_GROUP = {0: "trivial", 1: "D2", 2: "T", 3: "O", 5: "I"}
# Lebedev's rules with positive weights: with others a variance over the orbit may be negative.
_LEBEDEV = (7, 9, 11, 15, 17, 19, 21, 23, 29, 31, 35, 41, 47, 53, 59, 65)


@dataclass(frozen=True)
class Rule:
    """Weighted elements of a group.

    Attributes:
        group: the group.
        elements: elements of it.
        weights: shape (element,), with the sum 1.

    """

    group: PointGroup
    elements: Elements
    weights: Tensor

    def terms(self) -> Iterator[tuple[float, Element]]:
        """Yield weights and elements."""
        yield from zip(self.weights.tolist(), self.elements, strict=True)

    def __len__(self) -> int:
        """Number of elements."""
        return len(self.elements)


@dataclass(frozen=True)
class RandomElement:
    """A new random element for each average.

    Attributes:
        group: the group.
        generator: draws the elements.

    """

    group: PointGroup
    generator: torch.Generator

    def terms(self) -> Iterator[tuple[float, Element]]:
        """Yield one element with the weight 1."""
        (element,) = self.group.sample(1, self.generator)
        yield 1.0, element

    def __len__(self) -> int:
        """One."""
        return 1


def refuse_spread_of_one(rule: Rule | RandomElement) -> None:
    """Raise `SymmetryError` if there is no variance over the orbit, but zero, of one element."""
    if isinstance(rule, RandomElement):
        raise SymmetryError(
            "One random element in each call has no variance over the orbit: say a number of "
            "elements, or degree=."
        )


def _equal_weights(group: PointGroup, elements: Elements) -> Rule:
    count = len(elements)
    return Rule(group, elements, torch.full((count,), 1 / count, dtype=torch.float64))


def rotation_quadrature(group: OrthogonalGroup, degree: int) -> Rule:
    """A deterministic quadrature on SO(2), O(2), SO(3) or O(3).

    In the plane degree + 1 equal angles. In space, up to degree 5, the rotations of the
    tetrahedron (12, degree 2), the cube (24, degree 3) or the icosahedron (60); beyond, a Lebedev
    rule for where the axis z goes times degree + 1 equal angles about it. The mean over the angles
    leaves of D^l_mk those with k = 0, which are spherical harmonics of where z goes. Reflections
    double the list.

    Args:
        group: the group.
        degree: largest l of which all D^l are averaged exactly.

    Raises:
        SymmetryError: for other dimensions, and degrees without a rule.

    Source: Lebedev and Laikov, Doklady Mathematics 59 (1999), 477; Gräf and Potts, Numerical
    Functional Analysis and Optimization 30 (2009), 665.

    """
    if (number := whole_number(degree)) is None or number < 0:
        raise SymmetryError(f"degree={degree!r}: give a whole number, 0 or more.")
    if group.dimension not in (2, 3):
        raise SymmetryError(
            f"Quadratures are known on rotations of the plane and of space, not on {group}: give "
            "a number of sampled elements."
        )
    if group.dimension == 2:
        turns = _listed(f"C{number + 1}", 2)
    elif number <= max(_BY_GROUP):
        turns = _listed(next(g for known, g in _BY_GROUP.items() if number <= known), 3)
    else:
        return _with_reflections(_lebedev_times_angles(group, number))
    return _with_reflections(_equal_weights(group, turns))


def _listed(name: str, dimension: int) -> Tensor:
    group = point_group(name, dimension)
    return torch.stack([matrix_of(group, element) for element in group.listed()])


def _lebedev_times_angles(group: OrthogonalGroup, degree: int) -> Rule:
    order = next((known for known in _LEBEDEV if known >= degree), None)
    if order is None:
        raise SymmetryError(f"degree={degree}: quadratures are known up to {_LEBEDEV[-1]}.")
    (x, y, z), weights = lebedev_rule(order)
    angles = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
    directions = np.stack([np.arctan2(y, x), np.arccos(z.clip(-1, 1))], axis=1)
    euler = np.column_stack(
        [directions.repeat(len(angles), axis=0), np.tile(angles, len(directions))]
    )
    turns = torch.from_numpy(Rotation.from_euler("ZYZ", euler).as_matrix())
    shares = torch.from_numpy(weights / weights.sum()).repeat_interleave(len(angles))
    return Rule(group, turns, shares / len(angles))


def _with_reflections(rule: Rule) -> Rule:
    """The same with the reflections of O(d), or itself for SO(d)."""
    group = rule.group
    if not isinstance(group, OrthogonalGroup) or group.proper:
        return rule
    turns, weights = torch.as_tensor(rule.elements), rule.weights
    reflection = torch.eye(group.dimension, dtype=turns.dtype)
    reflection[0, 0] = -1
    elements = torch.cat([turns, turns @ reflection])
    return Rule(group, elements, torch.cat([weights, weights]) / 2)


def averaging_rule(
    group: PointGroup, elements: Elements | int | str, degree: int | None, seed: int
) -> Rule | RandomElement:
    """The elements that a user asks for; see `symmetrize_points`.

    Raises:
        SymmetryError: if they do not fit the group, or all of infinitely many are asked for.

    """
    name = elements if isinstance(elements, str) else ""
    if degree is not None:
        if not isinstance(group, OrthogonalGroup) or name != "all":
            raise SymmetryError(
                f"degree={degree} is that of a quadrature on SO(2), O(2), SO(3) or O(3), without "
                f"elements: for {group} leave it out, or leave out elements."
            )
        return rotation_quadrature(group, degree)
    seed = checked_seed(seed)
    if name == "random":
        return RandomElement(group, torch.Generator().manual_seed(seed))
    if name == "all":
        if group.order is None:
            raise SymmetryError(
                f"{group.name} has no list of all its elements: say elements=8 for so many random "
                "ones, elements='random' for a new one in each call, or, for rotations of the "
                "plane and of space, degree=5 for a quadrature."
            )
        return _equal_weights(group, group.listed())
    if name or not hasattr(elements, "__len__") or getattr(elements, "ndim", 1) == 0:
        if (number := whole_number(elements)) is None:
            raise SymmetryError(
                f"elements={elements!r}: give 'all', 'random', a number, or elements of {group}."
            )
        return _equal_weights(group, group.subset(number, seed))
    chosen = chosen_elements(group, cast(Elements, elements))
    warn_unless_subgroup(group, chosen)
    return _equal_weights(group, chosen)
