"""Files in The Well's schema with one thing changed: right numbers, or one of our sentences."""

import tempfile
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from symbench.data.dataset import SPLITS, TaskOptions
from symbench.data.fields.check_data import check_folder
from symbench.data.fields.well import Well
from symbench.errors import SymBenchError
from tests.conftest import fetched
from tests.data.fields import well_files

STEPS_IN = 2
SHAPES = [(3,), (4, 3), (2, 3, 2)]
TYPES = ["f4", "f8", "i2"]
TEXT = h5py.string_dtype()
# What an attribute may hold in place of what it should.
VALUES = [
    *(0, 1, 2, -1, 10**12, 1.5, np.nan, True, False, "", "x", "WALL", "time", b"\xff"),
    *([], [1], [True], ["x"], ["x", "x"], ["y", "x"], [True, False, True], [[True], [False]]),
    *(h5py.Empty("f4"), np.array([], TEXT), np.complex64(1j)),
]


def everything(file):
    """Names of all groups and arrays that a run reads."""
    found = ["/"]
    file.visit(found.append)
    return [name for name in found if name != "scalars"]


def arrays(file):
    return [name for name in everything(file) if isinstance(file[name], h5py.Dataset)]


def replace(file, name, values, **options):
    """Put other values in place of an array, with the attributes of before."""
    attributes = dict(file[name].attrs)
    del file[name]
    file.create_dataset(name, data=values, **options).attrs.update(attributes)


def an_attribute_removed(file, draw):
    owner = file[draw(st.sampled_from([n for n in everything(file) if file[n].attrs]))]
    del owner.attrs[draw(st.sampled_from(sorted(owner.attrs)))]


def an_attribute_renamed(file, draw):
    owner = file[draw(st.sampled_from([n for n in everything(file) if file[n].attrs]))]
    name = draw(st.sampled_from(sorted(owner.attrs)))
    owner.attrs[name + "_"] = owner.attrs[name]
    del owner.attrs[name]


def an_attribute_changed(file, draw):
    owner = file[draw(st.sampled_from([n for n in everything(file) if file[n].attrs]))]
    owner.attrs[draw(st.sampled_from(sorted(owner.attrs)))] = draw(st.sampled_from(VALUES))


def a_unit_in_one_file(file, draw):
    place = draw(st.sampled_from(["t0_fields/c", "t1_fields/u", "dimensions/x", "dimensions/time"]))
    file[place].attrs["units"] = "m"


def something_removed(file, draw):
    del file[draw(st.sampled_from(everything(file)[1:]))]


def something_renamed(file, draw):
    name = draw(st.sampled_from(everything(file)[1:]))
    file.move(name, name + "_")


def a_group_in_place_of_an_array(file, draw):
    name = draw(st.sampled_from(arrays(file)))
    del file[name]
    file.create_group(name)


def an_array_in_place_of_a_group(file, draw):
    groups = [n for n in everything(file)[1:] if isinstance(file[n], h5py.Group)]
    name = draw(st.sampled_from(groups))
    del file[name]
    file[name] = np.zeros(3)


def another_type(file, draw):
    name = draw(st.sampled_from(arrays(file)))
    values = file[name][()]
    kind = draw(st.sampled_from(["f2", ">f4", "f8", "i2", "i8", "u1", "?", "c8", "S3", "text"]))
    replace(
        file, name, values.astype("S3").astype(object) if kind == "text" else values.astype(kind)
    )


def another_shape(file, draw):
    name = draw(st.sampled_from(arrays(file)))
    values = file[name][()]
    axis = draw(st.integers(0, values.ndim - 1))
    how = draw(st.sampled_from(["shorter", "longer", "twice", "with an axis", "empty", "one"]))
    replace(
        file,
        name,
        {
            "shorter": np.delete(values, -1, axis),
            "longer": np.concatenate([values, values.take([0], axis)], axis),
            "twice": np.concatenate([values, values], axis),
            "with an axis": np.expand_dims(values, axis),
            "empty": values[:0],
            "one": values.reshape(-1)[0],
        }[how],
    )


def fields_in_another_order(file, draw):
    group = file["t0_fields"]
    group.attrs["field_names"] = np.array([*reversed(group.attrs["field_names"])], TEXT)


def a_field_of_another_order(file, draw):
    name = draw(st.sampled_from(["t0_fields/c", "t0_fields/k", "t1_fields/u", "t2_fields/s"]))
    group = draw(st.sampled_from(["t0_fields", "t1_fields", "t2_fields"]))
    assume(not name.startswith(group))
    old, _, field = name.partition("/")
    file.move(name, f"{group}/{field}")
    for each, names in ((old, set()), (group, {field})):
        kept = {*file[each].attrs["field_names"], *names} - ({field} - names)
        file[each].attrs["field_names"] = np.array(sorted(kept), TEXT)


def a_value_that_is_not_finite(file, draw):
    floats = [name for name in arrays(file) if file[name].dtype.kind == "f"]
    values = file[draw(st.sampled_from(floats))]
    place = tuple(draw(st.integers(0, n - 1)) for n in values.shape)
    values[place] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))


def another_boundary(file, draw):
    condition = file["boundary_conditions"][draw(st.sampled_from([*file["boundary_conditions"]]))]
    how = draw(st.sampled_from(["kind", "side", "within"]))
    condition.attrs["bc_type"] = draw(st.sampled_from(["WALL", "open"]))
    if how == "side":
        condition["mask"][0] = False
    if how == "within":
        condition["mask"][1] = True


def other_cells(file, draw):
    nodes = file["dimensions"][draw(st.sampled_from([*file["dimensions"].attrs["spatial_dims"]]))]
    function = draw(
        st.sampled_from([lambda x: 2 * x, lambda x: x[::-1], lambda x: 0 * x, lambda x: x**1.3])
    )
    nodes[...] = function(nodes[...])


def other_times(file, draw):
    times = file["dimensions/time"]
    function = draw(
        st.sampled_from([lambda t: 2 * t, lambda t: t[::-1], lambda t: 0 * t, lambda t: t**1.3])
    )
    times[...] = function(times[...])


def another_number_of_trajectories(file, draw):
    file.attrs["n_trajectories"] = draw(st.sampled_from([0, -1, 3, 4, 1000, 2.0, "2"]))


def values_in_another_file(file, draw):
    name = draw(st.sampled_from(arrays(file)))
    del file[name]
    file[name] = h5py.ExternalLink("nowhere.hdf5", name)


# What has to be refused whatever is drawn, and what may be harmless.
REFUSED = [
    *(a_unit_in_one_file, something_removed, a_group_in_place_of_an_array),
    *(an_array_in_place_of_a_group, fields_in_another_order, a_field_of_another_order),
    *(a_value_that_is_not_finite, another_boundary, other_cells, other_times),
    *(another_number_of_trajectories, values_in_another_file),
]
OTHERS = [
    something_renamed,
    an_attribute_removed,
    an_attribute_renamed,
    an_attribute_changed,
    another_type,
    another_shape,
]


def other_bytes(path, draw):
    content = path.read_bytes()
    path.write_bytes(
        draw(st.sampled_from([b"", b"text", content[: draw(st.integers(0, len(content) - 1))]]))
    )


def a_folder_in_place_of_a_file(path, draw):
    path.unlink()
    path.mkdir()


OF_FILES = [other_bytes, a_folder_in_place_of_a_file]


def other_statistics(path, draw):
    content = yaml.safe_load(path.read_text())
    key, field = draw(st.sampled_from(["mean", "std"])), draw(st.sampled_from("cusk"))
    change = draw(st.sampled_from(["key", "field", "value", "all"]))
    wrong = draw(st.sampled_from([None, "x", float("nan"), [], [1.0] * 7, {}, -1.0, [[1.0], 2.0]]))
    if change == "key":
        del content[key]
    elif change == "field":
        del content[key][field]
    elif change == "value":
        content[key][field] = wrong
    path.write_text(yaml.safe_dump(wrong if change == "all" else content))


def run(root, target):
    """What a run reads: by split, each trajectory by component, in physical units."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = Well(dataset="own", source=str(root))
        data = dataset.open(fetched(dataset, target), TaskOptions(input_steps=STEPS_IN), seed=0)
        found = {}
        for name in SPLITS:
            split = data.split(name)
            first = np.array([row for row in split.samples if row[1] == 0])
            batch = split.batch(first)
            inputs, constants = batch.inputs.double().split(
                [STEPS_IN * data.channels, data.constant_channels], dim=1
            )
            frames = inputs.unflatten(1, (STEPS_IN, data.channels))
            frames = data.normalizer.denormalize(frames, channel_axis=2)
            assert np.isfinite(data.constant_normalizer.denormalize(constants)).all()
            found[name] = dict(zip(data.channel_names, frames.unbind(2), strict=True))
        return found


def written(root, split):
    """What the files of a split hold, by component: read by name, and by nothing else."""
    found = {}
    for path in sorted((root / "data" / split).glob("*.hdf5")):
        with h5py.File(path) as file:
            for place in ("t0_fields/c", "t0_fields/p", "t1_fields/u", "t2_fields/s"):
                values = file[place][:, :STEPS_IN].astype(float)
                order = int(place[1])
                space = values.shape[2 : values.ndim - order]
                for index in np.ndindex(*values.shape[values.ndim - order :]):
                    name = place[10:] + ("_" if order else "") + "".join("xyz"[i] for i in index)
                    found.setdefault(name, []).append(
                        values[(slice(None),) * (2 + len(space)) + index]
                    )
    return {name: np.concatenate(parts) for name, parts in found.items()}


def change_one_thing(root, draw):
    """Change a file of a folder; whether that has to be refused."""
    path = draw(st.sampled_from(sorted(root.glob("data/*/*.hdf5"))))
    change = draw(st.sampled_from([*REFUSED, *OTHERS, *OF_FILES, other_statistics]))
    if change in OF_FILES:
        change(path, draw)
    elif change is other_statistics:
        change(root / "stats.yaml", draw)
    else:
        with h5py.File(path, "r+") as file:
            change(file, draw)
    return change in REFUSED or change in OF_FILES


def assert_right(found, root):
    """What a run reads is what the files hold."""
    for split in SPLITS:
        expected = written(root, split)
        assert set(expected) == set(found[split])
        for name, values in expected.items():
            np.testing.assert_allclose(found[split][name], values, rtol=1e-5, atol=1e-4)


@given(st.data(), st.sampled_from(SHAPES), st.sampled_from(TYPES))
def test_one_change_ends_in_right_numbers_or_in_one_sentence(data, shape, dtype):
    with tempfile.TemporaryDirectory() as place:
        root = well_files.folder(Path(place) / "source", shape, dtype)
        has_to_be_refused = change_one_thing(root, data.draw)
        problems = check_folder(root).problems
        if has_to_be_refused or problems:
            with pytest.raises(SymBenchError) as refused:
                run(root, Path(place) / "data")
            assert problems, refused.value
            assert not any("\n" in said for said in (*problems, str(refused.value)))
        else:
            assert_right(run(root, Path(place) / "data"), root)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_changed(tmp_path, shape, dtype):
    root = well_files.folder(tmp_path / "source", shape, dtype)
    assert not check_folder(root).problems
    assert_right(run(root, tmp_path / "data"), root)
