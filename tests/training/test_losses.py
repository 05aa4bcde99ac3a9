"""Losses that are read late: the first step that went wrong is named, nothing worse is saved."""

import pytest
import torch
from torch import nn

from symbench.errors import DivergedError
from symbench.training.losses import Losses
from tests.training.splits import SETTINGS, fields, same, trainer


class BreaksAt(nn.Module):
    """A network that gives values that are not finite from one of its calls in training on."""

    def __init__(self, call, then=None):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(6, 3, 1)
        self.call, self.then, self.calls = call, then, 0

    def forward(self, values):
        self.calls += self.training
        if self.training and self.calls > self.call:
            if self.then and self.calls > self.call + 1:
                raise self.then
            return self.layer(values) * torch.nan
        return self.layer(values)


def test_sums_are_those_of_numbers_read_one_by_one():
    """Shares of parts are added in double precision, in order."""
    torch.manual_seed(0)
    losses, kept = Losses(5, 3, torch.device("cpu")), []
    for step in range(5):
        losses.begin(step)
        kept.append(0.0)
        for share in (0.3, 0.3, 0.4):
            loss = torch.rand((), requires_grad=True)
            losses.add(loss, share)
            kept[-1] += share * loss.item()
    found = losses.read()
    assert [each.total for each in found] == kept
    assert [each.step for each in found] == [0, 1, 2, 3, 4]
    assert losses.read() == []


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_first_bad_step_is_named_though_many_follow(tmp_path, accumulate):
    settings = SETTINGS.model_copy(update={"save_every": 100, "accumulate": accumulate})
    model = BreaksAt(14 * accumulate)
    with pytest.raises(DivergedError, match=r"became nan at step 14 \(epoch 1, learning rate"):
        trainer(tmp_path / "state.pt", settings, model=model).run()
    assert model.calls > 14 * accumulate + 1


def test_the_state_before_the_bad_step_is_kept(tmp_path):
    state = tmp_path / "state.pt"
    with pytest.raises(DivergedError, match="at step 14"):
        trainer(state, model=BreaksAt(14)).run()
    resumed = trainer(state, model=BreaksAt(100))
    assert resumed.progress.step == 12
    assert same(resumed.run(), trainer(tmp_path / "whole.pt", model=BreaksAt(100)).run())


def test_what_a_network_says_of_bad_numbers_does_not_hide_them(tmp_path):
    model = BreaksAt(14, then=RuntimeError("eigenvalues did not converge"))
    with pytest.raises(DivergedError, match="became nan at step 14"):
        trainer(tmp_path / "state.pt", model=model).run()


def test_the_part_with_bad_data_is_found_again(tmp_path):
    train = fields(0)
    train.targets[17] = torch.inf
    settings = SETTINGS.model_copy(update={"accumulate": 4, "save_every": 100})
    with pytest.raises(Exception, match="targets of a batch are not finite"):
        trainer(tmp_path / "state.pt", settings, train=train).run()
