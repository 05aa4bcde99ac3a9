"""Configurations of molecules: real data in small, units, symmetry, XYZ files of others."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from symbench.data.arrays import read_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.molecules.acetylacetone import SETS, Acetylacetone
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from tests.conftest import fetched

FIXTURES = Path(__file__).parents[2] / "fixtures"
SETTINGS = {"samples": {"train": 30, "valid": 10, "test": 20}, "file": "acac_small.hdf5"}
ONE_EACH = {"train": 1, "valid": 1, "test": 1}


@pytest.fixture(scope="module")
def molecules(tmp_path_factory):
    dataset = Acetylacetone(**SETTINGS)
    folder = fetched(dataset, tmp_path_factory.mktemp("molecules"), FIXTURES)
    return dataset.open(folder, TaskOptions(), 0)


def frame(symbols="OHH", energy="energy=-100.0", forces="forces", shift=0.0, pbc='pbc="F F F"'):
    """A configuration in extended XYZ."""
    properties = f"species:S:1:pos:R:3:{forces}:R:3"
    rows = [
        f"{symbol} {x + shift} 0 0 {x} 0.2 {-x}"
        for symbol, x in zip(symbols, (0.0, 0.96, -0.24), strict=True)
    ]
    return "\n".join(["3", f"Properties={properties} {energy} {pbc}", *rows]) + "\n"


def xyz_folder(directory, **changed):
    """Raw files of three configurations each, of water but where another text is given."""
    directory.mkdir()
    for name in SETS.values():
        usual = "".join(frame(shift=0.01 * k) for k in range(3))
        (directory / f"{name}.xyz").write_text(changed.get(name, usual))
    return directory


def test_configurations_are_those_of_the_file(molecules):
    split = molecules.split("train")
    batch = split.batch(np.array([[3], [0]]))
    with h5py.File(FIXTURES / "acac_small.hdf5") as file:
        group = file["train_300K"]
        energy = group["energy"][()]
        energy -= energy[: SETTINGS["samples"]["train"]].mean()
        np.testing.assert_allclose(batch.inputs.positions[:15], group["position"][3], atol=1e-6)
        np.testing.assert_allclose(batch.targets[15:, 1:], group["force"][0], atol=1e-5)
        np.testing.assert_allclose(15 * batch.targets[0, 0], energy[3], atol=1e-5)
    assert batch.inputs.edges.shape == (2, 2 * 15 * 14)
    assert (
        set(molecules.test_sets())
        == set(Acetylacetone(**SETTINGS).test_sets)
        == set(SETS) - {"train", "test"}
    )


def test_errors_of_molecules_are_in_milli_units(molecules):
    split = molecules.split("test")
    batch = split.batch(split.samples[:4])
    wrong = batch.targets + torch.tensor([0.001, 0.002, -0.002, 0.002])
    scores = split.scores(wrong, batch)
    np.testing.assert_allclose(scores["energy_mae"], 15.0, rtol=1e-3)  # 1 meV per atom
    np.testing.assert_allclose(scores["force_mae"], 2.0, rtol=1e-3)
    declared = Acetylacetone(**SETTINGS).scores
    assert [score.name for score in declared] == list(scores) == ["force_mae", "energy_mae"]
    assert [score.unit for score in declared] == ["meV/Å", "meV"]
    without_forces = molecules.test_sets()["dihedral"]
    assert set(without_forces.scores(wrong, batch)) == {"energy_mae"}
    assert without_forces.quantities == ("energy",)


def test_values_are_energies_and_forces_of_whole_molecules(molecules):
    split = molecules.split("test")
    batch = split.batch(split.samples[:4])
    values = split.values_of(batch.targets, batch)
    assert list(values) == list(split.quantities) == ["energy", "force"]
    assert values["energy"].shape == (4, 1)
    assert values["force"].shape == (4, 45)
    stored = read_arrays(molecules.directory / "test.hdf5")
    np.testing.assert_allclose(values["energy"][:, 0], 1e3 * stored["energies"][:4], rtol=1e-5)
    np.testing.assert_allclose(
        values["force"], 1e3 * stored["forces"].reshape(-1, 45)[:4], rtol=1e-5
    )
    training = molecules.training
    assert split.scales["energy"] == pytest.approx(1e6 * training["energies"].var())
    assert split.scales["force"] == pytest.approx(1e6 * np.square(training["forces"]).mean())
    assert molecules.test_sets()["dihedral"].scales == {"energy": split.scales["energy"]}


def test_a_prediction_that_is_not_finite_has_no_finite_error(molecules):
    split = molecules.split("test")
    batch = split.batch(split.samples[:2])
    prediction = batch.targets.clone()
    prediction[3, 0], prediction[4, 2] = float("nan"), float("inf")
    for values in split.scores(prediction, batch).values():
        assert torch.isfinite(values).tolist() == [False, True]


def test_outputs_of_molecules_rotate_sample_by_sample(molecules):
    symmetry = molecules.symmetry("O(3)")
    split = molecules.split("train")
    batch = split.batch(split.samples[:2])
    elements = OrthogonalGroup(3).sample(2, torch.Generator().manual_seed(0)).float()
    moved = symmetry.act_on_output(elements, batch.targets)
    torch.testing.assert_close(moved[:, 0], batch.targets[:, 0])
    for k in range(2):
        rows = slice(15 * k, 15 * k + 15)
        torch.testing.assert_close(moved[rows, 1:], batch.targets[rows, 1:] @ elements[k].T)


def test_foreign_groups_are_named(molecules):
    dataset = Acetylacetone(**SETTINGS)
    dataset.check_group("SO(3)")
    for check in (molecules.symmetry, dataset.check_group):
        for group in ("D4", "O(2)", "SO(3) * automorphisms"):
            with pytest.raises(SymmetryError, match="does not act on points in 3 dimensions"):
                check(group)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"samples": {"train": 1, "valid": 0, "test": 1}},
            r"valid of \w+ is 0",
            marks=pytest.mark.tried("molecules and atoms", "no validation samples", "refused"),
        ),
        ({"samples": {"train": 1, "valid": True, "test": 1}}, r"valid of \w+ is True"),
        ({"samples": [1, 1, 1]}, "samples of Acetylacetone is"),
        ({"file": ""}, "file of Acetylacetone is ''"),
        ({"file": 3}, "file of Acetylacetone is 3"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        Acetylacetone(**{**SETTINGS, **settings})


def test_bad_files_are_named(tmp_path):
    (tmp_path / "text.hdf5").write_text("no HDF5")
    with h5py.File(tmp_path / "empty.hdf5", "w") as file:
        file.create_group(SETS["train"])
    cases = {"text.hdf5": "damaged.* or no HDF5", "empty.hdf5": "lacks the group test_MD_300K"}
    for name, message in cases.items():
        with pytest.raises(DataError, match=rf"{name}.*{message}"):
            fetched(Acetylacetone(file=name, samples=ONE_EACH), tmp_path / "out", tmp_path)
    with pytest.raises(DataError, match=r"30 samples .* has 0 beside the 300 of validation"):
        fetched(
            Acetylacetone(samples={"train": 30, "valid": 300, "test": 1}, file="acac_small.hdf5"),
            tmp_path / "out",
            FIXTURES,
        )


def test_xyz_files_of_others_are_read(tmp_path):
    fortran = "".join(frame(energy=f"energy=-1.0{k}D+02", shift=0.01 * k) for k in range(3))
    raw = xyz_folder(tmp_path / "raw", **{SETS["train"]: fortran})
    dataset = Acetylacetone(samples=ONE_EACH, file="nowhere.hdf5")
    folder = fetched(dataset, tmp_path / "data", raw)
    train, test = (read_arrays(folder / f"{split}.hdf5") for split in ("train", "test"))
    # Relative to -100, the energy of the one sample that is trained on.
    assert [train["energies"][0], *test["energies"]] == [0.0, 0.0]
    np.testing.assert_allclose(test["forces"], train["forces"])
    assert test["forces"][1].tolist() == [0.96, 0.2, -0.96]
    assert bool(test["has_forces"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (frame(symbols="CNN"), r"test_MD_600K\.xyz has atoms \[6, 7, 7\].*\[8, 1, 1\]"),
        (frame(symbols="HOH"), "must be of one molecule"),
        (frame(pbc='Lattice="3 0 0 0 3 0 0 0 3" pbc="T T T"'), "its cell is periodic"),
        ("", r"test_MD_600K\.xyz.*holds no configuration"),
    ],
)
def test_xyz_files_that_do_not_fit_are_refused(tmp_path, text, message):
    raw = xyz_folder(tmp_path / "raw", test_MD_600K=text)
    with pytest.raises(DataError, match=message):
        fetched(Acetylacetone(samples=ONE_EACH, file="nowhere.hdf5"), tmp_path / "data", raw)


def test_training_and_its_test_need_forces(tmp_path):
    text = "3\nProperties=species:S:1:pos:R:3 energy=1\nO 0 0 0\nH 1 0 0\nH 0 1 0\n" * 2
    raw = xyz_folder(tmp_path / "raw", **{SETS["train"]: text})
    with pytest.raises(DataError, match=r"train_300K.xyz holds no force"):
        fetched(Acetylacetone(samples=ONE_EACH, file="nowhere.hdf5"), tmp_path / "data", raw)
