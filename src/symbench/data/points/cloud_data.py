"""Data of point clouds, opened: symmetry, audit, and corrupted test sets."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from symbench.data.arrays import Array
from symbench.data.batch import Batch
from symbench.data.dataset import Dataset
from symbench.data.points.corruptions import CORRUPTIONS, Corruption
from symbench.data.points.point_audit import Moments, audit_rotations
from symbench.data.points.point_graph import rotation_group, rotation_symmetry
from symbench.data.shape_data import ShapeData, ShapeSplit
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.principal_axes import principal_frame
from symbench.symmetry.symmetry import Symmetry


class CloudData(ShapeData):
    """Shapes as points: O(3) acts."""

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[Tensor]:
        """O(3) or SO(3) on points; logits are invariant."""
        chosen = rotation_group(group)
        return rotation_symmetry(chosen, rotate, lambda g, logits: logits, principal_frame, exact)

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit the law: second moments. Upright objects let most elements fail."""
        return audit_rotations(rotation_group(group), Moments.of(self.arrays("train")["shapes"]))

    def split(self, name: str) -> "CloudSplit":
        """One of train, valid, test; shapes of (sample, point, axis)."""
        return self._split(name)

    def test_sets(self) -> Mapping[str, "CloudSplit"]:
        """The test split, corrupted."""
        return {name: self._split("test", change) for name, change in CORRUPTIONS.items()}

    def _split(self, name: str, corruption: Corruption | None = None) -> "CloudSplit":
        arrays = self.arrays(name)
        shapes = arrays["shapes"]
        if shapes.ndim != 3 or shapes.shape[2] != 3:
            raise DataError(
                f"{self.directory / name}.hdf5 holds shapes of shape {shapes.shape}; points must "
                "have the shape (sample, point, 3)."
            )
        points = torch.from_numpy(shapes).float()
        return CloudSplit(points, arrays["labels"], self.classes, corruption)


class CloudSplit(ShapeSplit):
    """The clouds of one split, perhaps corrupted: the same samples always in the same way."""

    def __init__(
        self, shapes: Tensor, labels: Array, classes: int, corruption: Corruption | None = None
    ) -> None:
        """Take points, (sample, point, axis), and how they are corrupted; see `ShapeSplit`."""
        super().__init__(shapes, labels, classes)
        self.corruption = corruption

    def batch(self, rows: Array, generator: torch.Generator | None = None) -> Batch[Tensor]:
        """Some clouds, each corrupted on its own, so that the others of a batch change nothing."""
        batch = super().batch(rows)
        if self.corruption is None:
            return batch
        corrupted = [
            self.corruption(cloud, torch.Generator().manual_seed(int(row)))
            for row, cloud in zip(rows[:, 0], batch.inputs.split(1), strict=True)
        ]
        return replace(batch, inputs=torch.cat(corrupted))
