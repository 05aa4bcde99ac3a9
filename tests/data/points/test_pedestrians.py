"""Windows of pedestrians: who is in them, symmetries, and what is refused."""

import numpy as np
import pytest
import torch

from symbench.arithmetic import tf32
from symbench.data.points.pedestrian_data import PedestrianData, PedestrianSplit, read_windows
from symbench.data.points.pedestrians import SCENES, Pedestrians
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.models.points.social_stgcnn import SocialSTGCNN
from symbench.symmetry.audit import Verdict
from symbench.symmetry.reynolds import average
from tests.here import here
from tests.models.published import fill
from tests.tolerances import on_device

# First and last frame of each pedestrian, of frames that are ten apart.
STAYS = {3: (0, 29), 7: (2, 25), 9: (5, 29), 12: (0, 10)}


def written(folder, stays=None, name="walk.txt"):
    rng = np.random.default_rng(0)
    rows = [
        (10 * frame, name, *rng.standard_normal(2))
        for name, (first, last) in (stays or STAYS).items()
        for frame in range(first, last + 1)
    ]
    path = folder / name
    np.savetxt(path, sorted(rows), fmt="%.8g")
    return path, np.array(sorted(rows))


@pytest.fixture
def split(tmp_path):
    return PedestrianSplit(read_windows([written(tmp_path)[0]]))


@pytest.fixture
def data(split, monkeypatch):
    monkeypatch.setattr(PedestrianData, "__init__", lambda self: None)
    found = PedestrianData()
    found._splits = {"valid": split, "test": split}
    return found


def test_windows_hold_those_who_are_there_throughout(tmp_path):
    path, rows = written(tmp_path)
    found = read_windows([path, path])
    expected = []
    for start in range(11):
        there = [n for n, (first, last) in STAYS.items() if first <= start and start + 19 <= last]
        if len(there) > 1:
            expected += [(start, name) for name in sorted(there)]
    assert len(found["positions"]) == 2 * len(expected)
    for position, (start, name) in zip(found["positions"], expected, strict=False):
        own = rows[rows[:, 1] == name]
        own = own[(own[:, 0] >= 10 * start) & (own[:, 0] < 10 * (start + 20)), 2:]
        np.testing.assert_allclose(position, own, atol=5.1e-5)
    half = len(expected)
    assert not set(found["block"][:half]) & set(found["block"][half:])
    assert not set(found["window"][:half]) & set(found["window"][half:])


def test_a_batch_brings_all_who_share_a_window(split, device):
    rows = split.samples[[4, 1]]
    batch = split.batch(rows)
    model = fill(SocialSTGCNN()).float().eval()
    close = {"rtol": on_device(1.3e-6, device), "atol": on_device(1e-5, device)}
    with torch.no_grad(), tf32(False):
        whole = model(here(split.batch(split.samples).inputs)).cpu()
        found = model(here(batch.inputs)).cpu()
    torch.testing.assert_close(found, whole[[4, 1]], **close)
    torch.testing.assert_close(batch.targets, split.targets[[4, 1]])


def test_the_average_over_the_square_is_equivariant(data, split):
    symmetry, batch = data.symmetry("D4"), here(split.batch(split.samples))
    model = fill(SocialSTGCNN()).eval()
    inputs = batch.inputs
    inputs = type(inputs)(inputs.displacements.double(), inputs.window, inputs.chosen)
    averaged = average(model, symmetry)
    with torch.no_grad():
        found = averaged(inputs)
        for element in (3, 6):
            moved = averaged(symmetry.act_on_input(element, inputs))
            torch.testing.assert_close(moved, symmetry.act_on_output(element, found))
    xx, xy, yy = found[..., 2:].unbind(-1)
    assert bool((xx * yy > xy**2).all())


def test_other_orders_change_predictions_and_are_taken_back(data, split):
    symmetry, batch = data.symmetry("orders"), split.batch(split.samples)
    element = symmetry.group.subset(2, seed=3)[1]
    moved = symmetry.act_on_input(element, batch.inputs)
    assert not torch.equal(moved.displacements, batch.inputs.displacements)
    torch.testing.assert_close(
        moved.displacements[moved.chosen], batch.inputs.displacements[batch.inputs.chosen]
    )
    back = symmetry.act_on_input(symmetry.group.inverse(element), moved)
    torch.testing.assert_close(back.displacements, batch.inputs.displacements)
    with pytest.raises(SymmetryError, match="seed and 1 or -1"):
        symmetry.group.check(torch.tensor([[3, 2]]))


def test_displacement_errors_of_known_predictions(split):
    batch = split.batch(split.samples)
    sure = torch.cat([batch.targets, torch.zeros(*batch.targets.shape[:2], 3)], dim=2)
    sure[..., 2] = sure[..., 4] = 1e-20
    scores = split.scores(sure, batch)
    assert max(float(values.abs().max()) for values in scores.values()) < 1e-5
    sure[:, 0, :2] += torch.tensor([3.0, 4.0])
    scores = split.scores(sure, batch)
    torch.testing.assert_close(scores["ade"], torch.full_like(scores["ade"], 5.0))
    torch.testing.assert_close(scores["fde_best_of_20"], torch.full_like(scores["fde"], 5.0))


@pytest.mark.tried("points, graphs and shapes", "a recording that is no table of four", "refused")
def test_recordings_that_are_refused(tmp_path):
    bad = tmp_path / "bad.txt"
    for text, words in (
        ("1 2 3\n", "frame, pedestrian, x and y"),
        ("1 2 three 4\n", "no table of numbers"),
        ("1 2 nan 4\n", "all finite"),
        ("1 2 3 4\n1 2 3 5\n", "a pedestrian twice in one frame"),
    ):
        bad.write_text(text)
        with pytest.raises(DataError, match=words):
            read_windows([bad])
    with pytest.raises(DataError, match="no window of 20 frames"):
        read_windows([written(tmp_path, {1: (0, 29)})[0]])


def test_pedestrians_who_stand_have_no_place_by_displacement(data, split):
    split.seen[:] = 0
    assert np.isfinite(split.ranks()).all()
    assert [element.verdict for element in data.audit("orders", None)] == [Verdict.HOLDS]


def test_validation_data_are_of_the_other_scenes():
    for scene, own in SCENES.items():
        files = Pedestrians(scene=scene).files()
        assert set(files["test"]) == {f"{name}.txt" for name in own}
        assert len(files["valid"]) == 8 - len(own)
        assert not set(files["valid"]) & {f"{name}_val.txt" for name in own}
    with pytest.raises(SymmetryError, match="no grid to shift"):
        Pedestrians(scene="eth").check_group("shifts(4)")
    with pytest.raises(SymmetryError, match="Pedestrians have the group 'orders' too"):
        Pedestrians(scene="eth").check_group("order")
    with pytest.raises(ConfigError, match="zara1"):
        Pedestrians(scene="zara")
