"""Grids of one axis, from the file to figures' numbers, and sizes that a network cannot take."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from symbench.config.registry import resolve
from symbench.config.settings import EvaluationSettings, TrainingSettings
from symbench.data.dataset import TaskOptions
from symbench.data.fields import neuraloperator_files, published_burgers
from symbench.data.fields.grid_data import FieldData
from symbench.data.fields.published_burgers import PublishedBurgers
from symbench.data.fields.well import Well
from symbench.data.fields.well_format import read_frames, read_header
from symbench.data.fields.well_writer import write_file, write_statistics
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.evaluation.measure import Measurement
from symbench.files import sha256
from symbench.models.fields.voxel_network import VoxelNetwork
from symbench.symmetry.grids.field import Field
from symbench.training.loop import Trainer
from symbench.training.treatments.augment import Augment
from symbench.training.treatments.treatment import Treatment
from tests.conftest import fetched
from tests.here import here

CELLS = 32
NETWORKS = {
    "fno": {"modes": 4, "hidden_channels": 4},
    "tfno": {"modes": 4, "hidden_channels": 4},
    "unet_classic": {"init_features": 2},
    "unet_convnext": {"init_features": 4, "stages": 2},
    "group_convolution": {"width": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def waves(tmp_path_factory) -> Path:
    """Waves that travel left or right on a line: a height, and a velocity of one component."""
    folder = tmp_path_factory.mktemp("waves")
    rng = np.random.default_rng(0)
    place = (np.arange(CELLS) + 0.5) / CELLS
    for split, count in (("train", 3), ("valid", 1), ("test", 3)):
        phase, sign = rng.uniform(0, 7, (count, 1, 1)), rng.choice([-1, 1], (count, 1, 1))
        wave = np.sin(2 * np.pi * (place - sign * np.arange(9)[:, None] / 20) + phase)
        write_file(
            folder / split / "waves.hdf5",
            dataset="waves",
            fields=(Field("height"), Field("velocity", order=1)),
            values=np.stack([wave, sign * wave], axis=2),
            extent=1.0,
            time=np.arange(9.0),
            parameters={},
        )
    write_statistics(folder / "stats.yaml", [read_header(folder / "train" / "waves.hdf5")])
    return folder


def model_for(data, name, group="flip"):
    arguments = {**data.model_arguments(), **NETWORKS[name]}
    if name == "group_convolution":
        arguments["symmetry"] = data.symmetry(group)
    torch.manual_seed(0)
    return resolve("models", name)(**arguments)


def trained(data, name, treatment, state_path):
    """A network after two steps."""
    model = model_for(data, name)
    Trainer(
        model,
        data.split("train"),
        data.split("valid"),
        treatment(data.symmetry("flip")),
        TrainingSettings(batch_size=4, learning_rate=1e-3, steps=2, samples_per_epoch=4),
        seed=0,
        state_path=state_path,
        fingerprint="",
    ).run()
    return model


@pytest.mark.tried(
    "1-D grids", "each network, trained, averaged over the flip, rolled out", "right"
)
@pytest.mark.parametrize("name", list(NETWORKS))
@pytest.mark.parametrize("group", ["flip", "flip * shifts(4)"])
def test_one_axis_from_file_to_scores(waves, name, group, tmp_path):
    data = FieldData(waves, input_steps=2)
    assert data.channel_names == ["height", "velocity_x"]
    treatment = Augment if name == "fno" else Treatment
    model = trained(data, name, treatment, tmp_path / "state.pt")
    settings = EvaluationSettings(rollout_steps=3, samples_per_trajectory=2, chunk=4)
    symmetry = data.symmetry(group)
    Measurement.check(data, symmetry, settings, ["plain", "average", "frame"])
    measured = Measurement(model, data, symmetry, settings, Well(dataset="w", source="w"))
    plain, averaged, framed = (measured.run(kind) for kind in ("plain", "average", "frame"))
    gram = averaged.error_gram.mean(("element", "element_b"))
    np.testing.assert_allclose(gram, averaged.mse, rtol=1e-3, atol=1e-9)
    assert (averaged.mse.sum() <= averaged.element_mse.mean("element").sum() * (1 + 1e-6)).all()
    assert plain.spectrum.sizes["wavenumber"] == CELLS // 2 + 1
    # A single wave, in both fields, whose mean square is a half.
    np.testing.assert_allclose(plain.spectrum_truth.isel(wavenumber=1), 1.0, rtol=1e-4)
    assert framed.rollout_vrmse.notnull().all()
    if name == "group_convolution":
        flipped = averaged.error_gram.isel(element=0, element_b=0) if group == "flip" else plain.mse
        np.testing.assert_allclose(flipped, plain.mse, rtol=1e-3)


@pytest.mark.tried(
    "1-D grids", "groups of the plane, shifts that do not divide the cells", "refused"
)
@pytest.mark.parametrize("group", ["D4", "flip_y", "shifts(5)"])
def test_groups_that_a_line_cannot_carry_are_refused(waves, group):
    with pytest.raises(SymmetryError, match=r"1-D|fraction of a cell"):
        FieldData(waves, input_steps=2).symmetry(group)


@pytest.mark.tried("1-D grids", "33 cells, or 33 x 33, with the U-nets; 17 with any", "refused")
@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("unet_classic", (33,), "multiples of 16.*not 33; near 33 fits 32 and 48"),
        ("unet_classic", (33, 33), "multiples of 16.*not 33 x 33; near 33 fits 32 and 48"),
        ("unet_classic", (64, 8), "not 64 x 8; near 8 fits 16"),
        ("unet_convnext", (33,), "unet_convnext of 2 stages .* multiples of 4.* 32 and 36"),
        ("unet_convnext", (33, 33), "not 33 x 33; near 33 fits 32 and 36"),
    ],
)
def test_sizes_that_a_network_cannot_take_are_refused(name, shape, message):
    with pytest.raises(ConfigError, match=message):
        resolve("models", name)(
            dim_in=2,
            dim_out=1,
            n_spatial_dims=len(shape),
            spatial_resolution=shape,
            **NETWORKS[name],
        )


@pytest.mark.tried("1-D grids", "33 cells, or 33 x 33, with networks that take any size", "right")
@pytest.mark.parametrize("shape", [(33,), (33, 33), (17, 20)])
@pytest.mark.parametrize("name", ["fno", "tfno"])
def test_networks_that_take_any_size_keep_it(name, shape):
    model = resolve("models", name)(
        dim_in=2, dim_out=1, n_spatial_dims=len(shape), spatial_resolution=shape, **NETWORKS[name]
    )
    assert here(model)(here(torch.randn(1, 2, *shape))).shape == (1, 1, *shape)


@pytest.mark.tried("1-D grids", "a kernel that is even, or wider than the grid", "refused")
@pytest.mark.parametrize("size", [4, 67])
def test_kernels_that_do_not_fit_are_refused(waves, size):
    data = FieldData(waves, input_steps=2)
    with pytest.raises(
        ConfigError, match=f"'size' of group_convolution is {size}, for a grid of 32"
    ):
        resolve("models", "group_convolution")(
            symmetry=data.symmetry("flip"), **data.model_arguments(), size=size
        )


@pytest.mark.parametrize("side", [8, 15, 33])
def test_voxel_networks_take_the_side_of_the_grid(side):
    model = here(VoxelNetwork(3, width=2, side=side))
    assert model(here(torch.zeros(2, 1, side, side, side))).shape == (2, 3)


@pytest.mark.tried("1-D grids", "batch_size 1 and three trajectories to roll out", "right")
def test_rollouts_hold_to_the_batch_size(waves):
    class Counting(nn.Module):
        largest = 0

        def forward(self, values):
            Counting.largest = max(Counting.largest, len(values))
            return values[:, -2:]

    data = FieldData(waves, input_steps=2)
    settings = EvaluationSettings(rollout_steps=3, batch_size=1, chunk=1, rollout_trajectories=None)
    for kind in ("plain", "average"):
        measured = Measurement(
            Counting(), data, data.symmetry("flip"), settings, Well(dataset="w", source="w")
        )
        assert measured.run(kind).sizes["trajectory"] == 3
        assert Counting.largest == 1


@pytest.fixture
def solutions(tmp_path, monkeypatch):
    """A small file in the layout of the published one, in place of the package."""
    made = np.random.default_rng(0).normal(size=(7, 17, 16)).astype(np.float32)
    path = tmp_path / published_burgers.FILE
    torch.save({"output": torch.from_numpy(made)}, path)
    monkeypatch.setattr(neuraloperator_files, "package_folder", lambda: tmp_path)
    monkeypatch.setitem(neuraloperator_files.CHECKSUMS, path.name, sha256(path))
    return made


@pytest.mark.tried("1-D grids", "solutions of Burgers' equation by neuraloperator", "right")
def test_published_burgers_is_split_in_its_order(solutions, tmp_path):
    dataset = PublishedBurgers(trajectories={"train": 4, "valid": 1, "test": 2})
    folder = fetched(dataset, tmp_path / "data")
    data = dataset.open(folder, TaskOptions(), 0)
    assert data.header.shape == (16,)
    assert data.channel_names == ["velocity_x"]
    header = read_header(folder / "test" / "burgers_1d_published.hdf5")
    np.testing.assert_array_equal(read_frames(header, 1, 0, 17)[:, 0], solutions[6])
    dataset.check_group("flip * shifts(4)")
    with pytest.raises(SymmetryError):
        dataset.check_group("D4")


@pytest.mark.tried(
    "1-D grids", "another file of that name; more trajectories than there are", "refused"
)
def test_published_burgers_refuses_other_files(solutions, tmp_path, monkeypatch):
    dataset = PublishedBurgers(trajectories={"train": 9, "valid": 1, "test": 2})
    with pytest.raises(DataError, match="holds 7 trajectories, not 12"):
        fetched(dataset, tmp_path / "data")
    monkeypatch.setitem(neuraloperator_files.CHECKSUMS, published_burgers.FILE, "0" * 64)
    with pytest.raises(DataError, match=r"burgers_lowres.pt is not the file of neuraloperator"):
        fetched(dataset, tmp_path / "data")
