"""Solutions of Burgers' equation on a periodic line that neuraloperator publishes (MIT).

u_t + u u_x = 0.01 u_xx on the unit interval, 17 frames of 16 cells up to time 1. Source: the small
data set in the wheel of neuraloperator 0.3.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from symbench.data.dataset import SPLITS, TaskOptions
from symbench.data.fields.field_dataset import FieldDataset
from symbench.data.manifest import Manifest
from symbench.data.parameters import Splits
from symbench.errors import DataError
from symbench.files import sha256
from symbench.symmetry.grids.field import Field as GridField
from symbench.symmetry.grids.isometries import named_group

if TYPE_CHECKING:
    from symbench.data.fields.grid_data import FieldData
    from symbench.data.raw_files import RawFiles

FILE = "darcy_small.hdf5"
SHA256 = "2aa305d4cee7c53b9e25bfa97f04f5f349cc05ed6afb884eb5aa3b3a6659a3ca"


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
        from symbench.data.arrays import open_hdf5
        from symbench.data.fields.well_format import read_header
        from symbench.data.fields.well_writer import write_file, write_statistics

        path = raw_files.need(FILE, "it is part of a wheel")
        if sha256(path) != SHA256:
            raise DataError(f"{path} is not the file of neuraloperator 0.3.0: sha256 {SHA256}.")
        with open_hdf5(path) as file:
            solutions = np.asarray(file["burgers_1d/solution"])[:, :, None]
        ends = np.cumsum([self.trajectories[split] for split in SPLITS])
        if ends[-1] > len(solutions):
            raise DataError(f"{path} holds {len(solutions)} trajectories, not {ends[-1]}.")
        files = [directory / split / f"{FILE.split('.')[0]}.hdf5" for split in SPLITS]
        for target, values in zip(files, np.split(solutions, ends)[:-1], strict=True):
            write_file(
                target,
                dataset="burgers_1d_published",
                fields=(GridField("velocity", order=1),),
                values=values,
                extent=1.0,
                time=np.linspace(0, 1, solutions.shape[1]),
                parameters={"viscosity": 0.01},
            )
        statistics = directory / "stats.yaml"
        write_statistics(statistics, [read_header(files[0])])
        source = "neuraloperator 0.3.0, data sets in its wheel"
        return Manifest(source, "MIT", self.model_dump(), (statistics, *files))
