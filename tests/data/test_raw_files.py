"""Raw files by name: what is found, what is not, what is another file than is meant."""

import hashlib
import os
import shutil
from pathlib import Path

import h5py
import pytest

from symbench.artifacts import damaged_artifacts, remove_artifacts
from symbench.config.read import read_configuration
from symbench.data.raw_files import FOLDERS_VARIABLE, RawFiles
from symbench.errors import DataError
from symbench.stages.data import fetch_data, open_data

ROOT = Path(__file__).parents[2]


@pytest.fixture
def raw(tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDERS_VARIABLE, raising=False)
    (tmp_path / "below").mkdir()
    return RawFiles((tmp_path,))


def test_names_are_no_patterns(raw, tmp_path):
    path = tmp_path / "below" / "run[1].xyz"
    path.touch()
    for name in ("run[1].xyz", "below/run[1].xyz", str(path)):
        assert raw.find(name) == path
    for name in ("run*.xyz", "*", "a**", "below", "/nowhere/run.xyz", 300 * "a", "a\0b", ".", ""):
        assert raw.find(name) is None


@pytest.mark.tried(
    "molecules and atoms", "a raw file of another checksum than the config's", "refused"
)
def test_a_file_at_hand_is_checked_too(raw, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("good")
    known = {path.name: hashlib.sha256(b"good").hexdigest()}
    urls = {path.name: "https://nowhere.invalid/table.csv"}
    assert raw.find_or_download(urls, known, tmp_path) == {path.name: path}
    path.write_text("bad")
    with pytest.raises(DataError, match=r"table\.csv is not the table\.csv that is meant"):
        raw.find_or_download(urls, known, tmp_path)


def times_two(name, item):
    if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
        item[...] = item[...] * 2


@pytest.mark.parametrize(
    ("study", "task", "file"),
    [
        ("ace", "run", "cmu_mocap_run.hdf5"),
        ("ace", "modelnet10_voxels", "made_up_voxels.hdf5"),
        ("ace", "acetylacetone", "acac_small.hdf5"),
    ],
)
def test_a_raw_file_that_is_replaced_is_noticed(tmp_path, monkeypatch, study, task, file):
    monkeypatch.delenv(FOLDERS_VARIABLE, raising=False)
    raw = tmp_path / "raw"
    raw.mkdir()
    path = raw / file
    shutil.copy(ROOT / "tests" / "fixtures" / file, path)
    overrides = [f"data={tmp_path / 'd'}", f"results={tmp_path / 'r'}", f"raw_files=[{raw}]"]
    size = ROOT / "config" / "sizes" / "smoke.yaml"
    configuration = read_configuration(
        [size], [study], overrides=[*overrides, f"only_tasks=[{task}]"]
    )
    chosen = configuration.study(study).task(task)
    fetch_data(configuration, chosen)
    manifest = configuration.data_folder(chosen) / "manifest.json"
    before = manifest.read_bytes()
    assert str(tmp_path) not in manifest.read_text()
    open_data(configuration, chosen)
    # What lies elsewhere, or is touched, is the same; what is gone is needed no more.
    (raw / "below").mkdir()
    moved = path.rename(raw / "below" / file)
    os.utime(moved, ns=(1, 1))
    open_data(configuration, chosen)
    away = moved.rename(tmp_path / file)
    open_data(configuration, chosen)
    assert damaged_artifacts(configuration) == []
    away.rename(path)
    with h5py.File(path, "r+") as content:
        content.attrs["remark"] = "another file"
        content.visititems(times_two)
    with pytest.raises(DataError, match=f"{file} is not the raw file that the data in .* were ma"):
        open_data(configuration, chosen)
    # `make repair` takes the manifest, and leaves what is the user's own.
    assert damaged_artifacts(configuration) == [manifest]
    assert remove_artifacts(configuration, [manifest]) == [manifest]
    assert path.is_file()
    fetch_data(configuration, chosen)
    assert manifest.read_bytes() != before
    open_data(configuration, chosen)
