"""Shapes as occupied cells, opened: groups of the cube act exactly."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool3d

from symbench.data.dataset import Dataset
from symbench.data.shape_data import ShapeData, ShapeSplit
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit, audit_moved_features, powers_of
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.symmetry import Symmetry

_AUDITED_SHAPES = 30


class VoxelData(ShapeData):
    """Shapes on a grid."""

    def __init__(self, directory: Path) -> None:
        """Open a folder; raises `DataError` if it holds no shapes on a cubic grid."""
        super().__init__(directory)
        x, y, octets = self.arrays("test")["shapes"].shape[1:]
        if not x == y == 8 * octets:
            raise DataError(
                f"{directory / 'test.hdf5'} holds shapes of {x} x {y} x {8 * octets} cells; a cube "
                "is needed."
            )
        self.side = x

    def model_arguments(self) -> dict[str, object]:
        """The number of classes, and of cells along each axis."""
        return {**super().model_arguments(), "side": self.side}

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[Tensor]:
        """A group of the cube; logits are invariant."""
        chosen = named_group(group, 3)
        action = FieldAction(chosen, [Field("occupancy")])
        return Symmetry(chosen, action, lambda g, logits: logits, exact)

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit the law: mean occupancy on a coarse grid. Objects stand upright: most fail."""
        chosen = named_group(group, 3)
        action = FieldAction(chosen, [Field("occupancy")])
        shapes = self.split("train").shapes[:_AUDITED_SHAPES].double()
        # Cells that mirror onto each other, whatever the size.
        coarse = min(self.side, max(4, self.side // 8))
        audits = []
        for index, element in enumerate(chosen.elements[1:], start=1):
            moved = [action(g, shapes) for g in powers_of(chosen, index)]
            features = np.stack([adaptive_avg_pool3d(one, coarse).flatten(1) for one in moved])
            law = audit_moved_features(features, chosen.order, seed=index)
            audits.append(ElementAudit.judged(str(element), float("nan"), law, chosen.order))
        return audits

    def split(self, name: str) -> ShapeSplit:
        """One of train, valid, test; shapes of (sample, 1, x, y, z)."""
        arrays = self.arrays(name)
        bits = np.unpackbits(arrays["shapes"], axis=-1)
        return ShapeSplit(torch.from_numpy(bits)[:, None], arrays["labels"], self.classes)
