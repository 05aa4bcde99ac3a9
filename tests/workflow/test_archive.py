"""Figures and the report from results alone: of a run, or of an archive of it elsewhere."""

import json
import subprocess
import sys
import tarfile

import pytest

from tests.workflow.checkout import STUDIES, sentence

# As on a machine without torch.
WITHOUT_TORCH = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'")

sys.meta_path.insert(0, Missing())
from symbench.cli import main
main()
"""


def test_an_archive_gives_the_report_elsewhere_without_torch(symbench, checkout, tmp_path):
    packed = tmp_path / "run.tar.gz"
    result = symbench("archive", packed)
    assert result.returncode == 0, result.stderr
    with tarfile.open(packed) as archive:
        names = archive.getnames()
    assert not [name for name in names if "weights" in name or name.startswith("/")]
    elsewhere = tmp_path / "elsewhere"
    command = [sys.executable, "-c", WITHOUT_TORCH, "figures", "--results", packed]
    made = subprocess.run(
        [*command, "--output", elsewhere], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert made.returncode == 0, made.stderr
    [original] = checkout.folder.glob("results*/laptop/first/metrics.csv")
    assert (elsewhere / "results/first/metrics.csv").read_bytes() == original.read_bytes()
    assert (elsewhere / "results/first/figures/validation_loss.png").is_file()
    page = (elsewhere / "results/report.html").read_text()
    assert all(f'<section id="{name}">' in page for name in STUDIES)
    assert "have no evaluations" not in page
    again = subprocess.run(
        [*command, "--output", elsewhere], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert "is not empty: give a folder that is new" in sentence(again)


def test_what_is_no_archive_is_refused(symbench, tmp_path):
    path = tmp_path / "run.tar.gz"
    path.write_text("no archive")
    result = symbench("figures", "--results", path, "--output", tmp_path / "new")
    assert "is no archive of results" in sentence(result)
    assert "belong together" in sentence(symbench("figures", "--results", path))


def test_a_cut_archive_and_a_foreign_one_are_refused(symbench, tmp_path):
    path = tmp_path / "run.tar.gz"
    assert symbench("archive", path).returncode == 0
    assert symbench("archive", path).returncode == 0
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    result = symbench("figures", "--results", path, "--output", tmp_path / "cut")
    assert "is no archive of results" in sentence(result)
    assert "is there already, and is left as it is" in sentence(symbench("archive", path))
    index = tmp_path / "archive.json"
    foreign = tmp_path / "foreign"
    with tarfile.open(path, "w:gz") as archive:
        index.write_text("{}")
        archive.add(index, index.name)
    for _ in range(2):
        result = symbench("figures", "--results", path, "--output", foreign)
        assert "is no archive of results" in sentence(result)
    # Of other code, and what is said of it is gone.
    path.write_bytes(whole)
    with tarfile.open(path) as archive:
        archive.extractall(foreign, filter="data")
    said = json.loads((foreign / index.name).read_text())
    said["compared"] = dict.fromkeys(said["compared"], "other")
    del said["made"]
    (foreign / index.name).write_text(json.dumps(said))
    with tarfile.open(path, "w:gz") as archive:
        for part in sorted(foreign.iterdir()):
            archive.add(part, part.name)
    for _ in range(2):
        result = symbench("figures", "--results", path, "--output", tmp_path / "new")
        assert "was made by other code, commit unknown" in sentence(result)


def test_what_an_archive_would_leave_out_is_refused(symbench, checkout, tmp_path):
    (tmp_path / "upon").mkdir()
    (tmp_path / "below.yaml").write_text("base: laptop\nstudies: {first: {}}\n")
    overlay = tmp_path / "upon/overlay.yaml"
    overlay.write_text("base: ../below.yaml\nname: laptop\n")
    path = tmp_path / "run.tar.gz"
    assert "is not written" in sentence(symbench("archive", path, "--config", overlay))
    assert not path.exists()
    assert "is called .tar.gz" in sentence(symbench("archive", overlay))
    assert symbench("archive", path).returncode == 0
    words = ("figures", "--results", path, "--output", tmp_path / "new")
    assert "brings its own config" in sentence(symbench(*words, "--set", "name=other"))
    assert "Unknown study 'third'" in sentence(symbench(*words, "--study", "third"))


def test_tasks_that_overlays_alone_have_are_known_in_an_archive(symbench, checkout, tmp_path):
    config = checkout.folder / "config"
    (config / "overlays").mkdir()
    (config / "overlays/more.yaml").write_text(
        "studies: {first: {tasks: {waves: {parameters: {input_step: 60}}}}}\n"
    )
    study = config / "studies/first.yaml"
    study.write_text(
        study.read_text().replace("model: gnn", "model: gnn\n    task: [particles, waves]")
    )
    path = tmp_path / "run.tar.gz"
    result = symbench("archive", path)
    assert result.returncode == 0, result.stderr
    with tarfile.open(path) as archive:
        assert "config/overlays/more.yaml" in archive.getnames()


def test_one_figure_of_a_run(symbench, checkout):
    [image] = checkout.folder.glob("results*/laptop/first/figures/validation_loss.png")
    image.unlink()
    assert "Did you mean 'validation_loss'" in sentence(
        symbench("figures", "--only", "validation_los")
    )
    result = symbench("figures", "--only", "validation_loss", "--study", "first")
    assert result.returncode == 0, result.stderr
    assert image.is_file()


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside"])
def test_files_outside_of_the_folder_are_refused(symbench, tmp_path, name):
    with tarfile.open(tmp_path / "run.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name))
    words = ("--results", tmp_path / "run.tar.gz", "--output", tmp_path / "new")
    assert "is no plain file below it" in sentence(symbench("figures", *words))
    assert not (tmp_path / "new").exists()
