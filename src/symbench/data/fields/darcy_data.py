"""Darcy flow, opened: from one field to another, both at the same nodes."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from symbench.data.arrays import Array, read_arrays
from symbench.data.batch import Batch
from symbench.data.dataset import Data, Dataset
from symbench.data.fields.darcy import FINER
from symbench.data.fields.grid_split import GridSplit
from symbench.symmetry.audit import ElementAudit, audit_distribution, judge
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import Normalizer
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.grids.symmetrize import field_symmetry
from symbench.symmetry.symmetry import Symmetry

COEFFICIENT, PRESSURE = Field("coefficient"), Field("pressure")


class DarcyData(Data[Tensor]):
    """Coefficients and pressures, each normalised by mean and deviation of the training data."""

    def __init__(self, directory: Path) -> None:
        """Open a folder; raises `DataError` if it does not hold both fields."""
        self.directory = directory
        coefficient, pressure = self.fields("train")
        self.on_coefficient, self.on_pressure = _normalizer(coefficient), _normalizer(pressure)
        self.shape = pressure.shape[1:]

    def fields(self, name: str) -> tuple[Array, Array]:
        """Coefficient and pressure of a split as they are, shape (sample, y, x)."""
        names = ("coefficient", "pressure")
        arrays = read_arrays(self.directory / f"{name}.hdf5", names)
        return arrays["coefficient"], arrays["pressure"]

    def model_arguments(self) -> dict[str, object]:
        """What The Well's constructors want to know about the data."""
        return {
            "dim_in": 1,
            "dim_out": 1,
            "n_spatial_dims": 2,
            "spatial_resolution": self.shape,
        }

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[Tensor]:
        """The symmetry of the map on normalised tensors; both fields are scalars."""
        return field_symmetry(
            named_group(group, 2),
            [COEFFICIENT],
            output_fields=[PRESSURE],
            normalizer=self.on_coefficient,
            output_normalizer=self.on_pressure,
            exact=exact,
        )

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit the joint law of both fields over the training data."""
        elements = named_group(group, 2)
        both = torch.from_numpy(np.stack(self.fields("train"), axis=1)).double()
        law = audit_distribution(both[:, None], elements, [COEFFICIENT, PRESSURE])
        return judge(elements, None, law)

    def split(self, name: str) -> "DarcySplit":
        """One of train, valid, test."""
        return DarcySplit(self, name)

    def test_sets(self) -> Mapping[str, "DarcySplit"]:
        """The test samples with more nodes."""
        return {FINER: self.split(FINER)}


class DarcySplit(GridSplit):
    """The samples of one split, in memory."""

    def __init__(self, data: DarcyData, name: str) -> None:
        """Read and normalise a split."""
        super().__init__(data.on_pressure, (PRESSURE.name,))
        coefficient, pressure = (torch.from_numpy(part)[:, None] for part in data.fields(name))
        self.inputs = data.on_coefficient.normalize(coefficient.double()).float()
        self.targets = data.on_pressure.normalize(pressure.double()).float()

    @cached_property
    def samples(self) -> Array:
        """One row for each sample."""
        return np.arange(len(self.targets))[:, None]

    def batch(self, rows: Array, generator: torch.Generator | None = None) -> Batch[Tensor]:
        """Normalised fields, both of shape (sample, 1, y, x); nothing in them is random."""
        index = torch.from_numpy(rows[:, 0])
        return Batch(self.inputs[index], self.targets[index], len(rows))

    @property
    def scales(self) -> dict[str, float]:
        """Variance of the pressure over the training data."""
        return {PRESSURE.name: self.normalizer.std[0] ** 2}


def _normalizer(values: Array) -> Normalizer:
    numbers = values.astype(np.float64)
    return Normalizer((float(numbers.mean()),), (float(numbers.std()),))
