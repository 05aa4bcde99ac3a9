"""The sign group acting on eigenvectors: v_j -> s_j v_j, one sign for each column."""

from torch import Tensor


def flip_columns(signs: Tensor, vectors: Tensor) -> Tensor:
    """Flip the signs of columns.

    Args:
        signs: one sign for each column, shape (column,), or for each graph too, (graph, column).
        vectors: shape (node, column) for one graph, or (graph, node, column).

    Returns:
        The flipped vectors, same shape.

    """
    signs = signs.to(vectors)
    return vectors * (signs if signs.ndim == 1 or vectors.ndim == 2 else signs[:, None])
