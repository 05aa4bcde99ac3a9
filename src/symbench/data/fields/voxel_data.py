"""Shapes as occupied cells, opened: groups of the cube act exactly."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d

from symbench.data.dataset import Dataset
from symbench.data.shape_data import ShapeData, ShapeSplit
from symbench.symmetry.audit import ElementAudit, audit_moved_features, powers_of
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.symmetry import Symmetry

_AUDITED_SHAPES = 30


class VoxelData(ShapeData):
    """Shapes on a grid."""

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
        audits = []
        for index, element in enumerate(chosen.elements[1:], start=1):
            moved = [action(g, shapes) for g in powers_of(chosen, index)]
            features = np.stack([avg_pool3d(one, 8).flatten(1) for one in moved])
            asymmetry, p_value = audit_moved_features(features, chosen.order, seed=index)
            audits.append(
                ElementAudit.judged(str(element), float("nan"), asymmetry, p_value, chosen.order)
            )
        return audits

    def split(self, name: str) -> ShapeSplit:
        """One of train, valid, test; shapes of (sample, 1, x, y, z)."""
        arrays = self.arrays(name)
        bits = np.unpackbits(arrays["shapes"], axis=-1)
        return ShapeSplit(torch.from_numpy(bits)[:, None], arrays["labels"], self.classes)
