"""Energies and forces of molecules: acetylacetone by density functional theory.

Data of Batatia et al., arXiv 2205.06643 (BOTNet-datasets, MIT): trained at 300 K, tested there and
where no training data are: at 600 K, along a turn of a dihedral angle, along a hydrogen transfer.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from symbench.data.arrays import read_arrays, write_arrays, write_manifest
from symbench.data.batch import Batch
from symbench.data.molecules.extended_xyz import read_extended_xyz
from symbench.data.points.point_audit import Moments, audit_rotations
from symbench.data.points.point_graph import (
    NodeSplit,
    point_symmetry,
    rotation_group,
    turn_equal,
)
from symbench.data.raw_files import FromOriginals, download
from symbench.data.splits import check_splits
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.symmetry import Symmetry

Array = npt.NDArray[Any]

COMMIT = "4a5ea06c3f514f24164428823ba1f5e2d2233b58"
ADDRESS = f"https://raw.githubusercontent.com/davkovacs/BOTNet-datasets/{COMMIT}/dataset_acac"
SOURCE = "acetylacetone of BOTNet-datasets (arXiv 2205.06643)"
# Our split: the group of the file, and the metrics' suffix for tests beyond the training law.
TEST_SETS = {
    "": "test_MD_300K",
    "600K": "test_MD_600K",
    "dihedral": "test_dihedral",
    "h_transfer": "test_H_transfer",
}
TRAINING = "train_300K"
MILLI = 1e3
ENERGY_WEIGHT = 10.0


class Acetylacetone(FromOriginals):
    """Configurations at 300 K for training, and four test sets."""

    def __init__(self, *, samples: Mapping[str, int], file: str = "acac.hdf5") -> None:
        """Set the size.

        Args:
            samples: number per split; validation is the end of the published training set, and
                every test set is cut to the number of the test split.
            file: name of the file in a cache; without one, the originals are downloaded.

        """
        self.samples = check_splits(samples, "samples of acetylacetone")
        self.file = file

    def fetch(self, directory: Path) -> None:
        """Read or download the originals and write splits, test sets and the manifest."""
        cached = self.find(self.file)
        sets = _read_cached(cached) if cached else _download(directory / "originals")
        training = sets[TRAINING]
        train, valid = self.samples["train"], self.samples["valid"]
        available = len(training["energy"])
        if train + valid > available:
            raise DataError(f"{train} + {valid} samples of {TRAINING} are asked, of {available}.")
        # Totals of thousands of eV would leave single precision no meV.
        zero = float(training["energy"].mean())
        parts = {
            "train": _cut(training, slice(0, train), zero),
            "valid": _cut(training, slice(available - valid, available), zero),
        }
        for suffix, name in TEST_SETS.items():
            part = _cut(sets[name], slice(0, self.samples["test"]), zero)
            parts["_".join(filter(None, ["test", suffix]))] = part
        paths = []
        directory.mkdir(parents=True, exist_ok=True)
        for name, arrays in parts.items():
            path = directory / f"{name}.hdf5"
            write_arrays(path, arrays)
            paths.append(path)
        write_manifest(
            directory,
            self,
            data_format="molecules",
            tools="h5py",
            parameters={"samples": self.samples, "file": self.file, "zero_of_energy": zero},
            paths=paths,
            source=SOURCE,
            licence="MIT",
        )


def _read_cached(path: Path) -> dict[str, dict[str, Array]]:
    try:
        with h5py.File(path) as file:
            return {
                name: {key: value[()] for key, value in group.items()}
                for name, group in file.items()
            }
    except (OSError, AttributeError) as error:
        raise DataError(f"{path} holds no configurations: {error}.") from None


def _download(directory: Path) -> dict[str, dict[str, Array]]:
    names = [TRAINING, *TEST_SETS.values()]
    urls = {f"{name}.xyz": f"{ADDRESS}/{name}.xyz" for name in names}
    paths = download(urls, dict.fromkeys(urls), directory)
    return {name: read_extended_xyz(paths[f"{name}.xyz"]) for name in names}


def _cut(arrays: Mapping[str, Array], chosen: slice, zero: float) -> dict[str, Array]:
    """Some configurations as flat arrays of nodes; zeros where there are no forces."""
    position = arrays["position"][chosen]
    count, atoms = position.shape[:2]
    forces = arrays.get("force")
    species = np.unique(arrays["atomic_number"])
    one_hot = (arrays["atomic_number"][:, None] == species).astype(float)
    return {
        "positions": position.reshape(-1, 3),
        "scalars": np.tile(one_hot, (count, 1)),
        "nodes": np.full(count, atoms),
        "energies": arrays["energy"][chosen] - zero,
        "forces": np.zeros((count * atoms, 3)) if forces is None else forces[chosen].reshape(-1, 3),
        "has_forces": np.array(forces is not None),
    }


class MoleculeData:
    """The data of one task; targets are energies (eV) and forces (eV/Å)."""

    kind = "samples"
    units: ClassVar[dict[str, str]] = {"force_mae": "meV/Å", "energy_mae": "meV"}

    def __init__(self, directory: Path) -> None:
        """Open a folder; raises `DataError` if it holds no molecules."""
        self.directory = directory
        self.training = read_arrays(directory / "train.hdf5")

    @classmethod
    def open(cls, directory: Path, settings: Any, seed: int) -> "MoleculeData":
        """Open what the config says; all seeds share the data."""
        return cls(directory)

    def model_arguments(self) -> dict[str, object]:
        """Widths of the inputs, and scales of the targets, from the training split."""
        return {
            "node_scalars": self.training["scalars"].shape[1],
            "edge_scalars": 0,
            "energy_scale": self.force_scale,
        }

    @property
    def force_scale(self) -> float:
        """RMS of the training forces."""
        return float(np.sqrt(np.square(self.training["forces"]).mean()))

    def symmetry(self, group: str, exact: bool = True) -> Symmetry:
        """O(3) or SO(3): forces turn, energies do not."""
        atoms = int(self.training["nodes"][0])

        def on_output(element: Tensor, outputs: Tensor) -> Tensor:
            return torch.cat([outputs[:, :1], turn_equal(element, outputs[:, 1:], atoms)], dim=1)

        return point_symmetry(group, on_output, exact)

    def audit(self, group: str, task: Any) -> list[ElementAudit]:
        """Audit the law of the training data; energies of isolated molecules are invariant."""
        shape = (len(self.training["nodes"]), -1, 3)
        positions = self.training["positions"].reshape(shape)
        centred = positions - positions.mean(axis=1, keepdims=True)
        forces = self.training["forces"].reshape(shape)
        return audit_rotations(rotation_group(group), Moments.of(centred, forces))

    def split(self, name: str) -> "MoleculeSplit":
        """One of train, valid, test."""
        return MoleculeSplit(read_arrays(self.directory / f"{name}.hdf5"), self.force_scale)

    def variants(self) -> dict[str, "MoleculeSplit"]:
        """Test sets beyond the law of the training data."""
        return {suffix: self.split(f"test_{suffix}") for suffix in TEST_SETS if suffix}


class MoleculeSplit(NodeSplit):
    """The configurations of one split; rows hold a share of the energy and a force."""

    def __init__(self, arrays: Mapping[str, Array], force_scale: float) -> None:
        """Take the arrays of a file, and the unit of the loss."""
        share = np.repeat(arrays["energies"] / arrays["nodes"], arrays["nodes"])
        super().__init__(arrays, np.concatenate([share[:, None], arrays["forces"]], axis=1))
        self.force_scale = force_scale
        self.has_forces = bool(arrays["has_forces"])

    def loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Squared errors of forces and of the energy per atom, in units of the training forces."""
        error = (prediction - batch.targets).square() / self.force_scale**2
        return error[:, 1:].mean() + ENERGY_WEIGHT * error[:, 0].mean()

    validation_loss = loss

    def scores(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Absolute errors of each configuration; shape (sample,)."""
        error = (prediction - batch.targets).abs()
        atoms = batch.inputs.nodes
        scores = {}
        if self.has_forces:
            scores["force_mae"] = MILLI * batch.mean_per_sample(error[:, 1:])
        scores["energy_mae"] = MILLI * atoms * batch.mean_per_sample(error[:, :1])
        return scores
