"""Energies and forces of molecules: acetylacetone by density functional theory.

Data of Batatia et al., arXiv 2205.06643 (BOTNet-datasets, MIT): trained at 300 K, tested there and
where no training data are: at 600 K, along a turn of a dihedral angle, along a hydrogen transfer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
from pydantic import Field

from symbench.data.arrays import Array, open_hdf5, write_files
from symbench.data.dataset import Dataset, Score, TaskOptions
from symbench.data.manifest import Manifest
from symbench.data.molecules.extended_xyz import read_extended_xyz
from symbench.data.molecules.molecule import as_nodes
from symbench.data.parameters import Splits, Text
from symbench.errors import DataError
from symbench.symmetry.group_names import check_rotations

if TYPE_CHECKING:
    from symbench.data.molecules.configurations import MoleculeData
    from symbench.data.raw_files import RawFiles

COMMIT = "4a5ea06c3f514f24164428823ba1f5e2d2233b58"
ADDRESS = f"https://raw.githubusercontent.com/davkovacs/BOTNet-datasets/{COMMIT}/dataset_acac"
# Our test sets: the suffix of their scores, and the group of the file.
TEST_SETS = {"600K": "test_MD_600K", "dihedral": "test_dihedral", "h_transfer": "test_H_transfer"}
TRAINING, TEST = "train_300K", "test_MD_300K"


class Acetylacetone(Dataset):
    """Configurations at 300 K for training, and four test sets; all seeds share them."""

    kind = "molecules"

    samples: Splits = Field(
        description="validation is the end of the published training set, and every test set is "
        "cut to the number of the test split"
    )
    file: Text = Field("acac.hdf5", description="raw file; without it, XYZ files are downloaded")

    @property
    def scores(self) -> tuple[Score, ...]:
        """Mean absolute errors."""
        return Score("force_mae", "meV/Å"), Score("energy_mae", "meV")

    @property
    def test_sets(self) -> tuple[str, ...]:
        """Beyond the law of the training data."""
        return tuple(TEST_SETS)

    def check_group(self, name: str) -> None:
        """O(3) or SO(3)."""
        check_rotations(name)

    def open(self, directory: Path, options: TaskOptions, seed: int) -> MoleculeData:
        """All seeds share the data."""
        from symbench.data.molecules.configurations import MoleculeData

        return MoleculeData(directory, tuple(TEST_SETS))

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Read or download the raw files and write splits and test sets."""
        found = raw_files.find(self.file)
        sets = _read(found) if found else _download(raw_files, directory / "raw_files")
        training = sets[TRAINING]
        train, valid = self.samples["train"], self.samples["valid"]
        available = len(training["energy"])
        if train + valid > available:
            raise DataError(f"{train} + {valid} samples of {TRAINING} are asked, of {available}.")
        # Totals of thousands of eV would leave single precision no meV.
        zero = float(training["energy"].mean())
        test = slice(0, self.samples["test"])
        parts = {
            "train": _cut(training, slice(0, train), zero),
            "valid": _cut(training, slice(available - valid, available), zero),
            "test": _cut(sets[TEST], test, zero),
            **{f"test_{name}": _cut(sets[key], test, zero) for name, key in TEST_SETS.items()},
        }
        source = "acetylacetone of BOTNet-datasets (arXiv 2205.06643)"
        parameters = {**self.model_dump(), "zero_of_energy": zero}
        return Manifest(source, "MIT", parameters, write_files(directory, parts))


def _read(path: Path) -> dict[str, dict[str, Array]]:
    """The sets of an HDF5 file, by name."""
    sets = {}
    with open_hdf5(path) as file:
        for name in (TRAINING, TEST, *TEST_SETS.values()):
            group = file.get(name)
            if not isinstance(group, h5py.Group):
                raise DataError(f"{path} holds no configurations: it lacks the group {name}.")
            sets[name] = {key: np.asarray(value[()]) for key, value in group.items()}
    return _checked(sets, {name: f"{path}: {name}" for name in sets})


def _download(raw_files: RawFiles, directory: Path) -> dict[str, dict[str, Array]]:
    """The sets of the published XYZ files, by name."""
    names = [TRAINING, TEST, *TEST_SETS.values()]
    urls = {f"{name}.xyz": f"{ADDRESS}/{name}.xyz" for name in names}
    paths = raw_files.find_or_download(urls, dict.fromkeys(urls), directory)
    sets = {name: read_extended_xyz(paths[f"{name}.xyz"]) for name in names}
    return _checked(sets, {name: str(paths[f"{name}.xyz"]) for name in names})


def _checked(
    sets: dict[str, dict[str, Array]], places: Mapping[str, str]
) -> dict[str, dict[str, Array]]:
    """Return the sets; raises `DataError` unless all are of the training set's molecule."""
    expected: Array | None = None
    for name, arrays in sets.items():
        place = places[name]
        if missing := {"position", "energy", "atomic_number"} - set(arrays):
            raise DataError(f"{place} holds no {', '.join(sorted(missing))}.")
        if expected is None:
            expected = arrays["atomic_number"]
        # Features of atoms are numbered from the training set.
        if not np.array_equal(arrays["atomic_number"], expected):
            raise DataError(
                f"{place} has atoms {arrays['atomic_number'].tolist()}, by atomic number, and "
                f"{places[TRAINING]} has {expected.tolist()}: all sets must be of one molecule."
            )
        count, atoms = len(arrays["energy"]), len(expected)
        shapes = {"position": (count, atoms, 3), "force": (count, atoms, 3), "energy": (count,)}
        for key in shapes.keys() & arrays.keys():
            good = count > 0 and arrays[key].shape == shapes[key]
            if not good or not np.isfinite(arrays[key]).all():
                raise DataError(
                    f"{place}: {key} of shape {arrays[key].shape} must be finite numbers of shape "
                    f"{shapes[key]}, of at least one configuration."
                )
    if "force" not in sets[TRAINING] or "force" not in sets[TEST]:
        raise DataError(f"{places[TRAINING]} and {places[TEST]} must hold forces.")
    return sets


def _cut(arrays: Mapping[str, Array], chosen: slice, zero: float) -> dict[str, Array]:
    """Some configurations; zeros where there are no forces."""
    forces = arrays.get("force")
    position = arrays["position"][chosen]
    given = np.zeros_like(position) if forces is None else forces[chosen]
    flat = as_nodes(arrays["atomic_number"], position, arrays["energy"][chosen] - zero, given)
    return {**flat, "has_forces": np.array(forces is not None)}
