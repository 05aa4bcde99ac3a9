"""A molecule as models see it: atoms with bonds; its configurations as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from symbench.data.arrays import Array
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


def as_nodes(
    kinds: Sequence[object] | Array, positions: Array, energies: Array, forces: Array
) -> dict[str, Array]:
    """Configurations of one molecule as arrays of nodes; see `GraphStore`.

    Args:
        kinds: element of each atom, (atom,): one feature for each element, in their order.
        positions: shape (configuration, atom, axis).
        energies: shape (configuration,).
        forces: shape (configuration, atom, axis).

    """
    elements, numbers = np.unique(np.asarray(kinds), return_inverse=True)
    count, atoms, _ = positions.shape
    return {
        "positions": positions.reshape(-1, 3),
        "scalars": np.tile(np.eye(len(elements))[numbers], (count, 1)),
        "nodes": np.full(count, atoms),
        "energies": energies,
        "forces": forces.reshape(-1, 3),
    }
