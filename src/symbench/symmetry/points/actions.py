"""Arrays acting on arrays: matrices on vectors, signs on columns."""

from __future__ import annotations

from functools import reduce
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
    wide = torch.promote_types(vectors.dtype, torch.float32)
    matrix = torch.as_tensor(element).to(vectors.device, wide, non_blocking=True)
    if matrix.ndim == 3:
        if sample_of_row is not None:
            matrix = matrix[sample_of_row]
        matrix = matrix.unflatten(0, (-1, *[1] * (vectors.ndim - 2)))
    # Not as a matrix product, which autocast and TF32 would round to three digits.
    terms = zip(matrix.unbind(dim=-1), vectors.to(wide).split(1, dim=-1), strict=True)
    return reduce(torch.add, (column * part for column, part in terms)).to(vectors.dtype)


def rotate_tensors(element: Element, tensors: Tensor) -> Tensor:
    """Apply an orthogonal matrix to tensors of second order, Q T Q^t.

    Args:
        element: shape (axis, axis).
        tensors: shape (..., axis, axis).

    Returns:
        The rotated tensors, same shape.

    """
    return rotate(element, rotate(element, tensors).mT).mT


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
