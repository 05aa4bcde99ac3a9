"""What the files of a data set must have in common: every file, both sides, every axis."""

import h5py
import numpy as np
import pytest

from symbench.data.dataset import TaskOptions
from symbench.data.fields.check_data import check_folder
from symbench.data.fields.well import Well
from symbench.data.fields.well_format import differences, read_field, read_header
from symbench.errors import DataError, SymmetryError
from symbench.symmetry.grids.field import Field
from tests.conftest import fetched
from tests.data.fields import well_files


def tried(text, outcome="refused"):
    return pytest.mark.tried("The Well's files", text, outcome)


@pytest.fixture
def root(tmp_path):
    return well_files.folder(tmp_path / "own")


def opened(root, **parameters):
    dataset = Well(dataset="own", source=str(root), **parameters)
    directory = fetched(dataset, root.parent / "data")
    return dataset.open(directory, TaskOptions(input_steps=2), seed=0)


def change(root, split="test"):
    return h5py.File(root / "data" / split / "0.hdf5", "r+")


# --- One file is unlike the others ---------------------------------------------------------------


def order(file):
    names = [*file["t0_fields"].attrs["field_names"]]
    file["t0_fields"].attrs["field_names"] = names[::-1]


def wall(file):
    file["boundary_conditions/x_periodic"].attrs["bc_type"] = "WALL"


def one_side(file):
    file["boundary_conditions/y_periodic/mask"][-1] = False


def obstacle(file):
    group = file["boundary_conditions"].create_group("obstacle")
    group.attrs.update({"bc_type": "WALL", "associated_dims": ["x", "y"]})
    group["mask"] = np.outer([0, 1, 0, 0], [0, 1, 1, 0]).astype(bool)


def box(file):
    file["dimensions/x"][...] *= 4


def growing(file):
    file["dimensions/y"][...] = np.cumsum(1.2 ** np.arange(4))


def step(file):
    file["dimensions/time"][...] *= 1.1


def gap(file):
    file["dimensions/time"][2] += 0.2


def double(file):
    well_files.put(file["t0_fields"], "c", file["t0_fields/c"][()], "f8")


def unit(file):
    file["t1_fields/u"].attrs["units"] = "km/s"


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param(order, "fields.*: ", marks=tried("fields in another order in one file")),
        pytest.param(wall, "boundaries: ", marks=tried("walls in the test file alone")),
        pytest.param(one_side, "PERIODIC.OPEN", marks=tried("one side open in one file")),
        pytest.param(obstacle, "WALL within", marks=tried("an obstacle in one file, as a mask")),
        pytest.param(box, "box: ", marks=tried("box 4 x 1 in the test file alone")),
        pytest.param(growing, "cells of ", marks=tried("cells of growing width in one file")),
        pytest.param(step, "time step: ", marks=tried("another time step in one file")),
        pytest.param(gap, "not always the same", marks=tried("a frame is missing in one file")),
        pytest.param(double, "c .scalar, float64.", marks=tried("another type in one file")),
        pytest.param(unit, "float32 in km/s", marks=tried("another unit in one file")),
    ],
)
def test_a_file_that_is_unlike_the_others_is_named_with_what_differs(root, split, changed, message):
    with change(root, split) as file:
        changed(file)
    with pytest.raises(DataError, match=rf"\.hdf5: .*{message}"):
        opened(root)
    assert any(f"{split}/0.hdf5" in said for said in check_folder(root).problems)


def test_a_data_set_may_say_what_differs(root):
    with change(root) as file:
        box(file)
        gap(file)
    data = opened(root, may_differ=["box", "time_step"])
    with pytest.raises(SymmetryError, match="not a symmetry of the box"):
        data.symmetry("D4")
    assert not check_folder(root, may_differ=["box", "time_step"]).problems


def test_coordinates_in_single_precision_far_from_zero_are_evenly_spaced(tmp_path):
    far = {"x": well_files.centres(64) + np.float32(1000)}
    values = {"c": (0, np.zeros((1, 3, 64), np.float32))}
    well_files.write(tmp_path / "far.hdf5", values, far)
    well_files.write(tmp_path / "near.hdf5", values, {"x": well_files.centres(64)})
    headers = [read_header(tmp_path / f"{name}.hdf5") for name in ("near", "far")]
    assert headers[1].boundary == ("PERIODIC",)
    assert differences(headers, ["box"]) == []


@pytest.mark.parametrize("offset", [0, 1.7e9])
@pytest.mark.parametrize("kind", ["f8", "i8"])
@tried("times since 1970, or coordinates of maps, that are not evenly spaced")
def test_uneven_numbers_far_from_zero_are_told(tmp_path, offset, kind):
    def header(steps):
        numbers = (offset + 600 * np.cumsum(steps)).astype(kind)
        values = {"c": (0, np.random.default_rng(0).normal(size=(1, 8, 8)))}
        well_files.write(tmp_path / "a.hdf5", values, {"x": numbers})
        with h5py.File(tmp_path / "a.hdf5", "r+") as file:
            well_files.put(file["dimensions"], "time", numbers)
        return read_header(tmp_path / "a.hdf5")

    uneven, even = header([1, 1, 1, 2, 1, 1, 1, 1]), header(np.ones(8))
    assert (uneven.steady, even.steady) == (False, True)
    assert "cells of 600 to 1.2e+03" in uneven.boundary[0]
    assert even.boundary == ("PERIODIC",)


@pytest.mark.parametrize("name", ["x", "time"])
@tried("times since 1970, or coordinates of maps, in single precision")
def test_steps_that_are_lost_in_rounding_are_named(root, name):
    with change(root) as file:
        well_files.put(
            file["dimensions"], name, 1.7e9 + 600 * np.arange(4 if name == "x" else 5), "f4"
        )
    with pytest.raises(DataError, match=rf"/{name} holds .* float32, .* subtract the offset"):
        opened(root)


def blob(values):
    return values * (np.arange(values.shape[2]) == 1).reshape(-1, *[1] * (values.ndim - 3))


@pytest.mark.parametrize("cells", [(12,), (6, 9), (5, 6, 4)])
@tried("the end of a period stored beside its beginning")
def test_doubled_ends_of_periods_are_refused(tmp_path, cells):
    rng = np.random.default_rng(0)
    axes = {name: well_files.centres(n) for name, n in zip("xyz", cells, strict=False)}
    shape = (2, 3, cells[0] - 1, *cells[1:])

    def header(change, kind=float):
        scalar, vector = (
            np.concatenate([values, values[:, :, :1]], axis=2)
            for values in (rng.normal(size=shape), rng.normal(size=(*shape, len(cells))))
        )
        fields = {"c": (0, scalar), "u": (1, vector), "k": (0, np.ones_like(scalar))}
        changed = {name: (order, change(x).astype(kind)) for name, (order, x) in fields.items()}
        well_files.write(tmp_path / "a.hdf5", changed, axes)
        return read_header(tmp_path / "a.hdf5")

    for kind in ("f8", "f4"):
        with pytest.raises(DataError, match=r"a\.hdf5: axis 'x' is periodic, .* drop the last"):
            header(lambda values: values, kind)
    # The ends of what lies on even ground, or is as in a mirror, are equal too.
    for change in (blob, lambda values: values + np.flip(values, 2), np.ones_like):
        header(change)


# --- All files alike, but not every group --------------------------------------------------------

ENDS = np.array([True, False, False, True])
LEFT, RIGHT = np.arange(4) == 0, np.arange(4) == 3
FRAME = ~np.outer(~ENDS, ~ENDS)
PERIODIC = [("x", "PERIODIC", ["x"], ENDS), ("y", "PERIODIC", ["y"], ENDS)]


@pytest.mark.parametrize(
    ("conditions", "holds", "broken"),
    [
        pytest.param(
            [("low", "WALL", ["x"], LEFT), ("high", "OPEN", ["x"], RIGHT), PERIODIC[1]],
            ["flip_y", "shifts_y(2)"],
            ["flip_x", "C2", "shifts_x(2)", "D4"],
            marks=tried("a wall on the left and open on the right, with flip_x"),
        ),
        pytest.param(
            [("low", "WALL", ["x"], LEFT), PERIODIC[1]],
            ["flip_y"],
            ["flip_x", "shifts_x(2)"],
            marks=tried("a wall on one side and no word about the other"),
        ),
        pytest.param(
            [("frame", "WALL", ["x", "y"], FRAME)],
            ["D4"],
            ["shifts_x(2)", "shifts_y(4)"],
            marks=tried("a mask over two axes that bounds all sides, with shifts"),
        ),
        pytest.param(
            [*PERIODIC, ("post", "WALL", ["x", "y"], np.outer(~ENDS, LEFT | RIGHT))],
            ["flip_x", "flip_y"],
            ["D4", "C4", "shifts_x(2)"],
            marks=tried("posts at two sides of a periodic box, with D4 and shifts"),
        ),
        pytest.param(
            [*PERIODIC, ("post", "WALL", ["x", "y"], np.outer(LEFT, [0, 1, 0, 0]).astype(bool))],
            ["trivial"],
            ["flip_x", "flip_y", "D4", "shifts_x(2)"],
            marks=tried("a post in one corner, with flips"),
        ),
        pytest.param(PERIODIC, ["D4", "shifts(4)"], [], marks=tried("periodic sides", "right")),
    ],
)
def test_groups_leave_boundaries_as_they_are(tmp_path, conditions, holds, broken):
    root = tmp_path / "own"
    axes = {axis: well_files.centres(4) for axis in "xy"}
    fields = {"c": (0, np.random.default_rng(0).normal(size=(1, 4, 4, 4)))}
    for split in ("train", "valid", "test"):
        well_files.write(root / split / "a.hdf5", fields, axes, conditions=conditions)
    well_files.statistics(root / "stats.yaml", fields)
    data = opened(root)
    for name in holds:
        data.symmetry(name)
    for name in broken:
        with pytest.raises(SymmetryError, match=r"bound|periodic"):
            data.symmetry(name)
    [groups] = [line for line in check_folder(root).said if line.startswith("groups")]
    for name in (*holds, *broken):
        if "shifts" not in name and name != "trivial":
            assert (f" {name}," in groups.replace(";", ",")) == (name in holds)


@pytest.mark.parametrize(
    ("nodes", "holds", "broken"),
    [
        pytest.param(
            np.cumsum(1.1 ** np.arange(8)),
            ["flip_x"],
            ["flip_y", "shifts_y(2)", "D4"],
            marks=tried("cells of growing width, with flip_y and shifts"),
        ),
        pytest.param(
            -np.cos(np.pi * (np.arange(8) + 0.5) / 8),
            ["flips", "shifts_x(8)"],
            ["shifts_y(2)", "D4"],
            marks=tried("cells at Chebyshev's nodes, with flip_y", "right"),
        ),
    ],
)
def test_groups_leave_the_widths_of_cells_as_they_are(tmp_path, nodes, holds, broken):
    root = tmp_path / "own"
    axes = {"x": well_files.centres(8, np.ptp(nodes) * 8 / 7), "y": nodes.astype(np.float32)}
    fields = {"c": (0, np.random.default_rng(0).normal(size=(1, 4, 8, 8)))}
    for split in ("train", "valid", "test"):
        well_files.write(root / split / "a.hdf5", fields, axes)
    well_files.statistics(root / "stats.yaml", fields)
    data = opened(root)
    for name in holds:
        data.symmetry(name)
    for name in broken:
        with pytest.raises(SymmetryError):
            data.symmetry(name)


# --- What no group acts on -----------------------------------------------------------------------


def reversed_names(file):
    file["dimensions"].attrs["spatial_dims"] = ["y", "x"]


def other_names(file):
    file["dimensions"].attrs["spatial_dims"] = ["x", "z"]
    file.move("dimensions/y", "dimensions/z")


def per_trajectory(file):
    values = np.stack([file["dimensions/x"][()]] * 2)
    del file["dimensions/x"]
    file["dimensions/x"] = values
    file["dimensions/x"].attrs["sample_varying"] = True


def downwards(file):
    file["dimensions/y"][...] = file["dimensions/y"][()][::-1]


def three_components(file):
    values = file["t1_fields/u"][()]
    well_files.put(file["t1_fields"], "u", np.concatenate([values, values[..., :1]], axis=-1))


def too_many(file):
    file.attrs["n_trajectories"] = 1000


def half_a_number(file):
    file.attrs["n_trajectories"] = 2.5


def misspelt(file):
    wall(file)
    file["boundary_conditions/x_periodic"].attrs["bc_type"] = "WAL"


def no_axis(file):
    file["boundary_conditions/x_periodic"].attrs["associated_dims"] = ["z"]


def twice(file):
    file["t0_fields"].attrs["field_names"] = ["c", "c", "k"]


def as_a_component(file):
    file.move("t0_fields/p", "t0_fields/u_x")
    file["t0_fields"].attrs["field_names"] = ["c", "u_x", "k"]


def text_for_a_flag(file):
    file["t0_fields/c"].attrs["time_varying"] = "False"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param(reversed_names, "axes y, x; .* must be x, y", marks=tried("axes y, x")),
        pytest.param(other_names, "axes x, z; .* must be x, y", marks=tried("axes x, z")),
        pytest.param(per_trajectory, r"'x' .* shape \(2, 4\)", marks=tried("x per trajectory")),
        pytest.param(downwards, "'y' .* do not grow", marks=tried("y from above to below")),
        pytest.param(
            three_components, r"/t1_fields/u has the shape .*3\);", marks=tried("3-vector on 2-D")
        ),
        pytest.param(too_many, r"say \(1000,", marks=tried("n_trajectories too large")),
        pytest.param(half_a_number, "'n_trajectories' is 2.5", marks=tried("n_trajectories 2.5")),
        pytest.param(misspelt, "'WAL'; allowed.*Did you mean 'WALL'", marks=tried("bc_type WAL")),
        pytest.param(no_axis, "names z; the axes are x, y", marks=tried("a boundary of no axis")),
        pytest.param(twice, "two fields of the name 'c'", marks=tried("one field listed twice")),
        pytest.param(
            as_a_component,
            "two fields of the name 'u_x', components",
            marks=tried("a scalar u_x beside a vector u"),
        ),
        pytest.param(
            text_for_a_flag, "must say True or False", marks=tried("time_varying as a text")
        ),
    ],
)
def test_what_cannot_be_used_is_named(root, changed, message):
    for path in root.glob("data/*/*.hdf5"):
        with h5py.File(path, "r+") as file:
            changed(file)
    with pytest.raises(DataError, match=rf"\.hdf5: .*{message}|\.hdf5 has {message}"):
        opened(root)
    assert check_folder(root).problems


@tried("a filter that is not installed")
def test_a_filter_that_is_not_installed_is_named(root):
    with change(root) as file:
        attributes = dict(file["t0_fields/c"].attrs)
        values = file["t0_fields/c"][()]
        del file["t0_fields/c"]
        space, kind = h5py.h5s.create_simple(values.shape), h5py.h5t.NATIVE_FLOAT
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk(values.shape)
        # An optional filter of an unregistered number is left out when values are written.
        properties.set_filter(32_000, h5py.h5z.FLAG_OPTIONAL, ())
        h5py.h5d.create(file["t0_fields"].id, b"c", kind, space, properties)
        file["t0_fields/c"].id.write_direct_chunk((0,) * values.ndim, values.tobytes())
        file["t0_fields/c"].attrs.update(attributes)
    with pytest.raises(DataError, match=r"test/0\.hdf5 is .*filter"):
        opened(root)
    assert check_folder(root).problems


@tried("float64, 1e8 and a signal of 1", "right")
def test_small_signals_on_large_means_are_kept(tmp_path):
    rng = np.random.default_rng(0)
    fields = {"c": (0, 1e8 + rng.normal(size=(2, 5, 16)))}
    root = tmp_path / "own"
    for split in ("train", "valid", "test"):
        well_files.write(root / split / "a.hdf5", fields, {"x": well_files.centres(16)})
    checked = check_folder(root, statistics=True)
    assert not checked.problems
    data = opened(root)
    values = fields["c"][1]
    assert data.normalizer.std[0] == pytest.approx(values.std(), rel=1e-7)
    expected = (values - values.mean()) / values.std()
    frames = data.split("test").frames(1, 0, 5)[:, 0]
    np.testing.assert_allclose(frames, expected[1], rtol=1e-5, atol=1e-6)
    header = read_header(root / "test" / "a.hdf5")
    part = read_field(header, Field("c"), 1, 2, 4)
    np.testing.assert_array_equal(part[:, 0], values[1, 2:4])
