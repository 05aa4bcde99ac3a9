"""Training: same seed same numbers, resume after any interruption, and what stops it."""

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from symbench.errors import TrainingError
from symbench.config.settings import TrainingSettings
from symbench.training.treatments.augment import Augment
from symbench.symmetry.grids.isometries import named_group
from symbench.training.treatments.treatment import Treatment
from symbench.data.fields.grid_data import GridData
from symbench.training.loop import Interrupted, Trainer, learning_rate

SETTINGS = TrainingSettings(epochs=3, batch_size=4, learning_rate=1e-2, save_every=3)


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(12, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Tanh(), nn.Conv2d(8, 3, 1)
    )


def trainer(data, state, settings=SETTINGS, treatment="augment", model=None, **options):
    symmetry = data.symmetry(named_group("D4", 2))
    treatments = {"augment": Augment, "none": Treatment}
    return Trainer(
        model or network(),
        data.split("train"),
        data.split("valid"),
        treatments[treatment](symmetry),
        settings,
        seed=5,
        state_path=state,
        **options,
    )


@pytest.fixture(scope="module")
def data(turbulence):
    return GridData(turbulence)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    return trainer(data, tmp_path_factory.mktemp("whole") / "state.pt").run()


def same(trained, other):
    return (
        all(torch.equal(trained.weights[k], other.weights[k]) for k in trained.weights)
        and (trained.history.drop(columns="seconds") == other.history.drop(columns="seconds"))
        .all()
        .all()
    )


def test_same_seed_same_numbers(data, finished, tmp_path):
    assert same(trainer(data, tmp_path / "state.pt").run(), finished)


def test_looks_at_the_test_split_change_nothing(data, finished, tmp_path):
    settings = replace(SETTINGS, test_every=2)
    looked = trainer(data, tmp_path / "state.pt", settings, test=data.split("test")).run()
    losses = looked.history.pop("test_loss")
    assert same(looked, finished)
    assert losses.notna().tolist() == [False, True, False]


def test_loss_falls(finished):
    assert finished.history.valid_loss.iloc[-1] < finished.history.valid_loss.iloc[0]
    assert len(finished.history) == 3


class KilledError(Exception):
    pass


@pytest.mark.parametrize("step", [1, 4, 13, 20, 29])
def test_resume_after_a_kill_at_any_step(data, finished, tmp_path, step):
    """Whatever was not saved is done again, and the end is the same bit for bit."""
    state = tmp_path / "state.pt"
    first = trainer(data, state)
    do_step = first._step

    def step_or_die(rows):
        if first.progress.step == step:
            raise KilledError
        return do_step(rows)

    first._step = step_or_die
    with pytest.raises(KilledError):
        first.run()
    assert same(trainer(data, state).run(), finished)


def test_sigterm_saves_and_exits(data, finished, tmp_path):
    state = tmp_path / "state.pt"
    first = trainer(data, state)
    do_step = first._step

    def step_and_signal(rows):
        if first.progress.step == 16:
            os.kill(os.getpid(), signal.SIGTERM)
        return do_step(rows)

    first._step = step_and_signal
    with pytest.raises(Interrupted) as caught:
        first.run()
    assert caught.value.code == 143
    second = trainer(data, state)
    assert second.progress.step == 17
    assert same(second.run(), finished)


def test_state_of_other_settings_is_ignored(data, tmp_path):
    state = tmp_path / "state.pt"
    trainer(data, state, fingerprint="a").run()
    assert trainer(data, state, fingerprint="a").progress.step > 0
    assert trainer(data, state, fingerprint="b").progress.step == 0


def test_damaged_state_is_not_trained_on(data, tmp_path):
    state = tmp_path / "state.pt"
    trainer(data, state).run()
    assert trainer(data, state).progress.step > 0
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    assert trainer(data, state).progress.step == 0


def test_nan_in_the_loss_stops(data, tmp_path):
    model = network()
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(TrainingError, match=r"loss became nan at step 0.*lower the learning rate"):
        trainer(data, tmp_path / "state.pt", model=model).run()


def test_early_stop_keeps_the_best(data, tmp_path):
    settings = TrainingSettings(
        epochs=30, batch_size=4, learning_rate=0.0, patience=2, warm_up_epochs=0
    )
    model = nn.Conv2d(12, 3, 1)
    trained = trainer(data, tmp_path / "state.pt", settings, "none", model).run()
    assert len(trained.history) == 3


def test_schedule_is_warm_up_then_cosine():
    settings = TrainingSettings(epochs=4, batch_size=1, learning_rate=1.0, warm_up_epochs=1)
    rates = [learning_rate(settings, step, 10) for step in range(40)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert (np.diff(rates[10:]) <= 0).all()
    assert rates[25] == pytest.approx(0.5)
    assert rates[-1] < 0.01


def plain_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(12, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 3, 1))


@pytest.fixture(scope="module")
def whole_batches(data, tmp_path_factory):
    state = tmp_path_factory.mktemp("whole_batches") / "state.pt"
    return trainer(data, state, treatment="none", model=plain_network()).run()


@pytest.mark.parametrize("change", [{"accumulate": 2}, {"accumulate": 3}, {"compiled": True}])
def test_parts_of_batches_and_compiled_code_train_alike(data, whole_batches, tmp_path, change):
    settings = replace(SETTINGS, **change)
    state = tmp_path / "state.pt"
    trained = trainer(data, state, settings, treatment="none", model=plain_network()).run()
    for column in ("train_loss", "valid_loss"):
        np.testing.assert_allclose(
            trained.history[column], whole_batches.history[column], rtol=1e-4
        )
    for key, value in whole_batches.weights.items():
        torch.testing.assert_close(trained.weights[key], value, rtol=1e-3, atol=1e-4)
    assert trained.throughput > 0


def test_half_precision_trains_about_alike(data, whole_batches, tmp_path):
    """Products in bfloat16 (8 bits), weights and losses in single precision."""
    settings = replace(SETTINGS, bfloat16=True)
    state = tmp_path / "state.pt"
    trained = trainer(data, state, settings, treatment="none", model=plain_network()).run()
    difference = trained.history.valid_loss / whole_batches.history.valid_loss - 1
    assert 0 < difference.abs().max() < 0.02
    assert all(value.dtype == torch.float32 for value in trained.weights.values())


DISTRIBUTED = """
import sys
from pathlib import Path
import torch, torch.distributed
torch.set_num_threads(1)
from torch import nn
from symbench.config.settings import TrainingSettings
from symbench.symmetry.grids.isometries import named_group
from symbench.data.fields.grid_data import GridData
from symbench.training.treatments.treatment import Treatment
from symbench.training.loop import Trainer
data = GridData(Path(sys.argv[1]))
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(12, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 3, 1)).double()
class Wide:
    def __init__(self, split): self.split, self.samples = split, split.samples
    def batch(self, rows):
        batch = self.split.batch(rows)
        return type(batch)(batch.inputs.double(), batch.targets.double())
class Double(nn.Module):
    def __init__(self, inner): super().__init__(); self.inner = inner
    def forward(self, x): return self.inner(x.double())
trainer = Trainer(
    Double(model), data.split("train"), data.split("valid"), Treatment(None),
    TrainingSettings(epochs=2, batch_size=4, learning_rate=1e-2), seed=1,
    state_path=Path(sys.argv[2]) / "state.pt",
)
trained = trainer.run()
if trainer.rank == 0:
    trained.history.to_csv(Path(sys.argv[2]) / "history.csv")
if trainer.processes > 1:
    torch.distributed.destroy_process_group()
"""


def test_two_processes_train_like_one(turbulence, tmp_path):
    """Data-parallel training under torchrun, on CPUs: the same validation losses."""
    import pandas as pd

    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(DISTRIBUTED))
    torchrun = Path(sys.executable).parent / "torchrun"
    launchers = {
        "one": [sys.executable],
        "two": [str(torchrun), "--standalone", "--nproc-per-node", "2"],
    }
    losses = {}
    for name, launcher in launchers.items():
        folder = tmp_path / name
        folder.mkdir()
        command = [*launcher, str(script), str(turbulence), str(folder)]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        losses[name] = pd.read_csv(folder / "history.csv").valid_loss
    np.testing.assert_allclose(losses["one"], losses["two"], rtol=1e-6)
