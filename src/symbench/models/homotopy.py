"""Homotopy layers: equivariant + γ · free, equivariant exactly where γ = 0.

Source: Manolache, Chamon and Niepert, arXiv 2505.13631.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

import torch
from torch import Tensor, nn


class Free(nn.Sequential):
    """Layers that know no symmetry; they count and cost nothing where γ is zero for good."""


class Relaxation(nn.Module):
    """How far one layer may leave equivariance: a number γ, 1 at first.

    Whether γ is zero decides whether the free branch is computed. It is looked up when the mode
    changes between training and use and when weights are loaded, not in each step, since a look at
    a number of a graphics card waits for the card; so set γ by `set_gamma`.

    Attributes:
        watched: whether a treatment wants to know the ratio; networks in use do not compute it.

    """

    def __init__(self) -> None:
        """Start at γ = 1."""
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(()))
        self.watched = False
        self._is_zero = False
        self._ratio: Tensor | None = None
        self.register_load_state_dict_post_hook(_look_at_gamma)

    @property
    def on(self) -> bool:
        """Whether the free branch is needed."""
        return (self.training and self.gamma.requires_grad) or not self._is_zero

    @property
    def ratio(self) -> float:
        """|γ free| / |equivariant| in the last batch outside training, where it is watched.

        γ alone says little where a normalisation follows: the equivariant values may shrink as fast
        as γ does.
        """
        return 0.0 if self._ratio is None else float(self._ratio)

    def set_gamma(self, value: float) -> None:
        """Set γ."""
        self.gamma.data.fill_(value)
        self._is_zero = value == 0

    def look_at_gamma(self) -> None:
        """Find out whether γ is zero, after something else has set it."""
        self._is_zero = not self.gamma.is_meta and float(self.gamma.detach()) == 0

    def train(self, mode: bool = True) -> Self:
        """Change the mode, and look at γ."""
        self.look_at_gamma()
        return super().train(mode)

    def forward(self, equivariant: Tensor, free: Callable[[], Tensor]) -> Tensor:
        """equivariant + γ · free(); the free values are computed only where they are needed."""
        change = self.gamma * free() if self.on else None
        if self.watched and not self.training:
            self._ratio = (
                None if change is None else change.detach().norm() / equivariant.detach().norm()
            )
        return equivariant if change is None else equivariant + change


def _look_at_gamma(relaxation: Relaxation, keys: object) -> None:
    """What is called after weights are loaded."""
    relaxation.look_at_gamma()


class Homotopy(nn.Module):
    """Your own equivariant layer and a free one beside it.

    Example:
        >>> layer = Homotopy(equivariant_layer, nn.Linear(64, 64))
        >>> model_output = layer(values)  # equivariant_layer(values) + γ · linear(values)

    """

    def __init__(self, equivariant: nn.Module, free: nn.Module) -> None:
        """Take two layers with outputs of one shape."""
        super().__init__()
        self.equivariant = equivariant
        self.free = free if isinstance(free, Free) else Free(free)
        self.relaxation = Relaxation()

    def forward(self, values: Tensor, *context: Tensor) -> Tensor:
        """The equivariant layer sees values and context, the free one only the values."""
        strict = self.equivariant(values, *context)
        total: Tensor = self.relaxation(strict, lambda: self.free(values))
        return total


def relaxations(model: nn.Module) -> dict[str, Relaxation]:
    """All homotopy layers of a model by name, in its order."""
    return {
        name: module for name, module in model.named_modules() if isinstance(module, Relaxation)
    }


def project(model: nn.Module) -> None:
    """Make a model strictly equivariant for good: γ = 0, free branches frozen."""
    for relaxation in relaxations(model).values():
        relaxation.set_gamma(0.0)
        relaxation.gamma.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, Free):
            module.requires_grad_(False)


@contextmanager
def projected(model: nn.Module) -> Iterator[None]:
    """The model with γ = 0 for a while."""
    layers = list(relaxations(model).values())
    kept = [layer.gamma.detach().clone() for layer in layers]
    for layer in layers:
        layer.set_gamma(0.0)
    try:
        yield
    finally:
        for layer, gamma in zip(layers, kept, strict=True):
            layer.gamma.data.copy_(gamma)
            layer.look_at_gamma()


def parameters_in_use(model: nn.Module) -> int:
    """Trainable numbers behind a prediction: without free branches where every γ is zero."""
    layers = list(relaxations(model).values())
    if not layers or any(layer.on for layer in layers):
        return sum(p.numel() for p in model.parameters())
    idle = {id(layer.gamma) for layer in layers}
    for module in model.modules():
        if isinstance(module, Free):
            idle |= {id(p) for p in module.parameters()}
    return sum(p.numel() for p in model.parameters() if id(p) not in idle)


def equivariance_error_bound(
    gammas: Sequence[float], free_bounds: Sequence[float], lipschitz: Sequence[float]
) -> float:
    """Bound on |f(g x) - g f(x)| of a composition of homotopy layers, for orthogonal actions.

    Each layer deviates by at most 2 |γ_i| sup |f_free,i|, which the layers behind it stretch by no
    more than the product of their Lipschitz constants.

    Args:
        gammas: γ of each layer, in order.
        free_bounds: sup |f_free| of each layer.
        lipschitz: Lipschitz constant of each whole layer.

    """
    bound, stretch = 0.0, 1.0
    for gamma, largest, constant in zip(
        reversed(gammas), reversed(free_bounds), reversed(lipschitz), strict=True
    ):
        bound += 2 * abs(gamma) * largest * stretch
        stretch *= constant
    return bound
