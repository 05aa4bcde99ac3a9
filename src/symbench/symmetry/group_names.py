"""Is there a group of this name? One question for all kinds of groups."""

import re

from symbench.symmetry.grids.isometries import lowest_dimension, named_group

MATRIX_GROUPS = re.compile(r"^(signs|SO|O)\((\d+)\)$")
LABELLED_GROUPS = re.compile(r"^(S?O\(\d+\)) \* automorphisms$")


def check_group_name(name: str) -> str:
    """Return the name of a group; raises `SymmetryError` if there is none of that name.

    Groups of grids are named as in `isometries.named_group`; signs(k), O(d) and SO(d) are those of
    `matrix_groups`; "SO(3) * automorphisms" takes the exchanges of equal atoms of a molecule in.
    """
    if not MATRIX_GROUPS.match(name) and not LABELLED_GROUPS.match(name):
        named_group(name, lowest_dimension(name))
    return name
