"""Several trainings in one process: each gets the numbers that it gets alone."""

import os
import signal
import time

import pytest
import torch
from torch import nn

from symbench.errors import DivergedError
from symbench.training.loop import Trainer
from symbench.training.termination import Interrupted
from symbench.training.together import train_together
from symbench.training.treatments.augment import Augment
from symbench.training.treatments.treatment import Treatment
from tests.training.splits import ISOMETRIES, SETTINGS, fields, network, run_until, same


class Diverges(nn.Module):
    """A network whose numbers are not finite after some steps."""

    def __init__(self):
        super().__init__()
        self.layer, self.calls = nn.Conv2d(6, 3, 1), 0

    def forward(self, values):
        self.calls += self.training
        return self.layer(values) * (torch.nan if self.calls > 14 else 1.0)


def plain():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 3, 1))


def small(folder, seed, model=network, treatment=Augment, **settings):
    """A training of a few steps; with dropout unless the model is another."""
    return Trainer(
        model(),
        fields(seed),
        fields(1, 8),
        treatment(ISOMETRIES),
        SETTINGS.model_copy(update=settings),
        seed=seed,
        state_path=folder / f"{seed}.pt",
        name=f"seed{seed}",
    )


@pytest.fixture
def alone(tmp_path):
    folder = tmp_path / "alone"
    folder.mkdir()
    return folder


def test_each_gets_what_it_gets_alone(tmp_path, alone):
    """With dropout, without, and one that goes on from a saved state."""
    expected = [
        small(alone, 0).run(),
        small(alone, 1, plain, Treatment, precision="tf32").run(),
        small(alone, 2).run(),
    ]
    run_until(small(tmp_path, 2), 17)
    trainers = [
        small(tmp_path, 0),
        small(tmp_path, 1, plain, Treatment, precision="tf32"),
        small(tmp_path, 2),
    ]
    assert [each.progress.step for each in trainers] == [0, 0, 15]
    before = torch.get_rng_state()
    for found, wanted in zip(train_together(trainers), expected, strict=True):
        assert same(found, wanted)
    assert torch.equal(torch.get_rng_state(), before)


def test_each_counts_the_time_of_its_own_turns(tmp_path):
    """One of them ends long before the other."""
    trainers = [small(tmp_path, 0, epochs=1), small(tmp_path, 1, epochs=6)]
    start = time.perf_counter()
    brief, long = (found.history.seconds for found in train_together(trainers))
    passed = time.perf_counter() - start
    assert 0.5 * passed < brief.sum() + long.sum() <= passed
    assert brief.mean() < 4 * long[1:].mean()


def test_one_that_diverges_does_not_stop_the_others(tmp_path, alone):
    expected = [small(alone, 0).run(), small(alone, 2, epochs=4).run()]
    trainers = [small(tmp_path, 0), small(tmp_path, 1, Diverges), small(tmp_path, 2, epochs=4)]
    first, second, third = train_together(trainers)
    assert isinstance(second, DivergedError)
    assert "became nan at step 14" in str(second)
    assert same(first, expected[0])
    assert same(third, expected[1])


def test_sigterm_saves_all(tmp_path, alone):
    expected = [small(alone, seed).run() for seed in range(3)]
    trainers = [small(tmp_path, seed, save_every=1000) for seed in range(3)]
    do_step = trainers[1]._step

    def step_and_signal(prepared):
        if trainers[1].progress.step == 16:
            os.kill(os.getpid(), signal.SIGTERM)
        return do_step(prepared)

    trainers[1]._step = step_and_signal
    with pytest.raises(Interrupted):
        train_together(trainers)
    resumed = [small(tmp_path, seed) for seed in range(3)]
    assert [each.progress.step for each in resumed] == [18, 17, 17]
    for found, wanted in zip(train_together(resumed), expected, strict=True):
        assert same(found, wanted)


def test_the_log_says_which_training_it_tells_of(tmp_path, capsys):
    train_together([small(tmp_path, seed, epochs=1) for seed in range(2)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["seed0", "seed1"] * 2
