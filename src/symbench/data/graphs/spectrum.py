"""Eigenvectors of graphs: which groups act on them, and whether they are determined."""

import numpy as np

from symbench.data.arrays import Array
from symbench.errors import DataError

# Solvers leave errors of about 1e-14; divided by this gap, they still leave vectors alone.
SMALLEST_GAP = 1e-8


def refuse_repeated(eigenvalues: Array, what: str) -> None:
    """Refuse spectra whose eigenvectors are not determined up to their signs.

    Args:
        eigenvalues: ascending, without the lowest one, which is zero; shape (..., column).
        what: the graph or the file, for the message.

    Raises:
        DataError: if an eigenvalue is repeated: any rotation of its eigenvectors serves as well.

    """
    zero = np.zeros_like(eigenvalues[..., :1])
    gaps = np.diff(np.concatenate([zero, eigenvalues], axis=-1), axis=-1)
    if (repeated := np.argwhere(gaps < SMALLEST_GAP)).size:
        column = int(repeated[0, -1])
        raise DataError(
            f"{what}: eigenvalues {column} and {column + 1} of the Laplacian are equal (counted "
            "from 0), so that their eigenvectors are not determined up to signs; graphs that hang "
            "together and have no copies in them avoid that."
        )
