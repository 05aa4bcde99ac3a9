"""The training loop: same seed same numbers, what is counted, and what stops it."""

import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from symbench.config.settings import TrainingSettings
from symbench.data.batch import Batch, Inputs
from symbench.errors import TrainingError
from symbench.models.phased import PhasedModule
from symbench.training.failures import not_finite
from symbench.training.loop import Trainer
from symbench.training.schedule import learning_rate
from symbench.training.treatments.treatment import Treatment
from tests.training.splits import (
    ISOMETRIES,
    ROTATIONS,
    SETTINGS,
    fields,
    network,
    same,
    trainer,
    vectors,
)

ROOT = Path(__file__).parents[2]


def changed(**values):
    return SETTINGS.model_copy(update=values)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return trainer(tmp_path_factory.mktemp("whole") / "state.pt").run()


def test_same_seed_same_numbers(finished, tmp_path):
    assert same(trainer(tmp_path / "state.pt").run(), finished)


def test_loss_falls(finished):
    assert finished.history.valid_loss.iloc[-1] < finished.history.valid_loss.iloc[0]
    assert len(finished.history) == 3


def test_looks_at_the_test_split_change_nothing(finished, tmp_path):
    looked = trainer(tmp_path / "state.pt", changed(test_every=2), test=fields(2, 8)).run()
    losses = looked.history.pop("test_loss")
    assert same(looked, finished)
    assert losses.notna().tolist() == [False, True, False]


def test_steps_are_epochs_in_other_words(finished, tmp_path):
    assert same(trainer(tmp_path / "state.pt", changed(epochs=None, steps=30)).run(), finished)


def test_early_stop_keeps_the_best(tmp_path):
    """A rate of almost zero never improves on the first epoch by more than round-off."""
    settings = changed(epochs=30, learning_rate=1e-30, patience=2, warm_up_epochs=0)
    trained = trainer(tmp_path / "state.pt", settings, Treatment, nn.Conv2d(6, 3, 1)).run()
    assert len(trained.history) == 3


def test_no_patience_is_lost_in_the_first_phase(tmp_path):
    settings = changed(
        epochs=12, learning_rate=1e-30, patience=2, warm_up_epochs=0, first_phase_epochs=8
    )
    trained = trainer(tmp_path / "state.pt", settings, Treatment, nn.Conv2d(6, 3, 1)).run()
    assert len(trained.history) == 10


def test_a_first_phase_longer_than_the_training_is_refused(tmp_path):
    settings = changed(epochs=None, steps=30, first_phase_epochs=4)
    with pytest.raises(TrainingError, match="first_phase_epochs is 4; 30 steps are 3 epochs"):
        trainer(tmp_path / "state.pt", settings)


def test_schedule_in_steps():
    settings = TrainingSettings(
        epochs=10, batch_size=1, learning_rate=1.0, warm_up_epochs=0, schedule="steps"
    )
    rates = [learning_rate(settings, step, 3) for step in range(30)]
    assert rates == pytest.approx([1.0] * 24 + [0.1] * 3 + [0.01] * 3)


def test_schedule_is_warm_up_then_cosine():
    settings = TrainingSettings(epochs=4, batch_size=1, learning_rate=1.0, warm_up_epochs=1)
    rates = [learning_rate(settings, step, 10) for step in range(40)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert (np.diff(rates[10:]) <= 0).all()
    assert rates[25] == pytest.approx(0.5)
    assert rates[-1] < 0.01


@pytest.mark.parametrize(
    ("settings", "samples"),
    [
        ({}, 40),
        ({"batch_size": 100}, 40),
        ({"batch_size": 12}, 36),
        ({"samples_per_epoch": 17}, 16),
        ({"samples_per_epoch": 1000}, 40),
    ],
)
def test_throughput_counts_the_samples_that_were_trained_on(tmp_path, settings, samples):
    seen = []

    class Watched(Treatment):
        def __call__(self, inputs, targets, samples, generator):
            seen.append(samples)
            return super().__call__(inputs, targets, samples, generator)

    trained = trainer(tmp_path / "state.pt", changed(epochs=2, **settings), Watched).run()
    assert sum(seen) == 2 * samples
    assert trained.throughput * trained.history.seconds.mean() == pytest.approx(samples)


class PhasedConvolution(PhasedModule):
    """Remembers the phase of each call in training."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(6, 3, 1)
        self.phases = []

    def forward(self, values):
        if self.training:
            self.phases.append(self.first_phase)
        return self.layer(values)


class TwoLosses(type(fields(0, 1))):
    """Fields that remember which loss was asked for."""

    def __init__(self):
        super().__init__(0, 40, (6, 8, 8), lambda x: x[:, :3])
        self.asked = []

    def loss(self, prediction, batch):
        self.asked.append(False)
        return super().loss(prediction, batch)

    def first_phase_loss(self, prediction, batch):
        self.asked.append(True)
        return (prediction - batch.targets).abs().mean()


def test_the_first_phase_has_its_own_loss_and_model_and_rate(tmp_path):
    """A module within another one is told of the phase too."""
    settings = changed(first_phase_epochs=1, first_phase_learning_rate=0.5)
    inner, data = PhasedConvolution(), TwoLosses()
    model = nn.Sequential(nn.Identity(), inner)
    trained = trainer(tmp_path / "state.pt", settings, Treatment, model, data).run()
    assert inner.phases == [True] * 10 + [False] * 20
    assert data.asked == inner.phases
    assert trained.history.learning_rate.iloc[0] == 0.5
    assert trained.history.learning_rate.iloc[1] == 1e-2


@pytest.mark.parametrize(
    ("bad", "value"), [("inputs", torch.nan), ("targets", torch.nan), ("targets", torch.inf)]
)
def test_bad_data_are_told_from_a_training_that_diverged(tmp_path, bad, value):
    train = fields(0)
    getattr(train, bad)[17, 0, 0, 0] = value
    with pytest.raises(TrainingError, match=rf"training loss became .* {bad} of a batch are not"):
        trainer(tmp_path / "state.pt", train=train).run()
    valid = fields(1, 8)
    getattr(valid, bad)[3, 0, 0, 0] = value
    with pytest.raises(TrainingError, match=rf"validation loss became .* at step 10 .* {bad} of a"):
        trainer(tmp_path / "state.pt", valid=valid).run()


def test_a_loss_that_is_not_finite_is_told_with_step_epoch_and_rate(tmp_path):
    model = network()
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(
        TrainingError, match=r"loss became nan at step 0 \(epoch 0, learning rate 1.0e-03\).*lower"
    ):
        trainer(tmp_path / "state.pt", model=model).run()


def test_bad_numbers_are_found_in_inputs_of_many_parts():
    @dataclass(frozen=True)
    class Pair(Inputs):
        dense: Tensor
        sparse: Tensor

    good, bad = torch.eye(3).to_sparse(), torch.full((3, 3), torch.nan)
    for inputs in (Pair(bad, good), Pair(torch.eye(3), bad.to_sparse())):
        error = not_finite("The loss became nan", [Batch(inputs, torch.zeros(3), 3)])
        assert "inputs of a batch" in str(error)
    fine = Batch(Pair(torch.eye(3), good), torch.zeros(3), 3)
    assert "inputs and targets are finite" in str(not_finite("The loss became nan", [fine]))


def plain_trainer(model, state, **settings):
    train, valid = vectors(0), vectors(1, 8)
    return Trainer(
        model, train, valid, Treatment(ROTATIONS), changed(**settings), seed=0, state_path=state
    )


@pytest.mark.parametrize("settings", [{"batch_size": 1}, {"batch_size": 4, "accumulate": 4}])
def test_batch_norm_on_one_sample_is_refused_in_a_sentence(tmp_path, settings):
    layers = (nn.Flatten(), nn.BatchNorm1d(12), nn.Linear(12, 12), nn.Unflatten(1, (3, 4)))
    model = nn.Sequential(*layers)
    with pytest.raises(TrainingError, match=r"Batch norm cannot train on 1 of 64 .*batch_size"):
        plain_trainer(model, tmp_path / "state.pt", **settings).run()
    plain_trainer(model, tmp_path / "state.pt", batch_size=4, accumulate=2, epochs=1).run()


def test_other_errors_of_a_model_are_not_hidden(tmp_path):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        plain_trainer(nn.Linear(7, 7), tmp_path / "state.pt").run()


def test_more_parts_than_samples_in_a_batch_are_as_many_as_samples(tmp_path):
    many = plain_trainer(nn.Linear(4, 4), tmp_path / "many.pt", accumulate=100)
    with torch.no_grad():
        for parameter in many.model.parameters():
            parameter.fill_(0.1)
    as_many = plain_trainer(nn.Linear(4, 4), tmp_path / "four.pt", accumulate=4)
    as_many.model.load_state_dict(many.model.state_dict())
    assert same(many.run(), as_many.run())


def test_more_processes_than_samples_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(TrainingError, match=r"3 process.* batch of 2 samples .*batch_size 2"):
        trainer(tmp_path / "state.pt", changed(batch_size=2))


def plain_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 3, 1))


@pytest.fixture(scope="module")
def whole_batches(tmp_path_factory):
    state = tmp_path_factory.mktemp("whole_batches") / "state.pt"
    return trainer(state, treatment=Treatment, model=plain_network()).run()


@pytest.mark.parametrize("change", [{"accumulate": 2}, {"accumulate": 3}, {"compiled": True}])
def test_parts_of_batches_and_compiled_code_train_alike(whole_batches, tmp_path, change):
    state = tmp_path / "state.pt"
    trained = trainer(state, changed(**change), Treatment, plain_network()).run()
    for column in ("train_loss", "valid_loss"):
        np.testing.assert_allclose(
            trained.history[column], whole_batches.history[column], rtol=1e-4
        )
    for key, value in whole_batches.weights.items():
        torch.testing.assert_close(trained.weights[key], value, rtol=1e-3, atol=1e-4)


def test_half_precision_trains_about_alike(whole_batches, tmp_path):
    """Products in bfloat16 (8 bits), weights and losses in single precision."""
    state = tmp_path / "state.pt"
    trained = trainer(state, changed(precision="bfloat16"), Treatment, plain_network()).run()
    difference = trained.history.valid_loss / whole_batches.history.valid_loss - 1
    assert 0 < difference.abs().max() < 0.02
    assert all(value.dtype == torch.float32 for value in trained.weights.values())


DISTRIBUTED = """
import sys
from pathlib import Path
import torch, torch.distributed
torch.set_num_threads(1)
from torch import nn
from symbench.training.treatments.treatment import Treatment
from tests.training.splits import trainer

class Double(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner.double()
    def forward(self, values):
        return self.inner(values.double())

torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 3, 1))
folder = Path(sys.argv[1])
training = trainer(folder / "state.pt", treatment=Treatment, model=Double(model))
trained = training.run()
if training.rank == 0:
    trained.history.to_csv(folder / "history.csv")
if training.processes.count > 1:
    torch.distributed.destroy_process_group()
"""


def test_two_processes_train_like_one(tmp_path):
    """Data-parallel training under torchrun, on CPUs: the same validation losses."""
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{textwrap.dedent(DISTRIBUTED)}"
    )
    torchrun = Path(sys.executable).parent / "torchrun"
    launchers = {
        "one": [sys.executable],
        "two": [str(torchrun), "--standalone", "--nproc-per-node", "2"],
    }
    losses = {}
    for name, launcher in launchers.items():
        folder = tmp_path / name
        folder.mkdir()
        command = [*launcher, str(script), str(folder)]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        losses[name] = pd.read_csv(folder / "history.csv").valid_loss
    np.testing.assert_allclose(losses["one"], losses["two"], rtol=1e-6)


def test_the_symmetry_of_the_fields_is_one(tmp_path):
    """What these tests augment with: the map of the data commutes with the group."""
    data = fields(0, 4)
    for element in ISOMETRIES.group.listed():
        moved = ISOMETRIES.act_on_input(element, data.inputs)
        torch.testing.assert_close(
            moved[:, :3] + 0.1 * moved[:, 3:], ISOMETRIES.act_on_output(element, data.targets)
        )


class SeesTF32(nn.Module):
    """Remembers whether a GPU would round the factors of products and of convolutions."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(6, 3, 1)
        self.seen = set()

    def forward(self, values):
        backends = torch.backends
        self.seen.add((backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32))
        return self.layer(values)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_tf32_is_for_the_training_that_asks_for_it_and_no_longer(tmp_path, precision):
    def flags():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    before = flags()
    model = SeesTF32()
    trainer(tmp_path / "state.pt", changed(precision=precision), Treatment, model).run()
    assert model.seen == {(precision == "tf32",) * 2}
    assert flags() == before
    with pytest.raises(TrainingError):
        trainer(tmp_path / "bad.pt", changed(precision="tf32"), train=bad_fields()).run()
    assert flags() == before


def bad_fields():
    data = fields(0)
    data.inputs[3] = torch.nan
    return data
