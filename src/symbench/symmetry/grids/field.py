"""What a physical field on a grid is: its name, tensor order and parity. Needs no torch."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from symbench.errors import SymmetryError


@dataclass(frozen=True)
class Field:
    """A physical field on a grid.

    Attributes:
        name: for messages and tables.
        order: tensor order: 0 scalar, 1 vector, 2 matrix.
        parity: +1 for true tensors, -1 for axial ones, which take a factor det(R).

    """

    name: str
    order: int = 0
    parity: int = 1

    def __post_init__(self) -> None:
        """Check order and parity."""
        if self.order not in (0, 1, 2) or self.parity not in (1, -1):
            raise SymmetryError(
                f"Field '{self.name}' has order {self.order} and parity {self.parity}; "
                "allowed are orders 0, 1, 2 and parities +1, -1."
            )

    def channels(self, dimension: int) -> int:
        """Number of components in so many spatial dimensions."""
        return int(dimension**self.order)

    def component_names(self, dimension: int) -> list[str]:
        """Names such as 'velocity_x', in channel order."""
        indices = itertools.product("xyz"[:dimension], repeat=self.order)
        return [self.name + ("_" + "".join(index) if index else "") for index in indices]


def channel_count(fields: Sequence[Field], dimension: int) -> int:
    """Number of channels of one frame."""
    return sum(field.channels(dimension) for field in fields)
