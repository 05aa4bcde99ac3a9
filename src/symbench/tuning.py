"""Tuning: trials of each arm, the table of all of them, and the overlay of what they chose.

A trial is an ordinary training (`train_runs`) that is judged by its best validation loss; no
part of it opens the test split.
"""

import json
import math
import shlex
import statistics
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import yaml

from symbench.config.read import Configuration
from symbench.config.run import Task
from symbench.config.study import Study
from symbench.config.tuning import Arm, Trial, trials, tuning_fingerprint
from symbench.devices import chosen_device
from symbench.errors import ConfigError, DivergedError, TrainingError, choose
from symbench.files import refuse_damaged, remove, write_json, write_whole
from symbench.layout import TUNING, Layout
from symbench.provenance import describe
from symbench.stages.audit import check_run
from symbench.stages.data import open_data
from symbench.stages.train import train_runs
from symbench.strict_yaml import Dumper


def trial_of(study: Study, arm: Sequence[str], number: int, seed: int) -> Trial:
    """A trial by its names; raises `ConfigError` if the study has none of them."""
    of_arm = [each for each in trials(study) if each.run.key == tuple(arm)]
    known = {f"{each.number}/{each.run.seed}": each for each in of_arm}
    return known[choose(f"{number}/{seed}", known, f"trial/seed of {'/'.join(arm)}")]


def _trials(study: Study) -> list[Trial]:
    if not (tried := trials(study)):
        raise ConfigError(f"No arm of {study.name} is tuned: give the study the key 'tuning'.")
    return tried


def check_trials(configuration: Configuration, task: Task) -> None:
    """Build networks and treatments of all trials of a task once, and write what will be tried.

    Raises:
        SymBenchError: for settings that do not fit data, model or treatment.

    """
    study = configuration.study(task.study)
    tried = [trial for trial in _trials(study) if trial.run.task.name == task.name]
    data = open_data(configuration, task)
    symmetry = data.symmetry(task.settings.group, task.settings.exact)
    for each in tried:
        check_run(each.run, data, symmetry)
    with write_whole(configuration.layout.trials(task.study, task.name)) as temporary:
        _table(tried).to_csv(temporary, index=False)


def run_trial(configuration: Configuration, trial: Trial, threads: int) -> None:
    """Train a trial; one whose loss diverges ends well, and its history says so.

    Writes history and provenance; weights are of no further use.
    """
    folder = _folder(configuration.layout, trial)
    run = trial.run
    try:
        train_runs(configuration, [run], threads, folder)
    except DivergedError as error:
        with write_whole(folder / "history.csv") as temporary:
            pd.DataFrame({"epoch": [0], "valid_loss": [math.nan]}).to_csv(temporary, index=False)
        trained = describe(run.training_fingerprint, run.seed, chosen_device())
        record = {**trained, "diverged": str(error)}
        write_json(folder / "provenance.json", record)
    for name in ("weights.safetensors", "state.pt"):
        remove(folder / name)


def choose_settings(configuration: Configuration, study: Study) -> None:
    """Choose the trial of each arm with the lowest validation loss, the mean over seeds.

    Writes the table of all trials, its provenance, and the overlay that sets what was chosen. An
    arm of which no trial has a finite loss keeps its settings.

    Raises:
        SymBenchError: if nothing is tuned, or a trial is missing, damaged, or of other settings.

    """
    layout = configuration.layout
    tried = _trials(study)
    losses = [_validation_loss(layout, trial) for trial in tried]
    chosen = _chosen(tried, losses)
    table = _table(tried)
    table.insert(0, "study", study.name)
    table["validation_loss"] = losses
    table["chosen"] = [chosen.get(trial.run.key) == trial.number for trial in tried]
    edges = [" ".join(_at_edge(trial, tried)) for trial in tried]
    table["at_edge"] = [
        edge if each else "" for edge, each in zip(edges, table.chosen, strict=True)
    ]
    with write_whole(layout.table(study.name, TUNING)) as temporary:
        table.to_csv(temporary, index=False)
    arms = {
        "/".join(trial.run.key): _as_config(trial)
        for trial in tried
        if chosen.get(trial.run.key) == trial.number
    }
    content = {
        "base": configuration.size,
        "name": f"{configuration.name}_tuned",
        "studies": {study.name: {"arms": arms}},
    }
    dumped = yaml.dump(content, Dumper=Dumper, sort_keys=False, default_flow_style=None, width=100)
    with write_whole(layout.chosen(study.name)) as temporary:
        temporary.write_text(f"# Written by `symbench tune`: chosen on validation data.\n{dumped}")
    record = describe(tuning_fingerprint(study))
    write_json(layout.table_provenance(study.name, TUNING), record)


def _chosen(tried: Sequence[Trial], losses: Sequence[float]) -> dict[Arm, int]:
    """The number of the best trial of each arm, the first of equal ones."""
    by_arm: dict[Arm, dict[int, list[float]]] = {}
    for trial, loss in zip(tried, losses, strict=True):
        by_arm.setdefault(trial.run.key, {}).setdefault(trial.number, []).append(loss)
    chosen = {}
    for arm, of_trial in by_arm.items():
        means = {number: statistics.fmean(each) for number, each in of_trial.items()}
        best = min(means, key=lambda number: means[number])
        if math.isfinite(means[best]):
            chosen[arm] = best
    return chosen


def _at_edge(trial: Trial, tried: Sequence[Trial]) -> list[str]:
    """Settings of a trial of which no smaller, or no larger, number was tried for its arm."""
    alike = [each for each in tried if each.run.key == trial.run.key]
    found = []
    for setting, value in trial.settings.items():
        values = [each.settings[setting] for each in alike]
        numbers = sorted({each for each in values if isinstance(each, int | float)})
        if len(numbers) > 1 and value in (numbers[0], numbers[-1]):
            found.append(".".join(setting))
    return found


def _folder(layout: Layout, trial: Trial) -> Path:
    return layout.trial_folder(trial.run.study, *trial.run.key, trial.number, trial.run.seed)


def _table(tried: Sequence[Trial]) -> pd.DataFrame:
    """A row for each trial: its arm, its number, what is tried, and its seed."""
    settings = dict.fromkeys(setting for trial in tried for setting in trial.settings)
    return pd.DataFrame(
        {
            **dict(zip(("task", "model", "treatment"), trial.run.key, strict=True)),
            "trial": trial.number,
            **{".".join(setting): trial.settings.get(setting) for setting in settings},
            "seed": trial.run.seed,
        }
        for trial in tried
    )


def _validation_loss(layout: Layout, trial: Trial) -> float:
    """The best validation loss of a trial: infinite if it diverged, NaN if nothing was trained."""
    folder = _folder(layout, trial)
    history, provenance = folder / "history.csv", folder / "provenance.json"
    for path in (history, provenance):
        if not path.is_file():
            raise TrainingError(f"{path} is missing: run the trial first.")
        refuse_damaged(path)
    if json.loads(provenance.read_text())["config"] != trial.run.training_fingerprint:
        raise TrainingError(f"{folder} is of other settings or other code: run the trial again.")
    losses = pd.read_csv(history).valid_loss
    return float(losses.min() if losses.notna().all() else math.inf)


def _as_config(trial: Trial) -> dict[str, dict[str, object]]:
    """The settings of a trial as the key `arms` has them."""
    found: dict[str, dict[str, object]] = {}
    for (part, key), value in trial.settings.items():
        found.setdefault(part, {})[key] = value
    return found


def instruction(configuration: Configuration) -> str:
    """Where tables and overlays lie, and how a user runs what was chosen.

    Raises:
        ConfigError: if nothing is tuned.

    """
    layout = configuration.layout
    names = [name for name, study in configuration.studies.items() if trials(study)]
    if not names:
        raise ConfigError("No study here has the key 'tuning', which says what is tried.")
    tables = "".join(f"Trials: {layout.table(name, TUNING)}\n" for name in names)
    files = [*configuration.files, *(layout.chosen(name) for name in names)]
    command = f'{tables}make reproduce CONFIG="{" ".join(map(str, files))}"'
    if not configuration.overrides:
        return command
    # For Snakemake by way of two shells and make.
    keys = shlex.quote(f"set={json.dumps(configuration.overrides, ensure_ascii=False)}")
    return f"{command} OPTIONS={shlex.quote(f'--config {keys}'.replace('$', '$$'))}"
