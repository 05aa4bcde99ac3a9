"""SymBench: which way of imposing a symmetry on a model pays, how much, and at what cost."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from symbench.advice.advise import advise
    from symbench.symmetry.grids.field import Field
    from symbench.symmetry.grids.fields import Normalizer
    from symbench.symmetry.grids.symmetrize import symmetrize
    from symbench.symmetry.points.ase_calculator import SymmetrizedCalculator
    from symbench.symmetry.points.roles import Role
    from symbench.symmetry.points.symmetrize import symmetrize_points
    from symbench.symmetry.reynolds import average

    __version__: str

__all__ = [
    "Field",
    "Normalizer",
    "Role",
    "SymmetrizedCalculator",
    "__version__",
    "advise",
    "average",
    "symmetrize",
    "symmetrize_points",
]


_HOMES = {
    "Field": "symbench.symmetry.grids.field",
    "Normalizer": "symbench.symmetry.grids.fields",
    "Role": "symbench.symmetry.points.roles",
    "SymmetrizedCalculator": "symbench.symmetry.points.ase_calculator",
    "advise": "symbench.advice.advise",
    "average": "symbench.symmetry.reynolds",
    "symmetrize": "symbench.symmetry.grids.symmetrize",
    "symmetrize_points": "symbench.symmetry.points.symmetrize",
}


def __getattr__(name: str) -> object:
    """Import the public names on first use: commands that need no torch start at once."""
    if name == "__version__":
        from importlib.metadata import version

        return version("symbench")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'symbench' has no attribute '{name}'")
