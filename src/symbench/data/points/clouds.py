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

from symbench.data.arrays import read_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.parameters import whole_number
from symbench.data.raw_files import RawFiles
from symbench.data.shapes import Shapes, read_voxels, voxels_origin
from symbench.errors import ConfigError, DataError
from symbench.symmetry.group_names import check_rotations

if TYPE_CHECKING:
    from symbench.data.points.cloud_data import CloudData

Array = np.ndarray

MODELNET40 = "modelnet40_ply_hdf5_2048.zip"
MODELNET40_ADDRESS = f"https://shapenet.cs.stanford.edu/media/{MODELNET40}"
MODELNET40_POINTS = 2048


class Clouds(Shapes):
    """Points of shapes, centred, the farthest at distance 1; upright, or in random poses."""

    kind = "points"

    def __init__(
        self,
        *,
        samples: Mapping[str, int | None],
        file: str,
        seed: int = 0,
        points: int = 1024,
        random_poses: bool = False,
    ) -> None:
        """Set the size.

        Args:
            samples: at most so many shapes per split, drawn at random; None for all.
            file: name of the raw file.
            seed: of what is drawn: shapes, points, poses, the validation split.
            points: of each shape, two at least.
            random_poses: whether every shape gets its own random rotation, as the published
                protocol has it: then the law of the data is symmetric.

        Raises:
            ConfigError: for values that make no sense.

        """
        super().__init__(samples=samples, file=file, seed=seed)
        self.points = whole_number(points, "points of shapes", 2)
        if not isinstance(random_poses, bool):
            raise ConfigError(f"random_poses of shapes is {random_poses!r}; give true or false.")
        self.random_poses = random_poses

    @property
    def parameters(self) -> dict[str, object]:
        """All that decides the data, for the manifest."""
        return {**super().parameters, "points": self.points, "random_poses": self.random_poses}

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
        return (
            "drop_quarter",
            "drop_half",
            "noise_002",
            "noise_005",
            "rotated_upright",
            "rotated_freely",
        )

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

    source = "Princeton ModelNet40, points as published with PointNet (modelnet40_ply_hdf5_2048)"

    def __init__(
        self,
        *,
        samples: Mapping[str, int | None],
        file: str = MODELNET40,
        seed: int = 0,
        points: int = 1024,
        random_poses: bool = False,
    ) -> None:
        """Take the published archive; see `Clouds`."""
        super().__init__(
            samples=samples, file=file, seed=seed, points=points, random_poses=random_poses
        )
        if points > MODELNET40_POINTS:
            raise ConfigError(
                f"points of shapes is {points}; give at most {MODELNET40_POINTS}, which are "
                "published for each shape of ModelNet40."
            )

    def read(self, raw_files: RawFiles, directory: Path) -> dict[str, tuple[Array, Array]]:
        """Points and labels from the files that the archive holds."""
        found = raw_files.find_or_download(
            {self.file: MODELNET40_ADDRESS}, {self.file: None}, directory
        )
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
        names = [PurePosixPath(name) for name in content.namelist()]
        parts = sorted(
            name
            for name in names
            if name.name.startswith(f"ply_data_{split}") and name.suffix == ".h5"
        )
        if not parts:
            raise DataError(f"{archive} holds no ply_data_{split}*.h5.")
        shapes, labels = [], []
        for part in parts:
            try:
                arrays = read_arrays(Path(content.extract(str(part), folder)))
            except DataError as error:
                raise DataError(f"{archive}: {part} cannot be read: {error}") from None
            points = arrays.get("data", np.zeros(0))
            classes = arrays.get("label", np.zeros(0)).ravel()
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
            shapes.append(points)
            labels.append(classes)
        return np.concatenate(shapes), np.concatenate(labels)

    def points_of(self, shape: Array, rng: np.random.Generator) -> Array:
        """The first points."""
        return shape[: self.points]


def surface_points(occupied: Array, count: int, rng: np.random.Generator) -> Array:
    """Random points of the cells that have an empty neighbour, shape (point, axis), in cells.

    Args:
        occupied: booleans of shape (x, y, z).
        count: how many points; cells are drawn again only if there are fewer.
        rng: draws cells and the places within.

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
    """Centred, the farthest point at distance 1."""
    centred = points - points.mean(axis=0)
    scaled: Array = centred / np.linalg.norm(centred, axis=1).max()
    return scaled
