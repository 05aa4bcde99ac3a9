"""Energies and forces by PySCF: gradients, poses, known values, normal modes, what is kept."""

from pathlib import Path

import numpy as np
import pytest

from symbench.data.molecules import electronic_structure
from symbench.data.molecules.electronic_structure import (
    Level,
    energy_and_forces,
    normal_modes,
    surface,
)
from symbench.data.molecules.potential_surfaces import (
    Ammonia,
    LithiumHydride,
    ammonia,
    lithium_hydride,
)
from symbench.errors import ConfigError

HF = {"method": "hf", "basis": "sto-3g"}
BOHR = 0.529177


@pytest.mark.parametrize(
    "level", [Level(method="hf", basis="sto-3g"), Level(method="b3lyp", basis="sto-3g", grid=2)]
)
def test_forces_are_minus_the_gradient_of_the_energy(level):
    positions = ammonia([1.0, 1.05, 0.95], 1.2)
    _, forces = energy_and_forces(["N", "H", "H", "H"], level, positions)
    step = 1e-3
    for atom, axis in ((0, 2), (1, 0), (2, 1)):
        moved = np.zeros_like(positions)
        moved[atom, axis] = step * BOHR
        ends = [
            energy_and_forces(["N", "H", "H", "H"], level, positions + sign * moved)[0]
            for sign in (1, -1)
        ]
        # Integration grids move with the atoms: a functional's forces leave that out.
        tolerance = 1e-5 if level.method == "hf" else 1e-3
        assert forces[atom, axis] == pytest.approx(-(ends[0] - ends[1]) / (2 * step), abs=tolerance)


def test_energies_do_not_depend_on_the_pose():
    """The reason why geometries may be rotated after their energies were computed."""
    positions = ammonia([1.0, 1.05, 0.95], 1.2)
    symbols = ["N", "H", "H", "H"]
    energy, forces = energy_and_forces(symbols, Level(**HF), positions)
    order = [0, 2, 3, 1]
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    other, moved = energy_and_forces(symbols, Level(**HF), positions[order] @ turn.T)
    assert other == pytest.approx(energy, abs=1e-8)
    np.testing.assert_allclose(moved, forces[order] @ turn.T, atol=1e-6)


def test_known_energies():
    """Hartree-Fock of LiH near its equilibrium, in a minimal basis: -7.8620 Hartree."""
    energy, forces = energy_and_forces(["Li", "H"], Level(**HF), lithium_hydride(1.5949))
    assert energy == pytest.approx(-7.8620, abs=2e-4)
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-8)


def test_coupled_cluster_is_below_hartree_fock():
    positions = lithium_hydride(1.6)
    levels = [Level(method=method, basis="sto-3g") for method in ("hf", "ccsd")]
    low, high = (energy_and_forces(["Li", "H"], level, positions)[0] for level in levels)
    assert high < low - 0.01


@pytest.mark.tried("molecules and atoms", "a basis for one element of two", "refused")
@pytest.mark.parametrize(
    "basis", [{"Li": "sto-3g"}, "H S\n 3.4 0.15\n 0.6 0.53\n", "", " ", "./sto-3g"]
)
def test_a_basis_of_one_element(basis):
    samples = {"inside": 5, "outside": 1}
    with pytest.raises(ConfigError, match=r"level\.basis of LithiumHydride"):
        LithiumHydride(samples=samples, level={"method": "hf", "basis": basis})


@pytest.mark.tried("molecules and atoms", "a basis that only one of two elements has", "refused")
@pytest.mark.parametrize("basis", ["cc-pcvdz", "lanl2tz", "sto-3g@1p", "sto-3g@"])
def test_a_basis_that_an_element_lacks(basis):
    with pytest.raises(ConfigError, match=f"basis '{basis}'"):
        Level(method="hf", basis=basis).check(["Li", "H"])


@pytest.mark.tried("molecules and atoms", "methods and bases that PySCF half knows", "refused")
def test_what_pyscf_knows_by_halves():
    for method in ("*", ",", "mp2"):
        with pytest.raises(ConfigError, match="is neither of hf, ccsd nor a density functional"):
            Level(method=method, basis="sto-3g").check(["Li", "H"])
    with pytest.raises(ConfigError, match="for pseudopotentials, not all electrons"):
        Level(method="hf", basis="gth-szv").check(["Li", "H"])
    level = Level(method="wb97x-d", basis="sto-3g", grid=0)
    with pytest.raises(ConfigError, match="method 'wb97x-d': wb97x-d is not supported yet"):
        energy_and_forces(["Li", "H"], level, lithium_hydride(1.6))


def test_normal_modes_are_the_vibrations_of_a_pyramid():
    task = Ammonia(samples={"inside": 5, "outside": 1}, level=HF)
    equilibrium = task.equilibrium
    _, forces = energy_and_forces(["N", "H", "H", "H"], Level(**HF), equilibrium)
    assert np.abs(forces).max() < 2e-3
    modes = normal_modes(["N", "H", "H", "H"], "sto-3g", equilibrium)
    assert modes.stiffness.shape == (6,)
    # Three stretches and two of three bends come as one and a degenerate pair.
    stiffness = np.sort(modes.stiffness)
    assert stiffness[1] == pytest.approx(stiffness[2], rel=1e-2)
    assert stiffness[4] == pytest.approx(stiffness[5], rel=1e-2)
    drawn = modes.thermal(np.random.default_rng(0), 4000, 300.0)
    double = modes.thermal(np.random.default_rng(0), 4000, 1200.0)
    np.testing.assert_allclose(double, 2 * drawn)
    assert 0.01 < drawn[:, 1:].std() < 0.08


def test_what_was_computed_is_not_computed_again(tmp_path, monkeypatch):
    calls = []
    compute = energy_and_forces

    def counted(*arguments):
        calls.append(1)
        return compute(*arguments)

    monkeypatch.setattr(electronic_structure, "energy_and_forces", counted)
    geometries = np.stack([lithium_hydride(r) for r in np.linspace(1.4, 2.0, 20)])
    first = surface(["Li", "H"], Level(**HF), geometries, tmp_path)
    assert len(calls) == 20
    # One part was lost: killed before it was written.
    next(Path(tmp_path).glob("[!.]*")).unlink()
    again = surface(["Li", "H"], Level(**HF), geometries, tmp_path)
    assert 20 < len(calls) < 40
    np.testing.assert_array_equal(first.energies, again.energies)
    surface(["Li", "H"], Level(method="hf", basis="6-31g"), geometries[:1], tmp_path)
    assert len(calls) > 20


def test_processes_give_the_same_numbers(tmp_path):
    geometries = np.stack([lithium_hydride(r) for r in np.linspace(1.4, 2.0, 20)])
    one = surface(["Li", "H"], Level(**HF), geometries, tmp_path / "one")
    two = surface(["Li", "H"], Level(**HF), geometries, tmp_path / "two", workers=2)
    np.testing.assert_array_equal(one.energies, two.energies)
    np.testing.assert_array_equal(one.forces, two.forces)
