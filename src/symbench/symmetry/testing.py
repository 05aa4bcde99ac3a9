"""A public check for your own models."""

from typing import Any

import torch

from symbench.symmetry.reynolds import Model, Symmetry


def equivariance_error(
    model: Model, symmetry: Symmetry, values: Any, elements: Any = None
) -> float:
    """Largest relative violation of f(phi(g) x) = psi(g) f(x) over the group.

    Returns:
        max over g of ||f(phi(g) x) - psi(g) f(x)|| / ||f(x)||.

    """
    with torch.no_grad():
        plain = model(values)
        errors = [
            (model(symmetry.act_on_input(g, values)) - symmetry.act_on_output(g, plain)).norm()
            for g in symmetry.choose(elements)
        ]
    return float(max(errors) / plain.norm())


def assert_equivariant(
    model: Model,
    symmetry: Symmetry,
    values: Any,
    tolerance: float = 1e-12,
    elements: Any = None,
) -> None:
    """Raise `AssertionError` naming the error if the model is not equivariant to `tolerance`."""
    error = equivariance_error(model, symmetry, values, elements)
    assert error <= tolerance, (
        f"The model is not equivariant under {symmetry.group}: relative error {error:.2e}, "
        f"allowed {tolerance:.0e}."
    )
