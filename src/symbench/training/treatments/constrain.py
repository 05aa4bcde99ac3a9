"""Ways to lead a network with homotopy layers to equivariance while it is trained.

`strict` is equivariant from the start; `scheduled` lets γ fall by hand; `constrain` lets dual
variables drive every γ to zero (Algorithm 1 of arXiv 2505.13631) and projects at the end;
`constrain_partially` lets each γ settle where the data want it (Algorithm 2).
"""

from collections.abc import Mapping
from typing import Literal, TypedDict, Unpack

import torch
from torch import Tensor, nn

from symbench.data.batch import V
from symbench.data.parameters import positive_number
from symbench.errors import ConfigError, TrainingError
from symbench.models.homotopy import Relaxation, project, relaxations
from symbench.symmetry.symmetry import Symmetry
from symbench.training.state import copy_into, load_optimizer
from symbench.training.treatments.augment import Augment
from symbench.training.treatments.checks import number_of_at_least_zero, share, switch

DUAL_STEPS = ("adam", "plain")


class HomotopyTreatment(Augment[V]):
    """A treatment that needs homotopy layers, and deploys the equivariant network.

    Where samples are few or come in one pose, free branches would learn the poses: `augment` moves
    each sample by a random element too.
    """

    projects = True
    layers: dict[str, Relaxation]

    def __init__(self, symmetry: Symmetry[V], *, augment: bool = False) -> None:
        """Say whether samples are moved as well; raises `ConfigError` unless true or false."""
        super().__init__(symmetry)
        self.augment = switch(augment, self._key("augment"))

    def _key(self, key: str) -> str:
        return f"{type(self).__name__}: {key}"

    def __call__(
        self, inputs: V, targets: Tensor, samples: int, generator: torch.Generator
    ) -> tuple[V, Tensor]:
        """The batch, moved or as it is."""
        if self.augment:
            return super().__call__(inputs, targets, samples, generator)
        return inputs, targets

    def attach(self, model: nn.Module) -> None:
        """Find the homotopy layers; raises `TrainingError` if the model has none."""
        self.layers = relaxations(model)
        if not self.layers:
            raise TrainingError(
                f"{type(model).__name__} has no homotopy layers (equivariant + γ · free), which "
                "this treatment needs: choose 'none' or 'augment', or wrap its layers in "
                "symbench.models.homotopy.Homotopy."
            )
        for layer in self.layers.values():
            layer.watched = True
        super().attach(model)

    def record(self) -> dict[str, float]:
        """γ of each layer, and how large its free branch is beside the other."""
        gammas = {f"gamma:{n}": float(layer.gamma.detach()) for n, layer in self.layers.items()}
        return {**gammas, **{f"ratio:{n}": layer.ratio for n, layer in self.layers.items()}}


class Strict(HomotopyTreatment[V]):
    """Strict: γ = 0 from the first step to the last."""

    projects = False  # once and for all, in `attach`

    def attach(self, model: nn.Module) -> None:
        """Project at once."""
        super().attach(model)
        project(model)


class Scheduled(HomotopyTreatment[V]):
    """γ falls from 1 to 0 on a straight line, the same for all layers: relaxation by hand."""

    def __init__(self, symmetry: Symmetry[V], *, until: float = 0.5, augment: bool = False) -> None:
        """Set the share of training after which γ is zero, above 0 and at most 1.

        Raises:
            ConfigError: for other values.

        """
        super().__init__(symmetry, augment=augment)
        self.until = share(until, self._key("until"), above_zero=True)

    def after_step(self, progress: float) -> None:
        """Set γ."""
        for layer in self.layers.values():
            layer.set_gamma(max(0.0, 1 - progress / self.until))


class DualSettings(TypedDict, total=False):
    """The settings of `Constrain`, which explains them."""

    dual_rate: float
    gamma_rate: float
    augmentation: float
    dual_warm_up: float
    dual_steps: Literal["adam", "plain"]
    dual_epsilon: float
    augment: bool


class Constrain(HomotopyTreatment[V]):
    """Algorithm 1: minimise the loss subject to γ_i = 0 for every layer i.

    The primal step descends loss + Σ λ_i γ_i + c γ_i² in weights and γ, the dual step ascends in λ
    along the γ before it: by Adam, or by plain steps, as in the public code for point clouds.
    """

    capturable = True

    def __init__(
        self,
        symmetry: Symmetry[V],
        *,
        dual_rate: float = 5e-4,
        gamma_rate: float = 1.0,
        augmentation: float = 0.0,
        dual_warm_up: float = 0.0,
        dual_steps: Literal["adam", "plain"] = "adam",
        dual_epsilon: float = 1e-8,
        augment: bool = False,
    ) -> None:
        """Set the rates.

        Args:
            symmetry: of the task.
            dual_rate: learning rate of λ, above 0.
            gamma_rate: of γ, above 0, in units of the model's learning rate. Few steps need more.
            augmentation: c of the augmented Lagrangian, at least 0.
            dual_warm_up: share of training in which the dual rate rises from zero.
            dual_steps: "adam", or "plain": λ moves by dual_rate · γ, so that it rests where γ does.
            dual_epsilon: ε of Adam for λ, above 0: it slows steps along violations as small.
            augment: whether each sample is moved by a random element too.

        Raises:
            ConfigError: for a value that is not allowed.

        """
        super().__init__(symmetry, augment=augment)
        self.dual_rate = positive_number(dual_rate, self._key("dual_rate"))
        self.gamma_rate = positive_number(gamma_rate, self._key("gamma_rate"))
        self.augmentation = number_of_at_least_zero(augmentation, self._key("augmentation"))
        self.dual_warm_up = share(dual_warm_up, self._key("dual_warm_up"))
        self.dual_epsilon = positive_number(dual_epsilon, self._key("dual_epsilon"))
        if dual_steps not in DUAL_STEPS:
            allowed = " or ".join(DUAL_STEPS)
            raise ConfigError(f"{self._key('dual_steps')} is {dual_steps!r}; give {allowed}.")
        self.dual_steps = dual_steps

    def attach(self, model: nn.Module) -> None:
        """Make one multiplier for each layer."""
        super().attach(model)
        for layer in self.layers.values():
            layer.gamma.requires_grad_(True)
        self.multipliers = torch.zeros_like(self._gammas()).detach()
        self.multipliers.grad = torch.zeros_like(self.multipliers)
        self.dual: torch.optim.Optimizer
        if self.dual_steps == "plain":
            self.dual = torch.optim.SGD([self.multipliers], lr=self.dual_rate)
        else:
            self.dual = torch.optim.Adam(
                [self.multipliers], lr=self.dual_rate, eps=self.dual_epsilon
            )

    def parameter_groups(self, model: nn.Module) -> list[dict[str, object]]:
        """γ has its own rate, and does not decay but by the constraint."""
        own = self._primal()
        known = {id(parameter) for parameter in own}
        others = [p for p in model.parameters() if id(p) not in known]
        return [
            {"params": others, "rate": 1.0},
            {"params": own, "rate": self.gamma_rate, "weight_decay": 0.0},
        ]

    def loss_term(self, *batch: object) -> Tensor:
        """Σ λ_i s_i + c s_i² with the violations s, which the dual step sees as they are now."""
        violation = self._violation()
        assert self.multipliers.grad is not None
        torch.neg(violation.detach(), out=self.multipliers.grad)
        return (self.multipliers * violation + self.augmentation * violation.square()).sum()

    def after_step(self, progress: float) -> None:
        """The dual step: λ ascends along the violations."""
        if self.dual_warm_up:
            self.dual.param_groups[0]["lr"] = self.dual_rate * min(1, progress / self.dual_warm_up)
        self.dual.step()

    def record(self) -> dict[str, float]:
        """λ of each layer too."""
        duals = zip(self.layers, self.multipliers.tolist(), strict=True)
        return {**super().record(), **{f"lambda:{name}": value for name, value in duals}}

    def state(self) -> dict[str, object]:
        """What is learned beside the model, and the dual optimiser."""
        return {"learned": self._learned(), "dual": self.dual.state_dict()}

    def load_state(self, state: Mapping[str, object]) -> None:
        """Take them back; raises `UnusableStateError` unless they are of as many layers."""
        copy_into(self._learned(), state["learned"])
        load_optimizer(self.dual, state["dual"])

    def _learned(self) -> dict[str, Tensor]:
        return {"multipliers": self.multipliers}

    def _primal(self) -> list[nn.Parameter]:
        return [layer.gamma for layer in self.layers.values()]

    def _gammas(self) -> Tensor:
        return torch.stack([layer.gamma for layer in self.layers.values()])

    def _violation(self) -> Tensor:
        return self._gammas()


class ConstrainPartially(Constrain[V]):
    """Algorithm 2: |γ_i| ≤ u_i, where slack u_i costs ρ u_i² / 2; for partly symmetric data.

    The network is used as it was trained, with the γ that it has reached. With `one_sided` the
    constraint is γ_i ≤ 0, without slack: what the public code for motion capture imposes.
    """

    projects = False
    capturable = True

    def __init__(
        self,
        symmetry: Symmetry[V],
        *,
        slack_price: float = 1.0,
        one_sided: bool = False,
        **settings: Unpack[DualSettings],
    ) -> None:
        """Set ρ, above 0, the kind of constraint, and the settings of `Constrain`.

        Raises:
            ConfigError: for a value that is not allowed.

        """
        super().__init__(symmetry, **settings)
        self.one_sided = switch(one_sided, self._key("one_sided"))
        self.slack_price = positive_number(slack_price, self._key("slack_price"))

    def attach(self, model: nn.Module) -> None:
        """Make one multiplier and one slack for each layer."""
        super().attach(model)
        self.slacks = nn.Parameter(torch.zeros_like(self.multipliers))

    def loss_term(self, *batch: object) -> Tensor:
        """Σ λ_i (|γ_i| - u_i) + ρ u_i² / 2."""
        return super().loss_term() + self.slack_price * self.slacks.square().sum() / 2

    def after_step(self, progress: float) -> None:
        """The dual step; neither slacks nor multipliers of inequalities are negative."""
        self.slacks.data.clamp_(min=0)
        super().after_step(progress)
        self.multipliers.clamp_(min=0)

    def record(self) -> dict[str, float]:
        """u of each layer too."""
        slacks = zip(self.layers, self.slacks.tolist(), strict=True)
        return {**super().record(), **{f"slack:{name}": value for name, value in slacks}}

    def _learned(self) -> dict[str, Tensor]:
        return {**super()._learned(), "slacks": self.slacks.detach()}

    def _primal(self) -> list[nn.Parameter]:
        return [*super()._primal(), self.slacks]

    def _violation(self) -> Tensor:
        return self._gammas() if self.one_sided else self._gammas().abs() - self.slacks
