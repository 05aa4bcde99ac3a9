"""A public check for your own models."""

from collections.abc import Callable

import torch
from torch import Tensor

from symbench.symmetry.reynolds import chosen_elements, one_tensor
from symbench.symmetry.symmetry import Elements, Symmetry, V

# What rounding leaves of a model of some layers, by precision.
TOLERANCES = {
    torch.float64: 1e-12,
    torch.float32: 1e-4,
    torch.float16: 1e-2,
    torch.bfloat16: 5e-2,
}


def equivariance_error(
    model: Callable[[V], Tensor],
    symmetry: Symmetry[V],
    values: V,
    elements: Elements | None = None,
) -> float:
    """Largest relative violation of f(phi(g) x) = psi(g) f(x) over the group.

    Returns:
        max over g of ||f(phi(g) x) - psi(g) f(x)|| / ||f(x)||; 0 where both vanish, NaN where any
        output is not finite.

    """
    return _error_and_precision(model, symmetry, values, elements)[0]


def _error_and_precision(
    model: Callable[[V], Tensor], symmetry: Symmetry[V], values: V, elements: Elements | None
) -> tuple[float, torch.dtype]:
    with torch.no_grad():
        plain = one_tensor(model(values))
        errors = [
            _norm(model(symmetry.act_on_input(g, values)) - symmetry.act_on_output(g, plain))
            for g in chosen_elements(symmetry.group, elements)
        ]
    error = torch.stack(errors).max()
    return 0.0 if error == 0 else float(error / _norm(plain)), plain.dtype.to_real()


def _norm(values: Tensor) -> Tensor:
    return torch.linalg.vector_norm(values.to(torch.promote_types(values.dtype, torch.float64)))


def assert_equivariant(
    model: Callable[[V], Tensor],
    symmetry: Symmetry[V],
    values: V,
    tolerance: float | None = None,
    elements: Elements | None = None,
) -> None:
    """Raise `AssertionError` naming the error if the model is not equivariant to `tolerance`.

    Without a tolerance, that of the precision of the outputs is taken: 1e-12 in double, 1e-4 in
    single, 1e-2 in half precision, 5e-2 in bfloat16. Outputs that are not finite always fail.
    """
    error, precision = _error_and_precision(model, symmetry, values, elements)
    allowed = TOLERANCES[precision] if tolerance is None else tolerance
    assert error <= allowed, (
        f"The model is not equivariant under {symmetry.group}: relative error {error:.2e}, "
        f"allowed {allowed:.0e}."
    )
