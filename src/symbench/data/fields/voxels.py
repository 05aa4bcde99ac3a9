"""`modelnet10_voxels`: shapes as occupied cells of a grid of 32 x 32 x 32, and their classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from symbench.data.dataset import Dataset, Kind, TaskOptions
from symbench.data.shapes import (
    VOXELS_SOURCE,
    ShapeData,
    Shapes,
    ShapeSplit,
    read_voxels,
    voxels_origin,
)
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.isometries import named_group

if TYPE_CHECKING:
    from torch import Tensor

    from symbench.data.batch import Batch
    from symbench.data.raw_files import RawFiles
    from symbench.symmetry.audit import ElementAudit
    from symbench.symmetry.symmetry import Symmetry

Array = np.ndarray

_AUDITED_SHAPES = 30


class VoxelShapes(Shapes):
    """Shapes of ModelNet10 as voxels."""

    kind: ClassVar[Kind] = "fields"
    source: ClassVar[str] = VOXELS_SOURCE

    def read(self, raw_files: RawFiles, directory: Path) -> dict[str, tuple[Array, Array]]:
        """Shapes as bits packed along the last axis."""
        return read_voxels(raw_files, self.file)

    def origin(self, raw_files: RawFiles) -> str:
        """What the file says about itself."""
        return voxels_origin(raw_files, self.file)

    def prepare(self, shapes: Array, rng: np.random.Generator) -> Array:
        """The bits as they are."""
        return shapes

    def open(self, directory: Path, options: TaskOptions, seed: int) -> VoxelData:
        """Open the files; all seeds share them."""
        return VoxelData(directory)

    def check_group(self, name: str) -> None:
        """Raise `SymmetryError` unless a group of this name acts on the cube."""
        named_group(name, 3)


class VoxelSplit(ShapeSplit):
    """The voxels of one split; errors of probabilities are squared, which gives Brier's score."""

    def __init__(self, shapes: Tensor, labels: Array, classes: int) -> None:
        """Take shapes, (sample, 1, x, y, z), labels, (sample,), and the number of classes."""
        super().__init__(shapes, labels)
        self.classes = classes

    @property
    def quantities(self) -> tuple[str, ...]:
        """The probability of each class."""
        return ("probability",)

    def values_of(self, outputs: Tensor, batch: Batch[Tensor]) -> dict[str, Tensor]:
        """Probabilities of the classes, shape (sample, class).

        Predictions are logits, of which the softmax is taken; targets are labels, whole numbers,
        whose class has probability 1.
        """
        from torch.nn.functional import one_hot

        if outputs.is_floating_point():
            return {"probability": outputs.softmax(dim=1)}
        return {"probability": one_hot(outputs, self.classes).float()}


class VoxelData(ShapeData):
    """Shapes on a grid: groups of the cube act exactly."""

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[Tensor]:
        """A group of the cube; logits are invariant."""
        from symbench.symmetry.grids.fields import FieldAction
        from symbench.symmetry.symmetry import Symmetry

        chosen = named_group(group, 3)
        action = FieldAction(chosen, [Field("occupancy")])
        return Symmetry(chosen, action, lambda g, logits: logits, exact)

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit the law: mean occupancy on a coarse grid. Objects stand upright: most fail."""
        from torch.nn.functional import avg_pool3d

        from symbench.symmetry.audit import ElementAudit, audit_moved_features, powers_of
        from symbench.symmetry.grids.fields import FieldAction

        chosen = named_group(group, 3)
        action = FieldAction(chosen, [Field("occupancy")])
        shapes = self.split("train").shapes[:_AUDITED_SHAPES].double()
        audits = []
        for index, element in enumerate(chosen.elements):
            if not index:
                continue
            moved = [action(g, shapes) for g in powers_of(chosen, index)]
            features = np.stack([avg_pool3d(one, 8).flatten(1) for one in moved])
            asymmetry, p_value = audit_moved_features(features, chosen.order, seed=index)
            audits.append(
                ElementAudit.judged(str(element), float("nan"), asymmetry, p_value, chosen.order)
            )
        return audits

    def split(self, name: str) -> VoxelSplit:
        """One of train, valid, test; shapes of (sample, 1, x, y, z)."""
        import torch

        arrays = self.arrays(name)
        bits = np.unpackbits(arrays["shapes"], axis=-1)
        return VoxelSplit(torch.from_numpy(bits)[:, None], arrays["labels"], self.classes)
