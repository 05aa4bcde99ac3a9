"""One configuration of a glass: neighbours, blocks, symmetry, and what is refused."""

import numpy as np
import pytest
import torch

from symbench.data.arrays import write_arrays
from symbench.data.dataset import TaskOptions
from symbench.data.points.glass import Glass
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.models.points.glass_network import GlassNetwork
from symbench.symmetry.reynolds import average
from tests.conftest import fetched
from tests.here import here
from tests.tolerances import on_device

BOX = 6.0


def arrays(particles=40, seed=0, **other):
    rng = np.random.default_rng(seed)
    position = rng.uniform(0, BOX, (particles, 3))
    final = position + 0.1 * rng.standard_normal((5, particles, 3))
    return {
        "position": position,
        "box": np.full(3, BOX),
        "type": (np.arange(particles) % 5 == 0).astype(np.int32),
        "propensity": np.linalg.norm(final - position, axis=2).mean(axis=0)[None],
        "final_position": final.astype(np.float32),
        **other,
    }


def opened(folder, dataset=None, **other):
    write_arrays(folder / "glass.hdf5", arrays(**other))
    dataset = dataset or Glass(file="glass.hdf5", blocks=2)
    return dataset.open(fetched(dataset, folder / "data", folder), TaskOptions(), seed=0)


@pytest.fixture
def data(tmp_path):
    return opened(tmp_path)


def test_edges_join_all_that_are_near_and_each_particle_to_itself(data):
    inputs, position = data.split("test").inputs, arrays()["position"]
    difference = position[None] - position[:, None]
    nearest = difference - BOX * np.round(difference / BOX)
    near = np.linalg.norm(nearest, axis=2) < 2.0
    found = np.zeros_like(near)
    senders, receivers = inputs.edges.numpy()
    found[senders, receivers] = True
    np.testing.assert_array_equal(found, near)
    assert len(senders) == near.sum()
    np.testing.assert_allclose(inputs.displacements, nearest[senders, receivers], atol=1e-6)


def test_samples_are_particles_of_type_a_in_blocks_of_space(data):
    split, own = data.split("test"), arrays()
    samples = split.samples[:, 0]
    np.testing.assert_array_equal(samples, np.flatnonzero(own["type"] == 0))
    octant = own["position"][samples] >= BOX / 2
    np.testing.assert_array_equal(split.blocks, octant @ [4, 2, 1])


def test_part_of_the_samples_has_the_same_predictions(data, device):
    torch.manual_seed(0)
    split, model = data.split("test"), here(GlassNetwork(hidden=16))
    whole, part = here(split.batch(split.samples)), here(split.batch(split.samples[3:7]))
    close = {"rtol": on_device(1.3e-6, device), "atol": on_device(1e-5, device)}
    with torch.no_grad():
        torch.testing.assert_close(model(part.inputs), model(whole.inputs)[3:7], **close)


def test_the_average_over_the_cube_is_invariant_and_the_network_is_not(data):
    symmetry, split = data.symmetry("O_h"), data.split("test")
    inputs = here(split.batch(split.samples).inputs)
    torch.manual_seed(0)
    model = here(GlassNetwork(hidden=16).double().eval())
    inputs = type(inputs)(
        inputs.types.double(), inputs.edges, inputs.displacements.double(), inputs.chosen
    )
    averaged = average(model, symmetry)
    moved = symmetry.act_on_input(17, inputs)
    with torch.no_grad():
        torch.testing.assert_close(averaged(moved), averaged(inputs), rtol=1e-9, atol=1e-9)
        assert float((model(moved) - model(inputs)).abs().max()) > 1e-6


def test_the_error_of_the_labels_is_that_of_a_mean_over_trajectories(data):
    split, own = data.split("test"), arrays()
    batch = split.batch(split.samples)
    found = split.scores(batch.targets, batch)
    moved = np.linalg.norm(own["final_position"] - own["position"], axis=2)
    expected = moved.var(axis=0, ddof=1)[split.samples[:, 0]] / 5
    np.testing.assert_allclose(found["label_noise"], expected, rtol=1e-4)
    assert not found["mse"].any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"box": np.array([6.0, 6.0, 7.0])}, "needs a cube"),
        ({"box": np.full(3, 4.0)}, "not below half of the box"),
        ({"type": np.zeros(39, np.int32)}, "type has the shape"),
        ({"propensity": np.full((1, 40), np.nan)}, "not finite"),
        ({"propensity": np.ones(40)}, r"shape \(time, particle\)"),
        ({"propensity": np.ones((1, 40))}, "of time 0 are no mean distances"),
        ({"final_position": arrays()["final_position"][:1]}, "of two or more final positions"),
        ({"type": np.arange(40) % 2 + 1}, "type must be 0 or 1"),
        ({"type": np.ones(40, np.int32)}, "and 0, whose particles count"),
    ],
)
@pytest.mark.tried("points, graphs and shapes", "a configuration of a glass, changed", "refused")
def test_other_configurations_are_refused(tmp_path, change, words):
    with pytest.raises(DataError, match=words):
        opened(tmp_path, **change)


def test_a_particle_just_below_zero(tmp_path):
    own = arrays()
    position, final = own["position"].copy(), own["final_position"].copy()
    position[0, 0], final[:, 0, 0] = -1e-17, final[:, 0, 0] - position[0, 0]
    moved = np.linalg.norm(final - position, axis=2).mean(axis=0)[None]
    data = opened(tmp_path, position=position, final_position=final, propensity=moved)
    assert data.split("test").block_of_particle[0] < 4


def test_what_a_glass_lacks(tmp_path, data):
    with pytest.raises(DataError, match="no split but the test split"):
        data.split("train")
    with pytest.raises(DataError, match="counted from 0"):
        opened(tmp_path, Glass(file="glass.hdf5", time=1))
    with pytest.raises(ConfigError):
        Glass(file="glass.hdf5", cutoff=0.0)
    with pytest.raises(SymmetryError, match="O_h"):
        Glass(file="glass.hdf5").check_group("D4")
