"""Steps as graphs: what a GPU does with a capture, on the CPU with one that calls the work."""

import pytest
import torch

from symbench.training import captured
from symbench.training.captured import CapturedStep, why_not
from symbench.training.device import Device
from symbench.training.treatments.augment import Augment
from symbench.training.treatments.average import EquiTuning, GroupAverage, RandomAverage
from symbench.training.treatments.constrain import (
    Constrain,
    ConstrainPartially,
    Scheduled,
    Strict,
)
from symbench.training.treatments.penalty import EquivariancePenalty
from symbench.training.treatments.treatment import Treatment
from tests.training.splits import ISOMETRIES, SETTINGS, RandomSplit, same, trainer


class HasGraphs(Device):
    """A device with graphs, which are the work itself."""

    graphs = True

    def __init__(self):
        super().__init__(torch.device("cpu"))
        self.captures = 0

    def capture(self, work):
        """As on a GPU the work is done before, which must leave no trace."""
        self.captures += 1
        work()
        work()
        return work


def captured_trainer(state, settings=SETTINGS, **options):
    """The memory that gradients are written to must be the same at every step."""
    device = HasGraphs()
    training = trainer(state, settings, **options)
    training.gradients.captured = CapturedStep(
        training.model, training.updates.parameters, training.gradients.backward, device.capture
    )
    return training, device


@pytest.fixture(scope="module", params=[Treatment, Augment])
def alike(request, tmp_path_factory):
    state = tmp_path_factory.mktemp("whole") / "state.pt"
    return request.param, trainer(state, treatment=request.param).run()


def test_a_training_of_graphs_is_the_same(alike, tmp_path):
    """With batch norm, whose statistics no capture may change, and dropout."""
    treatment, expected = alike
    training, device = captured_trainer(tmp_path / "state.pt", treatment=treatment)
    assert same(training.run(), expected)
    assert device.captures == 1


def test_gradients_stay_where_a_graph_writes_them(tmp_path):
    training, _ = captured_trainer(tmp_path / "state.pt")
    seen = set()
    finish = training.updates.finish

    def watch(step):
        seen.add(tuple(each.grad.data_ptr() for each in training.model.parameters()))
        finish(step)

    training.updates.finish = watch
    training.run()
    assert len(seen) == 1


def test_each_phase_has_a_graph(tmp_path):
    settings = SETTINGS.model_copy(update={"first_phase_epochs": 1})
    expected = trainer(tmp_path / "whole.pt", settings).run()
    training, device = captured_trainer(tmp_path / "state.pt", settings)
    assert same(training.run(), expected)
    assert device.captures == 2


class ShrinkingSplit(RandomSplit):
    """Batches of fields of several sizes, as of graphs with several numbers of nodes."""

    def batch(self, rows, generator=None):
        batch = super().batch(rows, generator)
        size = 4 + int(rows[0, 0]) % 5
        return batch.map(lambda values: values[..., :size])


@pytest.mark.parametrize("most", [2, 8])
def test_each_shape_has_a_graph_until_there_are_too_many(tmp_path, monkeypatch, most):
    monkeypatch.setattr(captured, "_MOST_SHAPES", most)

    def train():
        return ShrinkingSplit(0, 40, (6, 8, 8), lambda x: x[:, :3] + 0.1 * x[:, 3:])

    expected = trainer(tmp_path / "whole.pt", treatment=Treatment, train=train()).run()
    training, device = captured_trainer(tmp_path / "state.pt", treatment=Treatment, train=train())
    assert same(training.run(), expected)
    assert device.captures == min(5, most)


def test_sparse_inputs_are_no_graph(tmp_path):
    training, device = captured_trainer(tmp_path / "state.pt")
    batch = training.batches.prepare(0).parts[0]()
    sparse = batch.map(lambda values: values.to_sparse())
    assert training.gradients.captured(sparse, False) is None
    assert device.captures == 0


@pytest.mark.parametrize(
    "treatment", [Treatment, Augment, Strict, GroupAverage, Constrain, ConstrainPartially]
)
def test_treatments_that_do_the_same_at_every_step_may_be_graphs(treatment):
    assert why_not(treatment(ISOMETRIES), SETTINGS, 1, HasGraphs()) == ""


@pytest.mark.parametrize("treatment", [RandomAverage, EquivariancePenalty, EquiTuning, Scheduled])
def test_other_treatments_are_told(treatment):
    assert treatment.__name__ in why_not(treatment(ISOMETRIES), SETTINGS, 1, HasGraphs())


def test_where_there_are_no_graphs_the_log_says_why(tmp_path, capsys):
    settings = SETTINGS.model_copy(update={"cuda_graphs": True})
    expected = trainer(tmp_path / "whole.pt").run()
    assert same(trainer(tmp_path / "state.pt", settings).run(), expected)
    assert "cuda_graphs has no effect: only GPUs have them" in capsys.readouterr().out
    parts = settings.model_copy(update={"accumulate": 2})
    assert "several parts" in why_not(Treatment(ISOMETRIES), parts, 1, HasGraphs())
    assert "processes" in why_not(Treatment(ISOMETRIES), settings, 2, HasGraphs())
