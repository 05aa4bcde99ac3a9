"""Potential-energy surfaces: units, ranges, symmetry, folds, losses and scores, bad settings."""

import json

import numpy as np
import pytest
import torch

from symbench.config.settings import TrainingSettings
from symbench.data.arrays import read_arrays, write_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.molecules import electronic_structure
from symbench.data.molecules.electronic_structure import Level, energy_and_forces
from symbench.data.molecules.molecule import AMMONIA, LITHIUM_HYDRIDE
from symbench.data.molecules.potential_surfaces import Ammonia, LithiumHydride, ammonia
from symbench.data.molecules.surface_data import SurfaceData
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.models.phased import PhasedModule
from symbench.symmetry.testing import assert_equivariant
from symbench.training.loop import Trainer
from symbench.training.schedule import learning_rate
from symbench.training.treatments.augment import Augment
from tests.conftest import fetched
from tests.here import here
from tests.training.splits import run_until

HF = {"method": "hf", "basis": "sto-3g"}
GROUP = "SO(3) * automorphisms"
EV, BOHR = 27.211386, 0.529177
SETTINGS = {"samples": {"inside": 20, "outside": 4}, "level": HF, "folds": 5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fetched(Ammonia(**SETTINGS), tmp_path_factory.mktemp("data") / "NH3")


@pytest.fixture(scope="module")
def data(folder):
    return fold(folder, 0)


def fold(folder, number, **changed):
    """One fold of the data, opened."""
    return Ammonia(**SETTINGS, **changed).open(folder, TaskOptions(), number)


def test_files_hold_both_units_and_the_heavy_atom_at_the_origin(folder):
    arrays = read_arrays(folder / "inside.hdf5")
    zero = json.loads((folder / "manifest.json").read_text())["parameters"]
    relative = arrays["energies_hartree"] - zero["zero_of_energy_hartree"]
    np.testing.assert_allclose(arrays["energies"], EV * relative, rtol=1e-6)
    np.testing.assert_allclose(
        arrays["forces"], EV / BOHR * arrays["forces_hartree_per_bohr"], rtol=1e-5
    )
    assert not arrays["positions"][:, 0].any()
    # Rotated and relabelled geometries still belong to their energies.
    positions = arrays["positions"][3]
    energy, forces = energy_and_forces(["N", "H", "H", "H"], Level(**HF), positions)
    assert energy == pytest.approx(arrays["energies_hartree"][3], abs=1e-7)
    np.testing.assert_allclose(forces, arrays["forces_hartree_per_bohr"][3], atol=1e-5)


def test_ranges_inside_and_outside():
    rng = np.random.default_rng(0)
    task = LithiumHydride(samples={"inside": 5, "outside": 1}, level=HF)
    for inside in (True, False):
        lengths = np.linalg.norm(task.geometries(rng, 300, inside)[:, 1], axis=1)
        assert (((lengths > 1.2) & (lengths < 3.0)) == inside).all()
        assert lengths.min() > 0.89
        assert lengths.max() < 4.01
    task = Ammonia(samples={"inside": 5, "outside": 1}, level=HF)
    bonds = np.linalg.norm(task.geometries(rng, 100, True)[:, 1:], axis=2)
    longer = np.linalg.norm(task.geometries(rng, 100, False)[::2, 1:], axis=2)
    assert bonds.mean() < 1.07 < 1.15 < longer.mean()


def test_folds_split_the_inside(folder):
    seen = []
    for number in range(5):
        parts = fold(folder, number).parts
        energies = {name: set(part["energies"].tolist()) for name, part in parts.items()}
        assert [len(energies[name]) for name in ("train", "valid", "test")] == [12, 4, 4]
        assert len(set.union(*(energies[name] for name in ("train", "valid", "test")))) == 20
        assert len(energies["outside"]) == 4
        seen.append(energies["test"])
    assert len(set.union(*seen)) == 20


def test_each_seed_needs_a_fold(folder):
    Ammonia(**SETTINGS).check_seed(4)
    with pytest.raises(ConfigError, match=r"folds of NH3 is 5.*seed 5; raise 'folds'"):
        Ammonia(**SETTINGS).check_seed(5)
    with pytest.raises(ConfigError, match="raise 'folds'"):
        fold(folder, 5)


def test_fewer_training_samples_leave_the_test_as_it_is(folder):
    few = fold(folder, 0, training_samples=5)
    assert len(few.training["energies"]) == 5
    full = fold(folder, 0, training_samples=12)
    assert len(full.training["energies"]) == 12
    np.testing.assert_array_equal(few.parts["test"]["energies"], full.parts["test"]["energies"])
    with pytest.raises(DataError, match="of 12 in a fold"):
        SurfaceData(folder, AMMONIA, 5, 0, training_samples=13)
    with pytest.raises(ConfigError, match="training_samples is 13; give at most 12"):
        fold(folder, 0, training_samples=13)
    with pytest.raises(ConfigError, match="training_samples of Ammonia is 0"):
        fold(folder, 0, training_samples=0)


def test_geometries_of_another_molecule_are_named(folder, tmp_path):
    with pytest.raises(DataError, match="holds no geometries of 2 atoms"):
        SurfaceData(folder, LITHIUM_HYDRIDE, 5, 0)
    for part in ("inside", "outside"):
        write_arrays(tmp_path / f"{part}.hdf5", {"positions": np.zeros((5, 4, 3))})
    with pytest.raises(DataError, match="holds no energies, forces"):
        SurfaceData(tmp_path, AMMONIA, 5, 0)


def test_symmetry_acts_on_targets_as_on_inputs(data):
    """The lengths of forces go with the atoms; the energy stays."""
    split = data.split("test")
    batch = here(split.batch(split.samples))
    symmetry = data.symmetry(GROUP)

    def along_bonds(graph):
        return torch.cat([graph.positions.norm(dim=1, keepdim=True), 2 * graph.positions], dim=1)

    elements = symmetry.group.sample(3, torch.Generator().manual_seed(0))
    assert_equivariant(along_bonds, symmetry, batch.inputs, elements=elements, tolerance=1e-5)
    each = symmetry.group.sample(batch.samples, torch.Generator().manual_seed(1))
    moved = symmetry.act_on_input(each, batch.inputs)
    back = symmetry.act_on_input(symmetry.group.inverse(each), moved)
    torch.testing.assert_close(back.positions, batch.inputs.positions)
    dataset = Ammonia(**SETTINGS)
    dataset.check_group(GROUP)
    for check in (data.symmetry, dataset.check_group):
        for group in ("O(3)", "signs(4)", "D4"):
            with pytest.raises(SymmetryError, match="labelled atoms"):
                check(group)
        with pytest.raises(SymmetryError):
            check("SO(2) * automorphisms")


def test_the_audit_passes_and_finds_sorted_atoms(data, folder):
    assert all(element.passed for element in data.audit(GROUP, Ammonia(**SETTINGS)))
    data_sorted = fold(folder, 0)
    positions = np.tile(ammonia([0.9, 1.0, 1.1], 1.2), (100, 1, 1))
    noise = np.random.default_rng(0).normal(size=positions.shape, scale=0.01)
    flat = (positions + noise).reshape(-1, 3)
    data_sorted.training = {"positions": flat, "forces": flat}
    failed = [
        element for element in data_sorted.audit(GROUP, Ammonia(**SETTINGS)) if not element.passed
    ]
    assert any(element.element.startswith("atoms") for element in failed)
    assert any(element.element.startswith("quarter") for element in failed)


def test_scores_and_losses(data):
    split = data.split("test")
    batch = split.batch(split.samples)
    prediction = batch.targets.clone()
    assert float(split.loss(prediction, batch)) == 0
    prediction[:, 0] += 0.001 / 4  # one meV a molecule
    prediction[:, 1] += 0.003
    scores = split.scores(prediction, batch)
    torch.testing.assert_close(scores["energy_mae"], torch.ones(4), rtol=0, atol=1e-2)
    torch.testing.assert_close(scores["force_mae"], torch.ones(4), rtol=0, atol=1e-2)
    torch.testing.assert_close(scores["force_mse"], torch.full((4,), 3.0), rtol=0, atol=1e-2)
    assert float(split.first_phase_loss(prediction, batch)) == pytest.approx(
        (0.001 / data.energy_scale) ** 2, rel=1e-2
    )
    declared = Ammonia(**SETTINGS).scores
    assert [score.name for score in declared] == list(scores)
    assert (declared[0].name, declared[0].unit, declared[0].better) == (
        "energy_mae",
        "meV",
        "lower",
    )
    spread = 1e6 * data.parts["test"]["energies"].var()
    torch.testing.assert_close(scores["energy_spread"], torch.full((4,), float(spread)))


def test_values_are_energies_and_forces_of_whole_molecules(data):
    split = data.split("test")
    batch = split.batch(split.samples)
    values = split.values_of(batch.targets, batch)
    assert [(name, tuple(each.shape)) for name, each in values.items()] == [
        ("energy", (4, 1)),
        ("force", (4, 12)),
    ]
    assert tuple(values) == split.quantities
    expected = 1000 * torch.from_numpy(data.parts["test"]["energies"]).float()
    torch.testing.assert_close(values["energy"][:, 0], expected, rtol=1e-5, atol=1e-2)
    forces = 1000 * torch.from_numpy(data.parts["test"]["forces"]).float().reshape(4, 12)
    torch.testing.assert_close(values["force"], forces)
    # Of the training part, whichever part is looked at.
    energies, forces = data.training["energies"], data.training["forces"]
    for part in (*data.test_sets().values(), split):
        assert part.scales["energy"] == pytest.approx(1e6 * energies.var())
        assert part.scales["force"] == pytest.approx(1e6 * np.square(forces).mean())
    assert tuple(data.test_sets()) == Ammonia(**SETTINGS).test_sets == ("train", "outside")


def test_a_prediction_that_is_not_finite_has_no_finite_error(data):
    split = data.split("test")
    batch = split.batch(split.samples)
    prediction = batch.targets.clone()
    # Rows are atoms, four a molecule.
    prediction[1, 0], prediction[1, 2] = float("nan"), float("inf")
    scores = split.scores(prediction, batch)
    for name in ("energy_mae", "force_mae", "energy_mse", "force_mse"):
        assert torch.isfinite(scores[name]).tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": {"inside": 5}}, "inside and outside"),
        ({"samples": {"inside": 5, "outside": 0}}, "samples.outside of Ammonia is 0"),
        ({"samples": {"inside": True, "outside": 1}}, "samples.inside of Ammonia is True"),
        ({"samples": 5}, "samples of Ammonia is 5"),
        ({"folds": 2}, "folds of Ammonia is 2"),
        ({"folds": 6}, "folds is 6; give at most the 5 samples"),
        ({"level": {"method": "hf"}}, "level.basis of Ammonia is missing"),
        ({"level": {**HF, "gird": 3}}, "Did you mean 'grid'"),
        ({"level": {**HF, "grid": 10}}, "level.grid of Ammonia is 10"),
        ({"level": {**HF, "grid": True}}, "level.grid of Ammonia is True"),
        ({"level": {"method": "hf", "basis": {"N": "sto-3g"}}}, "level.basis of Ammonia is"),
        ({"level": {"method": 3, "basis": "sto-3g"}}, "level.method of Ammonia is 3"),
        ({"level": "hf"}, "level of Ammonia is 'hf'"),
        ({"training_samples": 0}, "training_samples of Ammonia is 0"),
        ({"seed": False}, "seed of Ammonia is False"),
    ],
)
def test_bad_settings_are_named(settings, message):
    good = {"samples": {"inside": 5, "outside": 1}, "level": HF}
    with pytest.raises(ConfigError, match=message):
        Ammonia(**{**good, **settings})


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ({"method": "b3lip", "basis": "sto-3g"}, "method 'b3lip'"),
        ({"method": "hf", "basis": "6-32g"}, "basis '6-32g'"),
    ],
)
def test_levels_that_pyscf_lacks_are_named_before_anything_is_computed(
    tmp_path, monkeypatch, level, message
):
    monkeypatch.setattr(electronic_structure, "energy_and_forces", None)
    dataset = Ammonia(samples={"inside": 5, "outside": 1}, level=level)
    with pytest.raises(ConfigError, match=message):
        fetched(dataset, tmp_path)


class Shared(PhasedModule):
    """Every atom the same energy; records which phase it was trained in."""

    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def forward(self, graph):
        if self.training:
            self.seen.append(self.first_phase)
        return torch.cat([self.value.expand(len(graph.positions), 1), 0 * graph.positions], dim=1)


def test_training_has_two_phases_and_resumes_in_either(data, tmp_path):
    settings = TrainingSettings(
        epochs=4,
        batch_size=4,
        learning_rate=1e-3,
        warm_up_epochs=0,
        first_phase_epochs=1,
        first_phase_learning_rate=1e-2,
    )

    def trainer(path):
        return Trainer(
            Shared(),
            data.split("train"),
            data.split("valid"),
            Augment(data.symmetry(GROUP)),
            settings,
            seed=0,
            state_path=path,
        )

    whole = trainer(tmp_path / "whole.pt")
    trained = whole.run()
    assert whole.model.seen == [True] * 3 + [False] * 9
    assert trained.history.learning_rate[0] == 1e-2
    # Forces are zero here, and enter the loss of the second phase alone.
    assert trained.history.train_loss[1] > trained.history.train_loss[0] + 0.1
    assert learning_rate(settings, 3, 3) == 1e-3
    for epochs in (1, 2):
        path = tmp_path / f"cut{epochs}.pt"
        run_until(trainer(path), epochs * 3)
        resumed = trainer(path).run()
        assert torch.equal(resumed.weights["value"], trained.weights["value"])
