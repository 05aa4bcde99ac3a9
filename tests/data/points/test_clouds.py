"""Shapes as points: surfaces, poses, corruptions, and the published archive."""

import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from symbench.data.dataset import TaskOptions
from symbench.data.points.cloud_data import CloudData
from symbench.data.points.clouds import (
    MODELNET40,
    ModelNet40,
    SurfacePoints,
    normalised,
    surface_points,
)
from symbench.data.points.corruptions import CORRUPTIONS
from symbench.data.raw_files import RawFiles
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.models.points.vector_neurons import VectorNeuronClassifier
from tests.here import here

KIND = "points, graphs and shapes"

FIXTURES = RawFiles((Path(__file__).parents[2] / "fixtures",))
COUNTS = {"train": 30, "valid": 6, "test": 12}
ALL = {"train": None, "valid": None, "test": None}


def surfaces(**parameters):
    return SurfacePoints(
        **{"file": "made_up_voxels.hdf5", "points": 40, "samples": COUNTS, **parameters}
    )


@pytest.fixture(scope="module")
def clouds(tmp_path_factory):
    directory = tmp_path_factory.mktemp("clouds")
    surfaces().fetch(directory, FIXTURES)
    return surfaces().open(directory, TaskOptions(), 0)


def test_the_surface_of_a_box_has_no_inside():
    occupied = np.zeros((32, 32, 32), dtype=bool)
    occupied[8:24, 10:20, 12:30] = True
    points = surface_points(occupied, 500, np.random.default_rng(0))
    assert points.shape == (500, 3)
    np.testing.assert_allclose(np.linalg.norm(normalised(points), axis=1).max(), 1)
    inside = occupied.copy()
    inside[9:23, 11:19, 13:29] = False
    shell = surface_points(inside, 500, np.random.default_rng(0))
    np.testing.assert_allclose(points, shell)


def test_clouds_in_random_poses_are_the_same_shapes(clouds, tmp_path):
    manifest = surfaces(random_poses=True).fetch(tmp_path, FIXTURES)
    assert manifest.parameters["random_poses"] is True
    assert manifest.parameters["points"] == 40
    posed = CloudData(tmp_path).split("train").shapes.double()
    upright = clouds.split("train").shapes.double()
    torch.testing.assert_close(torch.cdist(posed, posed), torch.cdist(upright, upright))
    rotations = torch.linalg.lstsq(upright, posed).solution
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(30).double())
    # Uniform rotations have entries of mean 0 and variance 1/3.
    assert float(rotations.mean(dim=0).abs().max()) < 4 * (1 / 3 / 30) ** 0.5
    assert float(rotations.square().mean()) == pytest.approx(1 / 3)


def test_corruptions_do_what_they_say_and_always_the_same(clouds):
    test_sets = clouds.test_sets()
    assert tuple(test_sets) == surfaces().test_sets == tuple(CORRUPTIONS)
    clean = clouds.split("test").batch(np.arange(4)[:, None]).inputs
    again = {
        name: [split.batch(np.arange(4)[:, None]).inputs for _ in range(2)]
        for name, split in test_sets.items()
    }
    assert all(torch.equal(*pair) for pair in again.values())
    assert again["drop_half"][0].shape == (4, 20, 3)
    assert 0.03 < float((again["noise_005"][0] - clean).std()) < 0.07
    upright = again["rotated_upright"][0]
    torch.testing.assert_close(upright[..., 2], clean[..., 2])
    free = again["rotated_freely"][0]
    torch.testing.assert_close(free.norm(dim=2), clean.norm(dim=2))
    assert float((free[..., 2] - clean[..., 2]).abs().max()) > 0.1


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corrupted_cloud_does_not_depend_on_its_batch(clouds, name):
    """Another batch size at evaluation gave other clouds, and other accuracies."""
    split = clouds.test_sets()[name]
    rows = np.arange(6)[:, None]
    alone = [split.batch(row[None]).inputs for row in rows]
    for parts in (1, 2, 4):
        together = [split.batch(part).inputs for part in np.array_split(rows, parts)]
        torch.testing.assert_close(torch.cat(together), torch.cat(alone))
    clean = clouds.split("test").batch(rows[:2]).inputs
    if clean.shape == alone[0].shape:
        changes = torch.cat(alone[:2]) - clean
        assert not torch.allclose(changes[0], changes[1])


def test_a_network_of_many_neighbours_sees_clouds_of_few_points(clouds):
    """Twenty neighbours of 32 points, half of them dropped: all 16 are neighbours then."""
    torch.manual_seed(0)
    model = here(VectorNeuronClassifier(clouds.classes, width=6, neighbours=24).eval())
    fewer = here(VectorNeuronClassifier(clouds.classes, width=6, neighbours=20).eval())
    fewer.load_state_dict(model.state_dict())
    split = clouds.test_sets()["drop_half"]
    batch = here(split.batch(split.samples))
    assert batch.inputs.shape[1] == 20
    with torch.no_grad():
        logits = model(batch.inputs)
        torch.testing.assert_close(logits, fewer(batch.inputs))
    assert bool(torch.isfinite(split.scores(logits, batch)["cross_entropy"]).all())


def test_symmetry_and_audit(clouds, tmp_path):
    points = clouds.split("test").batch(np.zeros((1, 1), int)).inputs
    for group, poses in (("O(3)", 8), ("SO(3)", 4)):
        assert len(clouds.symmetry(group).frame(points)) == poses
    for refuse in (clouds.symmetry, surfaces().check_group):
        with pytest.raises(SymmetryError, match=r"allowed: O\(3\), SO\(3\)"):
            refuse("O_h")
    upright = clouds.audit("O(3)", surfaces())
    assert len(upright) == 6
    assert all(np.isnan(audit.dynamics_error) for audit in upright)
    posed = surfaces(random_poses=True)
    posed.fetch(tmp_path, FIXTURES)
    assert all(audit.passed for audit in CloudData(tmp_path).audit("SO(3)", posed))


def test_values_are_probabilities(clouds):
    split = clouds.split("test")
    batch = split.batch(split.samples[:5])
    logits = torch.randn(5, clouds.classes, generator=torch.Generator().manual_seed(0))
    assert {score.name for score in surfaces().scores} == set(split.scores(logits, batch))
    predicted = split.values_of(logits, batch)["probability"]
    truth = split.values_of(batch.targets, batch)["probability"]
    assert predicted.shape == truth.shape == (5, clouds.classes)
    torch.testing.assert_close(predicted.sum(dim=1), torch.ones(5))
    assert torch.equal(truth.argmax(dim=1), batch.targets)
    assert truth.sum() == 5
    corrupted = clouds.test_sets()["noise_002"]
    assert corrupted.quantities == split.quantities == ("probability",)


def archive(folder, points=64, labels=None, name=MODELNET40):
    """A small archive in the format of the published one, two files of training shapes."""
    with zipfile.ZipFile(folder / name, "w") as content:
        for part, count in (("train1", 12), ("train0", 8), ("test0", 6)):
            path = folder / f"ply_data_{part}.h5"
            with h5py.File(path, "w") as file:
                rng = np.random.default_rng(count)
                many = points[part] if isinstance(points, dict) else points
                file["data"] = rng.normal(size=(count, many, 3)).astype(np.float32)
                classes = np.arange(count) % 5 if labels is None else labels
                file["label"] = classes.reshape(-1, 1).astype(np.uint8)
            content.write(path, f"modelnet40_ply_hdf5_2048/{path.name}")
            path.unlink()


@pytest.mark.parametrize("random_poses", [False, True])
def test_modelnet40_reads_the_published_archive(tmp_path, random_poses):
    archive(tmp_path)
    dataset = ModelNet40(points=16, samples=ALL, random_poses=random_poses)
    manifest = dataset.fetch(tmp_path / "data", RawFiles((tmp_path,)))
    assert "ModelNet40" in manifest.source
    data = CloudData(tmp_path / "data")
    assert [len(data.split(s).samples) for s in ("train", "valid", "test")] == [18, 2, 6]
    assert data.model_arguments() == {"classes": 5}
    assert sorted(path.name for path in (tmp_path / "data").glob("[!.]*")) == [
        "test.hdf5",
        "train.hdf5",
        "valid.hdf5",
    ]


def test_damaged_archives_are_named(tmp_path):
    raw_files = RawFiles((tmp_path,))
    dataset = ModelNet40(points=16, samples=ALL)
    archive(tmp_path, points=8)
    with pytest.raises(DataError, match=r"2048\.zip: .*_train0\.h5 has 8 points .* 16 are asked"):
        dataset.fetch(tmp_path / "data", raw_files)
    archive(tmp_path, labels=np.zeros(3))
    with pytest.raises(DataError, match=r"_train0\.h5 must hold 'data'.*as many labels"):
        dataset.fetch(tmp_path / "data", raw_files)
    path = tmp_path / MODELNET40
    archive(tmp_path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:500] + b"\xff" * 200 + whole[700:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"2048\.zip cannot be unpacked"):
            dataset.fetch(tmp_path / "data", raw_files)
    with zipfile.ZipFile(path, "w") as content:
        content.writestr("readme.txt", "nothing")
    with pytest.raises(DataError, match=r"holds no ply_data_train\*\.h5"):
        dataset.fetch(tmp_path / "data", raw_files)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"points": 0}, "points of SurfacePoints is 0"),
        ({"points": True}, "points of SurfacePoints is True"),
        ({"random_poses": 1}, "random_poses of SurfacePoints is 1: .* valid boolean"),
        ({"file": 3}, "file of SurfacePoints is 3"),
        ({"samples": {**COUNTS, "train": 0}}, r"train of \w+ is 0"),
        ({"seed": -2}, "seed of SurfacePoints is -2"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ConfigError, match=message):
        surfaces(**parameters)


def test_modelnet40_has_so_many_points():
    ModelNet40(points=2048, samples=ALL)
    with pytest.raises(ConfigError, match=r"points of ModelNet40 is 4096: .* 2048"):
        ModelNet40(points=4096, samples=ALL)


def voxels(folder, labels, empty=False):
    """A file in the format of ModelNet10's voxels."""
    with h5py.File(folder / "own.hdf5", "w") as file:
        for split, count in (("train", 20), ("test", 6)):
            cells = np.zeros((count, 4, 4, 1), np.uint8) if empty else np.ones((count, 4, 4, 1))
            file[f"{split}/occupancy_packed"] = cells.astype(np.uint8)
            file[f"{split}/label"] = labels(np.arange(count) % 3, split)
    return folder


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (lambda k, split: k[:, None], r"label \(20, 1\)"),
        (lambda k, split: k + 0.5, "whole numbers"),
        (lambda k, split: k.astype("S5"), "whole numbers"),
        (lambda k, split: k - 1, r"from 0 without gaps.*\[-1, 0, 1\]"),
        (lambda k, split: 100 * k, "without gaps"),
        (lambda k, split: 0 * k, "two of them or more"),
        (lambda k, split: k + (split == "test"), r"in train.*\[1, 2, 3\] in test"),
    ],
)
@pytest.mark.tried(KIND, "labels that are no classes: shape, type, gaps, unknown ones", "refused")
def test_labels_that_are_no_classes(tmp_path, labels, message):
    with pytest.raises(DataError, match=message):
        surfaces(file="own.hdf5").fetch(tmp_path, RawFiles((voxels(tmp_path, labels),)))


@pytest.mark.tried(KIND, "files of one archive with different numbers of points", "right")
def test_files_with_different_numbers_of_points(tmp_path):
    points = {"train1": 40, "train0": 20, "test0": 16}
    archive(tmp_path, points=points)
    dataset = ModelNet40(points=16, samples=ALL)
    dataset.fetch(tmp_path / "data", RawFiles((tmp_path,)))
    data = CloudData(tmp_path / "data")
    assert data.split("train").shapes.shape == (18, 16, 3)


@pytest.mark.tried(KIND, "32 points and 20 neighbours, half of the points dropped", "right")
def test_fewer_points_than_neighbours(tmp_path):
    dataset = surfaces(points=32, file="own.hdf5")
    dataset.fetch(tmp_path, RawFiles((voxels(tmp_path, lambda k, split: k),)))
    data = CloudData(tmp_path)
    model = here(VectorNeuronClassifier(classes=data.classes, neighbours=20, width=4))
    test = data.test_sets()["drop_half"]
    inputs = here(test.batch(test.samples[:2]).inputs)
    assert inputs.shape == (2, 16, 3)
    assert model(inputs).isfinite().all()


@pytest.mark.tried(KIND, "shapes that are all empty", "refused")
def test_shapes_that_are_all_empty(tmp_path):
    raw = voxels(tmp_path, lambda k, split: k, empty=True)
    with pytest.raises(DataError, match="train has 0 shapes that are not empty, and needs 10"):
        surfaces(file="own.hdf5").fetch(tmp_path, RawFiles((raw,)))


@pytest.mark.tried(KIND, "a shape whose points all lie at one place", "refused")
def test_points_at_one_place():
    with pytest.raises(DataError, match="at one place"):
        normalised(np.ones((5, 3)))


@pytest.mark.tried(KIND, "points of any scale, in single precision", "right")
def test_scale_of_points():
    points = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    for scale in (np.float32(1e-30), np.float32(1e30)):
        np.testing.assert_allclose(normalised(scale * points), normalised(points), rtol=1e-5)
    assert normalised(points).dtype == np.float32


def test_files_without_shapes_are_named(tmp_path):
    (tmp_path / "text.hdf5").write_text("no HDF5")
    with pytest.raises(DataError, match=r"text\.hdf5"):
        surfaces(file="text.hdf5").fetch(tmp_path / "out", RawFiles((tmp_path,)))
    with h5py.File(tmp_path / "labels.hdf5", "w") as file:
        for split in ("train", "test"):
            file[f"{split}/occupancy_packed"] = np.ones((3, 4, 4, 1), dtype=np.uint8)
            file[f"{split}/label"] = np.zeros((3, 1), dtype=np.int8)
    with pytest.raises(DataError, match=r"labels\.hdf5: train .*label \(3, 1\)"):
        surfaces(file="labels.hdf5").fetch(tmp_path / "out", RawFiles((tmp_path,)))
