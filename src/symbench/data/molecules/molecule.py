"""A molecule as models see it: atoms with bonds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symbench.symmetry.points.labelled_points import Order


@dataclass(frozen=True)
class Molecule:
    """Atoms with bonds; the first atom is the heavy one, the others are active.

    Attributes:
        symbols: of the atoms.
        bonds: pairs of atoms.

    """

    symbols: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]

    @property
    def automorphisms(self) -> tuple[Order, ...]:
        """Exchanges of equal atoms that keep the bonds."""
        # Late: data sets that name a molecule are read without torch.
        from symbench.symmetry.points.labelled_points import automorphisms

        return automorphisms(self.symbols, self.bonds)


LITHIUM_HYDRIDE = Molecule(("Li", "H"), ((0, 1),))
AMMONIA = Molecule(("N", "H", "H", "H"), ((0, 1), (0, 2), (0, 3)))
MOLECULES = {"LiH": LITHIUM_HYDRIDE, "NH3": AMMONIA}
