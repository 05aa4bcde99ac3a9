"""rMD17: units, splits, symmetry, and files that are not the published ones."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from symbench.data.arrays import read_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.molecules import rmd17
from symbench.data.molecules.rmd17 import RMD17, largest_torque, read_npz
from symbench.errors import ConfigError, DataError
from symbench.symmetry.audit import Verdict
from tests.conftest import fetched

FIXTURES = Path(__file__).parents[2] / "fixtures"
KIND = "molecules and atoms"
SAMPLES = {"train": 200, "valid": 40, "test": 100}
# Of bonds at rest, Å; the atoms of a made-up ethanol-like chain.
SHAPE = np.array([[0.0, 0, 0], [1.5, 0, 0], [2.0, 1.3, 0], [-0.4, 0.6, 0.8]])


def configurations(count, seed, stretch=0.05, posed=True):
    """Springs between all atoms, as in the files: kcal/mol and kcal/mol/Å."""
    rng = np.random.default_rng(seed)
    coords = SHAPE + stretch * rng.standard_normal((count, *SHAPE.shape))
    if not posed:
        turns = np.linalg.qr(rng.standard_normal((count, 3, 3)))[0]
        coords = coords @ turns
    difference = coords[:, :, None] - coords[:, None]
    distance = np.linalg.norm(difference, axis=-1) + np.eye(len(SHAPE))
    rest = np.linalg.norm(SHAPE[:, None] - SHAPE, axis=-1) + np.eye(len(SHAPE))
    energies = 25 * np.square(distance - rest).sum(axis=(1, 2)) - 97_000
    pull = 100 * ((distance - rest) / distance)[..., None] * difference
    return {
        "nuclear_charges": np.array([6, 6, 8, 1], dtype=np.uint8),
        "coords": coords,
        "energies": energies,
        "forces": -pull.sum(axis=2),
        "old_indices": np.arange(count),
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Files in the format of rMD17, whose sums are taken for the published ones."""

    def made(train, test, name="ethanol"):
        sums = {}
        for split, arrays in (("train", train), ("test", test)):
            path = tmp_path / f"rmd17_{name}_{split}_01.npz"
            np.savez(path, **arrays)
            sums[split] = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(rmd17.FILES, name, sums)
        return tmp_path

    return made


def test_units_splits_and_order(folder, tmp_path):
    """The made-up forces are minus the gradients of the energies: also in eV and Å."""
    raw = folder(configurations(300, 0), configurations(150, 1))
    dataset = RMD17(molecule="ethanol", samples=SAMPLES)
    data = dataset.open(fetched(dataset, tmp_path / "data", raw), TaskOptions(), 0)
    train, valid, test = (
        read_arrays(data.directory / f"{name}.hdf5") for name in ("train", "valid", "test")
    )
    made, made_test = configurations(300, 0), configurations(150, 1)
    # 1 kcal/mol is 4184 J over Avogadro's number.
    ev = 4184 / 6.02214076e23 / 1.602176634e-19
    zero = ev * made["energies"][:200].mean()
    for arrays, source, rows in (
        (train, made, slice(0, 200)),
        (valid, made, slice(260, 300)),
        (test, made_test, slice(0, 100)),
    ):
        np.testing.assert_allclose(arrays["energies"], ev * source["energies"][rows] - zero)
        np.testing.assert_allclose(arrays["forces"], ev * source["forces"][rows].reshape(-1, 3))
        np.testing.assert_allclose(arrays["positions"], source["coords"][rows].reshape(-1, 3))
    # The energy of a small step is its work.
    step = 1e-5 * np.random.default_rng(2).standard_normal(SHAPE.shape)
    moved = configurations(1, 3)
    start = read_npz_of(tmp_path, moved)
    moved["coords"] = moved["coords"] + step
    energies = springs(moved["coords"]) - springs(start["position"])
    np.testing.assert_allclose(energies * ev, -(start["force"] * step).sum(axis=(1, 2)), rtol=1e-3)
    split = data.split("test")
    batch = split.batch(split.samples[:3])
    scores = split.scores(batch.targets + torch.tensor([0.001, 0.0, 0.0, 0.003]), batch)
    np.testing.assert_allclose(scores["energy_mae"], 4.0, rtol=1e-3)  # meV, of four atoms
    np.testing.assert_allclose(scores["force_mae"], 1.0, rtol=1e-3)


def springs(coords):
    """The energies of `configurations`, kcal/mol."""
    pairs = np.linalg.norm(coords[:, :, None] - coords[:, None], axis=-1)
    rest = np.linalg.norm(SHAPE[:, None] - SHAPE, axis=-1)
    return 25 * np.square(pairs - rest).sum(axis=(1, 2))


def read_npz_of(folder, arrays):
    """What is read from a file of some arrays."""
    np.savez(folder / "some.npz", **arrays)
    return read_npz(folder / "some.npz")


@pytest.mark.parametrize("posed", [True, False])
def test_the_law_of_posed_molecules_is_broken_and_their_dynamics_hold(folder, tmp_path, posed):
    raw = folder(configurations(240, 0, posed=posed), configurations(100, 1, posed=posed))
    dataset = RMD17(molecule="ethanol", samples=SAMPLES)
    data = dataset.open(fetched(dataset, tmp_path / "data", raw), TaskOptions(), 0)
    verdicts = {audit.verdict for audit in data.audit("O(3)", dataset)}
    assert verdicts == {Verdict.BROKEN if posed else Verdict.HOLDS}
    assert largest_torque(read_npz(raw / "rmd17_ethanol_train_01.npz")) < 1e-12


@pytest.mark.parametrize(("name", "atoms"), [("ethanol", 9), ("aspirin", 21)])
def test_real_configurations_have_a_pose_and_no_torque(tmp_path, name, atoms):
    files = {split: f"rmd17_small_{name}_{split}.npz" for split in ("train", "test")}
    samples = {"train": 200, "valid": 40, "test": 60}
    dataset = RMD17(molecule=name, samples=samples, files=files)
    assert dataset.raw_files_needed == tuple(files.values())
    data = dataset.open(fetched(dataset, tmp_path / "data", FIXTURES), TaskOptions(), 0)
    assert data.training["nodes"].tolist() == [atoms] * 200
    audits = data.audit("O(3)", dataset)
    assert sum(audit.verdict == Verdict.BROKEN for audit in audits) > len(audits) / 2
    # A dense grid of integration; bonds are stretched by hundredths of an Å. In eV/Å.
    assert largest_torque(read_npz(FIXTURES / files["train"])) < 1e-4
    assert 0.5 < data.force_scale < 2
    lost = dataset.model_copy(update={"files": files | {"test": "lost.npz"}})
    with pytest.raises(DataError, match=r"lost\.npz is in no folder"):
        fetched(lost, tmp_path / "lost", FIXTURES)


@pytest.mark.tried(KIND, "rMD17 with forces in another frame than positions", "refused")
def test_forces_in_another_frame_are_refused(folder, tmp_path):
    turned = configurations(240, 0)
    turned["forces"] = turned["forces"][..., [1, 2, 0]]
    raw = folder(turned, configurations(100, 1))
    with pytest.raises(DataError, match=r"train_01\.npz: forces turn a molecule about itself"):
        fetched(RMD17(molecule="ethanol", samples=SAMPLES), tmp_path / "data", raw)


@pytest.mark.tried(KIND, "atomic numbers in decimals, of no element, or as a column", "refused")
@pytest.mark.parametrize(
    "numbers", [[6.9, 6, 8, 1], [6, np.nan, 8, 1], [6, 0, -1, 500], [[6], [6], [8], [1]]]
)
def test_atomic_numbers_of_no_element_are_refused(folder, tmp_path, numbers):
    given = {"nuclear_charges": np.array(numbers)}
    raw = folder(configurations(240, 0) | given, configurations(100, 1) | given)
    with pytest.raises(DataError, match=r"train_01\.npz has the atomic numbers .* from 1 to 118"):
        fetched(RMD17(molecule="ethanol", samples=SAMPLES), tmp_path / "data", raw)


@pytest.mark.tried(KIND, "rMD17 with another checksum", "refused")
def test_a_file_of_another_sum_is_refused(folder, tmp_path):
    raw = folder(configurations(240, 0), configurations(100, 1))
    (raw / "rmd17_ethanol_test_01.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"is not the rmd17_ethanol_test_01\.npz that is meant"):
        fetched(RMD17(molecule="ethanol", samples=SAMPLES), tmp_path / "data", raw)


@pytest.mark.tried(KIND, "more configurations of rMD17 than a split has", "refused")
@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ({"train": 201}, "201 samples of train .* has 200 beside the 40 of validation"),
        ({"valid": 241}, "200 samples of train .* has 0 beside the 241 of validation"),
        ({"test": 101}, "101 samples of test .* has 100"),
    ],
)
def test_counts_beyond_the_files_are_refused(folder, tmp_path, samples, message):
    raw = folder(configurations(240, 0), configurations(100, 1))
    with pytest.raises(DataError, match=message):
        fetched(RMD17(molecule="ethanol", samples=SAMPLES | samples), tmp_path / "data", raw)


@pytest.mark.tried(
    KIND, "files of rMD17 that are cut, lack arrays or hold pickled objects", "refused"
)
def test_damaged_files_and_pickles_are_refused(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "was run"), "w"))

    good = configurations(3, 0)
    cases = [
        ({"energies": np.array([Harmful()] * 3, dtype=object)}, "Object arrays cannot be loaded"),
        ({"energies": np.array(["a"] * 3)}, "energies is of type <U1"),
        ({"coords": good["coords"] + 1j}, "coords is of type complex128"),
    ]
    for changed, message in cases:
        with pytest.raises(DataError, match=message):
            read_npz_of(tmp_path, good | changed)
    assert not (tmp_path / "was run").exists()
    with pytest.raises(DataError, match="forces is not a file in the archive"):
        read_npz_of(tmp_path, {key: value for key, value in good.items() if key != "forces"})
    np.savez(tmp_path / "some.npz", **good)
    content = (tmp_path / "some.npz").read_bytes()
    path = tmp_path / "cut.npz"
    for cut in (b"", b"PK", content[:50], content[: len(content) // 2], content[:-30]):
        path.write_bytes(cut)
        with pytest.raises(DataError, match=r"cut\.npz is no file of rMD17, or damaged"):
            read_npz(path)
    path.write_bytes(content[:400] + bytes(100) + content[500:])
    with pytest.raises(DataError, match="damaged"):
        read_npz(path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"molecule": "etanol"}, "Did you mean 'ethanol'"),
        ({"samples": {"train": 1, "valid": 0, "test": 1}}, r"valid of \w+ is 0"),
        ({"split": 2}, "Unknown parameter split"),
        ({"files": {"train": "a.npz"}}, "files has train; give train and test"),
        ({"files": {"train": "a.npz", "tset": "b.npz"}}, "Did you mean 'test'"),
    ],
)
def test_bad_settings_are_named(changed, message):
    with pytest.raises(ConfigError, match=message):
        RMD17(**{"molecule": "ethanol", "samples": SAMPLES, **changed})
