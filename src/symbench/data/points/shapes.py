"""Classes of shapes: ModelNet10 as voxels and as points of surfaces, ModelNet40 as points.

Wu et al., 3D ShapeNets, CVPR 2015; official splits, a tenth of the training shapes for validation.
"""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import numpy.typing as npt
import pooch
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from symbench.data.arrays import read_arrays, write_arrays, write_manifest
from symbench.data.batch import Batch
from symbench.data.points.corruptions import CORRUPTIONS, Corrupted
from symbench.data.points.point_audit import Moments, audit_rotations
from symbench.data.points.point_graph import rotation_group
from symbench.data.raw_files import FromOriginals, download
from symbench.data.splits import SPLITS, check_splits
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit, audit_moved_features, powers_of
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.points.principal_axes import principal_frame
from symbench.symmetry.symmetry import Symmetry

Array = npt.NDArray[Any]

LICENCE = "academic research use (Princeton ModelNet)"
LABEL_SMOOTHING = 0.2
_AUDITED_SHAPES = 30
MODELNET40 = "modelnet40_ply_hdf5_2048.zip"
MODELNET40_ADDRESS = f"https://shapenet.cs.stanford.edu/media/{MODELNET40}"


class Shapes(FromOriginals):
    """Shapes of an official training and test set."""

    data_format: str
    source: str

    def __init__(self, *, samples: Mapping[str, int | None], file: str, seed: int = 0) -> None:
        """Set the size.

        Args:
            samples: at most so many shapes per split, drawn at random; None for all.
            file: name of the original file.
            seed: of what is drawn: shapes, points, the validation split.

        """
        check_splits({split: count or 1 for split, count in samples.items()}, "samples of shapes")
        self.samples = {split: samples[split] for split in SPLITS}
        self.file = file
        self.seed = seed

    @abstractmethod
    def read(self, directory: Path) -> dict[str, tuple[Array, Array]]:
        """Shapes and labels of "train" and "test"; originals are downloaded to the directory."""

    @abstractmethod
    def prepare(self, shapes: Array, rng: np.random.Generator) -> Array:
        """What is stored of some shapes."""

    def fetch(self, directory: Path) -> None:
        """Read the original file and write every split and the manifest."""
        directory.mkdir(parents=True, exist_ok=True)
        originals = self.read(directory / "originals")
        rng = np.random.default_rng(self.seed)
        count = len(originals["train"][1])
        order = rng.permutation(count)
        held_out = order[: count // 10]
        chosen = {
            "train": ("train", order[count // 10 :]),
            "valid": ("train", held_out),
            "test": ("test", rng.permutation(len(originals["test"][1]))),
        }
        classes = 1 + max(int(labels.max()) for _, labels in originals.values())
        paths = []
        for split, (part, rows) in chosen.items():
            shapes, labels = originals[part]
            rows = rows[: self.samples[split]]
            arrays = {
                "shapes": self.prepare(shapes[rows], rng),
                "labels": labels[rows],
                "classes": np.array(classes),
            }
            path = directory / f"{split}.hdf5"
            write_arrays(path, arrays)
            paths.append(path)
        write_manifest(
            directory,
            self,
            data_format=self.data_format,
            tools="h5py",
            parameters=self.parameters,
            paths=paths,
            source=f"{self.source}: {type(self).__doc__}",
            licence=LICENCE,
        )


class VoxelShapes(Shapes):
    """`modelnet10_voxels`: occupied cells of a grid of 32 x 32 x 32."""

    data_format = "voxels"
    source = "Princeton ModelNet10, voxelised to 32^3"

    def read(self, directory: Path) -> dict[str, tuple[Array, Array]]:
        """Shapes as bits packed along the last axis."""
        path = self.need(self.file, "no voxels of ModelNet10 are published with a checksum")
        try:
            with h5py.File(path) as file:
                self.source = str(file.attrs.get("source", self.source))
                return {
                    split: (file[split]["occupancy_packed"][()], file[split]["label"][()])
                    for split in ("train", "test")
                }
        except (OSError, KeyError) as error:
            raise DataError(f"{path} holds no voxels of shapes: {error}.") from None

    def prepare(self, shapes: Array, rng: np.random.Generator) -> Array:
        """The bits as they are."""
        return shapes


class Clouds(Shapes):
    """Points of shapes, centred, the farthest at distance 1; upright, or in random poses."""

    data_format = "clouds"

    def __init__(self, *, points: int = 1024, random_poses: bool = False, **settings: Any) -> None:
        """Set the number of points; see `Shapes`.

        Args:
            points: of each shape.
            random_poses: whether every shape is turned by its own random rotation, as the published
                protocol has it: then the law of the data is symmetric.
            settings: those of `Shapes`.

        """
        super().__init__(**settings)
        self.points = points
        self.random_poses = turned

    @abstractmethod
    def points_of(self, shape: Array, rng: np.random.Generator) -> Array:
        """Points of one shape, (point, axis)."""

    def prepare(self, shapes: Array, rng: np.random.Generator) -> Array:
        """Points of each shape."""
        clouds = np.stack([normalised(self.points_of(shape, rng)) for shape in shapes])
        if not self.random_poses:
            return clouds
        turned: Array = clouds @ Rotation.random(len(clouds), rng).as_matrix()
        return turned.astype(clouds.dtype)


class SurfacePoints(Clouds, VoxelShapes):
    """`modelnet10_points`: points on the surfaces of the voxels; the meshes are not at hand."""

    source = "Princeton ModelNet10"

    def read(self, directory: Path) -> dict[str, tuple[Array, Array]]:
        """Shapes as packed bits; those without an occupied cell (34 of 4,899) have no surface."""
        original = super().read(directory)
        filled = {split: shapes.any(axis=(1, 2, 3)) for split, (shapes, _) in original.items()}
        return {
            split: (shapes[filled[split]], labels[filled[split]])
            for split, (shapes, labels) in original.items()
        }

    def points_of(self, shape: Array, rng: np.random.Generator) -> Array:
        """Random points of the surface."""
        return surface_points(np.unpackbits(shape, axis=-1).astype(bool), self.points, rng)


class ModelNet40(Clouds):
    """`modelnet40_points`: the first points of the 2,048 that are published for each shape."""

    source = "Princeton ModelNet40, points as published with PointNet (modelnet40_ply_hdf5_2048)"

    def __init__(self, **settings: Any) -> None:
        """Take the published archive; see `Clouds`."""
        super().__init__(**{"file": MODELNET40, **settings})

    def read(self, directory: Path) -> dict[str, tuple[Array, Array]]:
        """Points and labels from the files that the archive holds."""
        archive = self.find(self.file)
        if archive is None:
            urls = {MODELNET40: MODELNET40_ADDRESS}
            archive = download(urls, {MODELNET40: None}, directory)[MODELNET40]
        unpacked = pooch.Unzip(extract_dir=str(directory.resolve() / "unpacked"))
        try:
            files = [Path(file) for file in unpacked(str(archive), "download", None)]
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(f"{archive} cannot be unpacked: {error}.") from None
        read = {}
        for split in ("train", "test"):
            parts = sorted(f for f in files if f.name.startswith(f"ply_data_{split}"))
            if not parts:
                raise DataError(f"{archive} holds no ply_data_{split}*.h5.")
            arrays = [read_arrays(part) for part in parts if part.suffix == ".h5"]
            read[split] = (
                np.concatenate([part["data"] for part in arrays]),
                np.concatenate([part["label"] for part in arrays]).ravel(),
            )
        return read

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


class ShapeSplit:
    """The shapes of one split, in memory; inputs are one tensor."""

    def __init__(self, shapes: Tensor, labels: Array) -> None:
        """Take shapes, (sample, ...), and labels, (sample,)."""
        self.shapes = shapes
        self.labels = torch.from_numpy(labels.astype(np.int64))

    @property
    def samples(self) -> npt.NDArray[np.int64]:
        """One row for each shape."""
        return np.arange(len(self.labels))[:, None]

    def batch(self, rows: npt.NDArray[np.int64], generator: torch.Generator | None = None) -> Batch:
        """Some shapes; nothing in them is random."""
        index = torch.from_numpy(rows[:, 0])
        return Batch(self.shapes[index].float(), self.labels[index], len(rows))

    def loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy with smoothed labels."""
        return nn.functional.cross_entropy(
            prediction, batch.targets, label_smoothing=LABEL_SMOOTHING
        )

    def validation_loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy."""
        return nn.functional.cross_entropy(prediction, batch.targets)

    def scores(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Whether the class is right, and the cross-entropy; shape (sample,)."""
        return {
            "accuracy": (prediction.argmax(dim=1) == batch.targets).float(),
            "cross_entropy": nn.functional.cross_entropy(
                prediction, batch.targets, reduction="none"
            ),
        }


class ShapeData:
    """What voxels and clouds share."""

    kind = "samples"
    units: ClassVar[dict[str, str]] = {"accuracy": "1", "cross_entropy": "nat"}

    def __init__(self, directory: Path) -> None:
        """Open a folder; raises `DataError` if it holds no shapes."""
        self.directory = directory
        self.classes = int(read_arrays(directory / "test.hdf5")["classes"])

    @classmethod
    def open(cls, directory: Path, settings: Any, seed: int) -> "ShapeData":
        """Open what the config says; all seeds share the data."""
        return cls(directory)

    def model_arguments(self) -> dict[str, object]:
        """The number of classes."""
        return {"classes": self.classes}


class VoxelData(ShapeData):
    """Shapes on a grid: groups of the cube act exactly."""

    def symmetry(self, group: str, exact: bool = True) -> Symmetry:
        """A group of the cube; logits are invariant."""
        chosen = named_group(group, 3)
        action = FieldAction(chosen, [Field("occupancy")])
        return Symmetry(chosen, action, lambda g, logits: logits, exact)

    def audit(self, group: str, task: Any) -> list[ElementAudit]:
        """Audit the law: mean occupancy on a coarse grid. Objects stand upright: most fail."""
        chosen = named_group(group, 3)
        action = FieldAction(chosen, [Field("occupancy")])
        shapes = self.split("train").shapes[:_AUDITED_SHAPES].double()
        audits = []
        for index, element in enumerate(chosen.elements):
            if not index:
                continue
            moved = [action(g, shapes) for g in powers_of(chosen, index)]
            features = np.stack([nn.functional.avg_pool3d(one, 8).flatten(1) for one in moved])
            asymmetry, p_value = audit_moved_features(features, chosen.order, seed=index)
            audits.append(
                ElementAudit.judged(str(element), float("nan"), asymmetry, p_value, chosen.order)
            )
        return audits

    def split(self, name: str) -> ShapeSplit:
        """One of train, valid, test; shapes of (sample, 1, x, y, z)."""
        arrays = read_arrays(self.directory / f"{name}.hdf5")
        bits = np.unpackbits(arrays["shapes"], axis=-1)
        return ShapeSplit(torch.from_numpy(bits)[:, None], arrays["labels"])


class CloudData(ShapeData):
    """Shapes as points: O(3) acts."""

    def symmetry(self, group: str, exact: bool = True) -> Symmetry:
        """O(3) or SO(3) on points; logits are invariant; frames are principal axes."""
        chosen: OrthogonalGroup = rotation_group(group)
        return Symmetry(
            chosen,
            act_on_input=rotate,
            act_on_output=lambda g, logits: logits,
            exact=exact,
            frame=None if chosen.proper else principal_frame,
        )

    def audit(self, group: str, task: Any) -> list[ElementAudit]:
        """Audit the law: second moments. Objects stand upright: most elements fail."""
        points = read_arrays(self.directory / "train.hdf5")["shapes"]
        return audit_rotations(rotation_group(group), Moments.of(points))

    def split(self, name: str) -> ShapeSplit:
        """One of train, valid, test; shapes of (sample, point, axis)."""
        arrays = read_arrays(self.directory / f"{name}.hdf5")
        return ShapeSplit(torch.from_numpy(arrays["shapes"]).float(), arrays["labels"])

    def variants(self) -> dict[str, Corrupted]:
        """The test split, corrupted."""
        test = self.split("test")
        return {name: Corrupted(test, change) for name, change in CORRUPTIONS.items()}
