"""Results are what they say: what is of other settings, damaged or missing is refused and named."""

import json
import re
import shutil

import pandas as pd
import pytest

from tests.workflow.checkout import STUDIES, sentence

NAMES = ("--task", "particles", "--model", "gnn", "--treatment", "none", "--seed", "0")
FIRST = ("--study", "first")


# --- W1: two studies, one name of a task ---------------------------------------------------------


def test_tasks_of_one_name_that_are_described_otherwise_have_data_of_their_own(finished):
    counts = []
    for study in STUDIES:
        record = json.loads(
            (finished.results(study) / "audits/particles.provenance.json").read_text()
        )
        counts.append(record["config"])
    assert len(set(counts)) == 2
    assert len(list(finished.folder.glob("*/charged_particles/*/manifest.json"))) == 2
    assert finished.data(40) != finished.data(7)
    metrics = [pd.read_csv(finished.results(study) / "metrics.csv") for study in STUDIES]
    errors = [table.query("metric == 'mse' and field == 'mean'").value.iloc[0] for table in metrics]
    assert errors[0] != errors[1]


# --- W2: Snakemake's own records are gone --------------------------------------------------------


def test_other_epochs_are_noticed_where_snakemake_remembers_nothing(checkout, symbench):
    shutil.rmtree(checkout.folder / ".snakemake")
    overlay = checkout.write(
        "mine.yaml",
        {"base": "laptop", "studies": {"first": {"training": {"epochs": 2}, "seeds": [0, 1]}}},
    )
    options = ("--config", overlay)
    # Snakemake alone would train the second seed and no other.
    assert "train first/particles/gnn/none/0" not in checkout.planned("--configfile", overlay)
    said = sentence(symbench("check-results", *options))
    assert "were made with other settings or other code" in said
    compared = symbench("compare", *options, *FIRST)
    assert "was made with other settings (or other code)" in sentence(compared)
    evaluated = symbench("evaluate", *options, *FIRST, *NAMES)
    assert "was trained with other settings or other code" in sentence(evaluated)
    # What is removed is made again, and so is all that follows from it.
    removed = symbench("check-results", *options, "--remove-damaged")
    assert removed.returncode == 0, removed.stderr
    planned = checkout.planned("--configfile", overlay)
    runs = {
        f"{stage} first/particles/gnn/none/{seed}"
        for stage in ("train", "evaluate")
        for seed in (0, 1)
    }
    assert runs <= planned
    assert {"compare first", "report"} <= planned
    assert not any("second" in job for job in planned)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            "tasks.particles.group=SO(3)",
            {"audits/particles.csv", "weights.safetensors", "seed0.nc", "claims.csv"},
        ),
        ("evaluation.elements=3", {"seed0.nc", "claims.csv"}),
        ("claims=[]", {"claims.csv", "metrics.csv", "validation_loss.png"}),
    ],
)
def test_each_kind_of_result_says_what_it_was_made_with(checkout, symbench, key, expected):
    """Without Snakemake's records, `make repair` finds what another config made."""
    shutil.rmtree(checkout.folder / ".snakemake")
    options = ("--set", f"studies.first.{key}")
    before = {path for path in checkout.results().rglob("[!.]*") if path.is_file()}
    assert "were made with other settings" in sentence(symbench("check-results", *options))
    symbench("check-results", *options, "--remove-damaged")
    gone = {path for path in before if not path.exists()}
    assert all(any(str(path).endswith(name) for path in gone) for name in expected)
    assert not any("second" in path.parts for path in gone)
    everything = ("weights.safetensors", "particles.csv", "seed0.nc")
    for name in set(everything) - {each.rpartition("/")[2] for each in expected}:
        assert not any(path.name == name for path in gone), name


def test_what_only_a_user_may_remove_is_told_and_nothing_goes(checkout, symbench):
    """A folder of results that is a link to a larger disk, and a figure beside it."""
    folder = checkout.results("first/audits")
    larger = checkout.folder / "larger"
    folder.rename(larger)
    folder.symlink_to(larger)
    damaged = [folder / "particles.csv", checkout.results("first/claims.csv")]
    for path in damaged:
        path.write_text("damaged")
    said = sentence(symbench("check-results", "--remove-damaged"))
    assert "1 artifacts are behind links" in said
    assert f"particles.csv is {larger / 'particles.csv'}; nothing was removed" in said
    assert all(path.is_file() for path in damaged)
    folder.unlink()
    larger.rename(folder)
    removed = symbench("check-results", "--remove-damaged")
    assert (removed.returncode, removed.stdout) == (0, "")
    assert removed.stderr.splitlines()[-1] == "2 artifacts removed"
    assert not any(path.exists() for path in damaged)


# --- W5: changed after it was made ---------------------------------------------------------------

WEIGHTS = "first/models/particles/gnn/none/seed0/weights.safetensors"
HISTORY = "first/models/particles/gnn/none/seed0/history.csv"
EVALUATION = "first/evaluations/particles/gnn/none/plain/seed0.nc"
# Each artifact with the command that reads it; the report says it instead of refusing.
READERS = {
    "manifest.json": ("train", *FIRST, *NAMES),
    "train.hdf5": ("train", *FIRST, *NAMES),
    "first/audits/particles.csv": ("compare", *FIRST),
    WEIGHTS: ("evaluate", *FIRST, *NAMES),
    HISTORY: ("compare", *FIRST),
    EVALUATION: ("compare", *FIRST),
    "first/metrics.csv": ("reference", *FIRST, "--output", "reference"),
    "first/claims.csv": ("reference", *FIRST, "--output", "reference"),
    "first/figures/validation_loss.png": None,
    "first/figures/validation_loss.pdf": None,
    "report.html": None,
}


def artifact(checkout, name):
    return (
        checkout.data(40) / name
        if "/" not in name and name != "report.html"
        else checkout.results(name)
    )


@pytest.mark.parametrize("name", READERS)
def test_an_artifact_that_was_changed_is_refused_on_reading_and_named(checkout, symbench, name):
    path = artifact(checkout, name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert path.name in sentence(symbench("check-results"))
    if READERS[name]:
        said = sentence(symbench(*READERS[name]))
        assert path.name in said
        assert "make repair" in said


@pytest.mark.parametrize("name", [name for name in READERS if name != "train.hdf5"])
@pytest.mark.parametrize("how", ["lost", "empty"])
def test_an_artifact_whose_checksum_is_gone_is_named(checkout, symbench, name, how):
    path = artifact(checkout, name)
    record = path.with_name(f".{path.name}.sha256")
    if how == "lost":
        record.unlink()
    else:
        record.write_text("")
    assert path.name in sentence(symbench("check-results"))


@pytest.mark.parametrize("name", ["manifest.json", WEIGHTS, EVALUATION, "first/claims.csv"])
def test_an_artifact_whose_checksum_is_lost_is_refused_on_reading(checkout, symbench, name):
    path = artifact(checkout, name)
    path.with_name(f".{path.name}.sha256").unlink()
    said = sentence(symbench(*READERS[name]))
    assert f"{path.name} is damaged" in said
    assert "recorded nowhere" in said


def test_a_picture_that_was_changed_is_not_shown(checkout, symbench):
    path = checkout.results("first/figures/validation_loss.png")
    path.write_bytes(path.read_bytes() + b"\0")
    assert symbench("report").returncode == 0
    page = checkout.results("report.html").read_text()
    assert re.search("damaged.*validation_loss|validation_loss.*damaged", page)
    assert "data:image/webp" not in page


# --- R2: data that are lost ----------------------------------------------------------------------


def test_lost_data_are_made_again(checkout):
    """A file of data lost, then a seed added: the failing job says how, and it helps."""
    checkout.install()
    overlay = checkout.write(
        "mine.yaml", {"base": "laptop", "studies": {"first": {"seeds": [0, 1], "figures": []}}}
    )
    (checkout.data(40) / "train.hdf5").unlink()
    names = (*NAMES[:-1], "1")
    refused = sentence(checkout.symbench("train", "--config", overlay, *FIRST, *names))
    assert "train.hdf5 is lost: `make repair`" in refused
    assert "train.hdf5" in sentence(checkout.symbench("check-results", "--config", overlay))
    first = (checkout.trained() / "weights.safetensors").stat().st_mtime_ns
    repaired = checkout.run("make", "repair", f"CONFIG={overlay}", "CORES=1")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert checkout.symbench("check-results", "--config", overlay).returncode == 0
    # The data came out the same: what followed from them was not done again.
    assert (checkout.trained() / "weights.safetensors").stat().st_mtime_ns == first
    assert (checkout.trained(seed=1) / "weights.safetensors").is_file()


# --- after a failed run --------------------------------------------------------------------------

BROKEN = '''
from torch import nn


class Broken(nn.Module):
    """Takes its settings, and cannot be trained."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.layer = nn.Linear(dimension, dimension)

    def forward(self, inputs):
        raise RuntimeError("This network is broken.")
'''


def test_after_a_failed_run_the_report_says_what_is_missing(checkout):
    """One of two models fails: tables and report are of this run, and the next one goes on."""
    (checkout.folder / "src" / "broken.py").write_text(BROKEN)
    overlay = checkout.write(
        "my 'overlay'; touch hacked.yaml",
        {
            "base": "laptop",
            "studies": {
                "first": {
                    "models": {"broken": {"architecture": "broken:Broken"}},
                    "runs": [{"tasks": ["particles"], "models": ["gnn", "broken"]}],
                    "claims": [],
                }
            },
        },
    )
    table = checkout.results("first/claims.csv")
    assert len(pd.read_csv(table)) == 2
    result = checkout.snakemake("--configfile", overlay)
    assert result.returncode != 0
    assert "This network is broken." in result.stdout + result.stderr
    page = checkout.results("report.html").read_text()
    assert "1 of 2 runs have no evaluations" in page
    assert "particles/broken/none/seed0" in page
    # What there is is shown, and the table of the run before is not.
    assert "data:image/webp" in page
    assert len(pd.read_csv(table)) == 0
    assert "missing" in sentence(checkout.symbench("check-results", "--config", overlay, *FIRST))
    # Neither this config nor that of before takes what tells of a part of the runs for finished.
    assert checkout.planned() >= {"compare first", "report"}
    assert "train first/particles/gnn/none/0" not in checkout.planned("--configfile", overlay)


def test_after_a_failed_run_with_other_settings_no_earlier_table_is_left(checkout):
    """All trainings are to be done again, and the only one of the first study fails."""
    checkout.edit(
        "src/symbench/models/points/particles.py",
        (
            "        products = invariants(inputs)[..., :1]",
            "        assert not self.training\n        products = invariants(inputs)[..., :1]",
        ),
    )
    result = checkout.snakemake("--config", "studies=first")
    assert result.returncode != 0
    page = checkout.results("report.html").read_text()
    assert "1 of 1 runs have no evaluations" in page
    assert not len(pd.read_csv(checkout.results("first/metrics.csv")))
