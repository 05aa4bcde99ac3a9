"""Laplacian eigenvectors as inputs: whether they are determined, and their sign symmetry."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from torch import Tensor

from symbench.data.arrays import Array
from symbench.data.batch import Inputs
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit, Verdict
from symbench.symmetry.group_names import check_signs
from symbench.symmetry.points.actions import flip_columns
from symbench.symmetry.points.canonical_signs import largest_entry_signs
from symbench.symmetry.points.matrix_groups import SignGroup
from symbench.symmetry.symmetry import Element, Symmetry

RESIDUAL_TOLERANCE = 1e-8
# Solvers leave errors of about 1e-14; divided by this gap, they still leave vectors alone.
SMALLEST_GAP = 1e-8


@dataclass(frozen=True)
class EigenvectorInputs(Inputs):
    """What a model sees of graphs.

    Attributes:
        vectors: eigenvectors, shape (node, column) for one graph, or (graph, node, column).

    """

    vectors: Tensor


G = TypeVar("G", bound=EigenvectorInputs)


def sign_symmetry(group: str, columns: int, exact: bool = True) -> Symmetry[G]:
    """The sign group on eigenvectors; outputs are invariant.

    Its frame is one element: the signs that make the largest entries positive.

    Raises:
        SymmetryError: if the group is not `signs(k)` with as many signs as there are columns.

    """
    check_signs(group, columns)

    def flip(signs: Element, inputs: G) -> G:
        return replace(inputs, vectors=flip_columns(signs, inputs.vectors))

    return Symmetry(
        SignGroup(columns),
        act_on_input=flip,
        act_on_output=lambda signs, outputs: outputs,
        exact=exact,
        frame=lambda inputs: largest_entry_signs(inputs.vectors)[None],
    )


def audit_flips(residuals: Iterable[float]) -> list[ElementAudit]:
    """Audit the flip of each column: flipped eigenvectors must still be eigenvectors.

    Args:
        residuals: ||L v + λ (-v)|| of each flipped unit eigenvector.

    """
    return [
        ElementAudit(
            element=f"flip of eigenvector {column}",
            dynamics_error=float(residual),
            asymmetry=float("nan"),
            p_value=float("nan"),
            verdict=Verdict.HOLDS if residual < RESIDUAL_TOLERANCE else Verdict.BROKEN,
        )
        for column, residual in enumerate(residuals, start=1)
    ]


def refuse_repeated(eigenvalues: Array, what: str) -> None:
    """Refuse spectra whose eigenvectors are not determined up to their signs.

    Args:
        eigenvalues: ascending, without the lowest one, which is zero; shape (..., column). With one
            more than there are eigenvectors, the last eigenvector is checked too.
        what: the graph or the file, for the message.

    Raises:
        DataError: if an eigenvalue is repeated: any rotation of its eigenvectors serves as well.

    """
    zero = np.zeros_like(eigenvalues[..., :1])
    gaps = np.diff(np.concatenate([zero, eigenvalues], axis=-1), axis=-1)
    if (repeated := np.argwhere(gaps < SMALLEST_GAP)).size:
        column = int(repeated[0, -1])
        raise DataError(
            f"{what}: eigenvalues {column} and {column + 1} of the Laplacian are equal "
            f"(counted from 0, both {eigenvalues[tuple(repeated[0])]:.6g}), so that their "
            "eigenvectors are not determined up to signs; graphs that hang together and have no "
            "copies in them avoid that."
        )
