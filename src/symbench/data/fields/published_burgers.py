"""Solutions of Burgers' equation on a periodic line that neuraloperator publishes (MIT).

u_t + u u_x = 0.01 u_xx on the unit interval, 17 frames of 16 cells up to time 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from symbench.data.dataset import SPLITS, TaskOptions
from symbench.data.fields.field_dataset import FieldDataset
from symbench.data.fields.neuraloperator_files import LICENCE, SOURCE, read_file
from symbench.data.manifest import Manifest
from symbench.data.parameters import Splits
from symbench.errors import DataError
from symbench.symmetry.grids.field import Field as GridField
from symbench.symmetry.grids.isometries import named_group

if TYPE_CHECKING:
    from symbench.data.fields.grid_data import FieldData
    from symbench.data.raw_files import RawFiles

FILE = "burgers_lowres.pt"


class PublishedBurgers(FieldDataset):
    """`burgers_1d_published`: 1,200 trajectories of a velocity, in the order of the file."""

    trajectories: Splits = Field(description="number per split; 1,200 in all")

    def check_group(self, name: str) -> None:
        """Raise `SymmetryError` unless a group of this name acts on a line."""
        named_group(name, 1)

    def open(self, directory: Path, options: TaskOptions, seed: int) -> FieldData:
        """Open the files; all seeds share them."""
        from symbench.data.fields.grid_data import FieldData

        return FieldData(directory, input_steps=options.input_steps, parity=options.parity)

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Write the solutions of each split, and the statistics of the training data."""
        from symbench.data.fields.well_format import read_header
        from symbench.data.fields.well_writer import write_file, write_statistics

        solutions = read_file(FILE)["output"]
        ends = np.cumsum([self.trajectories[split] for split in SPLITS])
        if ends[-1] > len(solutions):
            raise DataError(f"{FILE} holds {len(solutions)} trajectories, not {ends[-1]}.")
        files = [directory / split / "burgers_1d_published.hdf5" for split in SPLITS]
        for target, values in zip(files, np.split(solutions, ends)[:-1], strict=True):
            write_file(
                target,
                dataset="burgers_1d_published",
                fields=(GridField("velocity", order=1),),
                values=values[:, :, None],
                extent=1.0,
                time=np.linspace(0, 1, solutions.shape[1]),
                parameters={"viscosity": 0.01},
            )
        statistics = directory / "stats.yaml"
        write_statistics(statistics, [read_header(files[0])])
        return Manifest(SOURCE, LICENCE, self.model_dump(), (statistics, *files))
