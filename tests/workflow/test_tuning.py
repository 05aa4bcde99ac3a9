"""Tuning as a user starts it: one tiny real run, and what goes wrong."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest
import yaml

from symbench.config.read import read_configuration
from symbench.errors import DivergedError, SymBenchError
from symbench.files import write_json, write_whole
from symbench.tuning import choose_settings, run_trial, trial_of
from tests.workflow.checkout import RESULTS, jobs, sentence

ARM = ("particles", "gnn", "none")
# A loss that diverges counts as infinite.
RATES = [1e30, 0.01, 0.001]


def tuning(checkout, **candidates):
    """An overlay that tunes the first study."""
    arms = {"*/*/*": candidates or {"training": {"learning_rate": RATES}}}
    said = {"seeds": [7], "budget": len(RATES), "candidates": arms}
    content = {"base": "laptop", "studies": {"first": {"tuning": said}}}
    return checkout.write("config/overlays/tuning.yaml", content)


@pytest.fixture
def read(checkout, monkeypatch):
    """The configuration of the checkout with that overlay, in its folder."""
    monkeypatch.chdir(checkout.folder)
    configuration = read_configuration([tuning(checkout)])
    return configuration, configuration.study("first")


def test_make_tune_chooses_a_rate_that_reproduce_takes(checkout):
    path = tuning(checkout)
    checkout.install()
    made = checkout.run("make", "tune", f"CONFIG={path}", "CORES=2")
    assert made.returncode == 0, made.stdout + made.stderr
    table = pd.read_csv(checkout.results("first/tuning.csv"))
    assert list(table) == [
        *("study", "task", "model", "treatment", "trial", "training.learning_rate", "seed"),
        *("validation_loss", "chosen", "at_edge"),
    ]
    assert table["training.learning_rate"].tolist() == RATES
    assert set(table.seed) == {7}
    # What was chosen has the lowest loss of the histories that the trainings left.
    for row in table.itertuples():
        arm = f"first/trials/{'/'.join(ARM)}/trial{row.trial}/seed7"
        history = pd.read_csv(checkout.results(f"{arm}/history.csv"))
        lowest = history.valid_loss.min()
        assert row.validation_loss == (math.inf if math.isnan(lowest) else lowest)
        assert {each.name for each in checkout.results(arm).glob("[!.]*")} == {
            *("history.csv", "provenance.json")
        }
    best = table.validation_loss.idxmin()
    assert table.chosen.tolist() == [number == best for number in range(3)]
    (edge,) = table.at_edge[table.chosen]
    assert (edge == "training.learning_rate") == (RATES[best] in (min(RATES), max(RATES)))
    # The other seeds and all evaluations are as they were.
    assert checkout.planned() == set()
    assert "make reproduce CONFIG=" in made.stdout
    overlay = checkout.results("first/tuning.yaml")
    assert f"{RESULTS}/laptop/first/tuning.yaml" in made.stdout
    again = checkout.planned("--configfile", "config/sizes/laptop.yaml", path, overlay)
    assert "train first/particles/gnn/none/0" in again
    assert not any("fetch" in job for job in again)
    where = checkout.symbench("where", "--config", overlay, "--folder")
    assert where.stdout == f"{RESULTS}/laptop_tuned\n"
    study = read_configuration([overlay], folder=checkout.folder / "config").study("first")
    assert study.run(*ARM, 0).training.learning_rate == RATES[best]
    assert checkout.planned("--configfile", path, "--", "tuned") == set()


def test_what_is_to_do_next_keeps_single_keys(unfinished, tmp_path, command):
    """Its command is read by a shell, by make, by another shell and by Snakemake."""
    run = unfinished.copy(tmp_path / "copy")
    run.install()
    path = tuning(run)
    keys = ("studies.first.seeds=[5]", "studies.first.title='it; is $HOME'", "results=mine")
    run.write("mine/laptop/first/tuning.yaml", {"studies": {"first": {}}})
    said = command(run.folder, "where", "--tuning", "--config", path, *(f"--set={k}" for k in keys))
    assert said.returncode == 0, said.stderr
    last = said.stdout.splitlines()[-1]
    made = run.run("sh", "-c", last.replace("OPTIONS='", "OPTIONS='--dry-run ", 1))
    assert "train first/particles/gnn/none/5" in jobs(made)


def test_nothing_is_tuned(unfinished, command):
    said = command(unfinished.folder, "where", "--tuning", "--study", "second")
    assert "No study here has the key 'tuning'" in sentence(said)
    assert "No arm of second is tuned" in sentence(
        command(unfinished.folder, "tune", "--study", "second")
    )


def test_settings_that_a_treatment_does_not_take_are_refused(checkout, symbench):
    path = tuning(checkout, treatment={"gamma_rate": [1, 2, 3]})
    said = symbench("tune-check", "--study", "first", "--task", "particles", "--config", path)
    assert said.returncode == 1
    assert "Unknown setting of treatment none 'gamma_rate'" in said.stderr


def run_all(configuration, study, monkeypatch, losses):
    """Trials whose training is replaced: each has this validation loss, or diverges at NaN."""

    def train(configuration, runs, threads, output):
        (run,) = runs
        loss = losses[RATES.index(run.training.learning_rate)]
        if math.isnan(loss):
            raise DivergedError("The training loss became nan.")
        output.mkdir(parents=True)
        Path(output, "weights.safetensors").touch()
        with write_whole(output / "history.csv") as path:
            pd.DataFrame({"valid_loss": [9.0, loss, 8.0]}).to_csv(path)
        write_json(output / "provenance.json", {"config": run.training_fingerprint})

    monkeypatch.setattr("symbench.tuning.train_runs", train)
    for number in range(len(RATES)):
        run_trial(configuration, trial_of(study, ARM, number, 7), 1)
    choose_settings(configuration, study)
    return pd.read_csv(configuration.layout.table("first", "tuning"))


def test_a_trial_that_diverges_is_shown_and_never_chosen(read, monkeypatch):
    configuration, study = read
    table = run_all(configuration, study, monkeypatch, [math.nan, 0.5, 0.7])
    assert table.validation_loss.tolist() == [math.inf, 0.5, 0.7]
    assert table.chosen.tolist() == [False, True, False]
    folder = configuration.layout.trial_folder("first", *ARM, 0, 7)
    assert json.loads((folder / "provenance.json").read_text())["diverged"]
    overlay = yaml.safe_load(configuration.layout.chosen("first").read_text())
    arms = {"particles/gnn/none": {"training": {"learning_rate": 0.01}}}
    assert overlay["studies"] == {"first": {"arms": arms}}
    assert overlay["base"] == "laptop"


def test_where_all_diverge_nothing_is_chosen(read, monkeypatch):
    table = run_all(*read, monkeypatch, [math.nan] * 3)
    assert not table.chosen.any()
    overlay = yaml.safe_load(read[0].layout.chosen("first").read_text())
    assert overlay["studies"] == {"first": {"arms": {}}}


def test_trials_of_other_settings_and_damaged_ones_are_refused(read, monkeypatch):
    configuration, study = read
    run_all(configuration, study, monkeypatch, [0.1, 0.2, 0.3])
    folder = configuration.layout.trial_folder("first", *ARM, 1, 7)
    write_json(folder / "provenance.json", {"config": "another"})
    with pytest.raises(SymBenchError, match="is of other settings or other code"):
        choose_settings(configuration, study)
    (folder / "history.csv").write_text("valid_loss\n0.0\n")
    with pytest.raises(SymBenchError, match="is damaged"):
        choose_settings(configuration, study)
    (folder / "history.csv").unlink()
    with pytest.raises(SymBenchError, match="is missing: run the trial first"):
        choose_settings(configuration, study)
