"""Averaged calculators: invariant energies, conservative forces, stress and dipoles that rotate."""

from typing import ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, PropertyNotImplementedError
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from symbench import SymmetrizedCalculator
from symbench.errors import SymmetryError
from symbench.symmetry.points.point_groups import matrix_of, point_group


def tried(name, outcome):
    return pytest.mark.tried("molecules and atoms", name, outcome)


class Anisotropic(Calculator):
    """Springs to the origin and between neighbours, stiffer along z, and not harmonic.

    Energy sum_i (k·x_i² + sum_a x_ia³ / 20) + sum_ij exp(-r_ij M r_ij), in eV and Å.
    """

    implemented_properties: ClassVar = [
        "energy",
        "forces",
        "stress",
        "dipole",
        "charges",
        "magmom",
    ]
    stiffness = np.array([1.0, 1.5, 4.0])
    metric = np.array([0.2, 0.5, 0.3])

    def __init__(self):
        super().__init__()
        self.calls = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        x, cell = atoms.positions, np.asarray(atoms.cell)
        between = x[:, None] - x
        pairs = np.exp(-(self.metric * between**2).sum(axis=2))
        energy = (self.stiffness * x**2).sum() + (x**3).sum() / 20 + pairs.sum() / 2
        forces = -2 * self.stiffness * x - 3 * x**2 / 20
        forces += 2 * (pairs[..., None] * self.metric * between).sum(axis=1)
        virial = -(forces.T @ x)
        self.results = {
            "energy": energy + (self.stiffness * cell**2).sum(),
            "forces": forces,
            "dipole": np.tanh(x).sum(axis=0),
            "charges": x[:, 2] ** 2,
            "magmom": 1.0,
        }
        if atoms.cell.rank == 3:
            virial = virial + 2 * (cell.T @ (self.stiffness * cell))
            full = (virial + virial.T) / 2 / atoms.get_volume()
            self.results["stress"] = full_3x3_to_voigt_6_stress(full)


def water(calculator=None):
    atoms = molecule("H2O")
    atoms.positions += [0.3, -0.2, 0.5]
    atoms.calc = calculator
    return atoms


def element(group, index):
    return matrix_of(point_group(group), index).numpy()


@pytest.mark.parametrize(
    ("group", "options", "tolerance"),
    [("O_h", {}, 1e-12), ("C5_x", {}, 1e-12), ("O(3)", {"degree": 8}, 1e-3)],
)
def test_energies_are_invariant_and_forces_rotate(group, options, tolerance):
    calculator = SymmetrizedCalculator(Anisotropic(), group, **options)
    atoms = water(calculator)
    energy, forces, dipole, charges = (
        atoms.get_potential_energy(),
        atoms.get_forces(),
        atoms.get_dipole_moment(),
        atoms.get_charges(),
    )
    turn = element("I_h" if group == "O(3)" else group, 2)
    plain = water(Anisotropic())
    plain_energy = plain.get_potential_energy()
    for each in (atoms, plain):
        each.positions = each.positions @ turn.T
    assert abs(plain.get_potential_energy() - plain_energy) > 0.01
    close = {"rtol": tolerance, "atol": tolerance}
    np.testing.assert_allclose(atoms.get_potential_energy(), energy, **close)
    np.testing.assert_allclose(atoms.get_forces(), forces @ turn.T, **close)
    np.testing.assert_allclose(atoms.get_dipole_moment(), dipole @ turn.T, **close)
    np.testing.assert_allclose(atoms.get_charges(), charges, **close)


@pytest.mark.parametrize("centred", [False, True])
def test_forces_are_minus_the_gradient_of_the_mean_energy(centred):
    options = {"degree": 4, "centred": centred}
    atoms = water(SymmetrizedCalculator(Anisotropic(), "SO(3)", **options))
    numerical = calculate_numerical_forces(atoms, eps=1e-4)
    np.testing.assert_allclose(atoms.get_forces(), numerical, rtol=1e-6, atol=1e-7)
    if centred:
        energy = atoms.get_potential_energy()
        atoms.positions += [1.0, 2, 3]
        assert abs(atoms.get_potential_energy() - energy) < 1e-11
        assert np.abs(atoms.get_forces().sum(axis=0)).max() < 1e-12


def crystal():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.set_cell(atoms.cell.array + 0.1 * np.arange(9).reshape(3, 3) / 9, scale_atoms=True)
    return atoms


@tried("ASE calculators of invariant potentials: molecules, crystals with stress", "right")
@pytest.mark.parametrize("make", [EMT, lambda: LennardJones(sigma=1.5, rc=5.0, smooth=True)])
def test_invariant_potentials_are_left_as_they_are(make):
    for atoms in (crystal(), molecule("CH3CH2OH")):
        atoms.calc = make()
        expected = atoms.get_potential_energy(), atoms.get_forces()
        stress = atoms.get_stress() if atoms.cell.rank else None
        atoms.calc = SymmetrizedCalculator(make(), "O(3)", elements=4, spread=True)
        assert abs(atoms.get_potential_energy() - expected[0]) < 1e-10
        np.testing.assert_allclose(atoms.get_forces(), expected[1], atol=1e-10)
        assert atoms.calc.variances["energy"] < 1e-20
        if stress is not None:
            np.testing.assert_allclose(atoms.get_stress(), stress, atol=1e-10)


def test_stress_is_averaged_as_a_tensor():
    calculator = SymmetrizedCalculator(Anisotropic(), "D3h")
    atoms = crystal()
    atoms.calc = calculator
    numerical = calculate_numerical_stress(atoms, 1e-5, voigt=False, force_consistent=False)
    stress = atoms.get_stress(voigt=False)
    np.testing.assert_allclose(stress, numerical, rtol=1e-6, atol=1e-7)
    turn = element("D3h", 4)
    atoms.set_cell(atoms.cell.array @ turn.T)
    atoms.positions = atoms.positions @ turn.T
    np.testing.assert_allclose(atoms.get_stress(voigt=False), turn @ stress @ turn.T, atol=1e-12)


def test_variances_split_the_error_over_the_orbit():
    calculator = SymmetrizedCalculator(Anisotropic(), "T_d", spread=True)
    atoms = water(calculator)
    mean, variance = atoms.get_forces(), calculator.variances["forces"]
    squares = np.zeros_like(mean)
    for index in range(24):
        turn = element("T_d", index)
        moved = water(Anisotropic())
        moved.positions = moved.positions @ turn.T
        squares += (moved.get_forces() @ turn) ** 2 / 24
    np.testing.assert_allclose(mean**2 + variance, squares)
    assert calculator.variances["energy"] > 0
    # ASE's own calculators take results, which have ASE's names only.
    frozen = SinglePointCalculator(atoms, **calculator.results)
    assert frozen.get_potential_energy() == atoms.get_potential_energy()


def test_random_elements_cost_one_calculation_and_repeat():
    energies = []
    for _ in range(2):
        inner = Anisotropic()
        calculator = SymmetrizedCalculator(inner, "SO(3)", elements="random", seed=3)
        atoms = water(calculator)
        found = []
        for _ in range(5):
            atoms.positions[0, 0] += 0.01
            atoms.get_forces()
            found.append(atoms.get_potential_energy())
        assert inner.calls == 5
        energies.append(found)
    assert energies[0] == energies[1]
    assert np.ptp(energies[0]) > 0.1


@tried("ASE atoms with constraints, initial charges and a calculator shared by nobody", "right")
def test_constraints_hold_after_the_average():
    atoms = water(SymmetrizedCalculator(Anisotropic(), "O"))
    free = atoms.get_forces()
    atoms.set_constraint(FixAtoms([0]))
    positions = atoms.positions.copy()
    fixed = atoms.get_forces()
    assert not fixed[0].any()
    np.testing.assert_allclose(fixed[1:], free[1:])
    assert np.array_equal(atoms.positions, positions)


@tried("ASE: no calculator, groups of other spaces, properties without an average", "refused")
def test_refused():
    for group, message in (("SO(2)", "three dimensions"), ("S_3", "three"), ("O(3)", "degree=5")):
        with pytest.raises(SymmetryError, match=message):
            SymmetrizedCalculator(Anisotropic(), group)
    with pytest.raises(SymmetryError, match="no ASE calculator"):
        SymmetrizedCalculator(np.sum, "O_h")
    with pytest.raises(PropertyNotImplementedError):
        water(SymmetrizedCalculator(Anisotropic(), "O_h")).get_magnetic_moment()
    atoms = crystal()
    atoms.calc = SymmetrizedCalculator(EMT(), "O_h", centred=True)
    with pytest.raises(SymmetryError, match="without a cell"):
        atoms.get_potential_energy()
    atoms = water(SymmetrizedCalculator(Anisotropic(), "O_h"))
    atoms.set_initial_magnetic_moments(np.ones((3, 3)))
    with pytest.raises(SymmetryError, match="Magnetic moments"):
        atoms.get_potential_energy()
    with pytest.raises(SymmetryError, match="no atoms"):
        SymmetrizedCalculator(Anisotropic(), "O_h").get_potential_energy()
    with pytest.raises(SymmetryError, match="no variance"):
        SymmetrizedCalculator(Anisotropic(), "O_h", elements="random", spread=True)


class Asked(Anisotropic):
    """Gives what it is asked for alone, and stress with all components."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        before = self.results
        super().calculate(atoms, properties, system_changes)
        self.results = before | {name: self.results[name] for name in properties}
        if "stress" in self.results and self.results["stress"].shape == (6,):
            self.results["stress"] = voigt_6_to_full_3x3_stress(self.results["stress"])


@tried("ASE: a calculator that gives only what it is asked for, of plane molecules", "right")
def test_properties_of_some_elements_only_are_left_out():
    for group in ("flips", "D2h"):
        atoms = molecule("H2O")
        inner = Asked()
        atoms.calc = SymmetrizedCalculator(inner, group)
        # The last element leaves the molecule as it is: forces of the first one are known.
        inner.get_forces(atoms)
        atoms.get_dipole_moment()
        assert set(atoms.calc.results) == {"dipole"}
        expected = molecule("H2O")
        expected.calc = SymmetrizedCalculator(Anisotropic(), group)
        np.testing.assert_allclose(atoms.get_forces(), expected.get_forces())


@tried("ASE: a calculator that gives stress as a matrix", "right")
def test_stress_with_all_components():
    atoms, expected = crystal(), crystal()
    atoms.calc = SymmetrizedCalculator(Asked(), "T")
    expected.calc = SymmetrizedCalculator(Anisotropic(), "T")
    np.testing.assert_allclose(atoms.get_stress(), expected.get_stress())


@tried("ASE: a calculator whose energy is no number", "right")
def test_what_is_not_finite_stays_visible():
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, np.nan]])
    atoms.calc = SymmetrizedCalculator(Anisotropic(), "C4")
    assert np.isnan(atoms.get_potential_energy())
    assert np.isnan(atoms.get_forces()).any()


class Lazy(Calculator):
    """Energies along x, and forces only where they are asked for."""

    implemented_properties: ClassVar = ["energy", "forces"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        along = atoms.positions * [1, 0, 0]
        self.results["energy"] = float((along**2).sum())
        if "forces" in properties:
            self.results["forces"] = -2 * along


@tried("ASE: energies and forces of one random element, asked for one after the other", "right")
def test_all_properties_are_of_one_random_element():
    atoms = water(SymmetrizedCalculator(Lazy(), "SO(3)", elements="random", seed=1))
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    assert atoms.get_potential_energy() == energy
    # The energy is quadratic, so that the forces of the same element give it.
    np.testing.assert_allclose(-(forces * atoms.positions).sum() / 2, energy)
    atoms.rattle(0.1)
    assert atoms.get_potential_energy() != energy


@tried("ASE atoms with an electric field or other vectors that nothing rotates", "refused")
@pytest.mark.parametrize(
    ("name", "value", "of_atoms"),
    [
        ("electric_field", [0.0, 0.0, 0.1], False),
        ("field", np.ones((1, 3)), False),
        ("field_at_atoms", np.ones((3, 3)), True),
    ],
)
def test_vectors_of_atoms_are_refused(name, value, of_atoms):
    atoms = water(SymmetrizedCalculator(Anisotropic(), "O"))
    (atoms.arrays if of_atoms else atoms.info)[name] = value
    with pytest.raises(SymmetryError, match=f"The atoms hold '{name}' of shape"):
        atoms.get_potential_energy()


@tried("ASE atoms with labels, charges, whole numbers and text beside their positions", "right")
def test_what_atoms_may_hold():
    atoms = water(SymmetrizedCalculator(Anisotropic(), "O"))
    expected = atoms.get_potential_energy()
    atoms.calc.reset()
    atoms.info |= {"REF_dipole": np.ones(3), "kpts": [1, 1, 1], "names": ["a", "b", "c"]}
    atoms.info |= {"ragged": [[1.0], [1.0, 2.0, 3.0]], "charge": 1.0}
    atoms.arrays |= {"REF_forces": np.ones((3, 3)), "partial_charges": np.ones(3)}
    atoms.set_momenta(np.ones((3, 3)))
    assert atoms.get_potential_energy() == expected
