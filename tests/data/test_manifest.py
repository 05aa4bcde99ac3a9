"""What belongs to a folder of data and is what was written; nothing else is touched."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from symbench.artifacts import damaged_artifacts, remove_artifacts
from symbench.config.read import read_configuration
from symbench.data.arrays import open_hdf5, read_arrays, write_arrays
from symbench.data.manifest import (
    NAME,
    TIMES,
    Manifest,
    check_data,
    data_files,
    unlike_manifest,
    write_manifest,
)
from symbench.errors import DataError
from symbench.files import copy_near, sha256, write_json
from symbench.stages.data import fetch_data, open_data

ROOT = Path(__file__).parents[2]
FINGERPRINT = "f"


def described(folder: Path, *names: str, fingerprint: str = FINGERPRINT) -> Path:
    """A folder with a manifest of some of its files."""
    files = tuple(folder / name for name in names)
    write_manifest(folder, Manifest("a test", "none", {}, files), "data of a test", fingerprint)
    return folder


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "data"
    for name in ("train/a.hdf5", "train/b.hdf5"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_arrays(folder / name, {"values": np.arange(5.0)})
    (folder / "stats.yaml").write_text("mean: 0\n")
    return described(folder, "train/a.hdf5", "train/b.hdf5", "stats.yaml")


# --- W4: what the manifest lists, and nothing else -----------------------------------------------


def test_only_what_is_listed_is_read(folder):
    write_arrays(folder / "train" / "stray.hdf5", {"values": np.zeros(1)})
    assert [path.name for path in data_files(folder, [".hdf5"])] == ["a.hdf5", "b.hdf5"]
    described(folder, "train/a.hdf5", "stats.yaml")
    assert [path.name for path in data_files(folder, [".hdf5"])] == ["a.hdf5"]
    assert (folder / "train" / "b.hdf5").is_file()


def test_other_settings_are_refused(folder):
    check_data(folder, FINGERPRINT)
    with pytest.raises(DataError, match=r"data of other settings \(recorded f, wanted g\)"):
        check_data(folder, "g")


def test_without_a_manifest_nothing_is_believed(folder):
    (folder / NAME).unlink()
    with pytest.raises(DataError, match=r"holds no manifest\.json: fetch the data first"):
        check_data(folder, FINGERPRINT)


# --- W5: changed after it was fetched ------------------------------------------------------------


@pytest.mark.parametrize("name", ["train/a.hdf5", "stats.yaml"])
def test_a_file_that_was_changed_is_refused(folder, name):
    path = folder / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    assert unlike_manifest(folder) == [path]
    with pytest.raises(DataError, match=f"{path.name} was changed after it was fetched: `make rep"):
        check_data(folder, FINGERPRINT)


def test_a_file_of_somebody_that_is_linked_and_was_replaced_by_an_older_one(folder, tmp_path):
    """Of the same size, and older than the manifest."""
    source = tmp_path / "source.hdf5"
    source.write_bytes((folder / "train" / "a.hdf5").read_bytes())
    (folder / "train" / "linked.hdf5").symlink_to(source)
    described(folder, "train/linked.hdf5")
    check_data(folder, FINGERPRINT)
    other = tmp_path / "other.hdf5"
    other.write_bytes(source.read_bytes()[::-1])
    os.utime(other, (1, 1))
    other.replace(source)
    with pytest.raises(DataError, match=r"linked\.hdf5 was changed"):
        check_data(folder, FINGERPRINT)


@pytest.mark.parametrize("times", ["kept", "lost", "nonsense"])
def test_a_file_of_another_time_is_believed_by_its_sum(folder, times):
    os.utime(folder / "train" / "a.hdf5", (1, 1))
    if times == "lost":
        (folder / TIMES).unlink()
    if times == "nonsense":
        (folder / TIMES).write_text("[1, 2")
    check_data(folder, FINGERPRINT)


def test_data_that_are_made_again_alike_have_the_same_manifest(folder):
    """Or all that follows from them would be done again."""
    before = sha256(folder / NAME)
    os.utime(folder / "train" / "a.hdf5", (1, 1))
    described(folder, "stats.yaml", "train/b.hdf5", "train/a.hdf5")
    assert sha256(folder / NAME) == before


@pytest.mark.parametrize("content", ["no json", "[]", '{"files": 3}', '{"files": {"a": 1}}'])
def test_a_manifest_that_is_none(folder, content):
    path = folder / NAME
    path.write_text(content)
    with pytest.raises(DataError, match=r"manifest\.json is damaged"):
        unlike_manifest(folder)
    (folder / f".{NAME}.sha256").write_text(sha256(path))
    with pytest.raises(DataError, match=r"no JSON|keys and values|lists no files"):
        unlike_manifest(folder)


# --- L2: nothing outside is touched --------------------------------------------------------------


@pytest.fixture
def data(tmp_path):
    """A configuration whose data are here, with the folder of one task."""
    overrides = [f"data={tmp_path / 'd'}", f"results={tmp_path / 'r'}"]
    configuration = read_configuration(
        [ROOT / "config" / "sizes" / "smoke.yaml"], ["quantum"], overrides=overrides
    )
    key, _ = next(iter(configuration.data.items()))
    folder = configuration.layout.data_folder(*key)
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "a.hdf5").write_text("content")
    return configuration, described(folder, "train/a.hdf5")


def precious(folder: Path) -> Path:
    path = folder / "precious.yaml"
    path.write_text("mine")
    return path


@pytest.mark.parametrize(
    "name",
    ["../../../precious.yaml", "{absolute}", "train/../../../../precious.yaml", "//{absolute}"],
)
def test_a_manifest_that_names_what_is_outside(data, tmp_path, name):
    configuration, folder = data
    kept = precious(tmp_path)
    named = name.replace("{absolute}", str(kept))
    content = json.loads((folder / NAME).read_text())
    content["files"][named] = {"sha256": "0" * 64, "bytes": 1}
    write_json(folder / NAME, content)
    with pytest.raises(DataError, match="which is outside of its folder"):
        check_data(folder, FINGERPRINT)
    # The manifest itself is what is wrong, and what goes.
    assert damaged_artifacts(configuration) == [folder / NAME]
    remove_artifacts(configuration, [*damaged_artifacts(configuration), kept])
    assert kept.read_text() == "mine"
    assert not (folder / NAME).exists()
    assert (folder / "train" / "a.hdf5").is_file()


@pytest.mark.parametrize("lost", [False, True])
def test_of_a_link_the_link_goes_and_never_its_target(data, tmp_path, lost):
    configuration, folder = data
    kept = precious(tmp_path)
    link = folder / "train" / "link.hdf5"
    link.symlink_to(kept)
    described(folder, "train/link.hdf5")
    kept.write_text("changed")
    if lost:
        kept.rename(tmp_path / "moved")
        kept = tmp_path / "moved"
    assert damaged_artifacts(configuration) == [link]
    assert remove_artifacts(configuration, [link]) == [folder / NAME, link]
    assert not link.is_symlink()
    assert kept.read_text() == "changed"


def test_a_folder_that_is_a_link_keeps_its_files(data, tmp_path):
    configuration, folder = data
    own = tmp_path / "own"
    (folder / "train").rename(own)
    (folder / "train").symlink_to(own)
    (own / "a.hdf5").write_text("changed by its owner")
    assert damaged_artifacts(configuration) == [folder / "train" / "a.hdf5"]
    assert remove_artifacts(configuration, damaged_artifacts(configuration)) == [folder / NAME]
    assert (own / "a.hdf5").read_text() == "changed by its owner"


def test_a_folder_in_place_of_a_file_is_left_and_its_manifest_goes(data):
    configuration, folder = data
    (folder / "train" / "a.hdf5").unlink()
    (folder / "train" / "a.hdf5").mkdir()
    assert remove_artifacts(configuration, damaged_artifacts(configuration)) == [folder / NAME]
    assert (folder / "train" / "a.hdf5").is_dir()


# --- W6: values that lie in other files ----------------------------------------------------------


def virtual(path: Path, source: Path) -> None:
    layout = h5py.VirtualLayout(shape=(5,), dtype=float)
    layout[:] = h5py.VirtualSource(source, "values", shape=(5,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("group/values", layout)


def external_link(path: Path, source: Path) -> None:
    with h5py.File(path, "w") as file:
        file["group/values"] = h5py.ExternalLink(source, "values")


def external_storage(path: Path, source: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("group/values", (5,), float, external=[(str(source), 0, 40)])


@pytest.mark.parametrize("make", [virtual, external_link, external_storage])
@pytest.mark.parametrize("there", [True, False])
def test_values_of_other_files_are_refused_and_not_read_as_zeros(tmp_path, make, there):
    source = tmp_path / "source.hdf5"
    write_arrays(source, {"values": np.arange(5.0)})
    path = tmp_path / "outer.hdf5"
    make(path, source)
    if not there:
        source.unlink()
    with pytest.raises(DataError, match=r"copy (the data|them) into one file"), open_hdf5(path):
        pass


def test_a_source_is_not_left_behind_by_a_copy_on_a_node(tmp_path):
    """Only the outer file would be copied, which reads as zeros there."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_arrays(tmp_path / "source.hdf5", {"values": np.arange(5.0)})
    virtual(folder / "train.hdf5", tmp_path / "source.hdf5")
    near = copy_near(described(folder, "train.hdf5"), str(tmp_path / "node"))
    (tmp_path / "source.hdf5").unlink()
    with pytest.raises(DataError, match="takes its values from other files"):
        read_arrays(near / "train.hdf5")


@pytest.mark.parametrize("how", ["other numbers", "lost"])
def test_a_copy_on_a_node_is_checked_too(tmp_path, how):
    overrides = [
        f"data={tmp_path / 'd'}",
        f"scratch={tmp_path / 'node'}",
        "only_tasks=[charged_3d]",
    ]
    size = ROOT / "config" / "sizes" / "smoke.yaml"
    configuration = read_configuration([size], ["sign_equivariant"], overrides=overrides)
    task = configuration.study("sign_equivariant").task("charged_3d")
    fetch_data(configuration, task)

    def targets():
        split = open_data(configuration, task).split("train")
        return split.batch(split.samples[:2]).targets

    before = targets()
    (copied,) = (tmp_path / "node").rglob("train*.hdf5")
    if how == "lost":
        copied.unlink()
    else:
        arrays = read_arrays(copied)
        write_arrays(copied, {name: 2 * values for name, values in arrays.items()})
    assert targets().equal(before)


def test_links_within_one_file_are_read(tmp_path):
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file["values"] = np.arange(5.0)
        file["soft"] = h5py.SoftLink("/values")
    assert np.array_equal(read_arrays(path)["soft"], np.arange(5.0))


def test_a_link_that_leads_nowhere(tmp_path):
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file["soft"] = h5py.SoftLink("/nowhere")
    with pytest.raises(DataError, match="damaged or no HDF5 file of this kind"):
        read_arrays(path)
