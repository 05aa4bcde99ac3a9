"""Human motion: the published split in small, splits by trial, files that do not fit."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from symbench.data.arrays import read_arrays
from symbench.data.dataset import SPLITS, TaskOptions
from symbench.data.points.motion import Motion, skeleton
from symbench.data.points.motion_data import MotionData
from symbench.data.points.motion_trials import read_trials
from symbench.data.points.point_graph import graph_axes, rotate_graph
from symbench.data.raw_files import RawFiles
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.symmetry.points.matrix_groups import OrthogonalGroup

KIND = "points, graphs and shapes"

FIXTURES = Path(__file__).parents[2] / "fixtures"
FILE = "cmu_mocap_run.hdf5"
COUNTS = {"train": 1, "valid": 1, "test": 1}


@pytest.fixture(scope="module")
def dataset():
    return Motion(file=FILE, samples={"train": 200, "valid": 600, "test": 600})


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    dataset.fetch(directory, RawFiles((FIXTURES,)))
    return dataset.open(directory, TaskOptions(), 0)


def raw_file(folder, name="made_up.hdf5", frames=(40, 40, 40, 40), joints=4, split=None):
    """A small file in the format of the raw one; returns its name."""
    rng = np.random.default_rng(0)
    with h5py.File(folder / name, "w") as file:
        for number, count in enumerate(frames, start=1):
            file[f"trials/{number:02d}/position"] = rng.normal(size=(count, joints, 3))
        file["edges"] = np.array([[k, k + 1] for k in range(joints - 1)])
        file.attrs.update({"source": "made up", "license": "CC0-1.0"})
        for part, starts in (split or {}).items():
            for trial, chosen in starts.items():
                file[f"split/{part}/{trial}"] = np.array(chosen)
    return name


def fetch(folder, name, **parameters):
    dataset = Motion(**{"file": name, "samples": {**COUNTS, "train": 8}, **parameters})
    return dataset.fetch(folder / "data", RawFiles((folder,)))


def test_the_published_split_of_the_run(run):
    """40 start frames of each of five trials; validation and test have all 80 of three."""
    assert [len(run.split(name).samples) for name in ("train", "valid", "test")] == [200, 240, 240]
    # What follows neighbouring frames is nearly the same: whole trials are drawn.
    assert np.unique(run.split("test").blocks, return_counts=True)[1].tolist() == [80, 80, 80]
    with h5py.File(FIXTURES / FILE) as file:
        track = file["trials/01/position"][()]
        start = file["split/train/01"][0]
    batch = run.split("train").batch(np.array([[0]]))
    np.testing.assert_allclose(batch.inputs.positions, track[start])
    np.testing.assert_allclose(batch.inputs.velocities, track[start + 1] - track[start])
    for place, ahead in enumerate((26, 27, 28, 29, 30)):
        np.testing.assert_allclose(batch.targets[:, place], track[start + ahead])
    parts = [run.split(name).store.at_nodes for name in ("train", "test")]
    height = float(parts[0]["positions"][:, 1].abs().max())
    assert height == pytest.approx(float(parts[0]["positions"][:, 1].max()))
    for part in parts:
        np.testing.assert_allclose(part["scalars"][:, 0], part["positions"][:, 1] / height)


def test_the_manifest_tells_source_and_split(tmp_path):
    name = raw_file(tmp_path)
    manifest = fetch(tmp_path, name)
    assert manifest.source == "made up"
    assert manifest.licence == "CC0-1.0"
    assert manifest.parameters["split"] == "by trial, our own"
    assert [path.name for path in manifest.files] == ["train.hdf5", "valid.hdf5", "test.hdf5"]


def test_trials_without_a_split_are_split_by_trial(tmp_path):
    with h5py.File(FIXTURES / FILE) as source, h5py.File(tmp_path / "walk.hdf5", "w") as target:
        source.copy("trials", target)
        source.copy("edges", target)
        target.attrs.update(source.attrs)
    dataset = Motion(file="walk.hdf5", samples={"train": 60, "valid": 20, "test": 20})
    trials = read_trials(tmp_path / raw_file(tmp_path, frames=(100,) * 20))
    parts = {split: set(starts) for split, starts in dataset._split(trials).items()}
    assert set().union(*parts.values()) == set(trials.tracks)
    assert {split: len(names) for split, names in parts.items()} == {
        "train": 10,
        "valid": 5,
        "test": 5,
    }
    dataset.fetch(tmp_path / "data", RawFiles((tmp_path,)))
    data = MotionData(tmp_path / "data")
    assert bool(torch.isfinite(data.split("train").targets).all())


def test_the_shortest_trial_that_can_be_used(tmp_path):
    """Velocities take a frame more: 32 frames for 30 ahead of the first."""
    fetch(tmp_path, raw_file(tmp_path, frames=(32,) * 4))
    with pytest.raises(DataError, match=r"made_up.hdf5: trial 0\d has 31 frames; .* takes 32"):
        fetch(tmp_path, raw_file(tmp_path, frames=(31,) * 4))


def test_gravity_is_found_by_the_audit(dataset, run):
    audits = run.audit("O(3)", dataset)
    assert not any(audit.passed for audit in audits)
    assert all(np.isnan(audit.dynamics_error) for audit in audits)


def test_a_skeleton_knows_two_bones():
    edges, distance = skeleton(np.array([[0, 1], [1, 2], [2, 3]]), 4)
    known = {tuple(edge): d for edge, d in zip(edges.tolist(), distance, strict=True)}
    assert known[0, 1] == known[2, 1] == 1
    assert known[0, 2] == known[3, 1] == 2
    assert (0, 3) not in known
    assert (0, 0) not in known


def test_outputs_rotate_sample_by_sample(run):
    split = run.split("test")
    batch = split.batch(split.samples[:3])
    symmetry = run.symmetry("SO(3)")
    elements = symmetry.group.sample(3, torch.Generator().manual_seed(0))
    moved = symmetry.act_on_output(elements, batch.targets)
    for sample in range(3):
        rows = batch.sample_of_output == sample
        expected = batch.targets[rows] @ elements[sample].T.float()
        torch.testing.assert_close(moved[rows], expected)
    with pytest.raises(SymmetryError, match=r"allowed: O\(3\), SO\(3\)"):
        run.symmetry("O(2)")


def test_frames_of_graphs_are_canonical(run):
    split = run.split("test")
    for sample in (0, 100, 200):
        graph = split.batch(split.samples[sample : sample + 1]).inputs
        element = OrthogonalGroup(3).sample(1, torch.Generator().manual_seed(2)).float()
        moved = rotate_graph(element, graph)
        poses, others = (
            [rotate_graph(g, each).positions for g in graph_axes(each)] for each in (graph, moved)
        )
        for pose in poses:
            nearest = min(float((pose - other).abs().max()) for other in others)
            assert nearest < 1e-3 * float(pose.abs().max())
    assert run.symmetry("O(3)").frame is graph_axes
    assert (torch.linalg.det(run.symmetry("SO(3)").frame(graph)) > 0).all()


def test_values_and_scores(dataset, run):
    split = run.split("test")
    batch = split.batch(split.samples[:3])
    wrong = batch.targets.clone()
    wrong[:, -1] += 0.5
    scores = split.scores(wrong, batch)
    assert {score.name for score in dataset.scores} == set(scores)
    torch.testing.assert_close(scores["mse"], torch.full((3,), 0.25), rtol=1e-3, atol=0)
    torch.testing.assert_close(scores["mse_all_times"], scores["mse"] / 5)
    values, truth = (split.values_of(x, batch)["position"] for x in (wrong, batch.targets))
    assert values.shape == (3, 31 * 5 * 3)
    assert float(split.validation_loss(wrong, batch)) == pytest.approx(0.25, rel=1e-3)
    torch.testing.assert_close((values - truth).square().mean(dim=1), scores["mse_all_times"])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"time_steps": 99}, "time_steps is 99; give at most frames_ahead, which is 30"),
        ({"time_steps": 0}, "time_steps of Motion is 0"),
        ({"frames_ahead": True}, "frames_ahead of Motion is True"),
        ({"file": ""}, "file of Motion is ''"),
        ({"samples": {"train": 1, "valid": 1}}, "'test' is missing"),
        ({"samples": {**COUNTS, "test": None}}, r"test of \w+ is None"),
        ({"seed": 0.5}, "seed of Motion is 0.5"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ConfigError, match=message):
        Motion(**{"file": "a", "samples": COUNTS, **parameters})


def test_files_that_are_not_there_or_no_motion(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.hdf5 is in no folder.*not downloaded"):
        fetch(tmp_path, "nowhere.hdf5")
    (tmp_path / "text.hdf5").write_text("no HDF5")
    with pytest.raises(DataError, match=r"text\.hdf5 is truncated, damaged.* or no HDF5 file"):
        fetch(tmp_path, "text.hdf5")


def changed(folder, change):
    name = raw_file(folder, split={part: {"01": [0, 1]} for part in ("train", "valid", "test")})
    with h5py.File(folder / name, "a") as file:
        change(file)
    return name


def put(file, key, value):
    del file[key]
    file[key] = value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda f: put(f, "edges", np.array([[1, 2], [3, 4]])),
            r"these are 0 to 3, counted from 0; it joins \[1, 2, 3, 4\]",
            marks=pytest.mark.tried(KIND, "bones counted from 1", "refused"),
        ),
        pytest.param(
            lambda f: put(f, "edges", np.array([[1, 2], [2, 3]])),
            r"it joins \[1, 2, 3\]",
            marks=pytest.mark.tried(KIND, "a joint without a bone", "refused"),
        ),
        pytest.param(
            lambda f: put(f, "trials/01/position", np.zeros((40, 4, 3))),
            "all heights of the training frames are 0",
            marks=pytest.mark.tried(KIND, "a motion whose heights are all 0", "refused"),
        ),
        (lambda f: put(f, "edges", np.array([0, 1])), r"of shape \(bone, 2\)"),
        (lambda f: put(f, "trials", np.zeros(3)), "no group 'trials'"),
        (lambda f: put(f, "trials/01", np.zeros(3)), "no array 'trials/01/position'"),
        (lambda f: put(f, "trials/02/position", np.zeros((40, 5, 3))), "the same joints"),
        (lambda f: put(f, "trials/02/position", np.full((40, 4, 3), np.nan)), "trial 02 holds"),
        (lambda f: put(f, "split/test/01", np.array([0, 9])), "trial 01 has 40 frames.* takes 41"),
        (lambda f: put(f, "split/test/01", np.array([-1])), "trial 01 in the split test starts"),
        (lambda f: put(f, "split/test/01", np.array([0.5])), "trial 01 in the split test must"),
        (lambda f: f.move("split/test/01", "split/test/77"), "test names trial 77"),
        (lambda f: f.__delitem__("split/valid"), "no group 'split/valid'"),
        (lambda f: f.__delitem__("split/valid/01"), "the split valid names no trial"),
        (lambda f: f.attrs.__delitem__("license"), "locate attribute: 'license'"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, change, message):
    name = changed(tmp_path, change)
    with pytest.raises(DataError, match=rf"made_up\.hdf5.*{message}"):
        fetch(tmp_path, name, samples={"train": 2, "valid": 2, "test": 2})


@pytest.mark.tried(KIND, "a trial of 25 frames, to predict 30 ahead", "refused")
def test_a_trial_that_is_too_short(tmp_path):
    with pytest.raises(DataError, match=r"has 25 frames; to predict 30 ahead of frame 0 takes 32"):
        fetch(tmp_path, raw_file(tmp_path, frames=(40, 40, 25, 40)), frames_ahead=30)


@pytest.mark.tried(KIND, "positions and frames in whole numbers of one byte, or of eight", "right")
@pytest.mark.parametrize("kind", [np.uint8, np.uint64])
def test_whole_numbers_of_any_width(tmp_path, kind):
    starts = np.array([255], kind)
    name = raw_file(tmp_path, frames=(300,), split={part: {"01": starts} for part in SPLITS})
    track = np.random.default_rng(0).integers(0, 255, (300, 4, 3)).astype(kind)
    with h5py.File(tmp_path / name, "a") as file:
        put(file, "trials/01/position", track)
    fetch(tmp_path, name)
    found = read_arrays(tmp_path / "data" / "train.hdf5")["velocities"]
    np.testing.assert_array_equal(found, track[256].astype(int) - track[255].astype(int))


@pytest.mark.tried(KIND, "one start frame of a motion in two splits", "warned")
def test_copies_are_told(tmp_path):
    starts = {"train": [0, 1, 2], "valid": [3], "test": [2, 4]}
    split = {part: {"01": frames} for part, frames in starts.items()}
    with pytest.warns(UserWarning, match=r"made_up\.hdf5: 1 of 2 samples of test are copies of .*"):
        fetch(
            tmp_path,
            raw_file(tmp_path, split=split),
            samples={"train": 3, "valid": 1, "test": 2},
        )


def test_two_trials_cannot_be_split_in_three(tmp_path):
    with pytest.raises(DataError, match="has 2 trials and no split"):
        fetch(tmp_path, raw_file(tmp_path, frames=(40, 40)))
