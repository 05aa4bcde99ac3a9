"""Small random data and networks that the tests of training share, and trainings of them."""

import numpy as np
import torch
from torch import Tensor, nn

from symbench.config.settings import TrainingSettings
from symbench.data.batch import Batch
from symbench.data.dataset import Split
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.grids.symmetrize import field_symmetry
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.symmetry import Symmetry
from symbench.training.loop import Trainer
from symbench.training.treatments.augment import Augment


class RandomSplit(Split[Tensor]):
    """Random inputs, and targets that are a function of them."""

    def __init__(self, seed, count, shape, function):
        generator = torch.Generator().manual_seed(seed)
        self.inputs = torch.randn(count, *shape, generator=generator)
        self.targets = function(self.inputs)

    @property
    def samples(self):
        return np.arange(len(self.inputs))[:, None]

    def batch(self, rows, generator=None):
        index = torch.from_numpy(rows[:, 0])
        return Batch(self.inputs[index], self.targets[index], len(rows))

    def loss(self, prediction, batch):
        return nn.functional.mse_loss(prediction, batch.targets)

    def scores(self, prediction, batch):
        return {"mse": batch.mean_per_sample((prediction - batch.targets).square())}


MIXING = torch.linspace(-1, 1, 16).reshape(4, 4)
ROTATIONS = Symmetry(
    OrthogonalGroup(3),
    act_on_input=lambda g, x: g.to(x) @ x,
    act_on_output=lambda g, x: g.to(x) @ x,
)
ISOMETRIES = field_symmetry(named_group("D4", 2), [Field("p"), Field("u", order=1)])


def vectors(seed, count=64):
    """Random vectors of shape (sample, axis, channel); their map commutes with rotations."""
    return RandomSplit(seed, count, (3, 4), lambda x: x @ MIXING)


def fields(seed, count=40):
    """Two frames of a scalar and a vector, shape (sample, channel, y, x), and the next one."""
    return RandomSplit(seed, count, (6, 8, 8), lambda x: x[:, :3] + 0.1 * x[:, 3:])


SETTINGS = TrainingSettings(epochs=3, batch_size=4, learning_rate=1e-2, save_every=3)


def network():
    """Convolutions with all that a state must hold: batch norm, and dropout's generator."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(6, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.Tanh(),
        nn.Dropout(0.1),
        nn.Conv2d(8, 3, 1),
    )


def trainer(state, settings=SETTINGS, treatment=Augment, model=None, train=None, **options):
    """A trainer on fields, 10 steps an epoch."""
    return Trainer(
        model or network(),
        train or fields(0),
        options.pop("valid", None) or fields(1, 8),
        treatment(ISOMETRIES),
        settings,
        seed=5,
        state_path=state,
        **options,
    )


def same(trained, other):
    """Whether two trainings gave the same weights and the same history, bit for bit."""
    return all(
        torch.equal(trained.weights[key], other.weights[key]) for key in trained.weights
    ) and trained.history.drop(columns="seconds").equals(other.history.drop(columns="seconds"))


class KilledError(Exception):
    """Stands for a kill, which a test survives."""


def run_until(training, step):
    """Train until a step, and no further: what was not saved is lost."""
    do_step = training._step

    def step_or_die(rows):
        if training.progress.step == step:
            raise KilledError
        return do_step(rows)

    training._step = step_or_die
    try:
        training.run()
    except KilledError:
        return
    raise AssertionError(f"The training ended before step {step}.")
