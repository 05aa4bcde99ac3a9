"""`symbench check-data`: what it says, what it refuses, and the statistics that it makes."""

import shutil
import sys

import h5py
import numpy as np
import pytest
import yaml

from symbench import cli
from symbench.data.copies import copies, digest
from symbench.data.fields import well_writer
from symbench.data.fields.check_data import check_folder
from symbench.data.fields.grid_data import FieldData
from symbench.data.fields.well import Well
from symbench.data.fields.well_format import read_header, read_statistics
from symbench.errors import DataError
from tests.conftest import fetched
from tests.data.fields import well_files


@pytest.fixture
def root(tmp_path):
    return well_files.folder(tmp_path / "own", (4, 6), "f8")


def said(root, key, **options):
    checked = check_folder(root, **options)
    [line] = [line for line in checked.said if line.startswith(key)]
    return line


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["symbench", "check-data", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_a_folder_is_described(root, monkeypatch, capsys):
    assert not command(monkeypatch, root, "--parity", "p=-1")
    told = capsys.readouterr().out
    for line in (
        "fields: c (scalar, float64), p (scalar, float64), u (vector, float64), s (matrix, ",
        "fields that are constant in time: k (scalar, float64)",
        "cells: 4 x 6",
        "box: 1 x 1",
        "time step: 0.5, frames equally far",
        "axial fields: p;",
        "train: 2 files, 3 trajectories of 5 frames",
        "groups that the grid can carry: flips, C2, flip_x, flip_y, shifts_x(n), n a divisor of 4",
    ):
        assert line in told


@pytest.mark.parametrize(
    ("shape", "groups"),
    [
        ((5,), "flip, shifts_x(n), n a divisor of 5"),
        ((4, 4), "D4, C4, flips, C2, flip_x, flip_y, shifts_x(n), "),
        ((2, 2, 2), "O_h, O, "),
        ((2, 2, 4), "D4h_z, C4v_z, D4_z, C4_z, flips, klein4, inversion, C2_x, "),
    ],
)
def test_groups_are_proposed_in_each_dimension(tmp_path, shape, groups):
    line = said(well_files.folder(tmp_path / "own", shape), "groups")
    assert line.startswith(f"groups that the grid can carry: {groups}")


def test_all_problems_are_told_one_a_line(root, monkeypatch, capsys):
    with h5py.File(root / "data/test/0.hdf5", "r+") as file:
        file["dimensions/time"][...] *= 2
        file["dimensions/x"][...] *= 2
    (root / "data/valid/0.hdf5").write_text("no HDF5")
    assert command(monkeypatch, root) == 1
    problems = capsys.readouterr().err.splitlines()
    assert len(problems) == 3
    assert all(line.startswith("symbench: ") for line in problems)
    assert command(monkeypatch, root / "nowhere") == 1
    assert "holds no HDF5 file" in capsys.readouterr().err


@pytest.mark.tried("The Well's files", "one NaN in the last frame of the test file", "refused")
def test_all_values_are_read(root):
    with h5py.File(root / "data/test/0.hdf5", "r+") as file:
        file["t2_fields/s"][-1, -1, -1, -1, 1, 0] = np.nan
    [problem] = check_folder(root).problems
    assert (
        "test/0.hdf5: trajectory 0 of field 's' holds values that are missing or not finite"
        in problem
    )


@pytest.mark.tried(
    "The Well's files", "numbers that attributes call missing, such as -999", "refused"
)
@pytest.mark.parametrize("name", ["_FillValue", "missing_value"])
@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [("f4", -999, np.float32(-999)), ("f4", 1e20, 1e20), ("i2", -999, [np.int16(-999)])],
)
def test_values_that_stand_for_gaps(root, name, kind, value, stored):
    for path in root.glob("data/*/*.hdf5"):
        with h5py.File(path, "r+") as file:
            well_files.put(file["t0_fields"], "p", file["t0_fields/p"][()], kind)
            file["t0_fields/p"].attrs[name] = stored
    assert not check_folder(root).problems
    with h5py.File(root / "data/test/0.hdf5", "r+") as file:
        file["t0_fields/p"][0, 2, 1] = value
    [problem] = check_folder(root).problems
    assert "field 'p' holds values that are missing or not finite, in frames" in problem
    split = FieldData(root, input_steps=2).split("test")
    with pytest.raises(DataError, match="holds values that are not finite"):
        split.batch(split.samples)


@pytest.mark.tried("The Well's files", "times that are called missing", "refused")
def test_coordinates_that_stand_for_gaps(root):
    with h5py.File(root / "data/test/0.hdf5", "r+") as file:
        file["dimensions/time"].attrs["_FillValue"] = file["dimensions/time"][-1]
    [problem] = check_folder(root).problems
    assert "/dimensions/time holds values that are not finite, or called missing" in problem


@pytest.mark.tried("The Well's files", "packed numbers: scale_factor and add_offset", "refused")
@pytest.mark.parametrize("place", ["t1_fields/u", "dimensions/x"])
@pytest.mark.parametrize(
    ("name", "value", "neutral"), [("scale_factor", 0.01, 1.0), ("add_offset", [300], 0)]
)
def test_packed_numbers(root, place, name, value, neutral):
    with h5py.File(root / "data/test/0.hdf5", "r+") as file:
        file[place].attrs[name] = neutral
    assert not check_folder(root).problems
    with h5py.File(root / "data/test/0.hdf5", "r+") as file:
        file[place].attrs[name] = value
    [problem] = check_folder(root).problems
    assert f"/{place} holds packed numbers (attribute '{name}' is" in problem


@pytest.mark.tried("The Well's files", "trajectories of training in the test split", "warned")
def test_copies_are_told(root, tmp_path):
    assert not [line for line in check_folder(root).said if line.startswith("copies")]
    (root / "data/test/0.hdf5").unlink()
    shutil.copy(root / "data/train/0.hdf5", root / "data/test/0.hdf5")
    said_so = "2 of 2 trajectories of test are copies of ones of train: errors on them say little"
    assert said_so in said(root, "copies")
    with pytest.warns(UserWarning, match=said_so):
        fetched(Well(dataset="own", source=str(root)), tmp_path / "data")


def test_arrays_that_are_not_listed_are_told(root, tmp_path):
    assert not [line for line in check_folder(root).said if line.startswith("left out")]
    with h5py.File(root / "data/test/0.hdf5", "r+") as file:
        file.copy("t0_fields/c", file["t0_fields"], "q")
    said_so = "t0_fields/q: read by nothing, since 'field_names' does not list it, as in"
    assert said_so in said(root, "left out")
    with pytest.warns(UserWarning, match=said_so):
        fetched(Well(dataset="own", source=str(root)), tmp_path / "data")


@pytest.mark.tried(
    "The Well's files", "1e20 for a gap, or another unit, in the test split", "warned"
)
@pytest.mark.parametrize("gap", [True, False])
def test_values_unlike_those_of_training_are_told(root, tmp_path, gap):
    assert not [line for line in check_folder(root).said if line.startswith("unlike")]
    with h5py.File(root / "data/test/0.hdf5", "r+") as file:
        field = file["t0_fields"]["p"]
        if gap:
            field[0, 1, 2, 2] = 1e20
        else:
            field[...] = 1e-3 * field[...]
    said_so = "times as large in test as in train, root mean square: other units"
    assert said_so in said(root, "unlike: p")
    with pytest.warns(UserWarning, match=said_so):
        fetched(Well(dataset="own", source=str(root)), tmp_path / "data")


@pytest.mark.tried("The Well's files", "frames that are constant in all trajectories", "right")
def test_constant_frames_are_no_copies():
    assert digest(np.full((2, 3), 0.5)) is None
    assert not copies({"train": [digest(np.zeros(4))], "test": [digest(np.zeros(4))]}, "frames")


@pytest.mark.tried("units and scale", "values of 1e200 and 1e-200 in double precision", "refused")
@pytest.mark.parametrize("factor", [1e200, 1e-200])
def test_values_whose_squares_are_no_numbers(root, factor):
    for path in (root / "data").rglob("*.hdf5"):
        with h5py.File(path, "r+") as file:
            file["t2_fields/s"][...] *= factor
    (root / "stats.yaml").unlink()
    with pytest.raises(DataError, match=r"that their squares are (not finite|zero)"):
        well_writer.field_statistics([read_header(root / "data/train/0.hdf5")])
    fields = read_header(root / "data/train/0.hdf5").fields
    content = {"std": {field.name: factor for field in fields}}
    (root / "stats.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(DataError, match="'std' of field 'c' is so large or small"):
        read_statistics(root / "stats.yaml", fields, "std")


def formula(values, order):
    """Mean, standard deviation and root mean square of each component."""
    axes = tuple(range(values.ndim - order))
    square = (values**2).mean(axes)
    return values.mean(axes), values.std(axes), np.sqrt(square)


@pytest.mark.parametrize("part", [1, 2**26])
@pytest.mark.parametrize("shape", [(5,), (4, 6), (2, 3, 4)])
def test_statistics_are_those_of_all_values_at_once(tmp_path, monkeypatch, shape, part):
    monkeypatch.setattr(well_writer, "_PART", part)
    root = well_files.folder(tmp_path / "own", shape)
    (root / "stats.yaml").unlink()
    assert "--stats makes it" in said(root, "statistics")
    assert "made from the training data" in said(root, "statistics", statistics=True)
    content = yaml.safe_load((root / "stats.yaml").read_text())
    assert set(content) == {"mean", "std", "rms", "mean_delta", "std_delta", "rms_delta"}
    for place in ("t0_fields/c", "t0_fields/k", "t1_fields/u", "t2_fields/s"):
        parts = []
        for path in sorted(root.glob("data/train/*.hdf5")):
            with h5py.File(path) as file:
                parts.append(file[place][()].astype(float))
        order, name = int(place[1]), place[10:]
        values = np.concatenate(parts)
        cases = {"": values} if name == "k" else {"": values, "_delta": np.diff(values, axis=1)}
        for suffix, each in cases.items():
            for key, expected in zip(("mean", "std", "rms"), formula(each, order), strict=True):
                np.testing.assert_allclose(content[key + suffix][name], expected, rtol=1e-9)
    assert "k" not in content["std_delta"]
    FieldData(root, input_steps=2)


@pytest.mark.tried("The Well's files", "no file in valid/, and single frames in test/", "refused")
def test_what_a_run_lacks_is_a_problem(root):
    (root / "data/valid").rename(root / "data/val")
    axes = {"x": well_files.centres(4), "y": well_files.centres(6)}
    for path in root.glob("data/*/*.hdf5"):
        well_files.write(path, {"c": (0, np.ones((1, 1, 4, 6)))}, axes)
    problems = check_folder(root).problems
    assert "train/0.hdf5 has one frame" in problems[0]
    assert "data/valid holds no HDF5 file" in problems[-1]


@pytest.mark.tried("The Well's files", "names that end in .HDF5", "right")
def test_endings_in_capitals(root):
    (root / "data/train/1.hdf5").rename(root / "data/train/1.HDF5")
    assert "2 files, 3 trajectories" in said(root, "train")
    assert FieldData(root, input_steps=2).split("train").trajectories == 3


@pytest.mark.parametrize("fault", ["two places", "compressed"])
def test_files_that_would_be_left_out_or_read_twice_are_refused(root, tmp_path, fault):
    if fault == "two places":
        message = "both in its own splits and in those of"
        shutil.copytree(root / "data" / "train", root / "train")
    else:
        message = "train/2.hdf5.gz is compressed: unpack it first"
        (root / "data" / "train" / "2.hdf5.gz").write_bytes(b"")
        # What was unpacked beside it is there.
        (root / "data" / "train" / "1.hdf5.gz").write_bytes(b"")
    for read in (
        check_folder,
        FieldData,
        lambda folder: fetched(Well(dataset="own", source=str(folder)), tmp_path / "data"),
    ):
        with pytest.raises(DataError, match=message):
            read(root)


def test_a_folder_data_of_other_things_is_no_root(root):
    for split in root.glob("data/*"):
        split.rename(root / split.name)
    assert "2 files, 3 trajectories" in said(root, "train")
    assert FieldData(root, input_steps=2).split("train").trajectories == 3


def test_statistics_are_never_overwritten(root):
    path = root / "stats.yaml"
    before = path.read_bytes()
    for _ in range(2):
        [problem] = check_folder(root, statistics=True).problems
        assert "is there already, and is left as it is" in problem
        if not path.is_symlink():
            assert path.read_bytes() == before
            path.unlink()
            path.symlink_to("elsewhere")
    assert path.is_symlink()


def test_statistics_that_stand_twice_are_refused(root):
    path = root / "stats.yaml"
    path.write_text(f"{path.read_text()}\nmean:\n  c: 77.0\n")
    [problem] = check_folder(root).problems
    assert "stats.yaml is no valid YAML: key 'mean' stands twice in line" in problem
    with pytest.raises(DataError, match="key 'mean' stands twice"):
        FieldData(root, input_steps=2)


@pytest.mark.tried("The Well's files", "stats.yaml of other data", "warned")
def test_statistics_of_other_data_are_told(root):
    (root / "stats.yaml").unlink()
    check_folder(root, statistics=True)
    assert "not those" not in said(root, "statistics")
    content = yaml.safe_load((root / "stats.yaml").read_text())
    content["std"]["u"][1] *= 2
    (root / "stats.yaml").write_text(yaml.safe_dump(content))
    assert said(root, "statistics").endswith("not those of the training data here for u")


def test_constant_along_an_axis_and_alike_in_all_trajectories(tmp_path):
    """Axes that a field leaves out count as if its values were repeated along them."""
    profile = np.arange(6.0)
    fields = {"c": (0, np.random.default_rng(0).normal(size=(2, 3, 4, 6)))}
    path = tmp_path / "train" / "a.hdf5"
    well_files.write(path, fields, {"x": well_files.centres(4), "y": well_files.centres(6)})
    with h5py.File(path, "r+") as file:
        file["t0_fields"].attrs["field_names"] = ["c", "k"]
        file["t0_fields/k"] = profile
        file["t0_fields/k"].attrs["dim_varying"] = [False, True]
        file["t0_fields/k"].attrs.update({"sample_varying": False, "time_varying": False})
    content = well_writer.field_statistics([read_header(path)])
    assert content["mean"]["k"] == pytest.approx(profile.mean())
    assert content["std"]["k"] == pytest.approx(profile.std())


def test_wrong_options_are_one_sentence(root, monkeypatch, capsys):
    assert command(monkeypatch, root, "--parity", "vorticity") == 1
    assert "give it as NAME=-1" in capsys.readouterr().err
    assert command(monkeypatch, root, "--parity", "p=-1", "--parity", "p=1") == 1
    assert "--parity gives p twice" in capsys.readouterr().err
    assert command(monkeypatch, root, "--may-differ", "boxes") == 1
    assert "Did you mean 'box'" in capsys.readouterr().err
    assert command(monkeypatch, root, "--parity", "vorticity=-1") == 1
    assert "Parity is given for vorticity" in capsys.readouterr().err
    with pytest.raises(DataError, match="holds no HDF5 file"):
        check_folder(root.parent)


XYZ = """3
Properties=species:S:1:pos:R:3:forces:R:3 energy={energy}
O 0 0 0 0 0 1
H 0 0.8 0.6 0 0 -1
H 0 -0.8 0.6 0 0 0
"""


def test_extended_xyz_is_checked_as_well(tmp_path, monkeypatch, capsys):
    (tmp_path / "train.xyz").write_text(XYZ.format(energy=-1.0) + XYZ.format(energy=-2.5))
    (tmp_path / "hot.xyz").write_text(XYZ.format(energy=-1.5))
    assert not command(monkeypatch, tmp_path)
    told = capsys.readouterr().out.splitlines()
    assert told[0] == (
        "train.xyz: 2 configurations of H2O, energies from -2.5 to -1 eV, with forces"
    )
    assert command(monkeypatch, tmp_path, "--stats") == 1
    assert "--stats means nothing beside train.xyz: leave it out" in capsys.readouterr().err
    (tmp_path / "hot.xyz").write_text(XYZ.format(energy=-1.5).replace("O 0", "S 0"))
    assert command(monkeypatch, tmp_path) == 1
    assert "hot.xyz has atoms [16, 1, 1]" in capsys.readouterr().err


def test_names_of_energy_and_forces_are_options(tmp_path, monkeypatch, capsys):
    head, comment, *atoms = XYZ.format(energy="-1.0 REF_energy=-2.0").splitlines()
    comment = comment.replace("forces:R:3", "forces:R:3:REF_forces:R:3")
    # Forces stand twice.
    atoms = [" ".join([line, *line.split()[4:]]) for line in atoms]
    path = tmp_path / "train.xyz"
    path.write_text("\n".join([head, comment, *atoms, ""]))
    assert command(monkeypatch, path) == 1
    assert "name the one that counts by 'energy_key'" in capsys.readouterr().err
    keys = ("--energy-key", "REF_energy", "--forces-key", "REF_forces")
    assert not command(monkeypatch, path, *keys)
    assert "energies from -2 to -2 eV" in capsys.readouterr().out


def test_fields_and_configurations_are_not_checked_at_once(root, monkeypatch, capsys):
    assert command(monkeypatch, root, "--energy-key", "E") == 1
    assert "--energy-key means nothing beside fields" in capsys.readouterr().err
    (root / "molecule.xyz").write_text(XYZ.format(energy=-1.0))
    assert command(monkeypatch, root) == 1
    assert "holds molecule.xyz beside splits of fields" in capsys.readouterr().err
    assert not command(monkeypatch, root / "molecule.xyz")
