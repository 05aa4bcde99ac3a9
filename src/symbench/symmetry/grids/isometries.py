"""Isometries that map a periodic or centred grid onto itself, and groups of them by name.

An element is a signed permutation of the axes followed by a shift by a fraction of the box.
Convention (the one of The Well's augmentations): permute first, then flip. As a matrix,
R[i, P[i]] = -1 where axis i is flipped, +1 elsewhere, and a point x goes to R x + t with the
origin at the centre of the box, so that on cell-centred nodes a flip is index i -> N-1-i.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from symbench.errors import SymmetryError
from symbench.symmetry.group_names import imported_group
from symbench.symmetry.groups import FiniteGroup, generate, product

GridGroup = FiniteGroup["GridIsometry"]
# Groups are lists: a table of products has the square of this.
LARGEST_ORDER = 4096


@dataclass(frozen=True)
class GridIsometry:
    """A signed permutation of axes and a shift, x -> R x + t on the unit box.

    Attributes:
        permutation: axis `permutation[i]` of the input becomes axis i of the output.
        flips: whether output axis i is reversed.
        shift: translation along output axis i, as a fraction of the box, in [0, 1).

    """

    permutation: tuple[int, ...]
    flips: tuple[bool, ...]
    shift: tuple[Fraction, ...] = ()

    def __post_init__(self) -> None:
        """Fill in a zero shift and reduce the shift to the unit cell."""
        shift = self.shift or (Fraction(0),) * self.dimension
        object.__setattr__(self, "shift", tuple(Fraction(s) % 1 for s in shift))
        object.__setattr__(self, "flips", tuple(bool(f) for f in self.flips))

    @property
    def dimension(self) -> int:
        """Number of spatial axes."""
        return len(self.permutation)

    @property
    def signs(self) -> tuple[int, ...]:
        """The nonzero entry of each row of R."""
        return tuple(-1 if flip else 1 for flip in self.flips)

    @property
    def matrix(self) -> npt.NDArray[np.int64]:
        """The orthogonal matrix R, shape (axis, axis)."""
        matrix = np.zeros((self.dimension, self.dimension), dtype=np.int64)
        for axis, (source, sign) in enumerate(zip(self.permutation, self.signs, strict=True)):
            matrix[axis, source] = sign
        return matrix

    @property
    def determinant(self) -> int:
        """Det R: +1 for a rotation, -1 for a reflection."""
        inversions = sum(a > b for a, b in itertools.combinations(self.permutation, 2))
        return int((-1) ** (inversions + sum(self.flips)))

    def __matmul__(self, other: "GridIsometry") -> "GridIsometry":
        """Compose: `(a @ b)` acts as b first, then a."""
        axes = range(self.dimension)
        permutation = tuple(other.permutation[self.permutation[i]] for i in axes)
        flips = tuple(self.flips[i] != other.flips[self.permutation[i]] for i in axes)
        shift = tuple(
            self.signs[i] * other.shift[self.permutation[i]] + self.shift[i] for i in axes
        )
        return GridIsometry(permutation, flips, shift)

    def inverse(self) -> "GridIsometry":
        """The element that undoes this one."""
        permutation = tuple(int(i) for i in np.argsort(self.permutation))
        flips = tuple(self.flips[i] for i in permutation)
        linear = GridIsometry(permutation, flips)
        shift = tuple(
            -linear.signs[i] * self.shift[linear.permutation[i]] for i in range(self.dimension)
        )
        return GridIsometry(permutation, flips, shift)

    def __str__(self) -> str:
        """Text such as 'x,-y+1/4': the image of the point (x, y)."""
        names = "xyz"[: self.dimension]
        parts = []
        for axis in range(self.dimension):
            sign = "-" if self.flips[axis] else ""
            offset = f"+{self.shift[axis]}" if self.shift[axis] else ""
            parts.append(f"{sign}{names[self.permutation[axis]]}{offset}")
        return ",".join(parts)


def identity(dimension: int) -> GridIsometry:
    """The element that does nothing."""
    return GridIsometry(tuple(range(dimension)), (False,) * dimension)


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


def _planar(name: str) -> list[GridIsometry] | None:
    flip_x, flip_y, turn = _flip(0, 2), _flip(1, 2), _quarter_turn(0, 1, 2)
    generators = {
        "flip_x": [flip_x],
        "flip_y": [flip_y],
        "flips": [flip_x, flip_y],
        "klein4": [flip_x, flip_y],
        "C2": [turn @ turn],
        "C4": [turn],
        "C4v": [turn, flip_x],
        "D4": [turn, flip_x],
    }
    return generators.get(name)


def _spatial(name: str, axis: int) -> list[GridIsometry] | None:
    """Generators of a point group in 3-D whose main axis is `axis` (Schoenflies names)."""
    first, second = (i for i in range(3) if i != axis)
    turn = _quarter_turn(first, second, 3)
    half_turn = turn @ turn
    cross_half_turn = _quarter_turn(second, axis, 3) @ _quarter_turn(second, axis, 3)
    flips = [_flip(i, 3) for i in range(3)]
    rotations = [_quarter_turn(0, 1, 3), _quarter_turn(1, 2, 3)]
    generators = {
        "flip_x": [flips[0]],
        "flip_y": [flips[1]],
        "flip_z": [flips[2]],
        "flips": flips,
        "klein4": [half_turn, cross_half_turn],
        "inversion": [flips[0] @ flips[1] @ flips[2]],
        "C2": [half_turn],
        "C4": [turn],
        "C4v": [turn, flips[first]],
        "D4": [turn, cross_half_turn],
        "D4h": [turn, *flips],
        "O": rotations,
        "O_h": [*rotations, flips[0]],
    }
    return generators.get(name)


_NAMES = (
    "trivial, flip_x, flip_y, flips, klein4, C2, C4, C4v, D4, shifts(n), shifts_x(n) and, in 3-D, "
    "flip_z, inversion, D4h, O, O_h; in 3-D C2, C4, C4v, D4, D4h and klein4 take a main axis "
    "(C4v_x, default z); products are written 'D4 * shifts(4)'"
)


def _single(name: str, dimension: int) -> GridGroup | None:
    if name == "trivial":
        return FiniteGroup(name, (identity(dimension),))
    shifts = re.fullmatch(r"shifts(?:_([xyz]))?\((\d+)\)", name)
    if shifts:
        axes = ["xyz".index(shifts[1])] if shifts[1] else list(range(dimension))
        if max(axes) >= dimension or int(shifts[2]) < 1:
            return None
        if int(shifts[2]) ** len(axes) > LARGEST_ORDER:
            raise SymmetryError(f"Group {name} has more than {LARGEST_ORDER} elements.")
        return generate(name, _shifts(axes, int(shifts[2]), dimension))
    if dimension == 2:
        generators = _planar(name)
    else:
        base, axis = name, 2
        if (match := re.fullmatch(r"(C2|C4|C4v|D4|D4h|klein4)_([xyz])", name)) is not None:
            base, axis = match[1], "xyz".index(match[2])
        generators = _spatial(base, axis)
    return generate(name, generators) if generators else None


def named_group(name: str, dimension: int) -> GridGroup:
    """Return a group by name, in 2-D or 3-D.

    Args:
        name: one of the names listed in the error message, or a product such as
            `"C4v_x * shifts_x(8)"`.
        dimension: number of spatial axes, 2 or 3.

    Raises:
        SymmetryError: if no group of that name acts in that dimension.

    """
    if (own := imported_group(name)) is not None:
        if not isinstance(own, FiniteGroup) or own.elements[0].dimension != dimension:
            raise SymmetryError(f"'{name}' is no FiniteGroup of isometries in {dimension}-D.")
        return own
    if dimension not in (2, 3):
        raise SymmetryError(f"Groups are named in 2 and 3 dimensions, not {dimension}.")
    parts = []
    for part in name.split("*"):
        group = _single(part.strip(), dimension)
        if group is None:
            raise SymmetryError(
                f"Unknown group '{part.strip()}' in {dimension}-D; allowed: {_NAMES}."
            )
        parts.append(group)
    return parts[0] if len(parts) == 1 else product(*parts)


def lowest_dimension(name: str) -> int:
    """2 if a group of this name acts in the plane, else 3."""
    own = imported_group(name)
    if isinstance(own, FiniteGroup):
        return int(own.elements[0].dimension)
    parts = [part.strip() for part in name.split("*")]
    return 2 if all(_single(part, 2) for part in parts) else 3


def check_grid(
    group: GridGroup,
    shape: Sequence[int],
    extent: Sequence[float] | None = None,
    boundary: Sequence[str] | None = None,
) -> None:
    """Raise `SymmetryError` unless every element maps the grid onto itself.

    Args:
        group: the group.
        shape: number of cells along each axis.
        extent: physical length of each axis; axes that are swapped must be equally long.
        boundary: kind of boundary of each axis, such as "PERIODIC"; swapped axes must agree, and
            shifts need a periodic axis.

    """
    axes = range(group.elements[0].dimension)
    if len(shape) != len(axes):
        raise SymmetryError(
            f"Group {group.name} acts on {len(axes)} axes, the grid has {len(shape)}: "
            f"{tuple(shape)}."
        )
    for element in group.elements:
        swaps = [(i, j) for i, j in enumerate(element.permutation) if i != j]
        if any(shape[i] != shape[j] for i, j in swaps):
            raise SymmetryError(
                f"Group {group.name} swaps axes (element {element}), which a grid of shape "
                f"{tuple(shape)} cannot carry; use a group of flips, or a square grid."
            )
        if extent and any(abs(extent[i] / extent[j] - 1) > 1e-4 for i, j in swaps):
            raise SymmetryError(
                f"Group {group.name} swaps axes (element {element}), but the box is "
                f"{' x '.join(f'{length:g}' for length in extent)}: not a symmetry of the box."
            )
        if boundary and any(boundary[i] != boundary[j] for i, j in swaps):
            raise SymmetryError(
                f"Group {group.name} swaps axes (element {element}) whose boundaries differ: "
                f"{', '.join(boundary)}."
            )
        if any((element.shift[i] * shape[i]).denominator != 1 for i in axes):
            raise SymmetryError(
                f"Element ({element}) of {group.name} shifts a grid of shape {tuple(shape)} "
                "by a fraction of a cell; choose a shift that divides the resolution."
            )
        if boundary and any(element.shift[i] and boundary[i] != "PERIODIC" for i in axes):
            raise SymmetryError(
                f"Element ({element}) of {group.name} shifts along an axis that is not periodic: "
                f"{', '.join(boundary)}."
            )
