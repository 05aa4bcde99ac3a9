"""QM9 by the package qm9pack and as HDF5: units, order, physics, and files that are damaged."""

import hashlib
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from symbench.data.arrays import read_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.molecules import qm9
from symbench.data.molecules.qm9 import QM9
from symbench.data.molecules.qm9_files import (
    COLUMNS,
    HARTREE,
    PARTS,
    TARGETS,
    WHEEL,
    find_package,
    read_file,
    read_package,
)
from symbench.data.raw_files import RawFiles
from symbench.errors import DataError
from tests.conftest import fetched
from tests.data.molecules.test_qm9 import AMMONIA, KIND, WATER

FIXTURES = Path(__file__).parents[2] / "fixtures"
NAME = "qm9_part1.csv"


def table(molecules=(WATER, AMMONIA), first=3):
    """A table in the format of the package; the target k of the molecule n is n + k / 100."""
    lines = ["XYZ_file,Index,SMILES,N_atoms,Elements,XYZ_Ang," + ",".join(COLUMNS)]
    for number, atoms in enumerate(molecules, start=first):
        elements = ",".join(f"'{atom[0]}'" for atom in atoms)
        positions = ",".join(f"[{x},{y},{z}]" for _, x, y, z in atoms).replace("0,", "0.,")
        values = ",".join(str(number + k / 100) for k in range(len(COLUMNS)))
        lines.append(
            f'"{number}.xyz",{number},"O",{len(atoms)},"[{elements}]","[{positions}]",{values}'
        )
    return "\n".join(lines) + "\n"


def packed(path, text):
    """A wheel with one table, in its archive, and the sum of the table."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"qm9pack/data/{NAME}", text)
    return {NAME: hashlib.sha256(text.encode()).hexdigest()}


def test_the_package_is_read_from_its_wheel_and_where_it_is_installed(tmp_path, monkeypatch):
    """The package need not be imported: this one could not be."""
    sums = packed(tmp_path / WHEEL, table())
    from_wheel = read_package(find_package(RawFiles((tmp_path,))), sums)
    installed = tmp_path / "installed"
    with zipfile.ZipFile(tmp_path / WHEEL) as archive:
        archive.extractall(installed)
    (installed / "qm9pack" / "__init__.py").write_text("raise ImportError")
    monkeypatch.setattr(sys, "path", [str(installed)])
    for molecules in (from_wheel, read_package(find_package(RawFiles()), sums)):
        assert molecules.numbers.tolist() == [3, 4]
        assert molecules.nodes.tolist() == [3, 4]
        assert "".join("HCNOF"[k] for k in molecules.elements) == "OHHNHHH"
        np.testing.assert_allclose(molecules.positions, [a[1:] for a in (*WATER, *AMMONIA)])
        for place, name in enumerate(TARGETS):
            np.testing.assert_allclose(molecules.targets[name], np.array([3, 4]) + place / 100)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(DataError, match=r"not installed: `pip install 'symbench\[data\]'`"):
        find_package(RawFiles())


def test_energies_of_the_package_become_electronvolts(tmp_path, monkeypatch):
    monkeypatch.setattr(qm9, "PARTS", packed(tmp_path / WHEEL, table([WATER] * 5)))
    samples = {"train": 2, "valid": 1, "test": None}
    for target, factor in (("u0", 27.211386246), ("mu", 1.0)):
        dataset = QM9(target=target, samples=samples)
        arrays = read_arrays(fetched(dataset, tmp_path / target, tmp_path) / "molecules.hdf5")
        raw = np.arange(3, 8) + list(TARGETS).index(target) / 100
        np.testing.assert_allclose(arrays["targets"], factor * raw, rtol=1e-9)


@pytest.mark.tried(KIND, "QM9 by its package: damaged, of another edition, cut", "refused")
def test_a_package_that_is_not_the_published_one(tmp_path):
    path = tmp_path / WHEEL
    cases = [
        (lambda text: text.replace("'O'", "'S'"), "'S' is none of H, C, N, O, F"),
        (lambda text: text.replace("'O','H'", "'O'"), "Elements of molecule 3 .* 3 atoms"),
        (lambda text: text.replace("[0.9", "[0.9,0.9"), "XYZ_Ang of molecule 3 .* 3 atoms"),
        (lambda text: text.replace("0.96", "nan"), "positions .* must be finite"),
        (lambda text: text.replace("0.96", "x"), "could not convert string"),
        (lambda text: text.replace("3.07", "nan"), "u0 .* must be finite"),
        (lambda text: text.replace("0.96", "0.00"), "atoms 1 and 2 of molecule 3"),
        (lambda text: text.replace(",4,", ",3,", 1), "in the order of QM9, each once"),
        (lambda text: text.replace("HOMO_au", "homo"), "is no table of QM9"),
        (lambda text: "", "is no table of QM9"),
    ]
    for change, message in cases:
        sums = packed(path, change(table()))
        with pytest.raises(DataError, match=message):
            read_package(find_package(RawFiles((tmp_path,))), sums)
    packed(path, table())
    with pytest.raises(DataError, match=f"{NAME} is not that of {WHEEL}: its sha256 is"):
        read_package(find_package(RawFiles((tmp_path,))), PARTS)
    with pytest.raises(DataError, match=r"other\.csv cannot be read"):
        read_package(find_package(RawFiles((tmp_path,))), {"other.csv": ""})
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="is no wheel"):
        find_package(RawFiles((tmp_path,)))


def test_real_molecules_obey_the_laws_of_their_properties():
    """Total energies in Hartree, positions in Å: identities that wrong columns or units break."""
    molecules = read_file(FIXTURES / "qm9_small.hdf5")
    value = molecules.targets
    assert len(molecules.nodes) == 1000
    np.testing.assert_allclose(value["gap"], value["lumo"] - value["homo"], atol=1.01e-4)
    # Enthalpy is energy and kT of an ideal gas, here at 298.15 K.
    thermal = 8.617333262e-5 * 298.15 / HARTREE
    np.testing.assert_allclose(value["h298"] - value["u298"], thermal, atol=2e-6)
    assert (value["g298"] < value["u0"]).all()
    assert (value["u0"] < value["u298"]).all()
    # A fit of U0 by counts of elements finds energies of bound atoms: -0.6 for H, -38 for C.
    sample = np.repeat(np.arange(1000), molecules.nodes)
    counts = np.zeros((1000, 5))
    np.add.at(counts, (sample, molecules.elements), 1)
    fit, *_ = np.linalg.lstsq(counts, value["u0"], rcond=None)
    np.testing.assert_allclose(fit, [-0.6, -38.1, -54.8, -75.2, -99.9], atol=0.2)
    # Bonds of C and H have 1.09 Å.
    first = np.cumsum(molecules.nodes) - molecules.nodes
    lengths = []
    for start, count in zip(first, molecules.nodes, strict=True):
        part = slice(start, start + count)
        carbons, hydrogens = (
            molecules.positions[part][molecules.elements[part] == k] for k in (1, 0)
        )
        if len(carbons) and len(hydrogens):
            lengths += np.linalg.norm(hydrogens[:, None] - carbons, axis=-1).min(axis=1).tolist()
    assert np.median(lengths) == pytest.approx(1.095, abs=0.01)


def test_a_part_of_qm9_as_hdf5(tmp_path):
    dataset = QM9(
        target="gap", source="qm9_small.hdf5", samples={"train": 40, "valid": 10, "test": 20}
    )
    assert dataset.raw_files_needed == ("qm9_small.hdf5",)
    data = dataset.open(fetched(dataset, tmp_path / "data", FIXTURES), TaskOptions(), 0)
    batch = data.split("test").batch(data.split("test").samples[:7])
    raw = read_file(FIXTURES / "qm9_small.hdf5")
    order = np.random.RandomState(0).permutation(1000)[50:57]
    np.testing.assert_allclose(batch.targets[:, 0], HARTREE * raw.targets["gap"][order], rtol=1e-6)
    assert batch.inputs.nodes.tolist() == raw.nodes[order].tolist()


@pytest.mark.tried(
    KIND, "QM9 as HDF5: counts that do not fit, lost arrays, more than there are", "refused"
)
def test_an_hdf5_file_that_does_not_fit(tmp_path):
    content = (FIXTURES / "qm9_small.hdf5").read_bytes()
    path = tmp_path / "other.hdf5"

    def changed(key, change):
        path.write_bytes(content)
        with h5py.File(path, "r+") as file:
            values = file[key][()]
            del file[key]
            if (new := change(values)) is not None:
                file[key] = new
        return path

    cases = [
        ("atoms", lambda v: v + (np.arange(1000) == 7), "elements of shape"),
        ("atoms", lambda v: 0 * v, "elements of shape"),
        ("element", lambda v: v + 1, "elements from 0 to 4"),
        ("position", lambda v: 0.01 * v, "apart, and no atoms are nearer"),
        ("position", lambda v: v[:, :2], "positions of shape"),
        ("index", lambda v: v[::-1], "order of QM9"),
        ("target/u0", lambda v: np.where(v < v.mean(), np.nan, v), "u0 .* must be finite"),
        ("target/u0", lambda v: None, "damaged or no HDF5 file of this kind"),
    ]
    for key, change, message in cases:
        with pytest.raises(DataError, match=message):
            read_file(changed(key, change))
    dataset = QM9(
        target="u0", source="qm9_small.hdf5", samples=dict.fromkeys(("train", "valid", "test"), 400)
    )
    with pytest.raises(DataError, match=r"400 \+ 400 \+ 400 molecules are asked, of 1000"):
        fetched(dataset, tmp_path / "data", FIXTURES)
    lost = dataset.model_copy(update={"source": "lost.hdf5"})
    with pytest.raises(DataError, match=r"lost\.hdf5 is in no folder"):
        fetched(lost, tmp_path / "data")
