"""Shapes as points: on the surfaces of ModelNet10's voxels, and ModelNet40 as published.

Wu et al., 3D ShapeNets, CVPR 2015; splits as in `symbench.data.shapes`.
"""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from symbench.data.arrays import Array, read_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.parameters import Text
from symbench.data.raw_files import RawFiles
from symbench.data.shapes import Shapes, read_voxels, voxels_origin
from symbench.errors import DataError
from symbench.symmetry.group_names import check_rotations

if TYPE_CHECKING:
    from symbench.data.points.cloud_data import CloudData

MODELNET40 = "modelnet40_ply_hdf5_2048.zip"
MODELNET40_ADDRESS = f"https://shapenet.cs.stanford.edu/media/{MODELNET40}"


class Clouds(Shapes):
    """Points of shapes, centred, the farthest at distance 1; upright, or in random poses."""

    kind = "points"

    points: int = Field(1024, ge=2, description="of each shape")
    random_poses: bool = Field(
        False,
        description="whether every shape gets its own random rotation, as the published protocol "
        "has it: then the law of the data is symmetric",
    )

    @abstractmethod
    def points_of(self, shape: Array, rng: np.random.Generator) -> Array:
        """Points of one shape, (point, axis)."""

    def prepare(self, shapes: Array, rng: np.random.Generator) -> Array:
        """Points of each shape, (shape, point, axis)."""
        clouds = np.stack([normalised(self.points_of(shape, rng)) for shape in shapes])
        if not self.random_poses:
            return clouds
        from scipy.spatial.transform import Rotation

        rotated: Array = clouds @ Rotation.random(len(clouds), rng).as_matrix()
        return rotated.astype(clouds.dtype)

    def open(self, directory: Path, options: TaskOptions, seed: int) -> CloudData:
        """Open the files; all seeds share the data."""
        from symbench.data.points.cloud_data import CloudData

        return CloudData(directory)

    @property
    def test_sets(self) -> tuple[str, ...]:
        """The test split, corrupted; see `corruptions.CORRUPTIONS`."""
        dropped, noisy = ("drop_quarter", "drop_half"), ("noise_002", "noise_005")
        return (*dropped, *noisy, "rotated_upright", "rotated_freely")

    def check_group(self, name: str) -> None:
        """O(3) and SO(3) act on points."""
        check_rotations(name)


class SurfacePoints(Clouds):
    """`modelnet10_points`: points on the surfaces of the voxels; the meshes are not at hand."""

    def read(self, raw_files: RawFiles, directory: Path) -> dict[str, tuple[Array, Array]]:
        """Shapes as packed bits; those without an occupied cell (34 of 4,899) have no surface."""
        read = {}
        for split, (shapes, labels) in read_voxels(raw_files, self.file).items():
            filled = shapes.any(axis=(1, 2, 3))
            read[split] = (shapes[filled], labels[filled])
        return read

    def points_of(self, shape: Array, rng: np.random.Generator) -> Array:
        """Random points of the surface."""
        return surface_points(np.unpackbits(shape, axis=-1).astype(bool), self.points, rng)

    def origin(self, raw_files: RawFiles) -> str:
        """Where the voxels come from."""
        return f"{voxels_origin(raw_files, self.file)}; points on the surfaces of the voxels"


class ModelNet40(Clouds):
    """`modelnet40_points`: the first points of the 2,048 that are published for each shape."""

    file: Text = MODELNET40
    points: int = Field(1024, ge=2, le=2048, description="of the 2,048 published for each shape")

    def origin(self, raw_files: RawFiles) -> str:
        """The points that were published with PointNet."""
        return "Princeton ModelNet40, points as published with PointNet (modelnet40_ply_hdf5_2048)"

    def urls(self, raw_files: RawFiles) -> Mapping[str, str]:
        """The archive."""
        return {self.file: MODELNET40_ADDRESS}

    def read(self, raw_files: RawFiles, directory: Path) -> dict[str, tuple[Array, Array]]:
        """Points and labels from the files that the archive holds."""
        found = raw_files.find_or_download(self.urls(raw_files), {self.file: None}, directory)
        archive = found[self.file]
        try:
            with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(archive) as content:
                return {
                    split: self._read_parts(archive, content, split, Path(folder))
                    for split in ("train", "test")
                }
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{archive} cannot be unpacked: {error}.") from None

    def _read_parts(
        self, archive: Path, content: zipfile.ZipFile, split: str, folder: Path
    ) -> tuple[Array, Array]:
        """Points and labels of one split, from all files of the archive that hold some."""
        parts = sorted(
            name
            for name in map(PurePosixPath, content.namelist())
            if name.match(f"ply_data_{split}*.h5")
        )
        if not parts:
            raise DataError(f"{archive} holds no ply_data_{split}*.h5.")
        read = [self._read_part(archive, str(part), content, folder) for part in parts]
        shapes, labels = zip(*read, strict=True)
        return np.concatenate(shapes), np.concatenate(labels)

    def _read_part(
        self, archive: Path, part: str, content: zipfile.ZipFile, folder: Path
    ) -> tuple[Array, Array]:
        try:
            arrays = read_arrays(Path(content.extract(part, folder)), ("data", "label"))
        except DataError as error:
            raise DataError(f"{archive}: {part} cannot be read: {error}") from None
        points, classes = arrays["data"], arrays["label"].ravel()
        if points.ndim != 3 or points.shape[2] != 3 or len(points) != len(classes):
            raise DataError(
                f"{archive}: {part} must hold 'data' of shape (shape, point, 3) and as many "
                "labels, 'label'."
            )
        if points.shape[1] < self.points:
            raise DataError(
                f"{archive}: {part} has {points.shape[1]} points of each shape, and "
                f"{self.points} are asked for."
            )
        # Files may hold different numbers of points.
        return points[:, : self.points], classes

    def points_of(self, shape: Array, rng: np.random.Generator) -> Array:
        """The first points."""
        return shape[: self.points]


def surface_points(occupied: Array, count: int, rng: np.random.Generator) -> Array:
    """Random points, (point, axis), in the cells of (x, y, z) that have an empty neighbour.

    Cells are drawn again only if there are fewer than points.
    """
    padded = np.pad(occupied, 1)
    core = (slice(1, -1),) * 3
    inside = np.logical_and.reduce(
        [np.roll(padded, step, axis)[core] for axis in range(3) for step in (-1, 1)]
    )
    cells = np.argwhere(occupied & ~inside)
    chosen = rng.choice(len(cells), size=count, replace=len(cells) < count)
    points: Array = cells[chosen] + rng.random((count, 3))
    return points


def normalised(points: Array) -> Array:
    """Centred, the farthest point at distance 1; raises `DataError` for points at one place."""
    # Double precision: squares of single numbers may be too large or too small for it.
    centred = points - points.mean(axis=0, dtype=float)
    if not (farthest := np.linalg.norm(centred, axis=1).max()):
        raise DataError("All points of a shape lie at one place: it has no size.")
    scaled: Array = (centred / farthest).astype(np.result_type(points, np.float32))
    return scaled
