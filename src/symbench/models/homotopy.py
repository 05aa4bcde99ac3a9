"""Homotopy layers: equivariant + γ · free, equivariant exactly where γ = 0.

Source: Manolache, Chamon and Niepert, arXiv 2505.13631.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Free(nn.Sequential):
    """Layers that know no symmetry; they count and cost nothing where γ is zero for good."""


class Relaxation(nn.Module):
    """How far one layer may leave equivariance: a number γ, 1 at first.

    Attributes:
        watched: whether a treatment wants to know the ratio; networks in use do not compute it.
        ratio: |γ free| / |equivariant| in the last batch outside training. γ alone says little
            where a normalisation follows: the equivariant values may shrink as fast as γ does.

    """

    def __init__(self) -> None:
        """Start at γ = 1."""
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(()))
        self.watched = False
        self.ratio = 0.0

    @property
    def on(self) -> bool:
        """Whether the free branch is needed."""
        return (self.training and self.gamma.requires_grad) or float(self.gamma.detach()) != 0

    def forward(self, equivariant: Tensor, free: Callable[[], Tensor]) -> Tensor:
        """equivariant + γ · free(); the free values are computed only where they are needed."""
        change = self.gamma * free() if self.on else None
        if self.watched and not self.training:
            part = 0.0 if change is None else change.detach().norm() / equivariant.detach().norm()
            self.ratio = float(part)
        return equivariant if change is None else equivariant + change


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
        relaxation.gamma.data.zero_()
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
        layer.gamma.data.zero_()
    try:
        yield
    finally:
        for layer, gamma in zip(layers, kept, strict=True):
            layer.gamma.data.copy_(gamma)


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
