"""SymBench: which way of imposing a symmetry on a model pays, how much, and at what cost."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symbench.symmetry.fields import Field, Normalizer
    from symbench.symmetry.reynolds import average, symmetrize

__version__ = version("symbench")
__all__ = ["Field", "Normalizer", "average", "symmetrize"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use: the workflow reads its config without torch."""
    if name in ("Field", "Normalizer"):
        return getattr(import_module("symbench.symmetry.fields"), name)
    if name in ("average", "symmetrize"):
        return getattr(import_module("symbench.symmetry.reynolds"), name)
    raise AttributeError(f"module 'symbench' has no attribute '{name}'")
