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

from symbench.data.arrays import Array, open_hdf5
from symbench.data.manifest import Manifest
from symbench.data.molecules.configuration_sets import ConfigurationSets, write_sets
from symbench.data.molecules.extended_xyz import read_all
from symbench.data.parameters import Splits, Text
from symbench.errors import DataError

if TYPE_CHECKING:
    from symbench.data.raw_files import RawFiles

COMMIT = "4a5ea06c3f514f24164428823ba1f5e2d2233b58"
ADDRESS = f"https://raw.githubusercontent.com/davkovacs/BOTNet-datasets/{COMMIT}/dataset_acac"
# Our sets: the suffix of the scores of further test sets, and the group of the file.
SETS = {
    "train": "train_300K",
    "test": "test_MD_300K",
    "600K": "test_MD_600K",
    "dihedral": "test_dihedral",
    "h_transfer": "test_H_transfer",
}


class Acetylacetone(ConfigurationSets):
    """Configurations at 300 K for training, and four test sets; all seeds share them."""

    samples: Splits = Field(
        description="validation is the end of the published training set, and every test set is "
        "cut to the number of the test split"
    )
    file: Text = Field("acac.hdf5", description="raw file; without it, XYZ files are downloaded")

    @property
    def test_sets(self) -> tuple[str, ...]:
        """Beyond the law of the training data."""
        return tuple(SETS)[2:]

    def urls(self, raw_files: RawFiles) -> Mapping[str, str]:
        """The published XYZ files, unless the raw file with all of them is at hand."""
        if raw_files.find(self.file):
            return {}
        return {f"{group}.xyz": f"{ADDRESS}/{group}.xyz" for group in SETS.values()}

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Read or download the raw files and write splits and test sets."""
        if found := raw_files.find(self.file):
            sets = _read(found)
            places = {name: f"{found}: {group}" for name, group in SETS.items()}
        else:
            urls = self.urls(raw_files)
            downloads = directory / "raw_files"
            paths = raw_files.find_or_download(urls, dict.fromkeys(urls), downloads)
            named = {name: paths[f"{group}.xyz"] for name, group in SETS.items()}
            sets = read_all(named)
            places = {name: str(path) for name, path in named.items()}
        zero, files = write_sets(directory, sets, places, self.samples)
        source = "acetylacetone of BOTNet-datasets (arXiv 2205.06643)"
        return Manifest(source, "MIT", {**self.model_dump(), "zero_of_energy": zero}, files)


def _read(path: Path) -> dict[str, dict[str, Array]]:
    """The sets of an HDF5 file, by our name."""
    sets = {}
    with open_hdf5(path) as file:
        for name, key in SETS.items():
            group = file.get(key)
            if not isinstance(group, h5py.Group):
                raise DataError(f"{path} holds no configurations: it lacks the group {key}.")
            sets[name] = {key: np.asarray(value[()]) for key, value in group.items()}
    return sets
