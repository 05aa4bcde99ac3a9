"""Shapes as voxels: the official split, exact rotations, Brier's score, errors."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from symbench.data.arrays import read_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.fields.voxel_data import VoxelData
from symbench.data.fields.voxels import VoxelShapes
from symbench.errors import ConfigError, DataError, SymmetryError
from tests.conftest import fetched

FIXTURES = Path(__file__).parents[2] / "fixtures"
COUNTS = {"train": 12, "valid": 3, "test": 6}


@pytest.fixture(scope="module")
def voxels(tmp_path_factory):
    dataset = VoxelShapes(file="made_up_voxels.hdf5", samples=COUNTS)
    directory = fetched(dataset, tmp_path_factory.mktemp("voxels"), FIXTURES)
    return dataset.open(directory, TaskOptions(), 0)


def test_voxels_rotate_exactly(voxels):
    symmetry = voxels.symmetry("O_h")
    shapes = voxels.split("train").batch(np.arange(3)[:, None]).inputs
    assert symmetry.group.order == 48
    for element in (1, 17, 40):
        moved = symmetry.act_on_input(element, shapes)
        back = symmetry.act_on_input(symmetry.group.inverse(element), moved)
        assert torch.equal(back, shapes)
        assert moved.sum() == shapes.sum()


def test_each_element_but_the_identity_is_audited(voxels):
    dataset = VoxelShapes(file="made_up_voxels.hdf5", samples=COUNTS)
    assert len(voxels.audit("O_h", dataset)) == 47


def test_squared_errors_of_values_are_the_score_of_brier(voxels):
    split = voxels.split("test")
    batch = split.batch(split.samples)
    logits = torch.randn(6, voxels.classes, generator=torch.Generator().manual_seed(0))
    assert split.quantities == ("probability",)
    predicted = split.values_of(logits, batch)["probability"]
    truth = split.values_of(batch.targets, batch)["probability"]
    torch.testing.assert_close(predicted.sum(dim=1), torch.ones(6))
    assert torch.equal(truth.argmax(dim=1), batch.targets)
    assert torch.equal(truth.sum(dim=1), torch.ones(6))
    # Brier, 1950: the sum over the classes of the squared difference to the indicator.
    by_hand = [
        sum((predicted[n, c] - float(c == batch.targets[n])) ** 2 for c in range(voxels.classes))
        for n in range(6)
    ]
    torch.testing.assert_close((predicted - truth).square().sum(dim=1), torch.stack(by_hand))


def test_scores_are_those_that_the_data_set_names(voxels):
    split = voxels.split("test")
    batch = split.batch(split.samples)
    logits = torch.zeros(6, voxels.classes)
    logits[range(6), batch.targets] = 100.0
    scores = split.scores(logits, batch)
    named = VoxelShapes(file="x", samples=COUNTS).scores
    assert list(scores) == [score.name for score in named]
    assert [score.better for score in named] == ["higher", "lower"]
    assert scores["accuracy"].tolist() == [1.0] * 6
    assert float(scores["cross_entropy"].max()) < 1e-6


def test_all_shapes_where_the_number_is_null(tmp_path):
    dataset = VoxelShapes(
        file="made_up_voxels.hdf5", samples={"train": None, "valid": None, "test": None}
    )
    data = VoxelData(fetched(dataset, tmp_path, FIXTURES))
    assert [len(data.split(name).samples) for name in ("train", "valid", "test")] == [54, 6, 30]
    with h5py.File(FIXTURES / "made_up_voxels.hdf5") as file:
        raw = np.concatenate(
            [file["train/occupancy_packed"][()], file["test/occupancy_packed"][()]]
        )
    parts = [
        read_arrays(tmp_path / f"{name}.hdf5")["shapes"] for name in ("train", "valid", "test")
    ]
    stored = [shape.tobytes() for part in parts for shape in part]
    assert sorted(stored) == sorted(shape.tobytes() for shape in raw)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": {"train": 1, "valid": 1}}, "samples of VoxelShapes: 'test' is missing"),
        ({"samples": {**COUNTS, "train": 0}}, "samples.train of VoxelShapes is 0"),
        ({"samples": None}, "samples of VoxelShapes is None: .* dictionary"),
        ({"file": ""}, "file of VoxelShapes is ''"),
        ({"seed": -1}, "seed of VoxelShapes is -1"),
    ],
)
def test_bad_parameters_are_named(change, message):
    with pytest.raises(ConfigError, match=message):
        VoxelShapes(**{"file": "x", "samples": COUNTS, **change})


def test_groups_of_the_cube():
    dataset = VoxelShapes(file="x", samples=COUNTS)
    dataset.check_group("O_h")
    with pytest.raises(SymmetryError, match="Unknown group 'SO\\(3\\)' in 3-D"):
        dataset.check_group("SO(3)")


def test_bad_files_are_named(tmp_path):
    dataset = VoxelShapes(file="raw.hdf5", samples=COUNTS)
    with pytest.raises(DataError, match=r"raw.hdf5 is in no folder"):
        fetched(dataset, tmp_path / "data", tmp_path)
    (tmp_path / "raw.hdf5").write_text("no HDF5")
    with pytest.raises(DataError, match=r"raw.hdf5 is truncated, damaged or no HDF5 file"):
        fetched(dataset, tmp_path / "data", tmp_path)
    with h5py.File(tmp_path / "raw.hdf5", "w") as file:
        for split in ("train", "test"):
            file[f"{split}/occupancy_packed"] = np.zeros((4, 32, 32, 4), np.uint8)
            file[f"{split}/label"] = np.zeros(3, np.int8)
    with pytest.raises(DataError, match=r"raw.hdf5: train holds no voxels of shapes"):
        fetched(dataset, tmp_path / "data", tmp_path)
