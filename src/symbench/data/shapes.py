"""Classes of shapes from an official training and test set: what voxels and points share.

A tenth of the training shapes is for validation. The shapes of ModelNet10 (Wu et al., 3D
ShapeNets, CVPR 2015) come from one file of voxels, read here for both.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from symbench.data.dataset import SPLITS, Data, Dataset, Score, Split, check_counts
from symbench.data.manifest import Manifest
from symbench.data.parameters import keys_and_values, text, whole_number
from symbench.errors import DataError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from symbench.data.batch import Batch
    from symbench.data.raw_files import RawFiles

Array = np.ndarray

LICENCE = "academic research use (Princeton ModelNet)"
VOXELS_SOURCE = "Princeton ModelNet10, voxelised to 32^3"
LABEL_SMOOTHING = 0.2


class Shapes(Dataset):
    """Shapes of an official training and test set, each with the number of its class.

    Class attributes:
        source: where the shapes come from, in words.
        licence: of the shapes.
    """

    source: ClassVar[str]
    licence: ClassVar[str] = LICENCE

    def __init__(self, *, samples: Mapping[str, int | None], file: str, seed: int = 0) -> None:
        """Set the size.

        Args:
            samples: at most so many shapes per split, drawn at random; None for all.
            file: name of the raw file.
            seed: of what is drawn: shapes, points, the validation split.

        Raises:
            ConfigError: for a parameter that makes no sense.

        """
        keys_and_values(samples, "samples of shapes")
        self.samples = check_counts(samples, "samples of shapes", rest=SPLITS)
        self.file = text(file, "file of shapes")
        self.seed = whole_number(seed, "seed of shapes", 0)

    @abstractmethod
    def read(self, raw_files: RawFiles, directory: Path) -> dict[str, tuple[Array, Array]]:
        """Shapes and labels of "train" and "test"; what is downloaded goes to the directory."""

    @abstractmethod
    def prepare(self, shapes: Array, rng: np.random.Generator) -> Array:
        """What is stored of some shapes."""

    def origin(self, raw_files: RawFiles) -> str:
        """Where the shapes come from, in words, for the manifest."""
        return self.source

    @property
    def parameters(self) -> dict[str, object]:
        """All that decides the data, for the manifest."""
        return {"samples": self.samples, "file": self.file, "seed": self.seed}

    @property
    def scores(self) -> tuple[Score, ...]:
        """Whether the class is right, and the cross-entropy."""
        return (Score("accuracy", better="higher"), Score("cross_entropy", "nat"))

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Read the raw file and write every split."""
        from symbench.data.arrays import write_arrays

        original = self.read(raw_files, directory / "raw_files")
        rng = np.random.default_rng(self.seed)
        count = len(original["train"][1])
        order = rng.permutation(count)
        held_out = order[: count // 10]
        chosen = {
            "train": ("train", order[count // 10 :]),
            "valid": ("train", held_out),
            "test": ("test", rng.permutation(len(original["test"][1]))),
        }
        classes = 1 + max(int(labels.max()) for _, labels in original.values())
        files = []
        for split, (part, rows) in chosen.items():
            shapes, labels = original[part]
            rows = rows[: self.samples[split]]
            arrays = {
                "shapes": self.prepare(shapes[rows], rng),
                "labels": labels[rows],
                "classes": np.array(classes),
            }
            files.append(directory / f"{split}.hdf5")
            write_arrays(files[-1], arrays)
        return Manifest(self.origin(raw_files), self.licence, self.parameters, tuple(files))


def read_voxels(raw_files: RawFiles, file: str) -> dict[str, tuple[Array, Array]]:
    """Voxels of ModelNet10.

    Args:
        raw_files: finds the file.
        file: its name.

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


class ShapeData(Data["Tensor"]):
    """What the data of voxels and of points share."""

    def __init__(self, directory: Path) -> None:
        """Open a folder; raises `DataError` if it holds no shapes."""
        self.directory = directory
        self.classes = int(self.arrays("test")["classes"])

    def arrays(self, split: str) -> dict[str, Array]:
        """The stored shapes, (sample, ...), labels, (sample,), and the number of classes."""
        from symbench.data.arrays import read_arrays

        path = self.directory / f"{split}.hdf5"
        arrays = read_arrays(path)
        if missing := sorted({"shapes", "labels", "classes"} - set(arrays)):
            raise DataError(f"{path} holds no {missing[0]} of shapes.")
        return arrays

    def model_arguments(self) -> dict[str, object]:
        """The number of classes."""
        return {"classes": self.classes}


class ShapeSplit(Split["Tensor"]):
    """The shapes of one split, in memory; inputs are one tensor, predictions are logits."""

    def __init__(self, shapes: Tensor, labels: Array) -> None:
        """Take shapes, (sample, ...), and labels, (sample,)."""
        import torch

        self.shapes = shapes
        self.labels = torch.from_numpy(labels.astype(np.int64))

    @property
    def samples(self) -> Array:
        """One row for each shape."""
        return np.arange(len(self.labels))[:, None]

    def batch(self, rows: Array, generator: torch.Generator | None = None) -> Batch[Tensor]:
        """Some shapes; nothing in them is random."""
        import torch

        from symbench.data.batch import Batch

        index = torch.from_numpy(rows[:, 0])
        return Batch(self.shapes[index].float(), self.labels[index], len(rows))

    def loss(self, prediction: Tensor, batch: Batch[Tensor]) -> Tensor:
        """Cross-entropy with smoothed labels."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(prediction, batch.targets, label_smoothing=LABEL_SMOOTHING)

    def validation_loss(self, prediction: Tensor, batch: Batch[Tensor]) -> Tensor:
        """Cross-entropy."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(prediction, batch.targets)

    def scores(self, prediction: Tensor, batch: Batch[Tensor]) -> dict[str, Tensor]:
        """Whether the class is right, and the cross-entropy; shape (sample,)."""
        from torch.nn.functional import cross_entropy

        return {
            "accuracy": (prediction.argmax(dim=1) == batch.targets).float(),
            "cross_entropy": cross_entropy(prediction, batch.targets, reduction="none"),
        }
