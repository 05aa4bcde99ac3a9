"""A molecule as models see it: atoms with bonds; its configurations as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from symbench.errors import DataError

if TYPE_CHECKING:
    from symbench.data.arrays import Array
    from symbench.symmetry.points.labelled_points import Order

# Å. Bonds are longer than 0.7 Å: what is nearer is a mistake, or of another unit.
NEAREST = 0.1
# Atomic number of the last element.
HEAVIEST = 118


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


def refuse_coincident(
    positions: Array, nodes: Array, place: str, numbers: Sequence[int] | Array | None = None
) -> None:
    """Refuse atoms at one place: no molecule has them, and distances have no gradient there.

    Args:
        positions: of all atoms, the molecules one after the other, Å, shape (atom, axis).
        nodes: number of atoms of each molecule.
        place: file of the molecules, for messages.
        numbers: of the molecules in the file; by default they are counted from 1.

    Raises:
        DataError: if two atoms are nearer to each other than 0.1 Å.

    """
    molecule = np.repeat(np.arange(len(nodes)), nodes)
    # Along one axis, atoms that are near each other have few between them.
    order = np.lexsort((positions[:, 0], molecule))
    along = positions[order, 0]
    for step in range(1, max(nodes, default=1)):
        near = (along[step:] - along[:-step] < NEAREST) & (molecule[step:] == molecule[:-step])
        pairs = np.stack([order[:-step][near], order[step:][near]])
        if not pairs.size:
            return
        distance = np.linalg.norm(positions[pairs[0]] - positions[pairs[1]], axis=1)
        if distance.min() < NEAREST:
            atoms = np.sort(pairs[:, distance.argmin()])
            which = molecule[atoms[0]]
            first, second = atoms - int(nodes[:which].sum()) + 1
            raise DataError(
                f"{place}: atoms {first} and {second} of molecule "
                f"{which + 1 if numbers is None else numbers[which]} (counted from 1) are "
                f"{distance.min():.3g} Å apart, and no atoms are nearer than {NEAREST} Å."
            )
