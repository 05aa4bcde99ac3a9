"""Names of groups, parsed in one place and without torch.

Groups of grids are named as in `grids.isometries.named_group`. Points, atoms and eigenvectors have
signs(k), O(d), SO(d), and "SO(3) * automorphisms" with the exchanges of equal atoms of a molecule.
`package.module:Name` names a group of yours wherever a group is named.
"""

import re
from importlib import import_module

from symbench.errors import SymmetryError

_LABELLED = re.compile(r"(S?O\(3\)) \* automorphisms")
_INFINITE = re.compile(r"S?O\(\d+\)( \* automorphisms)?|orders")


def check_rotations(name: str, dimension: int = 3) -> None:
    """Raise `SymmetryError` unless a name is O(d) or SO(d) in so many dimensions."""
    allowed = (f"O({dimension})", f"SO({dimension})")
    if name not in allowed and imported_group(name) is None:
        raise SymmetryError(
            f"Group '{name}' does not act on points in {dimension} dimensions; "
            f"allowed: {', '.join(allowed)}."
        )


def check_signs(name: str, columns: int) -> None:
    """Raise `SymmetryError` unless a name is that of the signs of so many eigenvectors."""
    if name != f"signs({columns})" and imported_group(name) is None:
        raise SymmetryError(
            f"Group '{name}' does not act on {columns} eigenvectors; signs({columns}) does."
        )


def labelled_rotations(name: str) -> str:
    """The rotations of a group of labelled atoms, such as SO(3) of "SO(3) * automorphisms".

    Raises:
        SymmetryError: for any other name.

    """
    if (match := _LABELLED.fullmatch(name)) is None:
        raise SymmetryError(
            f"Group '{name}' does not act on labelled atoms; allowed: SO(3) * automorphisms, "
            "O(3) * automorphisms."
        )
    return match[1]


def is_infinite(name: str) -> bool:
    """Whether the elements of a group of ours have no list; one of yours is known once built."""
    return _INFINITE.fullmatch(name) is not None


def imported_group(name: str) -> object | None:
    """The group at `package.module:Name`; None for other names.

    Raises:
        SymmetryError: if there is nothing at the path.

    """
    if ":" not in name:
        return None
    module, _, attribute = name.partition(":")
    try:
        found: object = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SymmetryError(f"Cannot import group '{name}': {error}.") from None
    return found() if isinstance(found, type) else found
