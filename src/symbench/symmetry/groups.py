"""Groups, and finite ones as explicit lists with products, inverses and subgroup lattice."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from symbench.errors import SymmetryError

if TYPE_CHECKING:
    # Reading a config names groups, and must not wait for torch.
    import torch
    from torch import Tensor

    # An index in a `FiniteGroup`, an array in the groups of `points`.
    Element = int | Tensor
    Elements = Sequence[int] | Tensor


class Group(Protocol):
    """What averaging, augmentation and tests need of a group, finite or not.

    They name elements by what the group's actions take: an index in a `FiniteGroup`, an array in
    the groups of `points`. A stack of arrays has one axis more, in front.
    """

    @property
    def name(self) -> str:
        """Its name in config and messages."""

    @property
    def order(self) -> int | None:
        """Number of elements; None if infinite."""

    @property
    def identity(self) -> Element:
        """The element that changes nothing."""

    def inverse(self, element: Element) -> Element:
        """The element that undoes this one."""

    def sample(self, count: int, generator: torch.Generator) -> Elements:
        """So many uniform elements."""

    def subset(self, count: int, seed: int) -> Elements:
        """The identity and count - 1 random elements, to average over where all are too many."""

    def listed(self) -> Elements:
        """All elements, the identity first; raises `SymmetryError` if there are too many."""

    def check(self, elements: Elements) -> Elements:
        """Return the elements; raises `SymmetryError` unless all are of this group."""


def check_subset(group: Group, count: int) -> None:
    """Raise `SymmetryError` if a group has no subset of so many elements."""
    if count < 1 or (group.order is not None and count > group.order):
        most = f"1 to {group.order} elements" if group.order else "at least 1 element"
        raise SymmetryError(f"A subset of {group} has {most}, not {count}.")


class Composable(Protocol):
    """What the elements of a finite group offer: hashable, `a @ b` (b acts first), `inverse`."""

    def __matmul__(self, other: Self, /) -> Self:
        """Compose two elements."""

    def inverse(self) -> Self:
        """The element that undoes this one."""

    def __hash__(self) -> int:
        """Equal elements hash alike."""


E = TypeVar("E", bound=Composable)


@dataclass(frozen=True)
class FiniteGroup(Generic[E]):
    """An explicit list of elements, the identity first, closed under products and inverses.

    Build one with `generate` or `isometries.named_group`; an element is named by its index.
    """

    name: str
    elements: tuple[E, ...]

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.elements)

    @cached_property
    def _index(self) -> dict[E, int]:
        return {element: i for i, element in enumerate(self.elements)}

    def index(self, element: E) -> int:
        """Position of an element; raises `SymmetryError` if it is not in the group."""
        try:
            return self._index[element]
        except KeyError:
            raise SymmetryError(f"({element}) is not an element of {self.name}.") from None

    @cached_property
    def table(self) -> npt.NDArray[np.int64]:
        """Product table, shape (element, element): `elements[table[i, j]] = e_i @ e_j`."""
        return np.array([[self.index(a @ b) for b in self.elements] for a in self.elements])

    @cached_property
    def inverses(self) -> tuple[int, ...]:
        """Index of the inverse of each element."""
        return tuple(self.index(element.inverse()) for element in self.elements)

    @property
    def identity(self) -> int:
        """Index of the identity."""
        return 0

    def inverse(self, element: Element) -> int:
        """Index of the inverse of an element."""
        return self.inverses[int(element)]

    def sample(self, count: int, generator: torch.Generator) -> list[int]:
        """Indices of uniform elements."""
        import torch

        drawn: list[int] = torch.randint(self.order, (count,), generator=generator).tolist()
        return drawn

    def subset(self, count: int, seed: int) -> tuple[int, ...]:
        """Indices of the identity and of others, drawn without replacement."""
        check_subset(self, count)
        return (0, *sorted(random.Random(seed).sample(range(1, self.order), count - 1)))

    def listed(self) -> range:
        """Indices of all elements."""
        return range(self.order)

    def check(self, elements: Elements) -> tuple[int, ...]:
        """Return indices; raises `SymmetryError` for one that is not in the group."""
        indices = tuple(int(element) for element in elements)
        if not indices or not all(0 <= i < self.order for i in indices):
            raise SymmetryError(
                f"Elements {list(indices)} are not all in {self}: allowed are indices "
                f"0 to {self.order - 1}, at least one."
            )
        return indices

    def closure(self, indices: Iterable[int]) -> frozenset[int]:
        """Indices of the smallest subgroup that holds the given elements."""
        members = {0, *indices}
        while True:
            ordered = sorted(members)
            products = set(np.unique(self.table[np.ix_(ordered, ordered)]).tolist())
            if products <= members:
                return frozenset(members)
            members |= products

    @cached_property
    def subgroups(self) -> tuple[frozenset[int], ...]:
        """All subgroups as sets of element indices, by order, the trivial one first."""
        cyclic = {self.closure([i]) for i in range(self.order)}
        found = set(cyclic)
        frontier = set(cyclic)
        while frontier:
            joined = {self.closure(a | b) for a in frontier for b in cyclic if not b <= a}
            frontier = joined - found
            found |= frontier
        return tuple(sorted(found, key=lambda s: (len(s), sorted(s))))

    def subgroup(self, indices: Iterable[int], name: str | None = None) -> FiniteGroup[E]:
        """The subgroup with the given element indices; raises `SymmetryError` if not closed."""
        members = frozenset(indices)
        if self.closure(members) != members:
            raise SymmetryError(
                f"The {len(members)} chosen elements of {self.name} are not a subgroup: "
                "they lack the identity or a product of two of them."
            )
        ordered = tuple(self.elements[i] for i in sorted(members))
        return FiniteGroup(name or f"{self.name}[{len(ordered)}]", ordered)

    def __str__(self) -> str:
        """Name and order."""
        return f"{self.name} ({self.order} elements)"


def generate(name: str, generators: Sequence[E]) -> FiniteGroup[E]:
    """The group of all products of the generators."""
    start = generators[0] @ generators[0].inverse()
    found = {start: None}
    frontier = [start]
    while frontier:
        products = [g @ element for element in frontier for g in generators]
        frontier = [p for p in dict.fromkeys(products) if p not in found]
        found.update(dict.fromkeys(frontier))
    return FiniteGroup(name, tuple(found))


def product(*groups: FiniteGroup[E]) -> FiniteGroup[E]:
    """The group generated by all elements of the given groups (their product where they meet)."""
    name = " * ".join(group.name for group in groups)
    return generate(name, [element for group in groups for element in group.elements])
