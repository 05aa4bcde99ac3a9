"""Homotopy layers and the treatments that lead them to equivariance."""

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from symbench.errors import TrainingError
from symbench.config.settings import TrainingSettings
from symbench.training.treatments.constrain import Strict, Constrain, ConstrainPartially, Scheduled
from symbench.models.homotopy import (
    Free,
    Homotopy,
    equivariance_error_bound,
    relaxations,
    parameters_in_use,
    project,
    projected,
)
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.training.treatments.penalty import EquivariancePenalty
from symbench.symmetry.symmetry import Symmetry
from symbench.training.treatments.treatment import Treatment
from symbench.data.batch import Batch
from symbench.training.loop import Trainer


class Mixed(nn.Module):
    """Vectors to vectors: mixes channels, the same way along each axis."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, channels) / channels**0.5)

    def forward(self, values):  # (sample, axis, channel)
        return values @ self.weight


class Bounded(nn.Module):
    """A free layer whose values have at most norm sqrt(3 channels)."""

    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(3 * channels, 3 * channels)

    def forward(self, values):
        return torch.tanh(self.linear(values.flatten(1))).unflatten(1, values.shape[1:])


class Stack(nn.Module):
    def __init__(self, channels=4, layers=3):
        super().__init__()
        self.layers = nn.ModuleList(
            Homotopy(Mixed(channels), Bounded(channels)) for _ in range(layers)
        )

    def forward(self, values):
        for layer in self.layers:
            values = layer(values)
        return values


def violation(model, element, values):
    """Largest |f(g x) - g f(x)| over samples; 2-norm of all components."""
    difference = model(element @ values) - element @ model(values)
    return float(difference.flatten(1).norm(dim=1).max())


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    gammas=st.lists(st.floats(-2, 2), min_size=3, max_size=3),
)
def test_the_bound_holds_on_measured_values(seed, gammas):
    """arXiv 2505.13631: the error is bounded by γ, the free branches and Lipschitz constants."""
    torch.manual_seed(seed)
    model = Stack().double().eval()
    lipschitz = []
    for layer, gamma in zip(model.layers, gammas, strict=True):
        layer.relaxation.gamma.data.fill_(gamma)
        equivariant = torch.linalg.matrix_norm(layer.equivariant.weight, 2)
        free = torch.linalg.matrix_norm(layer.free[0].linear.weight, 2)
        lipschitz.append(float((equivariant + abs(gamma) * free).detach()))
    bound = equivariance_error_bound(gammas, [12**0.5] * 3, lipschitz)
    values = torch.randn(20, 3, 4, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for element in OrthogonalGroup(3).sample(5, generator):
            assert violation(model, element, values) <= bound + 1e-9
    assert equivariance_error_bound([0.0] * 3, [12**0.5] * 3, lipschitz) == 0


def test_projection_is_exact_and_can_be_undone():
    torch.manual_seed(0)
    model = Stack().double().eval()
    values = torch.randn(5, 3, 4, dtype=torch.float64)
    element = OrthogonalGroup(3).sample(1, torch.Generator().manual_seed(0))[0]
    with torch.no_grad():
        assert violation(model, element, values) > 0.1
        with projected(model):
            assert violation(model, element, values) < 1e-12
        assert violation(model, element, values) > 0.1
        project(model)
        assert violation(model, element, values) < 1e-12
    free = sum(p.numel() for m in model.modules() if isinstance(m, Free) for p in m.parameters())
    total = sum(p.numel() for p in model.parameters())
    assert parameters_in_use(model) == total - free - len(model.layers)
    assert not any(p.requires_grad for layer in model.layers for p in layer.free.parameters())


class Quadratic(nn.Module):
    """Loss (γ - wish)² / 2, by hand: the constrained optimum is known."""

    def __init__(self, wish):
        super().__init__()
        self.layer = Homotopy(nn.Identity(), nn.Identity())
        self.wish = wish

    @property
    def gamma(self):
        return self.layer.relaxation.gamma

    def loss(self):
        return (self.gamma - self.wish) ** 2 / 2


def descend(treatment, model, steps, rate=0.01):
    treatment.attach(model)
    groups = treatment.parameter_groups(model)
    optimizer = torch.optim.Adam([{**g, "lr": rate * g["rate"]} for g in groups])
    for step in range(steps):
        optimizer.zero_grad()
        loss = model.loss()
        term = treatment.loss_term(None, None, None, loss, 1, None)
        (loss if term is None else loss + term).backward()
        optimizer.step()
        treatment.after_step((step + 1) / steps)
    return treatment


def test_the_equality_constraint_reaches_its_saddle_point():
    """Minimise (γ - 0.7)² / 2 subject to γ = 0: there λ = 0.7, minus the slope of the loss."""
    model = Quadratic(0.7)
    constrain = descend(Constrain(None, dual_rate=0.01, augmentation=1.0), model, 4000)
    assert abs(float(model.gamma)) < 1e-2
    assert float(constrain.multipliers[0]) == pytest.approx(0.7, abs=2e-2)
    record = constrain.record()
    names = {f"{kind}:layer.relaxation" for kind in ("gamma", "ratio", "lambda")}
    assert set(record) == names


def test_the_ratio_tells_what_gamma_hides():
    """Where a normalisation follows, a layer that shrinks leaves a small γ a large part."""
    layer = Homotopy(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    values = torch.randn(8, 4)
    layer.relaxation.gamma.data.fill_(0.01)
    layer.relaxation.watched = True
    layer.eval()
    layer(values)
    small = layer.relaxation.ratio
    layer.equivariant.weight.data.mul_(1e-3)
    layer(values)
    assert layer.relaxation.ratio == pytest.approx(1000 * small, rel=1e-4)
    assert float(layer.relaxation.gamma) == pytest.approx(0.01)


def test_plain_dual_steps_rest_where_gamma_does():
    """λ is the rate times the sum of all γ, and Adam's steps are as large for the smallest γ."""
    model = Quadratic(0.3)
    treatment = Constrain(None, dual_rate=0.02, dual_steps="plain")
    treatment.attach(model)
    path = [1.0, 0.5, -0.25, 1e-4]
    for gamma in path:
        model.gamma.data.fill_(gamma)
        treatment.after_step(1.0)
    assert float(treatment.multipliers[0]) == pytest.approx(0.02 * sum(path), rel=1e-6)


def test_samples_are_moved_only_where_it_is_asked_for():
    values = torch.randn(6, 3, 4)
    generator = torch.Generator().manual_seed(0)
    still, _ = Constrain(SYMMETRY)(values, values, 6, generator)
    assert still is values
    inputs, targets = Constrain(SYMMETRY, augment=True)(values, values @ MIXING, 6, generator)
    torch.testing.assert_close(inputs @ MIXING, targets)
    torch.testing.assert_close(inputs.mT @ inputs, values.mT @ values)
    assert float((inputs - values).abs().max()) > 0.1


@pytest.mark.parametrize("price", [0.5, 2.0])
def test_slacks_settle_where_the_loss_is_worth_their_price(price):
    """Minimise (γ - w)² / 2 + ρ u² / 2 subject to |γ| <= u: γ = u = w / (1 + ρ), λ = ρ u."""
    model = Quadratic(0.8)
    treatment = ConstrainPartially(None, dual_rate=0.003, slack_price=price, augmentation=1.0)
    descend(treatment, model, 8000, rate=0.003)
    expected = 0.8 / (1 + price)
    assert float(model.gamma) == pytest.approx(expected, abs=0.03)
    assert float(treatment.slacks[0]) == pytest.approx(expected, abs=0.03)
    assert float(treatment.multipliers[0]) == pytest.approx(price * expected, abs=0.05)


def test_the_schedule_falls_on_a_line():
    model = Quadratic(0.5)
    scheduled = Scheduled(None, until=0.5)
    scheduled.attach(model)
    for progress, expected in ((0.1, 0.8), (0.25, 0.5), (0.5, 0.0), (1.0, 0.0)):
        scheduled.after_step(progress)
        assert float(model.gamma) == pytest.approx(expected)


MIXING = torch.linspace(-1, 1, 16).reshape(4, 4)


class Vectors:
    """A split of random vectors that a fixed rotation-equivariant map is to learn."""

    def __init__(self, seed, count=64):
        generator = torch.Generator().manual_seed(seed)
        self.inputs = torch.randn(count, 3, 4, generator=generator)
        self.targets = self.inputs @ MIXING
        self.samples = np.arange(count)[:, None]

    def batch(self, rows, generator=None):
        index = torch.from_numpy(rows[:, 0])
        return Batch(self.inputs[index], self.targets[index], len(rows))

    def loss(self, prediction, batch):
        return nn.functional.mse_loss(prediction, batch.targets)

    validation_loss = loss


SYMMETRY = Symmetry(
    OrthogonalGroup(3),
    act_on_input=lambda g, x: g.to(x) @ x,
    act_on_output=lambda g, x: g.to(x) @ x,
)
METHODS = {
    "none": lambda: Treatment(SYMMETRY),
    "architecture": lambda: Strict(SYMMETRY),
    "scheduled": lambda: Scheduled(SYMMETRY),
    "penalty": lambda: EquivariancePenalty(SYMMETRY),
    "constrain": lambda: Constrain(SYMMETRY, gamma_rate=5, augmentation=0.1, dual_warm_up=0.3),
    "constrain_moved": lambda: Constrain(SYMMETRY, dual_steps="plain", augment=True),
    "constrain_partially": lambda: ConstrainPartially(SYMMETRY, gamma_rate=5),
}


def trainer(method, state: Path, epochs=4):
    torch.manual_seed(0)
    plan = TrainingSettings(epochs=epochs, batch_size=8, learning_rate=1e-2, save_every=3)
    return Trainer(
        Stack(), Vectors(0), Vectors(1, 16), METHODS[method](), plan, seed=3, state_path=state
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_treatment_resumes_bit_for_bit(method, tmp_path):
    whole = trainer(method, tmp_path / "whole.pt").run()
    state = tmp_path / "state.pt"
    first = trainer(method, state)
    do_step = first._step

    class KilledError(Exception):
        pass

    def step_or_die(rows):
        if first.progress.step == 17:
            raise KilledError
        return do_step(rows)

    first._step = step_or_die
    with pytest.raises(KilledError):
        first.run()
    resumed = trainer(method, state).run()
    assert all(torch.equal(whole.weights[k], resumed.weights[k]) for k in whole.weights)
    assert whole.history.drop(columns="seconds").equals(resumed.history.drop(columns="seconds"))


@pytest.mark.parametrize("method", ["architecture", "scheduled", "constrain"])
def test_what_is_kept_is_strictly_equivariant(method, tmp_path):
    trained = trainer(method, tmp_path / "state.pt").run()
    model = Stack()
    model.load_state_dict(trained.weights)
    values = torch.randn(5, 3, 4)
    element = OrthogonalGroup(3).sample(1, torch.Generator().manual_seed(0))[0].float()
    with torch.no_grad():
        assert violation(model.eval(), element, values) < 1e-5
    assert all(float(layer.gamma) == 0 for layer in relaxations(model).values())


def test_a_free_network_stays_free_and_a_penalty_tames_it(tmp_path):
    free = trainer("none", tmp_path / "free.pt", epochs=6).run()
    tamed = trainer("penalty", tmp_path / "tamed.pt", epochs=6).run()
    values = torch.randn(50, 3, 4)
    element = OrthogonalGroup(3).sample(1, torch.Generator().manual_seed(0))[0].float()
    errors = []
    for trained in (free, tamed):
        model = Stack()
        model.load_state_dict(trained.weights)
        with torch.no_grad():
            errors.append(violation(model.eval(), element, values))
        assert all(float(layer.gamma) == 1 for layer in relaxations(model).values())
    assert errors[1] < errors[0]


def test_a_model_without_homotopy_layers_is_refused_in_one_sentence():
    with pytest.raises(TrainingError, match=r"Linear has no homotopy layers.*Homotopy"):
        Constrain(None).attach(nn.Linear(2, 2))
