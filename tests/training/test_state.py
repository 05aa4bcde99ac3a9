"""Saved states: what was killed goes on bit for bit, and no file can stop a run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from symbench.files import write_whole
from symbench.training.termination import Interrupted
from symbench.training.treatments.augment import Augment
from tests.training.splits import SETTINGS, KilledError, run_until, same, trainer

ROOT = Path(__file__).parents[2]
OPTIMIZERS = ("adamw", "sgd")


def settings(optimizer="adamw", **values):
    return SETTINGS.model_copy(update={"optimizer": optimizer, **values})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return {name: trainer(folder / f"{name}.pt", settings(name)).run() for name in OPTIMIZERS}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("step", [1, 4, 10, 13, 20, 29])
def test_resume_after_a_kill_at_any_step(finished, tmp_path, optimizer, step):
    """Whatever was not saved is done again, and the end is the same bit for bit."""
    state = tmp_path / "state.pt"
    run_until(trainer(state, settings(optimizer)), step)
    resumed = trainer(state, settings(optimizer))
    assert resumed.progress.step == max(step // 10 * 10, step // 3 * 3)
    assert same(resumed.run(), finished[optimizer])


KILLED = """
import os, signal
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.training.splits import trainer
training = trainer(Path({state!r}))
do_step = training._step
def step_or_die(rows):
    if training.progress.step == 17:
        os.kill(os.getpid(), signal.SIGKILL)
    return do_step(rows)
training._step = step_or_die
training.run()
"""


def test_resume_after_sigkill_in_another_process(finished, tmp_path):
    state = tmp_path / "state.pt"
    command = [sys.executable, "-c", KILLED.format(state=str(state))]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=300, check=False)
    assert result.returncode == -signal.SIGKILL
    resumed = trainer(state)
    assert resumed.progress.step == 15
    assert same(resumed.run(), finished["adamw"])


@pytest.mark.parametrize("save_every", [5, 10])
def test_resume_after_a_kill_in_a_validation(finished, tmp_path, save_every):
    """The state that was saved after the last step of an epoch lacks its validation."""
    state = tmp_path / "state.pt"
    first = trainer(state, settings(save_every=save_every))
    validate = first._validate

    def validate_or_die():
        if first.progress.step == 20:
            raise KilledError
        return validate()

    first._validate = validate_or_die
    with pytest.raises(KilledError):
        first.run()
    second = trainer(state, settings(save_every=save_every))
    assert second.progress.step == 20
    assert same(second.run(), finished["adamw"])


@pytest.mark.parametrize("step", [16, 19, 29])
def test_sigterm_saves_and_exits(finished, tmp_path, step):
    """In the last step of an epoch, and of the training, too."""
    state = tmp_path / "state.pt"
    first = trainer(state)
    do_step = first._step

    def step_and_signal(rows):
        if first.progress.step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return do_step(rows)

    first._step = step_and_signal
    with pytest.raises(Interrupted) as caught:
        first.run()
    assert caught.value.code == 143
    second = trainer(state)
    assert second.progress.step == step + 1
    assert same(second.run(), finished["adamw"])


def test_time_before_a_kill_counts(tmp_path):
    state = tmp_path / "state.pt"
    run_until(trainer(state), 14)
    first = trainer(state)
    assert first.progress.epoch_seconds > 0
    first.progress.epoch_seconds += 1000
    trained = first.run()
    assert 1000 < trained.history.seconds[1] < 1100
    assert max(trained.history.seconds[0], trained.history.seconds[2]) < 100


def test_a_finished_training_is_not_done_again(finished, tmp_path):
    state = tmp_path / "state.pt"
    trainer(state).run()
    again = trainer(state)
    again._step = None
    assert same(again.run(), finished["adamw"])


def saved(state, optimizer="adamw", treatment=Augment):
    """A state in the middle of an epoch."""
    run_until(trainer(state, settings(optimizer), treatment, fingerprint="a"), 17)
    return state.read_bytes()


def starts_anew(state, capsys, what):
    """A training that finds the state says so in one line, and starts at the first step."""
    capsys.readouterr()
    training = trainer(state, fingerprint="a")
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert str(state) in said
    assert what in said
    assert "training starts anew" in said
    assert training.progress.step == 0
    return training


DAMAGE = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "one bit": lambda content: content[:900] + bytes([content[900] ^ 1]) + content[901:],
    "foreign": lambda content: b"state: none\n",
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("recorded", [True, False])
def test_a_damaged_state_is_not_trained_on(finished, tmp_path, capsys, kind, recorded):
    state = tmp_path / "state.pt"
    damaged = DAMAGE[kind](saved(state))
    if recorded and kind != "one bit":
        # As a file that was damaged before its checksum was taken.
        with write_whole(state) as temporary:
            temporary.write_bytes(damaged)
    else:
        state.write_bytes(damaged)
    training = starts_anew(state, capsys, "is damaged")
    assert same(training.run(), finished["adamw"])
    assert trainer(state, fingerprint="a").progress.step == 30


class Unsafe:
    """An object that a safe reader of states does not make."""


def without(key):
    return lambda content: {name: value for name, value in content.items() if name != key}


def with_value(*keys, value):
    def change(content):
        inner = content
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        return content

    return change


VERSIONS = {
    "a list": lambda content: [content],
    "without weights": without("model"),
    "without progress": without("progress"),
    "another key": lambda content: {**content, "scheduler": {}},
    "another fingerprint": with_value("fingerprint", value="b"),
    "another layer": with_value("model", "5.weight", value=torch.zeros(3)),
    "a shape that would broadcast": with_value("model", "0.bias", value=torch.zeros(1)),
    "another type": with_value("model", "0.bias", value=torch.zeros(8, dtype=torch.float64)),
    "a number in place of weights": with_value("best", "0.bias", value=1.0),
    "moments of another shape": with_value("optimizer", "state", 0, "exp_avg", value=torch.ones(2)),
    "moments of another network": with_value("optimizer", "state", 99, value={"a": torch.ones(2)}),
    "no groups": with_value("optimizer", "param_groups", value=[]),
    "another treatment": with_value("treatment", value={"multipliers": torch.zeros(3)}),
    "a new count": with_value("progress", "patience_left", value=2),
    "a step that is a text": with_value("progress", "step", value="17"),
    "no random state": with_value("random", value=None),
    "a random state of another kind": with_value("random", value={"cpu": torch.ones(3)}),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_state_of_another_version_changes_nothing(finished, tmp_path, capsys, version):
    """The last parts are wrong in some: what was taken before is given back."""
    state = tmp_path / "state.pt"
    saved(state)
    content = VERSIONS[version](torch.load(state, weights_only=True))
    with write_whole(state) as temporary:
        torch.save(content, temporary)
    training = starts_anew(state, capsys, "is of another version")
    assert same(training.run(), finished["adamw"])


def test_a_state_with_objects_of_code_is_not_read(tmp_path, capsys):
    state = tmp_path / "state.pt"
    with write_whole(state) as temporary:
        torch.save(Unsafe(), temporary)
    starts_anew(state, capsys, "is damaged")


def test_a_state_of_another_optimizer_is_not_taken(finished, tmp_path, capsys):
    """The optimisers would take each other's states, and fail when they make a step."""
    state = tmp_path / "state.pt"
    saved(state, "sgd")
    assert same(starts_anew(state, capsys, "optimiser is another").run(), finished["adamw"])


def test_an_error_of_a_treatment_of_your_own_stops_nothing(finished, tmp_path, capsys, monkeypatch):
    class Own(Augment):
        version = 1

        def state(self):
            return {"version": self.version}

        def load_state(self, state):
            if state["version"] != self.version:
                raise KeyError("name of yours")

    state = tmp_path / "state.pt"
    saved(state, treatment=Own)
    assert trainer(state, treatment=Own, fingerprint="a").progress.step > 0
    monkeypatch.setattr(Own, "version", 2)
    training = trainer(state, treatment=Own, fingerprint="a")
    assert "name of yours" in capsys.readouterr().out
    assert same(training.run(), finished["adamw"])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("saved_fused", [False, True])
def test_a_state_goes_from_one_kind_of_kernels_to_the_other(tmp_path, optimizer, saved_fused):
    """As from a GPU to a CPU: what is resumed keeps its own kernels, and trains about alike."""
    state = tmp_path / "state.pt"

    def training(fused, path):
        made = trainer(path, settings(optimizer))
        made.updates.__init__(
            made.model, made.treatment, made.settings, made.batches.steps_per_epoch, fused=fused
        )
        made.state.optimizer = made.updates.optimizer
        made.state.resume(path)
        return made

    run_until(training(saved_fused, state), 17)
    resumed = training(not saved_fused, state)
    assert resumed.progress.step == 15
    (group,) = resumed.updates.optimizer.param_groups
    assert bool(group["fused"]) is not saved_fused
    found = resumed.run().history
    expected = training(False, tmp_path / "whole.pt").run().history
    for column in ("train_loss", "valid_loss"):
        assert found[column].tolist() == pytest.approx(expected[column].tolist(), rel=1e-3)
