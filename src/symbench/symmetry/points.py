"""O(d) and S_n acting on points: x_i -> Q x_i, and points in another order."""

from torch import Tensor


def rotate(element: Tensor, vectors: Tensor) -> Tensor:
    """Apply orthogonal matrices to vectors.

    Args:
        element: shape (axis, axis), or one for each sample, (sample, axis, axis).
        vectors: shape (sample, point, axis).

    Returns:
        Q v for each vector, same shape.

    """
    return vectors @ element.to(vectors).mT


def reorder(element: Tensor, values: Tensor) -> Tensor:
    """Put point p[i] at place i; element (point,), values (sample, point, ...)."""
    return values[:, element]
