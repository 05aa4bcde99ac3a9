"""Arrays acting on arrays: matrices on vectors, signs on columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from symbench.symmetry.groups import Element


def rotate(element: Element, vectors: Tensor, sample_of_row: Tensor | None = None) -> Tensor:
    """Apply orthogonal matrices to vectors, Q v.

    Args:
        element: shape (axis, axis), or one for each sample, (sample, axis, axis).
        vectors: shape (sample, ..., axis); or (row, ..., axis) where `sample_of_row` is given.
        sample_of_row: the sample of each row, shape (row,), where a sample has many rows.

    Returns:
        The rotated vectors, same shape.

    """
    matrix = torch.as_tensor(element).to(vectors, non_blocking=True)
    if matrix.ndim == 2:
        return vectors @ matrix.mT
    if sample_of_row is not None:
        return torch.einsum("nab,n...b->n...a", matrix[sample_of_row], vectors)
    return vectors @ matrix.mT


def flip_columns(signs: Element, vectors: Tensor) -> Tensor:
    """Flip the signs of columns, v_j -> s_j v_j.

    Args:
        signs: one sign for each column, shape (column,), or for each graph too, (graph, column).
        vectors: shape (node, column) for one graph, or (graph, node, column).

    Returns:
        The flipped vectors, same shape.

    """
    signs = torch.as_tensor(signs).to(vectors, non_blocking=True)
    return vectors * (signs if signs.ndim == 1 or vectors.ndim == 2 else signs[:, None])
