"""Copies of data on a node: whole, once, and the same."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from symbench.errors import ConfigError
from symbench.files import copy_near


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "data"
    (folder / "train").mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "train" / "a.hdf5").write_bytes(b"1" * 1000)
    return folder


def test_without_a_scratch_the_folder_is_itself(folder):
    assert copy_near(folder, None) == folder


def test_data_are_copied_once_and_anew_when_they_change(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NODE", str(tmp_path / "node"))
    near = copy_near(folder, "$NODE")
    assert (near / "train" / "a.hdf5").read_bytes() == b"1" * 1000
    (near / "train" / "a.hdf5").write_bytes(b"kept")
    assert (copy_near(folder, "$NODE") / "train" / "a.hdf5").read_bytes() == b"kept"
    (folder / "manifest.json").write_text('{"other": 1}')
    assert copy_near(folder, "$NODE") != near


def test_many_jobs_at_once_share_one_copy(folder, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: copy_near(folder, str(tmp_path / "node")), range(8)))
    assert len(found) == 1
    assert [path.name for path in (tmp_path / "node").iterdir()] == [found.pop().name]


def test_a_link_is_copied_as_what_it_points_to(folder, tmp_path):
    (folder / "linked.hdf5").symlink_to(folder / "train" / "a.hdf5")
    near = copy_near(folder, str(tmp_path / "node"))
    assert not (near / "linked.hdf5").is_symlink()


def test_a_variable_that_is_not_set_is_named(folder, monkeypatch):
    monkeypatch.delenv("NO_SUCH_NODE", raising=False)
    with pytest.raises(ConfigError, match="NO_SUCH_NODE"):
        copy_near(folder, "$NO_SUCH_NODE/x")
