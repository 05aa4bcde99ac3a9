"""Viscous Burgers' equation on a periodic line: u_t + u u_x = ν u_xx.

The velocity is a vector of one component: a flip turns its sign. Equation and law of the starts are
invariant under the flip and shifts.
"""

from symbench.data.fields.burgers_3d import Burgers3D


class Burgers1D(Burgers3D):
    """A velocity that steepens and decays on a line of length 2π."""

    name = "burgers_1d"
    dimension = 1
