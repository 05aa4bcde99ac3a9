"""Copies of data on a node: whole, once, and the same."""

import os
import platform
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from symbench.errors import ConfigError, DataError
from symbench.files import (
    copy_near,
    damaged,
    is_damaged,
    refuse_damaged,
    refuse_existing,
    refuse_foreign,
    write_whole,
)
from symbench.models.weights import save_weights


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


def test_a_copy_that_is_no_longer_whole_is_made_anew(folder, tmp_path):
    """Other numbers in a copy, or none, went unnoticed."""

    def is_whole(copy):
        path = copy / "train" / "a.hdf5"
        return path.is_file() and path.read_bytes() == b"1" * 1000

    node = tmp_path / "node"
    near = copy_near(folder, str(node), is_whole)
    (near / "train" / "a.hdf5").write_bytes(b"2" * 1000)
    assert copy_near(folder, str(node), is_whole) == near
    assert is_whole(near)
    (near / "train" / "a.hdf5").unlink()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: copy_near(folder, str(node), is_whole), range(8)))
    assert is_whole(near)
    assert list(node.iterdir()) == [near]


def test_a_scratch_may_lie_below_the_home(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert copy_near(folder, "~/node").parent == tmp_path / "home" / "node"
    with pytest.raises(ConfigError, match="not all its variables are set"):
        copy_near(folder, "~no_such_user/node")


def test_what_a_killed_copy_left_goes_with_the_next_one(folder, tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    node, host = tmp_path / "node", platform.node()
    left = node / f".symbench-0.{host}.a.{ended.pid}.partial"
    alive = node / f".symbench-0.{host}.a.{os.getppid()}.partial"
    own = node / "mine.partial"
    for path in (left, alive, own):
        path.mkdir(parents=True)
        (path / "half").touch()
    near = copy_near(folder, str(node))
    assert set(node.iterdir()) == {near, alive, own}


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    node = platform.node()
    left = tmp_path / f".table.csv.{node}.{ended.pid}.partial"
    alive = tmp_path / f".table.csv.{node}.{os.getppid()}.partial"
    elsewhere = tmp_path / f".table.csv.other.{ended.pid}.partial"
    for path in (left, alive, elsewhere):
        path.write_text("half")
    with write_whole(tmp_path / "table.csv") as temporary:
        temporary.write_text("whole")
    assert not left.exists()
    assert alive.exists()
    assert elsewhere.exists()


@pytest.mark.parametrize("place", [0, 400, -1])
def test_a_flipped_bit_does_not_pass(tmp_path, place):
    path = tmp_path / "weights.safetensors"
    save_weights(path, {"weight": torch.arange(100.0)})
    refuse_damaged(path)
    assert damaged(tmp_path) == []
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        refuse_damaged(path)
    assert damaged(tmp_path) == [path]


@pytest.mark.parametrize("record", [None, "", "0" * 64])
def test_a_file_whose_checksum_is_lost_does_not_pass(tmp_path, record):
    path = tmp_path / "table.csv"
    with write_whole(path) as temporary:
        temporary.write_text("content")
    kept = tmp_path / ".table.csv.sha256"
    if record is None:
        kept.unlink()
    else:
        kept.write_text(record)
    what = "not the recorded one" if record else "recorded nowhere"
    with pytest.raises(DataError, match=f"is damaged .its sha256 is {what}.: `make repair`"):
        refuse_damaged(path)


def test_what_is_not_there_is_not_damaged(tmp_path):
    refuse_damaged(tmp_path / "missing")
    assert damaged(tmp_path) == []


def test_a_new_file_has_the_usual_rights(tmp_path):
    """Some libraries keep theirs from all others."""
    path = tmp_path / "weights.safetensors"
    save_weights(path, {"weight": torch.arange(3.0)})
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_writer_that_dies_before_the_last_step_leaves_the_earlier_file_valid(
    tmp_path, monkeypatch
):
    path = tmp_path / "state.pt"
    for content in ("first", "second"):
        with write_whole(path) as temporary:
            temporary.write_text(content)
    replace = os.replace

    def die_at(source, target):
        if target == path:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", die_at)
    # Another one dies there too.
    for content in ("third", "fourth"):
        with pytest.raises(KeyboardInterrupt), write_whole(path) as temporary:
            temporary.write_text(content)
        assert path.read_text() == "second"
        assert not is_damaged(path)
    path.write_text("third")
    assert is_damaged(path)


def test_only_files_of_ones_own_are_replaced(tmp_path):
    path = tmp_path / "table.csv"
    refuse_foreign(path)
    with write_whole(path) as temporary:
        temporary.write_text("1")
    refuse_foreign(path)
    path.write_text("changed")
    with pytest.raises(DataError, match=r"table.csv is there already, and is left as it is"):
        refuse_foreign(path)
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(DataError, match="is there already"):
        refuse_foreign(path)


def test_a_document_is_written_anew_by_its_mark(tmp_path):
    path = tmp_path / "page.md"
    refuse_existing(path)
    path.write_text("# Made so\n")
    refuse_existing(path, "# Made so")
    for mark in ("# Made otherwise", None):
        with pytest.raises(DataError, match="is there already"):
            refuse_existing(path, mark)
