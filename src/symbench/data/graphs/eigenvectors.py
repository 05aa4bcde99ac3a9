"""The sign symmetry of tasks whose inputs hold Laplacian eigenvectors."""

from collections.abc import Iterable
from dataclasses import replace

from symbench.errors import SymmetryError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.points.actions import flip_columns
from symbench.symmetry.points.canonical_signs import largest_entry_signs
from symbench.symmetry.points.matrix_groups import SignGroup
from symbench.symmetry.symmetry import Symmetry

RESIDUAL_TOLERANCE = 1e-8


def sign_symmetry(group: str, columns: int, exact: bool = True) -> Symmetry:
    """The sign group on inputs with `vectors`; outputs are invariant.

    Its frame is one element: the signs that make the largest entries positive.

    Raises:
        SymmetryError: if the group is not `signs(k)` with as many signs as there are columns.

    """
    signs = SignGroup(columns)
    if group != signs.name:
        raise SymmetryError(
            f"Group '{group}' does not act on {columns} eigenvectors; {signs.name} does."
        )
    return Symmetry(
        signs,
        act_on_input=lambda g, inputs: replace(inputs, vectors=flip_columns(g, inputs.vectors)),
        act_on_output=lambda g, outputs: outputs,
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
            passed=bool(residual < RESIDUAL_TOLERANCE),
        )
        for column, residual in enumerate(residuals, start=1)
    ]
