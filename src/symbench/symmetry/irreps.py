"""Irreducible representations (irreps) of a finite group, computed from its table of products.

A function on the group, such as the predictions over an orbit, is the sum of one component for
each irrep, orthogonal to each other; that of the trivial irrep is the mean over the group. Real
functions have a complex irrep and its conjugate in equal parts: the two count as one here, as those
of C4 do in which the quarter turn is ±i.
Source: Serre, Linear Representations of Finite Groups (Springer 1977), sections 2.3 and 2.6.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isqrt

import numpy as np
import numpy.typing as npt

from symbench.errors import SymmetryError
from symbench.symmetry.groups import E, FiniteGroup

Array = npt.NDArray[np.floating]

TRIVIAL = "trivial"
# Matrices of this many rows and columns are diagonalised.
MOST_ELEMENTS = 512
_ROUND_OFF = 1e-8
_DRAWS = 16


@dataclass(frozen=True)
class Irrep:
    """One irrep, or a complex one with its conjugate.

    Attributes:
        name: "trivial", or its dimension and a letter or two, by descending characters.
        projector: onto functions on the group of this type, shape (element, element): d/|G| times
            the character of g⁻¹h, with the complex dimension d.

    """

    name: str
    projector: Array

    @property
    def rank(self) -> int:
        """Dimension of the functions of this type: d², twice that of a pair of conjugates."""
        return round(float(np.trace(self.projector)))

    @property
    def dimension(self) -> int:
        """The complex dimension d, or 2 d of a pair of conjugates."""
        return isqrt(self.rank) if isqrt(self.rank) ** 2 == self.rank else isqrt(2 * self.rank)

    @cached_property
    def characters(self) -> Array:
        """Trace of each element, shape (element,)."""
        values: Array = self.projector[0] * (self.dimension / self.projector[0, 0])
        return values

    def is_left_by(self, members: Sequence[int]) -> bool:
        """Whether an average over a subgroup leaves something of functions of this type."""
        # The mean is the dimension of what the subgroup leaves alone, a whole number.
        return bool(self.characters[list(members)].mean() > 0.5)


def irreps(group: FiniteGroup[E]) -> tuple[Irrep, ...]:
    """All irreps of a group, the trivial one first, then by dimension.

    They are the eigenspaces of convolution with a random function that is constant on conjugacy
    classes and equal for inverses: it commutes with all translations, so it is a number on each
    irrep (Schur), and these numbers differ. Their count is known, and checked.

    Raises:
        SymmetryError: if the group has more than `MOST_ELEMENTS` elements.

    """
    if group.order > MOST_ELEMENTS:
        raise SymmetryError(f"{group} is too large for its irreps: at most {MOST_ELEMENTS}.")
    inverses = np.array(group.inverses)
    conjugates = group.table[group.table, inverses[:, None]]
    classes = conjugates.min(axis=0)
    classes = np.minimum(classes, classes[inverses])
    names, of_element = np.unique(classes, return_inverse=True)
    quotients = of_element[group.table[inverses]]
    rng = np.random.default_rng(0)
    for _ in range(_DRAWS):
        values, vectors = np.linalg.eigh(rng.standard_normal(len(names))[quotients])
        ends = np.flatnonzero(np.diff(values) > _ROUND_OFF * np.abs(values).max()) + 1
        parts = np.split(vectors, ends, axis=1)
        if len(parts) == len(names):
            return _named([part @ part.T for part in parts])
    raise SymmetryError(f"The irreps of {group} could not be told apart.")


def _named(projectors: Sequence[Array]) -> tuple[Irrep, ...]:
    found = [Irrep(TRIVIAL, projector) for projector in projectors]

    def order(irrep: Irrep) -> tuple[int, list[float]]:
        # The trivial irrep has the largest characters of its dimension.
        return irrep.dimension, (-irrep.characters.round(3)).tolist()

    found.sort(key=order)
    named, counts = [found[0]], dict[int, int]()
    for irrep in found[1:]:
        number = counts[irrep.dimension] = counts.get(irrep.dimension, -1) + 1
        named.append(Irrep(f"{irrep.dimension}{_letters(number)}", irrep.projector))
    return tuple(named)


def _letters(number: int) -> str:
    """One by one a to z, then aa, ab and so on."""
    more, last = divmod(number, 26)
    return (_letters(more - 1) if more else "") + chr(ord("a") + last)


def parts(gram: Array, of: Sequence[Irrep]) -> Array:
    """Mean squares over the group of the components of functions, shape (..., irrep).

    They sum to the mean square of the function; the trivial irrep has the square of its mean.

    Args:
        gram: products of the values at each two elements, shape (..., element, element).
        of: all irreps of the group.

    """
    projectors = np.stack([irrep.projector.ravel() for irrep in of])
    found: Array = gram.reshape(*gram.shape[:-2], -1) @ projectors.T / gram.shape[-1]
    return found
