"""Data of point clouds, opened: batches, symmetry, and corrupted test sets."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from symbench.data.batch import Batch
from symbench.data.dataset import Dataset, Split
from symbench.data.points.corruptions import CORRUPTIONS, Corrupted
from symbench.data.points.point_audit import Moments, audit_rotations
from symbench.data.points.point_graph import rotation_group
from symbench.data.shapes import ShapeData, ShapeSplit
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.principal_axes import principal_frame
from symbench.symmetry.symmetry import Symmetry

Array = np.ndarray


class CloudData(ShapeData):
    """Shapes as points: O(3) acts."""

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[Tensor]:
        """O(3) or SO(3) on points; logits are invariant.

        Frames are principal axes, which reflect half of the time: there is none for SO(3).

        Raises:
            SymmetryError: for any other group.

        """
        chosen = rotation_group(group)
        return Symmetry(
            chosen,
            act_on_input=rotate,
            act_on_output=lambda element, logits: logits,
            exact=exact,
            frame=None if chosen.proper else principal_frame,
        )

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit the law: second moments. Upright objects let most elements fail."""
        return audit_rotations(rotation_group(group), Moments.of(self.arrays("train")["shapes"]))

    def split(self, name: str) -> "CloudSplit":
        """One of train, valid, test; shapes of (sample, point, axis)."""
        arrays = self.arrays(name)
        shapes = arrays["shapes"]
        if shapes.ndim != 3 or shapes.shape[2] != 3:
            raise DataError(
                f"{self.directory / name}.hdf5 holds shapes of shape {shapes.shape}; points must "
                "have the shape (sample, point, 3)."
            )
        return CloudSplit(torch.from_numpy(shapes).float(), arrays["labels"], self.classes)

    def test_sets(self) -> Mapping[str, Split[Tensor]]:
        """The test split, corrupted."""
        test = self.split("test")
        return {name: Corrupted(test, change) for name, change in CORRUPTIONS.items()}


class CloudSplit(ShapeSplit):
    """The clouds of one split, in memory."""

    def __init__(self, shapes: Tensor, labels: Array, classes: int) -> None:
        """Take points, (sample, point, axis), labels, (sample,), and the number of classes."""
        super().__init__(shapes, labels)
        self.classes = classes

    @property
    def quantities(self) -> tuple[str, ...]:
        """Probabilities of the classes are what is predicted."""
        return ("probability",)

    def values_of(self, outputs: Tensor, batch: Batch[Tensor]) -> dict[str, Tensor]:
        """Probabilities of the classes, shape (sample, class): of logits, or of labels."""
        if outputs.is_floating_point():
            return {"probability": outputs.softmax(dim=1)}
        return {"probability": nn.functional.one_hot(outputs, self.classes).float()}
