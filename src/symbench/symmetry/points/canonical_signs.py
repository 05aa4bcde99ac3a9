"""Canonical signs of eigenvectors: frames of one element for the sign group.

A column v and its negative are told apart by the column itself, without regard to the order of the
nodes; where the column is as symmetric as its negative, no rule can: +1 is returned, and a warning
says so.
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from symbench.errors import choose

# Relative differences of entries that count as equal: eigenvectors are computed to about 1e-10.
TOLERANCE = 1e-6


def largest_entry_signs(vectors: Tensor) -> Tensor:
    """Signs that make the entry of largest magnitude positive.

    Where entries of either sign are equally large, up to rounding, their sum decides.

    Args:
        vectors: columns, shape (..., node, column).

    Returns:
        Shape (..., column).

    """
    size = vectors.abs()
    most = size.amax(dim=-2, keepdim=True)
    sums = (vectors * (size >= most * (1 - TOLERANCE))).sum(dim=-2)
    return _signs(sums, most.squeeze(-2))


def laplacian_signs(vectors: Tensor) -> Tensor:
    """Signs by Laplacian canonisation.

    The nodes fall into classes of equal magnitude |v_i|, largest first; the first class whose
    entries do not cancel gets a positive sum. Columns where every class cancels cannot be
    canonised. Source of the rule: Ma et al., Laplacian Canonization, arXiv 2310.18716; the classes
    are taken from the largest here, as axis projections of rank one are the magnitudes.

    Args:
        vectors: columns, shape (..., node, column).

    Returns:
        Shape (..., column).

    """
    columns = vectors.mT
    signs = [_laplacian_sign(column) for column in columns.flatten(0, -2)]
    return torch.stack(signs).reshape(columns.shape[:-1])


def canonical_signs(rule: str) -> Callable[[Tensor], Tensor]:
    """The function behind "largest_entry" or "laplacian"; raises `ConfigError` for others."""
    rules = {"largest_entry": largest_entry_signs, "laplacian": laplacian_signs}
    return rules[choose(rule, rules, "rule for signs")]


def _laplacian_sign(column: Tensor) -> Tensor:
    size, order = column.abs().sort(descending=True)
    scale = size[0]
    # A new class starts where the magnitude drops by more than rounding.
    starts = torch.cat([size.new_zeros(1), (size[:-1] - size[1:] > TOLERANCE * scale).to(size)])
    classes = starts.cumsum(0).long()
    sums = size.new_zeros(int(classes[-1]) + 1).index_add_(0, classes, column[order])
    decided = (sums.abs() > TOLERANCE * scale).nonzero()
    return _signs(sums[decided[0, 0] if len(decided) else 0], scale)


def _signs(values: Tensor, scale: Tensor) -> Tensor:
    if bool(((values.abs() <= TOLERANCE * scale) & (scale > 0)).any()):
        warnings.warn(
            "Some eigenvector is as symmetric as its negative for this rule: it keeps the sign "
            "that the solver gave it, on which predictions then depend.",
            stacklevel=3,
        )
    return torch.where(values < -TOLERANCE * scale, -1.0, 1.0).to(values.dtype)
