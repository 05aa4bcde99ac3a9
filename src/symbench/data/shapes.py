"""Classes of shapes from an official training and test set: what voxels and points share.

A tenth of the training shapes is for validation. The shapes of ModelNet10 (Wu et al., 3D
ShapeNets, CVPR 2015) come from one file of voxels, read here for both.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from symbench.data.dataset import Dataset, Score
from symbench.data.manifest import Manifest
from symbench.data.parameters import OpenSplits, Text, Whole
from symbench.errors import DataError

if TYPE_CHECKING:
    from symbench.data.raw_files import RawFiles

Array = np.ndarray

LICENCE = "academic research use (Princeton ModelNet)"
VOXELS_SOURCE = "Princeton ModelNet10, voxelised to 32^3"


class Shapes(Dataset):
    """Shapes of an official training and test set, each with the number of its class."""

    samples: OpenSplits = Field(description="at most so many, drawn at random; null for all")
    file: Text = Field(description="name of the raw file")
    seed: Whole = Field(0, description="of what is drawn: shapes, points, the validation split")

    @abstractmethod
    def read(self, raw_files: RawFiles, directory: Path) -> dict[str, tuple[Array, Array]]:
        """Shapes and labels of "train" and "test"; what is downloaded goes to the directory."""

    @abstractmethod
    def prepare(self, shapes: Array, rng: np.random.Generator) -> Array:
        """What is stored of some shapes."""

    @abstractmethod
    def origin(self, raw_files: RawFiles) -> str:
        """Where the shapes come from, in words, for the manifest."""

    @property
    def scores(self) -> tuple[Score, ...]:
        """Whether the class is right, and the cross-entropy."""
        return (Score("accuracy", better="higher"), Score("cross_entropy", "nat"))

    def _classes(self, original: Mapping[str, tuple[Array, Array]]) -> int:
        """Number of classes; raises `DataError` unless shapes and labels can be learnt from."""
        for part, fewest in (("train", 10), ("test", 1)):
            shapes, labels = original[part]
            if labels.shape != (len(shapes),) or labels.dtype.kind not in "iu":
                raise DataError(
                    f"{self.file}: labels of {part} must be whole numbers, one for each of the "
                    f"{len(shapes)} shapes; they are {labels.dtype} of shape {labels.shape}."
                )
            if len(labels) < fewest:
                raise DataError(
                    f"{self.file}: {part} has {len(labels)} shapes that are not empty, and needs "
                    f"{fewest} at least."
                )
        known = np.unique(original["train"][1])
        found = np.unique(original["test"][1])
        if (
            len(known) < 2
            or known[0] != 0
            or known[-1] >= len(known)
            or not np.isin(found, known).all()
        ):
            raise DataError(
                f"{self.file}: classes must be numbered from 0 without gaps, two of them or more, "
                f"and each must be in train; there are {known.tolist()} in train, and "
                f"{found.tolist()} in test."
            )
        return len(known)

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Read the raw file and write every split."""
        from symbench.data.arrays import write_files

        original = self.read(raw_files, directory / "raw_files")
        classes = self._classes(original)
        rng = np.random.default_rng(self.seed)
        count = len(original["train"][1])
        order = rng.permutation(count)
        held_out = order[: count // 10]
        chosen = {
            "train": ("train", order[count // 10 :]),
            "valid": ("train", held_out),
            "test": ("test", rng.permutation(len(original["test"][1]))),
        }
        splits = {}
        for split, (part, rows) in chosen.items():
            shapes, labels = original[part]
            rows = rows[: self.samples[split]]
            splits[split] = {
                "shapes": self.prepare(shapes[rows], rng),
                "labels": labels[rows],
                "classes": np.array(classes),
            }
        files = write_files(directory, splits)
        return Manifest(self.origin(raw_files), LICENCE, self.model_dump(), files)


def read_voxels(raw_files: RawFiles, file: str) -> dict[str, tuple[Array, Array]]:
    """Voxels of ModelNet10, from a file by its name.

    Returns:
        For "train" and "test": occupied cells as bits packed along the last axis, shape (shape, x,
        y, byte), and labels, shape (shape,).

    Raises:
        DataError: if the file is not there, or holds no voxels of shapes.

    """
    from symbench.data.arrays import open_hdf5

    path = _voxel_file(raw_files, file)
    with open_hdf5(path) as content:
        read = {
            split: (
                np.asarray(content[f"{split}/occupancy_packed"]),
                np.asarray(content[f"{split}/label"]),
            )
            for split in ("train", "test")
        }
    for split, (shapes, labels) in read.items():
        if shapes.dtype != np.uint8 or shapes.ndim != 4 or labels.shape != shapes.shape[:1]:
            raise DataError(
                f"{path}: {split} holds no voxels of shapes: occupancy_packed has the shape "
                f"{shapes.shape} and label {labels.shape}; (shape, x, y, byte) of uint8 and "
                "(shape,) are needed."
            )
    return read


def voxels_origin(raw_files: RawFiles, file: str) -> str:
    """Where a file of voxels says that it comes from."""
    from symbench.data.arrays import open_hdf5

    with open_hdf5(_voxel_file(raw_files, file)) as content:
        return str(content.attrs.get("source", VOXELS_SOURCE))


def _voxel_file(raw_files: RawFiles, file: str) -> Path:
    return raw_files.need(file, "no voxels of ModelNet10 are published with a checksum")
