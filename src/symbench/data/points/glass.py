"""One configuration of a glass: how far will each of its particles move?

Data of Bapst et al., Nature Physics 16, 448 (2020): a Kob-Andersen mixture of 4,096 particles of
two types in a cubic periodic box, and 30 trajectories that start from it. Nothing is trained here:
there is one configuration, and it is the test split.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from symbench.data.dataset import Dataset, Score, TaskOptions
from symbench.data.manifest import Manifest
from symbench.data.parameters import Positive, Text
from symbench.data.raw_files import RawFiles
from symbench.errors import SymmetryError, choose

if TYPE_CHECKING:
    from symbench.data.points.glass_data import GlassData

# Groups of the cube: their elements map the periodic box onto itself.
GROUPS = ("O_h", "O")


class Glass(Dataset):
    """`glass`: particles of type A are the samples; their propensities are predicted."""

    kind = "points"

    file: Text = Field(description='with one configuration, such as "glass_kob_andersen_t044.hdf5"')
    time: int = Field(0, ge=0, description="which of the times of the file is predicted")
    cutoff: Positive = Field(2.0, description="particles that are nearer have an edge")
    blocks: int = Field(
        4,
        ge=1,
        le=32,
        description="along each side of the box: neighbours are alike, so intervals draw blocks",
    )

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Check the file, and link or copy what belongs."""
        from symbench.data.arrays import read_arrays, write_files
        from symbench.data.points.glass_data import check_arrays

        path = raw_files.need(self.file, "the published file is a pickle, which may run any code")
        arrays = read_arrays(path)
        check_arrays(path, arrays, self.time, self.cutoff)
        return Manifest(
            source="google-deepmind/deepmind-research, glassy_dynamics (Bapst et al. 2020)",
            licence="Apache-2.0",
            parameters=self.model_dump(),
            files=write_files(directory, {"test": arrays}),
        )

    def open(self, directory: Path, options: TaskOptions, seed: int) -> GlassData:
        """Open the configuration."""
        from symbench.data.points.glass_data import GlassData

        return GlassData(directory, self.time, self.cutoff, self.blocks)

    @property
    def raw_files_needed(self) -> tuple[str, ...]:
        """The file."""
        return (self.file,)

    @property
    def scores(self) -> tuple[Score, ...]:
        """Squared error of each particle, and that of the labels themselves."""
        return (
            Score("mse", "squared length"),
            Score("label_noise", "squared length"),
        )

    def check_group(self, name: str) -> None:
        """The groups of the cube."""
        try:
            choose(name, GROUPS, "group of a periodic cube")
        except Exception as error:
            raise SymmetryError(str(error)) from None
