"""Our files against The Well's own reader, and its files through ours."""

from contextlib import closing
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
import yaml

from symbench.data.fields.grid_data import FieldData
from symbench.data.fields.well_format import (
    read_constants,
    read_frames,
    read_header,
    read_statistics,
)
from symbench.data.fields.well_writer import write_file, write_statistics
from symbench.data.manifest import Manifest, write_manifest
from symbench.errors import DataError, SymmetryError
from symbench.symmetry.grids.field import Field
from symbench.training.feeder import prepared

FIELDS = (Field("s"), Field("v", 1), Field("T", 2))


@pytest.fixture
def folder(tmp_path):
    """Three splits with a scalar, a vector and a matrix field in 2-D."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("valid", 1), ("test", 2)):
        write_file(
            tmp_path / split / "part.hdf5",
            dataset="mixed",
            fields=FIELDS,
            values=rng.normal(2.0, 3.0, size=(count, 9, 7, 8, 8)).astype(np.float32),
            extent=2.0,
            time=np.arange(9) * 0.5,
            parameters={"viscosity": 0.1},
        )
    write_statistics(tmp_path / "stats.yaml", [read_header(tmp_path / "train" / "part.hdf5")])
    return tmp_path


def well_dataset(folder, split, **options):
    from the_well.data.datasets import WellDataset
    from the_well.data.normalization import ZScoreNormalization

    return WellDataset(
        path=str(folder / split),
        normalization_path=str(folder / "stats.yaml"),
        n_steps_input=4,
        n_steps_output=1,
        use_normalization=True,
        normalization_type=ZScoreNormalization,
        **options,
    )


def test_the_well_opens_our_files_and_gives_the_same_windows(folder):
    theirs = well_dataset(folder, "test")
    ours = FieldData(folder).split("test")
    assert len(theirs) == len(ours.samples)
    assert theirs.metadata.field_names == {0: ["s"], 1: ["v_x", "v_y"], 2: theirs_tensor(theirs)}
    batch = ours.batch(ours.samples)
    for index in range(len(theirs)):
        item = theirs[index]
        inputs = item["input_fields"].movedim(-1, 1).flatten(0, 1)
        torch.testing.assert_close(batch.inputs[index], inputs)
        torch.testing.assert_close(batch.targets[index], item["output_fields"][0].movedim(-1, 0))
        assert (item["boundary_conditions"] == 2).all()


def theirs_tensor(dataset):
    names = dataset.metadata.field_names[2]
    assert len(names) == 4
    return names


def test_header_says_what_the_file_holds(folder):
    header = read_header(folder / "train" / "part.hdf5", parity={"s": -1})
    assert header.fields == (Field("s", parity=-1), Field("v", 1), Field("T", 2))
    assert header.shape == (8, 8)
    assert header.extent == pytest.approx((2.0, 2.0))
    assert header.boundary == ("PERIODIC", "PERIODIC")
    assert (header.trajectories, header.steps, header.time_step) == (3, 9, 0.5)


def test_reading_from_disk_and_from_memory_agree(folder):
    loaded = FieldData(folder).split("train")
    streamed = FieldData(folder, memory_limit=0).split("train")
    assert loaded.in_memory
    assert not streamed.in_memory
    rows = loaded.samples[[0, 7, 3]]
    for name in ("inputs", "targets"):
        assert torch.equal(getattr(loaded.batch(rows), name), getattr(streamed.batch(rows), name))
    assert torch.equal(loaded.inputs([1, 2]), streamed.inputs([1, 2]))


def test_a_thread_may_read_files_that_others_read_too(folder):
    """Training prepares batches in a thread, while a validation may read the same file."""
    streamed = FieldData(folder, memory_limit=0).split("train")
    rows = np.array_split(streamed.samples, len(streamed.samples))
    expected = [streamed.batch(row).targets for row in rows]
    with closing(prepared(streamed.batch, rows, 2)) as batches:
        for number, batch in enumerate(batches):
            assert torch.equal(batch.targets, expected[number])
            assert torch.equal(streamed.batch(rows[-1 - number]).targets, expected[-1 - number])


def test_samples_are_held_on_a_device_if_there_is_room(folder):
    """The device "meta" has no memory: what is made there was made of what is held there."""
    split = FieldData(folder).split("train")
    rows = split.samples[[0, 7, 3]]
    expected = split.batch(rows)
    size = 4 * 3 * 9 * 7 * 8 * 8
    assert not split.hold_on(torch.device("meta"), size - 1)
    assert not FieldData(folder, memory_limit=0).split("train").hold_on(torch.device("cpu"), size)
    assert split.hold_on(torch.device("cpu"), size)
    assert torch.equal(split.batch(rows).inputs, expected.inputs)
    assert split.hold_on(torch.device("meta"), size)
    held = split.batch(rows)
    assert held.inputs.device == held.targets.device == torch.device("meta")
    assert held.inputs.shape == expected.inputs.shape


def test_statistics_agree_with_numpy(folder):
    values = np.concatenate(
        [read_frames(read_header(folder / "train" / "part.hdf5"), t, 0, 9)[None] for t in range(3)]
    ).astype(np.float64)
    path = folder / "stats.yaml"
    expected = {
        "mean": values.mean(axis=(0, 1, 3, 4)),
        "std": values.std(axis=(0, 1, 3, 4)),
        "rms": np.sqrt((values**2).mean(axis=(0, 1, 3, 4))),
        "mean_delta": np.diff(values, axis=1).mean(axis=(0, 1, 3, 4)),
        "std_delta": np.diff(values, axis=1).std(axis=(0, 1, 3, 4)),
    }
    for key, row in expected.items():
        np.testing.assert_allclose(read_statistics(path, FIELDS, key), row, rtol=1e-6, atol=1e-9)


def test_the_wells_dummy_file_can_be_read(tmp_path):
    from the_well.utils.dummy_data import write_dummy_data

    path = tmp_path / "train" / "dummy.hdf5"
    path.parent.mkdir()
    write_dummy_data(str(path))
    header = read_header(path)
    assert header.trajectories == 2
    assert header.fields
    frames = read_frames(header, 1, 2, 5)
    assert frames.shape[0] == 3
    assert frames.shape[2:] == header.shape
    if header.constant_fields:
        assert read_constants(header, 0).shape[1:] == header.shape


def test_truncated_file(folder):
    path = folder / "train" / "part.hdf5"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"part\.hdf5 is truncated, damaged or no HDF5 file"):
        FieldData(folder)


def test_foreign_file(folder):
    with h5py.File(folder / "train" / "part.hdf5", "w") as file:
        file["x"] = [1.0]
    with pytest.raises(DataError, match="not in The Well's schema: it has no dimensions"):
        FieldData(folder)


def test_missing_statistics(folder):
    (folder / "stats.yaml").unlink()
    with pytest.raises(DataError, match=r"stats\.yaml is missing"):
        FieldData(folder)


def test_statistics_without_a_field(folder):
    content = yaml.safe_load((folder / "stats.yaml").read_text())
    del content["std"]["v"]
    (folder / "stats.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(DataError, match="no 'std' of field 'v'"):
        FieldData(folder)


@pytest.mark.parametrize("memory_limit", [0, 1e9])
def test_nan_in_data(folder, memory_limit):
    with h5py.File(folder / "train" / "part.hdf5", "a") as file:
        file["t0_fields"]["s"][0, 0, 0, 0] = np.nan
    split = FieldData(folder, memory_limit=memory_limit).split("train")
    with pytest.raises(DataError, match=r"part\.hdf5 holds values that are not finite"):
        split.batch(split.samples[:1])


@pytest.mark.tried(
    "The Well's files", "stats.yaml of other data, or a fill value of 1e20", "warned"
)
@pytest.mark.parametrize("filled", [False, True])
def test_values_far_from_the_mean(folder, filled):
    content = yaml.safe_load((folder / "stats.yaml").read_text())
    if filled:
        with h5py.File(folder / "train" / "part.hdf5", "a") as file:
            file["t0_fields"]["s"][0, 0, 0, 0] = 1e20
    else:
        content["mean"]["s"] = 1e9
        (folder / "stats.yaml").write_text(yaml.safe_dump(content))
    split = FieldData(folder).split("train")
    with pytest.warns(UserWarning, match=r"part\.hdf5 holds values over 1e\+06 standard"):
        split.batch(split.samples[:1])


def test_empty_folder(tmp_path):
    with pytest.raises(DataError, match="holds no HDF5 file"):
        FieldData(tmp_path)


def test_trajectories_that_are_too_short(folder):
    with pytest.raises(DataError, match="9 frames; 9 in and 1 out need 10"):
        FieldData(folder, input_steps=9).split("train")


def test_parity_of_an_unknown_field(folder):
    with pytest.raises(DataError, match="Parity is given for vorticity"):
        FieldData(folder, parity={"vorticity": -1})


def test_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="reshape"):
        write_file(
            tmp_path / "x.hdf5",
            dataset="broken",
            fields=FIELDS,
            values=np.zeros((1, 3, 5, 4, 4), np.float32),
            extent=1.0,
            time=np.arange(3.0),
            parameters={},
        )
    assert list(tmp_path.iterdir()) == []


def test_only_files_of_the_manifest_are_read(folder):
    listed = [*(folder / split / "part.hdf5" for split in ("train", "test")), folder / "stats.yaml"]
    write_manifest(folder, Manifest("a test", "CC0-1.0", {}, tuple(listed)), "mixed", "of a test")
    (folder / "train" / "another.hdf5").write_text("a stray file")
    data = FieldData(folder)
    assert data.split("train").trajectories == 3
    with pytest.raises(DataError, match="holds no HDF5 file in valid/"):
        data.split("valid")


def test_every_file_is_checked_when_the_data_are_opened(folder):
    write_file(
        folder / "test" / "other.hdf5",
        dataset="mixed",
        fields=FIELDS,
        values=np.zeros((1, 9, 7, 6, 6), np.float32),
        extent=2.0,
        time=np.arange(9) * 0.5,
        parameters={},
    )
    with pytest.raises(DataError, match=r"other\.hdf5: cells: 6 x 6, but 8 x 8 in .*part\.hdf5"):
        FieldData(folder)


def test_a_box_of_another_shape_in_any_file_refuses_swaps(folder):
    with h5py.File(folder / "test" / "part.hdf5", "a") as file:
        file["dimensions"]["y"][...] *= 2
    with pytest.raises(DataError, match=r"test/part\.hdf5: box: 2 x 4, but 2 x 2 in .*'box'"):
        FieldData(folder)
    data = FieldData(folder, may_differ=["box"])
    data.symmetry("flips")
    with pytest.raises(SymmetryError, match="not a symmetry of the box"):
        data.symmetry("D4")


def as_virtual(file, values, path):
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[...] = h5py.VirtualSource(path.with_name("elsewhere.h5"), "s", values.shape)
    return file.create_virtual_dataset("t0_fields/s", layout)


def as_external_link(file, values, path):
    file["t0_fields/s"] = h5py.ExternalLink(path.with_name("elsewhere.h5"), "s")


def as_complex(file, values, path):
    return file.create_dataset("t0_fields/s", data=values.astype(complex))


def as_text(file, values, path):
    return file.create_dataset("t0_fields/s", data=np.full(values.shape, b"x"))


def without_a_trajectory(file, values, path):
    return file.create_dataset("t0_fields/s", data=values[1:])


@pytest.mark.parametrize(
    ("replacement", "message"),
    [
        (as_virtual, "'/t0_fields/s' takes its values from other files"),
        (as_external_link, "'t0_fields/s' is a link to .*elsewhere.h5"),
        (as_complex, "/t0_fields/s .* holds complex numbers"),
        (as_text, "/t0_fields/s .* holds no numbers"),
        (without_a_trajectory, r"has the shape \(2, 9, 8, 8\); the attributes of the file say"),
    ],
)
def test_fields_that_cannot_be_used_are_named(folder, replacement, message):
    path = folder / "train" / "part.hdf5"
    with h5py.File(path, "a") as file:
        values = file["t0_fields/s"][()]
        attributes = dict(file["t0_fields/s"].attrs)
        del file["t0_fields/s"]
        with h5py.File(path.with_name("elsewhere.h5"), "w") as other:
            other["s"] = values
        if (field := replacement(file, values, path)) is not None:
            field.attrs.update(attributes)
    path.with_name("elsewhere.h5").rename(folder / "elsewhere.h5")
    with pytest.raises(DataError, match=rf"part\.hdf5: .*?{message}"):
        FieldData(folder)


@pytest.mark.parametrize(
    ("place", "attribute"),
    [
        ("/", "n_trajectories"),
        ("/", "dataset_name"),
        ("/dimensions", "spatial_dims"),
        ("/t1_fields", "field_names"),
        ("/t1_fields/v", "time_varying"),
        ("/t1_fields/v", "sample_varying"),
        ("/t1_fields/v", "dim_varying"),
        ("/boundary_conditions/x_periodic", "bc_type"),
        ("/boundary_conditions/x_periodic", "associated_dims"),
    ],
)
def test_missing_attributes_are_named(folder, place, attribute):
    with h5py.File(folder / "test" / "part.hdf5", "a") as file:
        del file[place].attrs[attribute]
    with pytest.raises(DataError, match=rf"part\.hdf5: {place} has no attribute '{attribute}'"):
        FieldData(folder)


@pytest.mark.parametrize("kind", [list, np.bytes_, lambda text: np.array([text], "S")])
def test_texts_may_be_bytes_or_the_one_of_a_list(folder, kind):
    path = folder / "test" / "part.hdf5"
    before = read_header(path)
    places = [("/", "grid_type"), ("/boundary_conditions/x_periodic", "bc_type")]
    with h5py.File(path, "a") as file:
        for place, name in places:
            text = file[place].attrs[name]
            file[place].attrs[name] = [text] if kind is list else kind(text)
    assert read_header(path) == before


@pytest.mark.parametrize("name", ["t1_fields/v", "dimensions/x", "dimensions/time"])
def test_missing_arrays_are_named(folder, name):
    group, _, array = name.partition("/")
    with h5py.File(folder / "test" / "part.hdf5", "a") as file:
        del file[name]
    with pytest.raises(DataError, match=rf"part\.hdf5: /{group} holds no array '{array}'"):
        FieldData(folder)


def test_statistics_of_another_number_of_components(folder):
    content = yaml.safe_load((folder / "stats.yaml").read_text())
    content["std"]["v"] = 1.0
    (folder / "stats.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(DataError, match="'std' of field 'v' has 1 numbers for 2 components"):
        FieldData(folder)
    (folder / "stats.yaml").write_text("mean: [")
    with pytest.raises(DataError, match=r"stats\.yaml is no valid YAML"):
        FieldData(folder)


def test_scores_are_the_wells_and_quantities_agree_with_them(folder):
    from the_well.benchmark.metrics import MSE, VRMSE

    data = FieldData(folder)
    split = data.split("test")
    batch = split.batch(split.samples[::3])
    prediction = batch.targets + 0.3 * torch.randn_like(batch.targets)
    scores = split.scores(prediction, batch)
    metadata = SimpleNamespace(n_spatial_dims=2)
    predicted, target = (
        data.normalizer.denormalize(values).movedim(1, -1) for values in (prediction, batch.targets)
    )
    for name, theirs in (("vrmse", VRMSE), ("mse", MSE)):
        expected = theirs.eval(predicted, target, metadata)
        torch.testing.assert_close(scores[name].float(), expected)

    values, truth = split.values_of(prediction, batch), split.values_of(batch.targets, batch)
    variances = split.variance_of_targets(batch)
    assert split.quantities == tuple(values) == tuple(variances) == tuple(split.scales)
    assert split.quantities[:3] == ("s", "v_x", "v_y")
    for place, name in enumerate(split.quantities):
        squared = (values[name] - truth[name]).square().mean(dim=1)
        torch.testing.assert_close(scores["mse"][:, place].double(), squared)
        relative = (squared / variances[name]).sqrt()
        torch.testing.assert_close(scores["vrmse"][:, place].double(), relative)
    # Components of one field share their scale, so that it does not change when the group acts.
    assert split.scales["v_x"] == split.scales["v_y"] != split.scales["s"]
    assert split.scales["s"] == pytest.approx(
        read_statistics(folder / "stats.yaml", FIELDS, "std")[0] ** 2
    )
    np.testing.assert_array_equal(split.blocks, split.samples[:, 0])
