"""How far a model is from equivariant against the angle of a rotation."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from symbench.data.batch import V
from symbench.data.dataset import Split
from symbench.devices import chosen_device
from symbench.symmetry.grids.isometry import GridIsometry
from symbench.symmetry.groups import FiniteGroup, Group
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.reynolds import orbit
from symbench.symmetry.symmetry import Symmetry

_ANGLES = np.arange(15.0, 181.0, 15.0)
_AXES = 3
_SAMPLES = 32


def angles_of(group: Group) -> npt.NDArray[np.floating]:
    """Degrees that each element of a finite group of isometries turns by; NaN for reflections.

    In space a reflection is a rotation times the inversion, and has the angle of that. Empty for
    groups of other kinds.
    """
    if not isinstance(group, FiniteGroup) or not isinstance(group.elements[0], GridIsometry):
        return np.array([])
    return np.array([_angle(element.matrix, element.determinant) for element in group.elements])


def _angle(matrix: npt.NDArray[np.int64], determinant: int) -> float:
    dimension = len(matrix)
    if determinant < 0 and dimension % 2 == 0:
        return float("nan")
    # The trace of a rotation is 2 cos(angle) + dimension - 2, and 1 on a line.
    cosine = (determinant * np.trace(matrix) - dimension + 2) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))) if dimension > 1 else 0.0


def violation_by_angle(
    model: Callable[[V], Tensor],
    symmetry: Symmetry[V],
    split: Split[V],
    elements: pd.DataFrame,
    error: float,
) -> pd.DataFrame:
    """Columns angle (degrees) and violation (over the error of the model); empty without angles.

    Of a finite group the root mean square over its elements of each angle; of O(d) and SO(d) over
    some axes for each of a range of angles, on a few samples.

    Args:
        model: the trained network, in eval mode.
        symmetry: the group and its actions.
        split: whose first samples are moved.
        elements: angle and violation of elements of finite groups.
        error: RMS error of the model, in units of the scales of the quantities.

    """
    if isinstance(symmetry.group, OrthogonalGroup) and symmetry.group.dimension in (2, 3):
        return _curve(model, symmetry, split, symmetry.group, error)
    known = elements[["angle", "violation"]].dropna()
    squares = known.assign(violation=known.violation**2).groupby("angle").violation.mean()
    return (squares**0.5).reset_index() if len(squares) > 1 else known.iloc[:0]


def _curve(
    model: Callable[[V], Tensor],
    symmetry: Symmetry[V],
    split: Split[V],
    group: OrthogonalGroup,
    error: float,
) -> pd.DataFrame:
    batch = split.batch(split.samples[:_SAMPLES]).to(chosen_device())
    # In the plane all rotations have the same axis.
    proper = OrthogonalGroup(group.dimension, proper=True)
    count = _AXES if group.dimension == 3 else 1
    bases = proper.sample(count, torch.Generator().manual_seed(0))
    planes = torch.eye(group.dimension, dtype=torch.float64).repeat(len(_ANGLES), 1, 1)
    turns = torch.from_numpy(np.radians(_ANGLES))
    planes[:, 0, 0] = planes[:, 1, 1] = turns.cos()
    planes[:, 1, 0] = turns.sin()
    planes[:, 0, 1] = -turns.sin()
    turned = bases @ planes[:, None] @ bases.mT
    elements = torch.cat([group.identity[None], turned.flatten(0, 1)])
    with torch.no_grad():
        outputs = [output for _, output in orbit(model, symmetry, batch.inputs, elements)]
    plain, *moved = [split.values_of(output, batch) for output in outputs]
    squares = [
        np.mean(
            [
                float((each[name] - plain[name]).double().square().mean()) / split.scales[name]
                for name in split.quantities
            ]
        )
        for each in moved
    ]
    by_angle = np.reshape(squares, (len(_ANGLES), count)).mean(axis=1)
    return pd.DataFrame({"angle": _ANGLES, "violation": np.sqrt(by_angle) / (error or np.nan)})
