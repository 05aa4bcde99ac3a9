"""Damage is found, removed, and costs no more than what was damaged."""

from pathlib import Path

import pytest

from symbench.artifacts import MANIFEST, damaged_artifacts, remove_artifacts
from symbench.files import sha256, write_json, write_whole
from symbench.config.study import read_configuration

ROOT = Path(__file__).parents[1]
TASK = "decaying_turbulence"


@pytest.fixture
def run(tmp_path):
    """A configuration, and folders with data of one task and a table of results."""
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(f"data: {tmp_path / 'data'}\nresults: {tmp_path / 'results'}\n")
    configuration = read_configuration([ROOT / "config/smoke.yaml", overlay], ["group_averaging"])
    data = tmp_path / "data" / "smoke" / TASK
    table = tmp_path / "results" / "smoke" / "group_averaging" / "metrics.csv"
    for path in (data / "train" / "a.hdf5", table):
        with write_whole(path) as temporary:
            temporary.write_text("content")
    write_json(data / MANIFEST, {"sha256": {"train/a.hdf5": sha256(data / "train" / "a.hdf5")}})
    return configuration, data, table


def test_nothing_is_damaged_at_first(run):
    assert damaged_artifacts(run[0]) == []


def test_a_damaged_table_goes_alone(run):
    configuration, data, table = run
    table.write_text("contemt")
    assert damaged_artifacts(configuration) == [table]
    remove_artifacts([table])
    assert not table.exists()
    assert (data / MANIFEST).exists()
    assert damaged_artifacts(configuration) == []


def test_a_damaged_report_is_seen(run):
    configuration, _, table = run
    report = table.parents[1] / "report.html"
    with write_whole(report) as temporary:
        temporary.write_text("content")
    assert damaged_artifacts(configuration) == []
    report.write_text("conten")
    assert damaged_artifacts(configuration) == [report]


def test_damaged_data_take_their_manifest_along(run):
    configuration, data, table = run
    path = data / "train" / "a.hdf5"
    path.write_text("conten")
    assert damaged_artifacts(configuration) == [path]
    assert remove_artifacts([path]) == [data / MANIFEST]
    assert not (data / MANIFEST).exists()
    assert table.exists()


def test_a_damaged_manifest_does_not_accuse_its_data(run):
    configuration, data, _ = run
    manifest = data / MANIFEST
    checksum = sha256(data / "train" / "a.hdf5")
    manifest.write_text(manifest.read_text().replace(checksum, "0" * 64))
    assert damaged_artifacts(configuration) == [manifest]
    assert remove_artifacts([manifest]) == [manifest]


def test_downloaded_data_are_held_against_their_manifest(run):
    """Data that something else wrote have no checksum of their own."""
    configuration, data, _ = run
    path = data / "train" / "a.hdf5"
    (path.parent / ".a.hdf5.sha256").unlink()
    path.write_text("other")
    assert damaged_artifacts(configuration) == [path]
