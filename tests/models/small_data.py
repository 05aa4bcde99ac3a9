"""Small made-up data of every kind that networks take, opened as the workflow opens data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from symbench.data.arrays import write_files
from symbench.data.batch import Batch
from symbench.data.dataset import Data, Split, TaskOptions
from symbench.data.fields.grid_data import FieldData
from symbench.data.fields.voxel_data import VoxelData
from symbench.data.graphs.block_models import BlockModels
from symbench.data.graphs.near_copies import NearCopies
from symbench.data.molecules.molecule import AMMONIA
from symbench.data.molecules.properties import PropertyData
from symbench.data.molecules.surface_data import SurfaceData
from symbench.data.points.cloud_data import CloudData
from symbench.data.points.glass_data import GlassData
from symbench.data.points.motion_data import MotionData
from symbench.data.points.particle_data import ParticleData
from symbench.data.points.pedestrian_data import PREDICTED, SEEN, PedestrianData
from symbench.data.raw_files import RawFiles
from symbench.symmetry.symmetry import Symmetry
from tests.data.fields.well_files import centres, statistics, write

SPLITS = ("train", "valid", "test")
SAMPLES, POINTS, CLASSES, SIDE = 6, 5, 3, 16


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def fields(folder: Path) -> FieldData:
    """A scalar and a vector on a square grid."""
    values = {"p": (0, _random(2, 6, SIDE, SIDE)), "u": (1, _random(2, 6, SIDE, SIDE, 2))}
    axes = {"x": centres(SIDE), "y": centres(SIDE)}
    for split in SPLITS:
        write(folder / split / "own.hdf5", values, axes)
    statistics(folder / "stats.yaml", values)
    return FieldData(folder, input_steps=2)


def voxels(folder: Path) -> VoxelData:
    """Random cells."""
    occupied = np.packbits(_random(SAMPLES, SIDE, SIDE, SIDE) > 0, axis=-1)
    return VoxelData(_shapes(folder, occupied))


def clouds(folder: Path) -> CloudData:
    """Random points."""
    return CloudData(_shapes(folder, _random(SAMPLES, 2 * POINTS, 3)))


def _shapes(folder: Path, shapes: np.ndarray) -> Path:
    labels = np.arange(SAMPLES) % CLASSES
    arrays = {"shapes": shapes, "labels": labels, "classes": np.array(CLASSES)}
    write_files(folder, dict.fromkeys(SPLITS, arrays))
    return folder


def particles(folder: Path) -> ParticleData:
    """Charges at random places."""
    vectors = {
        key: _random(SAMPLES, POINTS, 3) + number
        for number, key in enumerate(("positions", "velocities", "targets"))
    }
    arrays = {**vectors, "charges": np.sign(_random(SAMPLES, POINTS))}
    write_files(folder, dict.fromkeys(SPLITS, arrays))
    return ParticleData(folder)


def motion(folder: Path) -> MotionData:
    """Chains of joints."""
    nodes, bones = SAMPLES * POINTS, SAMPLES * (POINTS - 1)
    chain = np.stack([np.arange(POINTS - 1), np.arange(1, POINTS)], axis=1)
    arrays = {
        "positions": _random(nodes, 3),
        "velocities": _random(3, nodes).T,
        "scalars": _random(nodes, 2),
        "nodes": np.full(SAMPLES, POINTS),
        "targets": _random(nodes, 4, 3),
        "edges": np.tile(chain, (SAMPLES, 1)),
        "edge_scalars": _random(bones, 1),
        "edge_counts": np.full(SAMPLES, POINTS - 1),
        "trial": np.arange(SAMPLES),
    }
    write_files(folder, dict.fromkeys(SPLITS, arrays))
    return MotionData(folder)


def surface(folder: Path) -> SurfaceData:
    """Geometries of ammonia."""
    atoms = len(AMMONIA.symbols)
    corners = np.array([[0, 0, 0], [1, 0, 0.3], [-0.5, 0.9, 0.3], [-0.5, -0.9, 0.3]])
    arrays = {
        "positions": corners + 0.1 * _random(3 * SAMPLES, atoms, 3),
        "energies": _random(3 * SAMPLES),
        "forces": _random(3 * SAMPLES, atoms, 3),
    }
    write_files(folder, {"inside": arrays, "outside": arrays})
    return SurfaceData(folder, AMMONIA, folds=3, fold=0)


def molecules(folder: Path) -> PropertyData:
    """Molecules of different sizes."""
    nodes = np.array([2, 3, 4, 5, 4, 3])
    arrays = {
        "positions": _random(nodes.sum(), 3),
        "scalars": np.eye(2)[np.arange(nodes.sum()) % 2],
        "nodes": nodes,
        "targets": _random(SAMPLES),
    }
    rows = dict.fromkeys(SPLITS, np.arange(SAMPLES))
    return PropertyData(arrays, "gap", rows, standardised=True)


def clusters(folder: Path) -> Data:
    """Graphs with communities."""
    graphs = dict.fromkeys(SPLITS, SAMPLES)
    dataset = BlockModels(graphs=graphs, communities=3, largest=7, eigenvectors=4)
    dataset.fetch(folder, RawFiles())
    return dataset.open(folder, TaskOptions(), 0)


def links(folder: Path) -> Data:
    """Two copies of a graph, joined."""
    settings = {"nodes": 30, "parameter": 0.3, "extra_edges": 10, "eigenvectors": 4}
    dataset = NearCopies(graph="erdos_renyi", trials=1, **settings)
    dataset.fetch(folder, RawFiles())
    return dataset.open(folder, TaskOptions(), 0)


def glass(folder: Path) -> GlassData:
    """A configuration in a box; nothing is trained on it."""
    box, count = 8.0, 40
    position = np.random.default_rng(0).uniform(0, box, (count, 3))
    final = position + 0.1 * _random(5, count, 3)
    arrays = {
        "position": position,
        "box": np.full(3, box),
        "type": (np.arange(count) % 5 == 0).astype(np.int32),
        "propensity": np.linalg.norm(final - position, axis=2).mean(axis=0)[None],
        "final_position": final,
    }
    write_files(folder, {"test": arrays})
    return GlassData(folder, time=0, cutoff=2.0, blocks=2)


def pedestrians(folder: Path) -> PedestrianData:
    """Windows of two and of three who walk; nothing is trained on them."""
    window = np.repeat([0, 1, 2], [2, 3, 2])
    arrays = {
        "positions": _random(len(window), SEEN + PREDICTED, 2).cumsum(axis=1),
        "window": window,
        "block": window,
    }
    write_files(folder, {"valid": arrays, "test": arrays})
    return PedestrianData(folder)


# The data that each kind of network is for, and a group that acts on them.
KINDS: dict[str, tuple[Callable[[Path], Data], str]] = {
    "fields": (fields, "D4"),
    "voxels": (voxels, "O_h"),
    "cloud": (clouds, "SO(3)"),
    "particles": (particles, "SO(3)"),
    "joints": (motion, "SO(3)"),
    "potential": (surface, "SO(3) * automorphisms"),
    "property": (molecules, "SO(3)"),
    "clusters": (clusters, "signs(4)"),
    "links": (links, "signs(4)"),
    "glass": (glass, "O_h"),
    "pedestrians": (pedestrians, "D4"),
}
NOT_TRAINED = ("glass", "pedestrians")


@dataclass(frozen=True)
class Small:
    """Small data of one kind, with the split that networks see and the symmetry of the task."""

    data: Data
    split: Split
    symmetry: Symmetry

    def batch(self) -> Batch:
        """Four samples."""
        return self.split.batch(self.split.samples[:4], torch.Generator().manual_seed(0))


def small(kind: str, folder: Path) -> Small:
    """Make the data of a kind in a folder."""
    make, group = KINDS[kind]
    data = make(folder)
    split = data.split("test" if kind in NOT_TRAINED else "train")
    return Small(data, split, data.symmetry(group))
