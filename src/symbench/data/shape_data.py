"""Classes of shapes, opened: what the data of voxels and of points share."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from symbench.data.arrays import Array, read_arrays
from symbench.data.batch import Batch
from symbench.data.dataset import Data, Split

LABEL_SMOOTHING = 0.2


class ShapeData(Data[Tensor]):
    """Shapes with their classes."""

    def __init__(self, directory: Path) -> None:
        """Open a folder; raises `DataError` if it holds no shapes."""
        self.directory = directory
        self.classes = int(self.arrays("test")["classes"])

    def arrays(self, split: str) -> dict[str, Array]:
        """The stored shapes, (sample, ...), labels, (sample,), and the number of classes."""
        return read_arrays(self.directory / f"{split}.hdf5", ("shapes", "labels", "classes"))

    def model_arguments(self) -> dict[str, object]:
        """The number of classes."""
        return {"classes": self.classes}


class ShapeSplit(Split[Tensor]):
    """The shapes of one split, in memory; predictions are logits.

    Squared errors of the probabilities, summed over the classes, are Brier's score.
    """

    quantities = ("probability",)

    def __init__(self, shapes: Tensor, labels: Array, classes: int) -> None:
        """Take shapes, (sample, ...), labels, (sample,), and the number of classes."""
        self.shapes = shapes
        self.labels = torch.from_numpy(labels.astype(np.int64))
        self.classes = classes

    @property
    def samples(self) -> Array:
        """One row for each shape."""
        return np.arange(len(self.labels))[:, None]

    def batch(self, rows: Array, generator: torch.Generator | None = None) -> Batch[Tensor]:
        """Some shapes; nothing in them is random."""
        index = torch.from_numpy(rows[:, 0])
        return Batch(self.shapes[index].float(), self.labels[index], len(rows))

    def loss(self, prediction: Tensor, batch: Batch[Tensor]) -> Tensor:
        """Cross-entropy with a part of each label shared equally by the other classes."""
        # PyTorch shares it among all classes, the right one too.
        share = LABEL_SMOOTHING * self.classes / (self.classes - 1)
        return cross_entropy(prediction, batch.targets, label_smoothing=share)

    def validation_loss(self, prediction: Tensor, batch: Batch[Tensor]) -> Tensor:
        """Cross-entropy."""
        return cross_entropy(prediction, batch.targets)

    def scores(self, prediction: Tensor, batch: Batch[Tensor]) -> dict[str, Tensor]:
        """Whether the class is right, and the cross-entropy; shape (sample,)."""
        return {
            "accuracy": (prediction.argmax(dim=1) == batch.targets).float(),
            "cross_entropy": cross_entropy(prediction, batch.targets, reduction="none"),
        }

    def values_of(self, outputs: Tensor, batch: Batch[Tensor]) -> dict[str, Tensor]:
        """Probabilities of the classes, shape (sample, class): of logits, or of labels."""
        if outputs.is_floating_point():
            return {"probability": outputs.softmax(dim=1)}
        return {"probability": one_hot(outputs, self.classes).float()}
