"""rMD17: aspirin and ethanol along trajectories, by density functional theory.

Revised MD17 (Christensen, von Lilienfeld, arXiv 2007.09593; CC0): 1,000 configurations to train and
1,000 to test, the first of the published splits. A molecule turns little along its trajectory:
energies do not depend on the pose, but the law of the configurations does.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from symbench.data.arrays import Array
from symbench.data.manifest import Manifest
from symbench.data.molecules.configuration_sets import ConfigurationSets, write_sets
from symbench.data.parameters import Splits, Text, one_of
from symbench.errors import DataError

if TYPE_CHECKING:
    from symbench.data.raw_files import RawFiles

COMMIT = "4f6bb0a186822c90d47cd98b7a27991fe0b3173b"
ADDRESS = f"https://raw.githubusercontent.com/andersx/rmd17-npz/{COMMIT}/rmd17-npz"
SETS = ("train", "test")
# sha256 of the files of each molecule.
FILES = {
    "aspirin": {
        "train": "d460f0e43a1a9411b55cdcd9cdbeb9466ae62851ac91392516ab88e4ebc68143",
        "test": "a3c3b61e782d01e6dd649a126004903f7873e8e7ee5034135abfdb8873be711d",
    },
    "ethanol": {
        "train": "096946747b8d9dcfa042b44f8debbd3da387dfe1586b659e3be789cc4927316a",
        "test": "c3594a0f93d5992e02f9eb671392fb2e5021b3fa4f902417886966d1e4f64e1e",
    },
}
# Calories of thermochemistry, and Faraday's constant.
KCAL_PER_MOL = 4184 / 96485.33212331001  # eV
# Our name of an array, its name in the files, and the factor to our unit.
ARRAYS = {
    "atomic_number": ("nuclear_charges", 1),
    "position": ("coords", 1.0),
    "energy": ("energies", KCAL_PER_MOL),
    "force": ("forces", KCAL_PER_MOL),
}
LARGEST_TORQUE = 1e-3
_DAMAGED = (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, RuntimeError)


class RMD17(ConfigurationSets):
    """`rmd17`: configurations of a molecule; all seeds share them."""

    molecule: Annotated[str, one_of(FILES, "molecule of rMD17")] = Field(
        description="`aspirin` or `ethanol`"
    )
    samples: Splits = Field(
        description="validation is the end of the training set, whose order is random"
    )
    files: dict[Annotated[str, one_of(SETS, "set in files of RMD17")], Text] | None = Field(
        None,
        description="raw files in the same format for train and for test, in place of the first "
        "published split; they have no checksum here",
    )

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if self.files is not None and set(self.files) != set(SETS):
            raise ValueError(f"files has {', '.join(self.files)}; give {' and '.join(SETS)}")
        return self

    @property
    def raw_files_needed(self) -> tuple[str, ...]:
        """The files that are named; the published ones are downloaded."""
        return tuple((self.files or {}).values())

    def urls(self, raw_files: RawFiles) -> Mapping[str, str]:
        """The first published split, unless files are named."""
        names = self._names().values() if self.files is None else ()
        return {name: f"{ADDRESS}/{name}" for name in names}

    def _names(self) -> dict[str, str]:
        """The published file of each set."""
        return {name: f"rmd17_{self.molecule}_{name}_01.npz" for name in SETS}

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Read or download the raw files and write the splits."""
        places = self._find(directory, raw_files)
        sets = {name: read_npz(path) for name, path in places.items()}
        said = {name: str(path) for name, path in places.items()}
        zero, files = write_sets(directory, sets, said, self.samples)
        torques = {name: largest_torque(arrays) for name, arrays in sets.items()}
        for name, torque in torques.items():
            if torque > LARGEST_TORQUE:
                raise DataError(
                    f"{places[name]}: forces turn a molecule about itself (relative torque "
                    f"{torque:.2g}): they are not in the frame of the positions."
                )
        part = "given files" if self.files else "split 01"
        source = f"rMD17, {self.molecule}, {part} (arXiv 2007.09593)"
        found = {"zero_of_energy": zero, "largest_torque": max(torques.values())}
        return Manifest(source, "CC0-1.0", {**self.model_dump(), **found}, files)

    def _find(self, directory: Path, raw_files: RawFiles) -> dict[str, Path]:
        """The file of each set."""
        if self.files is not None:
            return {s: raw_files.need(self.files[s], "it is of your own") for s in SETS}
        names = self._names()
        sums = {names[s]: FILES[self.molecule][s] for s in SETS}
        paths = raw_files.find_or_download(self.urls(raw_files), sums, directory / "raw_files")
        return {s: paths[names[s]] for s in SETS}


def read_npz(path: Path) -> dict[str, Array]:
    """The arrays of a file of rMD17.

    Returns:
        position (configuration, atom, axis), Å, energy (configuration,), eV, force (configuration,
        atom, axis), eV/Å, and atomic_number (atom,).

    Raises:
        DataError: if the file is damaged, lacks an array, or holds what is no array of numbers:
            objects are not unpickled, since pickles may run any code.

    """
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for name, (key, factor) in ARRAYS.items():
                if (found := file[key]).dtype.kind not in "fiu":
                    raise ValueError(f"{key} is of type {found.dtype}")
                # Atomic numbers are checked as they are in the file.
                arrays[name] = found if name == "atomic_number" else factor * found.astype(float)
    # What numpy raises depends on which bytes are wrong.
    except (*_DAMAGED, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is no file of rMD17, or damaged: {error}.") from None
    return arrays


def largest_torque(arrays: Mapping[str, Array]) -> float:
    """The largest |Σ x × f| / Σ |x| |f| of some configurations, x about the centroid.

    Without torque no small rotation changes the energy: the dynamics have the symmetry.
    """
    positions = arrays["position"] - arrays["position"].mean(axis=1, keepdims=True)
    forces = arrays["force"]
    torque = np.linalg.norm(np.cross(positions, forces).sum(axis=1), axis=-1)
    sizes = np.linalg.norm(positions, axis=-1) * np.linalg.norm(forces, axis=-1)
    total = sizes.sum(axis=1)
    return float(np.divide(torque, total, out=np.zeros_like(torque), where=total > 0).max())
