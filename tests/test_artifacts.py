"""Damage is found, removed, and costs no more than what was damaged."""

from pathlib import Path

import pytest

from symbench.artifacts import (
    behind_links,
    damaged_artifacts,
    expected,
    outdated_artifacts,
    remove_artifacts,
    trained_together,
    unfinished,
)
from symbench.config.read import read_configuration
from symbench.data.manifest import NAME, Manifest, write_manifest
from symbench.files import sha256, write_json, write_whole
from symbench.layout import FAILED
from symbench.report.build import build
from symbench.stages.evaluate import make_table

ROOT = Path(__file__).parents[1]
STUDY = "group_averaging"


@pytest.fixture
def run(tmp_path):
    """A configuration, and folders with data of one task and a table of results."""
    configuration = read_configuration(
        [ROOT / "config" / "sizes" / "smoke.yaml"],
        [STUDY],
        overrides=[f"{name}={tmp_path / name}" for name in ("data", "results")],
    )
    task = configuration.study(STUDY).task("decaying_turbulence")
    data = configuration.data_folder(task)
    table = configuration.layout.table(STUDY, "metrics")
    for path in (data / "train" / "a.hdf5", table):
        with write_whole(path) as temporary:
            temporary.write_text("content")
    manifest = Manifest("a test", "none", {}, (data / "train" / "a.hdf5",))
    write_manifest(data, manifest, "decaying_turbulence", task.data_fingerprint)
    return configuration, data, table


def test_nothing_is_damaged_at_first(run):
    assert damaged_artifacts(run[0]) == []
    assert outdated_artifacts(run[0]) == []


def test_a_damaged_table_goes_alone(run):
    configuration, data, table = run
    table.write_text("contemt")
    assert damaged_artifacts(configuration) == [table]
    assert remove_artifacts(configuration, [table]) == [table]
    assert not table.exists()
    assert (data / NAME).exists()
    assert damaged_artifacts(configuration) == []


def test_a_damaged_report_is_seen(run):
    configuration, _, _ = run
    report = configuration.layout.report
    with write_whole(report) as temporary:
        temporary.write_text("content")
    assert damaged_artifacts(configuration) == []
    report.write_text("conten")
    assert damaged_artifacts(configuration) == [report]


def test_what_no_command_of_ours_wrote_is_not_asked_for_a_checksum(run):
    configuration, _, table = run
    (table.parent / "notes of mine.csv").write_text("anything")
    assert damaged_artifacts(configuration) == []


def test_damaged_data_take_their_manifest_along(run):
    configuration, data, table = run
    path = data / "train" / "a.hdf5"
    path.write_text("conten")
    assert damaged_artifacts(configuration) == [path]
    assert remove_artifacts(configuration, [path]) == [data / NAME, path]
    assert not (data / NAME).exists()
    assert table.exists()


def test_a_damaged_manifest_does_not_accuse_its_data(run):
    configuration, data, _ = run
    manifest = data / NAME
    checksum = sha256(data / "train" / "a.hdf5")
    manifest.write_text(manifest.read_text().replace(checksum, "0" * 64))
    assert damaged_artifacts(configuration) == [manifest]
    assert remove_artifacts(configuration, [manifest]) == [manifest]
    assert (data / "train" / "a.hdf5").is_file()


def test_downloaded_data_are_held_against_their_manifest(run):
    """Data that something else wrote have no checksum of their own."""
    configuration, data, _ = run
    path = data / "train" / "a.hdf5"
    (path.parent / ".a.hdf5.sha256").unlink()
    assert damaged_artifacts(configuration) == []
    path.write_text("others")
    assert damaged_artifacts(configuration) == [path]


def test_nothing_outside_of_the_folders_of_a_run_is_removed(run, tmp_path):
    configuration, data, _ = run
    kept = tmp_path / "precious.yaml"
    kept.write_text("mine")
    of_others = data.parents[1] / "gray_scott" / "0" / "train.hdf5"
    of_others.parent.mkdir(parents=True)
    of_others.write_text("of another config")
    paths = [kept, of_others, configuration.layout.results / ".." / ".." / kept.name]
    assert remove_artifacts(configuration, paths) == []
    assert kept.read_text() == "mine"
    assert of_others.exists()


def test_results_on_a_larger_disk_are_left_and_told_of(run, tmp_path):
    """The folder of a study may be a link of its user."""
    configuration, data, table = run
    larger = tmp_path / "larger"
    table.parent.rename(larger)
    table.parent.symlink_to(larger)
    table.write_text("contemt")
    assert damaged_artifacts(configuration) == [table]
    assert behind_links(configuration, [table, data / NAME]) == [table]
    assert remove_artifacts(configuration, [table]) == []
    assert (larger / table.name).read_text() == "contemt"


def test_a_run_that_was_not_evaluated_leaves_its_study_unfinished(run):
    configuration, _, _ = run
    assert [study.name for study in unfinished(configuration)] == [STUDY]
    for path in expected(configuration):
        if path.suffix == ".nc":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert unfinished(configuration) == []


def test_other_settings_are_told_by_the_record(run):
    configuration, _, table = run
    study = configuration.study(STUDY)
    record = configuration.layout.table_provenance(STUDY, "metrics")
    write_json(record, {"config": study.comparison_fingerprint})
    assert outdated_artifacts(configuration) == []
    write_json(record, {"config": "of another"})
    assert outdated_artifacts(configuration) == [table, record]
    record.write_text("no record")
    assert outdated_artifacts(configuration) == []
    assert damaged_artifacts(configuration) == [record]


def test_a_report_says_what_it_was_made_of(tmp_path):
    """Snakemake's own records may be gone: an old report was taken for the present one."""
    size = ROOT / "config" / "sizes" / "smoke.yaml"

    def configured(studies, *overrides):
        return read_configuration([size], studies, overrides=[f"results={tmp_path}", *overrides])

    plain = configured([STUDY])
    report = plain.layout.report
    build(plain, report)
    assert outdated_artifacts(plain) == []
    other = configured([STUDY], f"studies.{STUDY}.title=Another one")
    assert outdated_artifacts(other) == [report]
    # A report of more studies is one of each of them; one of fewer lacks some.
    assert outdated_artifacts(configured([STUDY, "quantum"])) == [report]
    build(configured([STUDY, "quantum"]), report)
    assert outdated_artifacts(plain) == []
    assert remove_artifacts(other, outdated_artifacts(other)) == [report]
    assert not report.exists()
    # One of an earlier version says nothing.
    report.write_text("<!doctype html>")
    assert outdated_artifacts(other) == []


def test_a_further_table_says_what_it_was_made_of(tmp_path):
    size = ROOT / "config" / "sizes" / "smoke.yaml"

    def configured(*overrides):
        return read_configuration(
            [size], ["quantum"], overrides=[f"results={tmp_path}", *overrides]
        )

    plain = configured()
    study, layout = plain.study("quantum"), plain.layout
    make_table(plain, study, "circuit_gates")
    made = [
        layout.further_table("quantum", "circuit_gates"),
        layout.further_table_provenance("quantum", "circuit_gates"),
    ]
    assert set(made) <= set(expected(plain))
    assert outdated_artifacts(plain) == []
    blocks = [
        f"studies.quantum.models.{model}.settings.blocks=2"
        for model in study.settings.models
        if "blocks" in study.settings.models[model].settings
    ]
    other = configured(blocks[0])
    assert outdated_artifacts(other) == made
    remove_artifacts(other, made)
    make_table(other, other.study("quantum"), "circuit_gates")
    assert outdated_artifacts(other) == []
    assert outdated_artifacts(plain) == made


def test_a_job_of_several_seeds_trains_those_that_it_is_called_after(tmp_path):
    """It reads the workflow again, after others have written files, and after a failed attempt."""
    configuration = read_configuration(
        [ROOT / "config" / "sizes" / "smoke.yaml"],
        ["ace"],
        overrides=[
            f"results={tmp_path}",
            "studies.ace.resources.train.seeds_together=true",
            "studies.ace.seeds=[3, 4, 5]",
        ],
    )
    study, layout = configuration.study("ace"), configuration.layout
    planned = trained_together(study, layout)
    name, runs = next(iter(planned.items()))
    assert name.endswith("_seeds_3_4_5")
    assert [run.seed for run in runs] == [3, 4, 5]
    run = runs[1]
    failed = layout.trained(FAILED, run.study, *run.key, run.seed)
    failed.parent.mkdir(parents=True)
    write_json(failed, {"config": run.training_fingerprint, "error": "it diverged"})
    again = name.replace("_3_4_5", "_3_5")
    assert [each.seed for each in trained_together(study, layout)[again]] == [3, 5]
    assert trained_together(study, layout, [name, "train"]) == {name: runs}
