"""Names of the groups that act on points, checked without waiting for torch."""

from symbench.errors import SymmetryError


def check_rotations(name: str, dimension: int = 3) -> None:
    """Raise `SymmetryError` unless a name is O(d) or SO(d) in so many dimensions."""
    allowed = (f"O({dimension})", f"SO({dimension})")
    if name not in allowed:
        raise SymmetryError(
            f"Group '{name}' does not act on points in {dimension} dimensions; "
            f"allowed: {', '.join(allowed)}."
        )
