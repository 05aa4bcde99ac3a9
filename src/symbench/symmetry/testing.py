"""A public check for your own models."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from symbench.errors import SymmetryError
from symbench.symmetry.groups import whole_number
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
    model: Callable[..., object],
    symmetry: Symmetry[V],
    values: V,
    elements: Elements | int | None = None,
) -> float:
    """Largest relative violation of f(phi(g) x) = psi(g) f(x) over the group.

    Args:
        model: any callable.
        symmetry: the group and its actions.
        values: the input; a tuple holds all positional arguments of a model of points.
        elements: elements, or a number of random ones; all by default.

    Returns:
        max over g of ||f(phi(g) x) - psi(g) f(x)|| / ||f(x)||, and over all outputs of a model of
        several; 0 where both vanish, NaN where any output is not finite.

    """
    return _error_and_tolerance(model, symmetry, values, elements)[0]


def _error_and_tolerance(
    model: Callable[..., object],
    symmetry: Symmetry[V],
    values: V,
    elements: Elements | int | None,
) -> tuple[float, float]:
    if elements is not None and np.ndim(elements) == 0:
        if (number := whole_number(elements)) is None:
            raise SymmetryError(f"elements={elements!r}: give a number, or elements.")
        elements = symmetry.group.sample(number, torch.Generator().manual_seed(0))
    of_input = symmetry.output_action
    act_on_output = symmetry.act_on_output if of_input is None else of_input(values)
    with torch.no_grad():
        plain = _called(model, values)
        parts = _parts(symmetry, plain)
        errors = []
        for g in chosen_elements(symmetry.group, cast(Elements | None, elements)):
            found = _parts(symmetry, _called(model, symmetry.act_on_input(g, values)))
            # Where an output is one tensor, it is what the action takes.
            expected = _parts(symmetry, act_on_output(g, cast(Tensor, plain)))
            errors.append([_norm(a - b) for a, b in zip(found, expected, strict=True)])
        largest = [torch.stack(of_part).max() for of_part in zip(*errors, strict=True)]
        relative = [
            error if error == 0 else error / _norm(part)
            for error, part in zip(largest, parts, strict=True)
        ]
    tolerance = max(TOLERANCES[part.dtype.to_real()] for part in parts)
    return float(torch.stack(relative).max()), tolerance


def _called(model: Callable[..., object], values: object) -> object:
    return model(*values) if type(values) is tuple else model(values)


def _parts(symmetry: Symmetry[V], output: object) -> Sequence[Tensor]:
    return [one_tensor(output)] if symmetry.parts is None else symmetry.parts(output)


def _norm(values: Tensor) -> Tensor:
    return torch.linalg.vector_norm(values.to(torch.promote_types(values.dtype, torch.float64)))


def assert_equivariant(
    model: Callable[..., object],
    symmetry: Symmetry[V],
    values: V,
    tolerance: float | None = None,
    elements: Elements | int | None = None,
) -> None:
    """Raise `AssertionError` naming the error if the model is not equivariant to `tolerance`.

    Without a tolerance, that of the precision of the outputs is taken: 1e-12 in double, 1e-4 in
    single, 1e-2 in half precision, 5e-2 in bfloat16. Outputs that are not finite always fail. For
    the other arguments see `equivariance_error`.
    """
    error, usual = _error_and_tolerance(model, symmetry, values, elements)
    allowed = usual if tolerance is None else tolerance
    assert error <= allowed, (
        f"The model is not equivariant under {symmetry.group}: relative error {error:.2e}, "
        f"allowed {allowed:.0e}."
    )
