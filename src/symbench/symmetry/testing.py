"""A public check for your own models."""

from collections.abc import Callable

import torch
from torch import Tensor

from symbench.symmetry.reynolds import chosen_elements
from symbench.symmetry.symmetry import Elements, Symmetry, V


def equivariance_error(
    model: Callable[[V], Tensor],
    symmetry: Symmetry[V],
    values: V,
    elements: Elements | None = None,
) -> float:
    """Largest relative violation of f(phi(g) x) = psi(g) f(x) over the group.

    Returns:
        max over g of ||f(phi(g) x) - psi(g) f(x)|| / ||f(x)||.

    """
    with torch.no_grad():
        plain = model(values)
        errors = [
            (model(symmetry.act_on_input(g, values)) - symmetry.act_on_output(g, plain)).norm()
            for g in chosen_elements(symmetry.group, elements)
        ]
    return float(max(errors) / plain.norm())


def assert_equivariant(
    model: Callable[[V], Tensor],
    symmetry: Symmetry[V],
    values: V,
    tolerance: float = 1e-12,
    elements: Elements | None = None,
) -> None:
    """Raise `AssertionError` naming the error if the model is not equivariant to `tolerance`."""
    error = equivariance_error(model, symmetry, values, elements)
    assert error <= tolerance, (
        f"The model is not equivariant under {symmetry.group}: relative error {error:.2e}, "
        f"allowed {tolerance:.0e}."
    )
