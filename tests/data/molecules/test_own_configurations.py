"""Extended XYZ files of one's own: their splits, what does not fit together, what changes later."""

import numpy as np
import pytest

from symbench.data.arrays import read_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.manifest import unlike_manifest
from symbench.data.molecules.own_configurations import ExtendedXYZ
from symbench.errors import ConfigError, DataError
from tests.conftest import fetched

KIND = "molecules and atoms"
FILES = {"train": "train.xyz", "test": "test.xyz", "hot": "hot.xyz"}
SAMPLES = {"train": 3, "valid": 2, "test": 3}
SHAPE = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])


def configurations(
    symbols="OHH", count=5, energy="energy", forces="forces", spread=0.1, size=1.0, unit=1, zero=0.0
):
    """Configurations near one shape, as a text; size stretches them, unit multiplies forces.

    Energies count from zero.
    """
    rng = np.random.default_rng(len(symbols) + count)
    text = []
    for number in range(count):
        text += [
            str(len(symbols)),
            f"Properties=species:S:1:pos:R:3:{forces}:R:3 {energy}={zero + number}",
        ]
        for symbol, place in zip(symbols, SHAPE, strict=False):
            x = size * (place + spread * rng.random(3))
            text.append(
                " ".join([symbol, *map(repr, map(float, [*x, *unit * rng.normal(size=3)]))])
            )
    return "\n".join(text) + "\n"


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in FILES.values():
        (folder / name).write_text(configurations())
    return folder


def test_splits_and_further_test_sets(raw, tmp_path):
    dataset = ExtendedXYZ(files=FILES, samples=SAMPLES)
    folder = fetched(dataset, tmp_path / "data", raw)
    energies = {
        name: (read_arrays(folder / f"{name}.hdf5")["energies"] + 1).tolist()
        for name in ("train", "valid", "test", "test_hot")
    }
    # Validation is the end of the training file; energies count from the mean of the rest.
    first = [0, 1, 2]
    assert energies == {"train": first, "valid": [3, 4], "test": first, "test_hot": first}
    data = dataset.open(folder, TaskOptions(), 0)
    assert dataset.test_sets == tuple(data.test_sets()) == ("hot",)
    split = data.split("train")
    batch = split.batch(split.samples[1:2])
    assert 3 * float(batch.targets[0, 0]) == pytest.approx(0, abs=1e-6)
    rows = (raw / "train.xyz").read_text().split("\n")[7:10]
    expected = [[float(word) for word in row.split()[4:]] for row in rows]
    np.testing.assert_allclose(batch.targets[:, 1:], expected, rtol=1e-6)


def test_energies_count_from_the_samples_that_are_trained_on(raw, tmp_path):
    """Not from those of validation, nor from those that nobody trains on."""
    dataset = ExtendedXYZ(files=FILES, samples={"train": 2, "valid": 2, "test": 2})
    energies = read_arrays(fetched(dataset, tmp_path / "data", raw) / "train.hdf5")["energies"]
    assert len(energies) == 2
    assert float(energies.mean()) == pytest.approx(0, abs=1e-6)


def test_a_file_for_validation(raw, tmp_path):
    (raw / "valid.xyz").write_text(configurations(count=4))
    samples = {"train": None, "valid": None, "test": 2}
    dataset = ExtendedXYZ(files={**FILES, "valid": "valid.xyz"}, samples=samples)
    folder = fetched(dataset, tmp_path / "data", raw)
    lengths = [len(read_arrays(folder / f"{s}.hdf5")["nodes"]) for s in ("train", "valid", "test")]
    assert lengths == [5, 4, 2]


@pytest.mark.tried(KIND, "configurations of the training file in a test file", "warned")
def test_copies_are_told(raw, tmp_path):
    (raw / "test.xyz").write_text(configurations(count=8, spread=0.2))
    lines = (raw / "train.xyz").read_text().splitlines(keepends=True)
    (raw / "hot.xyz").write_text(configurations(count=4) + "".join(lines[5:15]))
    with pytest.warns(UserWarning, match="2 of 6 configurations of hot are copies of ones of tra"):
        fetched(ExtendedXYZ(files=FILES, samples=SAMPLES), tmp_path / "data", raw)


@pytest.mark.tried(KIND, "forces in kcal/mol/Å in a test file, in eV/Å for training", "warned")
def test_forces_in_another_unit_are_told(raw, tmp_path):
    (raw / "hot.xyz").write_text(configurations(count=4, unit=23.06))
    with pytest.warns(UserWarning, match="force is [0-9]+ times as large in hot as in train"):
        fetched(ExtendedXYZ(files=FILES, samples=SAMPLES), tmp_path / "data", raw)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param(
            {"zero": -2078 / 27.2114},
            "energies are -74.3651 eV in hot on average, and -2076 eV in train: another unit",
            marks=pytest.mark.tried(KIND, "energies in Hartree in a test file", "warned"),
        ),
        pytest.param(
            {"zero": 0.3},
            "energies are 2.3 eV in hot on average, .* or another zero of energy",
            marks=pytest.mark.tried(KIND, "energies from another zero in a test file", "warned"),
        ),
        pytest.param(
            {"zero": -2078.0, "size": 1 / 0.529177},
            "distance to the nearest atom is 1.9 times as large in hot as in train",
            marks=pytest.mark.tried(KIND, "positions in Bohr in a test file", "warned"),
        ),
    ],
)
def test_energies_and_positions_in_another_unit_are_told(raw, tmp_path, changed, message):
    for name in ("train", "test"):
        (raw / FILES[name]).write_text(configurations(zero=-2078.0))
    (raw / "hot.xyz").write_text(configurations(**changed))
    with pytest.warns(UserWarning, match=message):
        fetched(ExtendedXYZ(files=FILES, samples=SAMPLES), tmp_path / "data", raw)


@pytest.mark.tried(KIND, "a file that is changed after it was fetched", "refused")
def test_a_file_that_changes_is_noticed(raw, tmp_path):
    folder = fetched(ExtendedXYZ(files=FILES, samples=SAMPLES), tmp_path / "data", raw)
    assert unlike_manifest(folder) == []
    (raw / "test.xyz").write_text(configurations(spread=0.2))
    assert unlike_manifest(folder) == [folder / "test.xyz"]


def bad(file, changed, message, tried):
    return pytest.param(file, changed, message, marks=pytest.mark.tried(KIND, tried, "refused"))


COINCIDENT = configurations(spread=0).replace("-0.24 0.93 0.0", "0.96 0.0 0.0")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        bad("test", configurations("CNN"), r"test.xyz has atoms \[6, 7, 7\]", "other elements"),
        bad("hot", configurations("HOH"), "of one molecule", "atoms in another order"),
        bad("test", configurations("OH"), "of one molecule", "a split with fewer atoms"),
        bad("test", configurations(energy="REF_energy"), "gives the energy as", "other keys"),
        bad("hot", COINCIDENT, r"hot.xyz: atoms 2 and 3 of molecule 1 .* 0 Å", "coincident atoms"),
        bad("train", configurations(size=0.1), "Å apart, and no atoms", "positions in nanometres"),
        bad(
            "train",
            configurations(count=1),
            "3 samples of train .* 0 beside the 2",
            "too few",
        ),
        bad("test", configurations(count=2), "3 samples of test .* has 2", "too few for a test"),
    ],
)
def test_files_that_do_not_fit_together(raw, tmp_path, file, text, message):
    (raw / FILES[file]).write_text(text)
    with pytest.raises(DataError, match=message):
        fetched(ExtendedXYZ(files=FILES, samples=SAMPLES), tmp_path / "data", raw)


@pytest.mark.tried(KIND, "forces that are all zero", "refused")
def test_forces_of_zeros(raw, tmp_path):
    lines = configurations().splitlines()
    rows = [" ".join([*r.split()[:4], "0 0 0"]) if r[0] in "OH" else r for r in lines]
    (raw / "train.xyz").write_text("\n".join(rows) + "\n")
    with pytest.raises(DataError, match="all forces are zero"):
        fetched(ExtendedXYZ(files=FILES, samples=SAMPLES), tmp_path / "data", raw)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"files": {"train": "a.xyz"}}, "files has no test"),
        ({"files": {"train": "a.xyz", "test": "a.xyz"}}, r"files has a\.xyz twice"),
        ({"files": {**FILES, "../hot": "b.xyz"}}, "pattern"),
        ({"samples": {**SAMPLES, "valid": None}}, r"samples\.valid is None"),
        ({"samples": {**SAMPLES, "valid": 0}}, r"valid of \w+ is 0"),
        ({"energy_key": ""}, "energy_key of ExtendedXYZ is ''"),
        ({"energy_kay": "e"}, "Did you mean 'energy_key'"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        ExtendedXYZ(**{"files": FILES, "samples": SAMPLES, **settings})


@pytest.mark.tried(KIND, "one file under two names, for training and for test", "refused")
def test_one_file_under_two_names(raw, tmp_path):
    (raw / "test.xyz").unlink()
    (raw / "test.xyz").symlink_to(raw / "train.xyz")
    with pytest.raises(DataError, match="a file of its own, and two of these are one"):
        fetched(ExtendedXYZ(files=FILES, samples=SAMPLES), tmp_path / "data", raw)


def test_files_that_are_nowhere_are_named(tmp_path):
    with pytest.raises(DataError, match=r"train\.xyz is in no folder"):
        fetched(ExtendedXYZ(files=FILES, samples=SAMPLES), tmp_path / "data", tmp_path)
