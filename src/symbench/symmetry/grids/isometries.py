"""Groups of isometries of a grid by name, and the grids, boxes and boundaries that carry them."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import cast

import numpy as np

from symbench.errors import SymmetryError
from symbench.symmetry.grids.isometry import GridIsometry, identity
from symbench.symmetry.group_names import imported_group
from symbench.symmetry.groups import FiniteGroup, generate, product, whole_number

__all__ = ["GridGroup", "GridIsometry", "check_grid", "identity", "named_group"]

GridGroup = FiniteGroup[GridIsometry]


def _flip(axis: int, dimension: int) -> GridIsometry:
    return GridIsometry(tuple(range(dimension)), tuple(i == axis for i in range(dimension)))


def _quarter_turn(first: int, second: int, dimension: int) -> GridIsometry:
    """Rotation by 90 degrees that takes axis `first` to axis `second`."""
    permutation = list(range(dimension))
    permutation[first], permutation[second] = second, first
    return GridIsometry(tuple(permutation), tuple(i == first for i in range(dimension)))


def _shifts(axes: Iterable[int], count: int, dimension: int) -> list[GridIsometry]:
    return [
        GridIsometry(
            tuple(range(dimension)),
            (False,) * dimension,
            tuple(Fraction(int(i == axis), count) for i in range(dimension)),
        )
        for axis in axes
    ]


def _linear() -> dict[str, list[GridIsometry]]:
    return {name: [_flip(0, 1)] for name in ("flip", "flip_x", "flips")}


def _planar() -> dict[str, list[GridIsometry]]:
    flip_x, flip_y, turn = _flip(0, 2), _flip(1, 2), _quarter_turn(0, 1, 2)
    return {
        "flip_x": [flip_x],
        "flip_y": [flip_y],
        "flips": [flip_x, flip_y],
        "klein4": [flip_x, flip_y],
        "C2": [turn @ turn],
        "C4": [turn],
        "C4v": [turn, flip_x],
        "D4": [turn, flip_x],
    }


def _about(axis: int) -> dict[str, list[GridIsometry]]:
    """Generators of the point groups in 3-D with a main axis (Schoenflies names)."""
    first, second = (i for i in range(3) if i != axis)
    turn = _quarter_turn(first, second, 3)
    cross_half_turn = _quarter_turn(second, axis, 3) @ _quarter_turn(second, axis, 3)
    return {
        "klein4": [turn @ turn, cross_half_turn],
        "C2": [turn @ turn],
        "C4": [turn],
        "C4v": [turn, _flip(first, 3)],
        "D4": [turn, cross_half_turn],
        "D4h": [turn, *(_flip(i, 3) for i in range(3))],
    }


def _spatial() -> dict[str, list[GridIsometry]]:
    flips = [_flip(i, 3) for i in range(3)]
    rotations = [_quarter_turn(0, 1, 3), _quarter_turn(1, 2, 3)]
    return {
        "flip_x": [flips[0]],
        "flip_y": [flips[1]],
        "flip_z": [flips[2]],
        "flips": flips,
        "inversion": [flips[0] @ flips[1] @ flips[2]],
        **_about(2),
        "O": rotations,
        "O_h": [*rotations, flips[0]],
        **{f"{name}_{'xyz'[axis]}": g for axis in range(3) for name, g in _about(axis).items()},
    }


@cache
def _point_groups(dimension: int) -> Mapping[str, list[GridIsometry]]:
    """Generators of the groups that leave the centre of the box where it is, by name."""
    named = {1: _linear, 2: _planar, 3: _spatial}
    return {"trivial": [identity(dimension)], **named[dimension]()}


def _single(name: str, dimension: int) -> GridGroup | None:
    shifts = re.fullmatch(r"shifts(?:_([xyz]))?\((\d+)\)", name)
    if shifts is None:
        generators = _point_groups(dimension).get(name)
        return generate(name, generators) if generators else None
    axes = ["xyz".index(shifts[1])] if shifts[1] else list(range(dimension))
    if max(axes) >= dimension or int(shifts[2]) < 1:
        return None
    return generate(name, _shifts(axes, int(shifts[2]), dimension))


def _unknown(name: str, dimension: int) -> SymmetryError:
    shifts = ["shifts(n)", *(f"shifts_{axis}(n)" for axis in "xyz"[:dimension])]
    names = {each.lower(): each for each in (*_point_groups(dimension), *shifts)}
    # Names are so short that one letter of two is a likeness.
    found = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    return SymmetryError(
        f"Unknown group '{name}' in {dimension}-D; allowed: {', '.join(names.values())} and "
        "products such as 'flips * shifts(4)'."
        + "".join(f" Did you mean '{names[each]}'?" for each in found)
    )


def named_group(name: str, dimension: int) -> GridGroup:
    """Return a group by name, in 1-D, 2-D or 3-D.

    Args:
        name: one of the names listed in the error message, a product such as
            `"C4v_x * shifts_x(8)"`, or `package.module:Name` of a group or of matrices of yours.
        dimension: number of spatial axes, 1, 2 or 3.

    Raises:
        SymmetryError: if no group of that name acts in that dimension; it gives the nearest name.

    """
    if (own := imported_group(name)) is not None:
        return own_group(own, name, dimension)
    if whole_number(dimension) not in (1, 2, 3):
        raise SymmetryError(f"Groups are named in 1, 2 and 3 dimensions, not {dimension}.")
    parts = []
    for part in name.split("*"):
        group = _single(part.strip(), dimension)
        if group is None:
            raise _unknown(part.strip(), dimension)
        parts.append(group)
    return parts[0] if len(parts) == 1 else product(*parts)


def own_group(own: object, name: str, dimension: int | None = None) -> GridGroup:
    """A group of yours: a `FiniteGroup` of isometries, or matrices that generate one.

    Args:
        own: the group, or signed permutation matrices, shape (matrix, axis, axis).
        name: its name in messages, and of the group of the matrices.
        dimension: number of spatial axes that it must have; any by default.

    Raises:
        SymmetryError: if it is no such group, or one in other dimensions.

    """
    if not isinstance(own, FiniteGroup):
        try:
            matrices = np.asarray(own, dtype=float)
            own = generate(name, [GridIsometry.of_matrix(matrix) for matrix in matrices])
        except (TypeError, ValueError, IndexError, RuntimeError):
            raise SymmetryError(
                f"'{name}' is neither a FiniteGroup of isometries nor a list of square matrices."
            ) from None
    where = "" if dimension is None else f" in {dimension}-D"
    first = own.elements[0]
    if not isinstance(first, GridIsometry) or dimension not in (None, first.dimension):
        raise SymmetryError(f"'{name}' is no FiniteGroup of isometries{where}.")
    return cast("GridGroup", own)


def lowest_dimension(name: str) -> int:
    """2 if a group of this name acts in the plane or nowhere, else 3 or, for "flip", 1."""
    if (own := imported_group(name)) is not None:
        return own_group(own, name).elements[0].dimension
    parts = [part.strip() for part in name.split("*")]
    return next((d for d in (2, 3, 1) if all(_single(part, d) for part in parts)), 2)


@dataclass(frozen=True)
class GridNeeds:
    """What a group asks of the numbers of cells of a grid.

    Attributes:
        alike: pairs of axes that some element swaps.
        multiples: what the number of cells along each axis must be a multiple of.

    """

    alike: tuple[tuple[int, int], ...]
    multiples: tuple[int, ...]

    def met_by(self, shape: Sequence[int]) -> bool:
        """Whether a grid of this shape carries the group; cheap, and clear to a compiler."""
        return (
            len(shape) == len(self.multiples)
            and all(shape[i] == shape[j] for i, j in self.alike)
            and all(n % multiple == 0 for n, multiple in zip(shape, self.multiples, strict=True))
        )


def grid_needs(group: GridGroup) -> GridNeeds:
    """What a group asks of a grid."""
    swaps = {pair for e in group.elements for pair in enumerate(e.permutation)}
    shifts = zip(*(element.shift for element in group.elements), strict=True)
    return GridNeeds(
        tuple(sorted((i, j) for i, j in swaps if i < j)),
        tuple(math.lcm(*{shift.denominator for shift in along}) for along in shifts),
    )


BOUNDARIES = ("WALL", "OPEN", "PERIODIC")


def check_grid(
    group: GridGroup,
    shape: Sequence[int] | None = None,
    extent: Sequence[float] | None = None,
    boundary: Sequence[str] | None = None,
) -> None:
    """Raise `SymmetryError` unless every element maps the grid onto itself.

    Args:
        group: the group.
        shape: number of cells along each axis.
        extent: physical length of each axis; axes that are swapped must be equally long.
        boundary: kind of boundary of each axis, such as "PERIODIC", or "WALL|OPEN" where its low
            and its high side differ; elements must move each side to one of the same kind, and
            shifts need a periodic axis.

    """
    dimension = group.elements[0].dimension
    axes = range(dimension)
    for what, given in (("grid", shape), ("extent", extent), ("boundary", boundary)):
        if given is not None and len(given) != dimension:
            raise SymmetryError(
                f"Group {group.name} acts on {dimension} axes, the {what} has {len(given)}: "
                f"{tuple(given)}; groups of other dimensions have other names or `dimension=`."
            )
    if extent and not all(0 < length < math.inf for length in extent):
        raise SymmetryError(f"The box has lengths {tuple(extent)}: positive numbers are allowed.")
    sides = [tuple(kind.split("|")) if "|" in kind else (kind, kind) for kind in boundary or ()]
    for element in group.elements:
        swaps = [(i, j) for i, j in enumerate(element.permutation) if i != j]
        if shape is not None and any(shape[i] != shape[j] for i, j in swaps):
            raise SymmetryError(
                f"Group {group.name} swaps axes (element {element}), which a grid of shape "
                f"{tuple(shape)} cannot carry; use a group of flips, or a square grid."
            )
        if extent and any(abs(extent[i] / extent[j] - 1) > 1e-4 for i, j in swaps):
            raise SymmetryError(
                f"Group {group.name} swaps axes (element {element}), but the box is "
                f"{' x '.join(f'{length:g}' for length in extent)}: not a symmetry of the box."
            )
        moved = zip(element.permutation, element.flips, strict=True)
        if sides and sides != [sides[axis][:: -1 if flip else 1] for axis, flip in moved]:
            raise SymmetryError(
                f"Element ({element}) of {group.name} takes sides of the box to sides whose "
                f"boundaries differ: {', '.join(boundary or ())}."
            )
        if shape is not None and any((element.shift[i] * shape[i]).denominator != 1 for i in axes):
            raise SymmetryError(
                f"Element ({element}) of {group.name} shifts a grid of shape {tuple(shape)} "
                "by a fraction of a cell; choose a shift that divides the resolution."
            )
        if sides and any(element.shift[i] and set(sides[i]) != {"PERIODIC"} for i in axes):
            raise SymmetryError(
                f"Element ({element}) of {group.name} shifts along an axis that is not periodic: "
                f"{', '.join(boundary or ())}."
            )
