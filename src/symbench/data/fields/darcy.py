"""`darcy`: Darcy flow on the unit square that neuraloperator publishes (MIT).

-div(a grad u) = f with u = 0 on the boundary: from a coefficient of two values, written 0 and 1, to
the pressure. 1,000 samples for training and 50 for tests on 16 x 16 nodes, and the same 50 on
32 x 32 (data of Li et al., arXiv 2010.08895, at a lower resolution).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from symbench.data.dataset import Dataset, Score, TaskOptions
from symbench.data.fields.neuraloperator_files import LICENCE, SOURCE, read_file
from symbench.data.manifest import Manifest
from symbench.data.parameters import Splits
from symbench.errors import DataError
from symbench.symmetry.grids.isometries import named_group

if TYPE_CHECKING:
    from symbench.data.fields.darcy_data import DarcyData
    from symbench.data.raw_files import RawFiles

FINER = "finer"


class Darcy(Dataset):
    """From coefficient to pressure, in the order of the file."""

    kind = "fields"

    samples: Splits = Field(
        description="number per split: train and valid of the 1,000 for training, test of the 50"
    )
    drop_boundary: bool = Field(
        True,
        description="whether the first row and column are left out: the nodes of the file lie on "
        "the boundary on that side alone, which breaks the symmetry of the square",
    )

    @property
    def scores(self) -> tuple[Score, ...]:
        """That of other fields, and the mean squared error."""
        return (Score("vrmse"), Score("mse", "pressure squared"))

    @property
    def test_sets(self) -> tuple[str, ...]:
        """The test samples with twice as many nodes along each axis."""
        return (FINER,)

    def check_group(self, name: str) -> None:
        """Raise `SymmetryError` unless a group of this name acts on the plane."""
        named_group(name, 2)

    def open(self, directory: Path, options: TaskOptions, seed: int) -> DarcyData:
        """Open the files; all seeds share them."""
        from symbench.data.fields.darcy_data import DarcyData

        return DarcyData(directory)

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Write coefficient and pressure of each split, shape (sample, y, x)."""
        import numpy as np

        from symbench.data.arrays import write_files

        train, valid, test = self.samples.values()
        first = int(self.drop_boundary)
        files = {}
        for name, ranges in {
            "darcy_train_16.pt": {"train": (0, train), "valid": (train, train + valid)},
            "darcy_test_16.pt": {"test": (0, test)},
            "darcy_test_32.pt": {FINER: (0, test)},
        }.items():
            arrays = read_file(name)
            coefficient, pressure = arrays["x"], arrays["y"]
            for split, (start, stop) in ranges.items():
                if stop > len(pressure):
                    raise DataError(f"{name} holds {len(pressure)} samples, not {stop}.")
                files[split] = {
                    "coefficient": coefficient[start:stop, first:, first:].astype(np.uint8),
                    "pressure": pressure[start:stop, first:, first:],
                }
        return Manifest(SOURCE, LICENCE, self.model_dump(), write_files(directory, files))
