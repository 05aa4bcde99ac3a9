"""One isometry of a periodic or centred grid: a signed permutation of axes, then a shift.

Convention (the one of The Well's augmentations): permute first, then flip. As a matrix,
R[i, P[i]] = -1 where axis i is flipped, +1 elsewhere, and a point x goes to R x + t with the
origin at the centre of the box, so that on cell-centred nodes a flip is index i -> N-1-i.
"""

import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np
import numpy.typing as npt

from symbench.errors import SymmetryError

_ZERO = Fraction(0)


def _in_cell(shift: Fraction) -> Fraction:
    """The same shift in [0, 1); this is called so often that it spares arithmetic of fractions."""
    whole = shift if type(shift) is Fraction else Fraction(shift)
    return whole if 0 <= whole.numerator < whole.denominator else whole % 1


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
        shift = self.shift or (_ZERO,) * self.dimension
        object.__setattr__(self, "shift", tuple([_in_cell(s) for s in shift]))
        object.__setattr__(self, "flips", tuple(map(bool, self.flips)))

    @classmethod
    def of_matrix(cls, matrix: npt.ArrayLike) -> Self:
        """The isometry of an orthogonal matrix R of entries 0, +1 and -1, shape (axis, axis).

        Raises:
            SymmetryError: for any other matrix; it does not map a grid onto itself.

        """
        rows = np.asarray(matrix, dtype=float)
        squared = abs(rows) @ abs(rows).T if rows.ndim == 2 else rows
        if rows.shape != squared.shape or not np.array_equal(squared, np.eye(len(rows))):
            raise SymmetryError(
                f"The matrix {rows.tolist()} is no signed permutation: each row and each column of "
                "an isometry of a grid has one entry +1 or -1, and zeros."
            )
        return cls(tuple(abs(rows).argmax(axis=1).tolist()), tuple((rows.sum(axis=1) < 0).tolist()))

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
        moved = list(zip(self.permutation, self.flips, self.shift, strict=True))
        return GridIsometry(
            tuple([other.permutation[source] for source, _, _ in moved]),
            tuple([flip != other.flips[source] for source, flip, _ in moved]),
            # Sums of fractions are slow, and most of them have a zero in them.
            tuple(
                [
                    (own - other.shift[source] if flip else own + other.shift[source])
                    if other.shift[source]
                    else own
                    for source, flip, own in moved
                ]
            ),
        )

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
