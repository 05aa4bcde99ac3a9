"""`modelnet10_voxels`: shapes as occupied cells of a grid of 32 x 32 x 32, and their classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from symbench.data.dataset import TaskOptions
from symbench.data.shapes import Shapes, read_voxels, voxels_origin
from symbench.symmetry.grids.isometries import named_group

if TYPE_CHECKING:
    import numpy as np

    from symbench.data.arrays import Array
    from symbench.data.fields.voxel_data import VoxelData
    from symbench.data.raw_files import RawFiles


class VoxelShapes(Shapes):
    """Shapes of ModelNet10 as voxels."""

    kind = "fields"

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
        from symbench.data.fields.voxel_data import VoxelData

        return VoxelData(directory)

    def check_group(self, name: str) -> None:
        """Raise `SymmetryError` unless a group of this name acts on the cube."""
        named_group(name, 3)
