"""An ASE calculator averaged over rotations and reflections."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from symbench.errors import SymmetryError
from symbench.symmetry.groups import Group
from symbench.symmetry.points.point_groups import chosen_group, dimension_of, matrix_of
from symbench.symmetry.points.quadrature import averaging_rule, refuse_spread_of_one
from symbench.symmetry.symmetry import Element, Elements

Array = npt.NDArray[np.float64]
# Axes of space of each property that can be averaged; no others are offered.
_AXES = {
    "energy": 0,
    "free_energy": 0,
    "energies": 0,
    "charges": 0,
    "forces": 1,
    "dipole": 1,
    "stress": 2,
    "stresses": 2,
}
# Parts of names of what atoms hold that is rotated, or read by no calculator.
_KNOWN = ("position", "moment", "magmom", "veloc", "force", "stress", "virial", "dipole")


class SymmetrizedCalculator(Calculator):
    """An ASE calculator averaged over (a part of) O(3).

    The mean energy is E(x) = sum_g w_g E_0(g x) and the mean force F(x) = sum_g w_g g^-1 F_0(g x),
    which is minus its gradient if F_0 is that of E_0. Stress, dipole and charges are averaged where
    the calculator offers them. Periodic cells are rotated with the atoms, so that any group fits
    them; the calculator must take cells of any orientation, left-handed ones for reflections.

    With `elements="random"` every new configuration has a random element of its own, the price of
    one calculation, and energies and forces that fluctuate: right in the mean, without a conserved
    energy.

    Attributes:
        variances: with `spread=True`, the variance over the orbit of each property in `results`, in
            squared units: the gain of averaging, without labels.

    """

    variances: Mapping[str, float | Array]

    def __init__(
        self,
        calculator: BaseCalculator,
        group: str | Group | Sequence[object],
        *,
        elements: Elements | int | str = "all",
        degree: int | None = None,
        seed: int = 0,
        centred: bool = False,
        spread: bool = False,
    ) -> None:
        """Wrap a calculator.

        Args:
            calculator: any ASE calculator; it is used, and must not be shared.
            group: a group of matrices in three dimensions; see `symmetrize_points`.
            elements: see `symmetrize_points`.
            degree: see `symmetrize_points`.
            seed: draws the elements.
            centred: whether the calculator sees atoms that are not periodic from their centroid;
                the mean force, which no energy of centred atoms has, is then left out.
            spread: whether variances are given.

        Raises:
            SymmetryError: if the group does not act on space, or elements do not fit the group.

        """
        super().__init__()
        self.variances = {}
        if not isinstance(calculator, BaseCalculator):
            raise SymmetryError(f"The calculator is {calculator!r}, which is no ASE calculator.")
        chosen = chosen_group(group, None)
        if dimension_of(chosen) != 3:
            raise SymmetryError(f"{chosen.name} does not act on the three dimensions of atoms.")
        self.calculator = calculator
        self.rule = averaging_rule(chosen, elements, degree, seed)
        if spread:
            refuse_spread_of_one(self.rule)
        self.centred = centred
        self.spread = spread
        self._terms: list[tuple[float, Element]] = []
        offered = calculator.implemented_properties
        self.implemented_properties = [name for name in _AXES if name in offered]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results` with means over the group.

        Raises:
            SymmetryError: if atoms have magnetic moments with a direction or other arrays that seem
                to be vectors, centred ones a cell, or there are none.

        """
        super().calculate(atoms, properties, system_changes)
        if self.atoms is None:
            raise SymmetryError("The calculator was given no atoms.")
        _refuse_vectors(self.atoms)
        total: dict[str, Array] = {}
        squares: dict[str, Array] = {}
        share = 0.0
        # Further properties of the same atoms are those of the same random element.
        if system_changes or not self._terms:
            self._terms = list(self.rule.terms())
        for weight, element in self._terms:
            matrix = matrix_of(self.rule.group, element).numpy()
            share += weight
            found = self._moved_back(self.atoms, matrix, properties)
            if not squares:
                total = found
                squares = {name: np.zeros_like(value) for name, value in found.items()}
            # What was not asked for may be kept for some elements only, as from calls before.
            total = {name: mean for name, mean in total.items() if name in found}
            for name, mean in total.items():
                delta = found[name] - mean
                total[name] = mean + delta * (weight / share)
                squares[name] = squares[name] + weight * delta * (found[name] - total[name])
        self.results = {name: _as_ase(name, mean) for name, mean in total.items()}
        if self.spread:
            self.variances = {name: _as_ase(name, squares[name] / share) for name in total}

    def _moved_back(
        self, atoms: Atoms, matrix: Array, properties: Sequence[str]
    ) -> dict[str, Array]:
        """What the calculator says of rotated atoms, rotated back; tensors with all components."""
        moved = self._rotated(atoms, matrix)
        asked = {name: self.calculator.get_property(name, moved) for name in properties}
        # A calculation gives more than is asked for at no price.
        given = {**getattr(self.calculator, "results", {}), **asked}
        found = {}
        for name in self.implemented_properties:
            if given.get(name) is not None:
                value = np.asarray(given[name], dtype=float)
                if name == "forces" and self.centred:
                    value = value - value.mean(axis=0)
                if _AXES[name] == 1:
                    value = value @ matrix
                if _AXES[name] == 2:
                    # Some calculators give all components, against ASE's rules.
                    full = value if value.shape[-1] == 3 else voigt_6_to_full_3x3_stress(value)
                    value = matrix.T @ full @ matrix
                found[name] = value
        return found

    def _rotated(self, atoms: Atoms, matrix: Array) -> Atoms:
        moved = atoms.copy()
        moved.set_constraint()
        if moved.get_initial_magnetic_moments().ndim > 1:
            raise SymmetryError("Magnetic moments with a direction cannot be averaged.")
        if self.centred:
            if moved.cell.rank:
                raise SymmetryError("centred=True is for atoms without a cell.")
            moved.positions -= moved.positions.mean(axis=0)
        moved.positions = moved.positions @ matrix.T
        moved.set_cell(np.asarray(moved.cell) @ matrix.T)
        return moved


def _refuse_vectors(atoms: Atoms) -> None:
    """Raise `SymmetryError` if atoms hold vectors that are not rotated with them.

    Labels, such as forces of a data set, may be there: no calculator reads them.
    """
    per_atom = {name: values for name, values in atoms.arrays.items() if values.ndim > 1}
    for name, values in {**atoms.info, **per_atom}.items():
        if any(label in str(name).lower() for label in _KNOWN):
            continue
        if not isinstance(values, np.ndarray | list | tuple):
            continue
        try:
            array = np.asarray(values)
        except ValueError:
            # Of lists of several lengths.
            continue
        if array.shape[-1:] == (3,) and np.issubdtype(array.dtype, np.floating):
            raise SymmetryError(
                f"The atoms hold '{name}' of shape {array.shape}, which may be a vector and is not "
                "rotated with them: delete it where the calculator does not read it; where it "
                "does, there is no average."
            )


def _as_ase(name: str, value: Array) -> float | Array:
    """A number as such, and symmetric tensors by six components as ASE has them."""
    if _AXES[name] == 2:
        return full_3x3_to_voigt_6_stress(value)
    return float(value) if value.ndim == 0 else value
