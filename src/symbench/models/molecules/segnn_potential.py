"""SEGNN with energy and forces; a module of its own, since e3nn takes two seconds to import."""

from symbench.models.molecules.potentials import Potential, build_potential
from symbench.models.points.segnn import SEGNNAtoms


def segnn_potential(*, norm: bool = False, **settings: object) -> Potential:
    """`segnn_potential`: SEGNN with energy and forces."""
    return build_potential(SEGNNAtoms, norm=norm, **settings)
