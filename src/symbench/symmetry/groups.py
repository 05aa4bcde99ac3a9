"""Groups, and finite ones as explicit lists with products, inverses and subgroup lattice."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Protocol, Self, SupportsIndex, TypeVar, cast

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


def whole_number(value: object) -> int | None:
    """A number as Python, NumPy or torch give it; None for a truth value or what is no number."""
    if str(getattr(value, "dtype", type(value).__name__)).endswith("bool"):
        return None
    try:
        return operator.index(cast(SupportsIndex, value))
    except TypeError:
        return None


def checked_seed(value: object) -> int:
    """A seed of both Python's generator and torch's; raises `SymmetryError` for what is none."""
    number = whole_number(value)
    if number is None or not -(2**63) <= number < 2**63:
        raise SymmetryError(f"seed={value!r}: give a whole number of at most 63 bits.")
    return number


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
T = TypeVar("T")
# Groups are lists: a table of products has the square of this.
LARGEST_ORDER = 4096


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

    def __contains__(self, element: E) -> bool:
        """Whether this is an element of the group."""
        return element in self._index

    def index(self, element: E) -> int:
        """Position of an element; raises `SymmetryError` if it is not in the group."""
        try:
            return self._index[element]
        except KeyError:
            raise SymmetryError(f"({element}) is not an element of {self.name}.") from None

    @cached_property
    def table(self) -> npt.NDArray[np.int64]:
        """Product table, shape (element, element): `elements[table[i, j]] = e_i @ e_j`."""
        table = np.zeros((self.order, self.order), dtype=np.int64)
        table[0] = np.arange(self.order)
        known, generators = {0}, list[int]()
        for index, element in enumerate(self.elements):
            if index in known:
                continue
            # Only rows of generators g are composed: (g a) b = g (a b) gives those of products.
            generators.append(index)
            table[index] = [self.index(element @ other) for other in self.elements]
            known.add(index)
            frontier = list(known)
            while frontier:
                a = frontier.pop()
                for g in generators:
                    if (ga := int(table[g, a])) not in known:
                        table[ga] = table[g][table[a]]
                        known.add(ga)
                        frontier.append(ga)
        return table

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
        numbers = [whole_number(element) for element in elements]
        indices = tuple(i for i in numbers if i is not None and 0 <= i < self.order)
        if not indices or len(indices) < len(numbers):
            raise SymmetryError(
                f"Elements {list(elements)} are not all in {self}: allowed are indices "
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

    def is_subgroup(self, indices: Iterable[int]) -> bool:
        """Whether these elements, each of them once, are closed under products."""
        members = list(indices)
        once = len(set(members)) == len(members)
        return once and (len(members) == self.order or len(self.closure(members)) == len(members))

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
        if not self.is_subgroup(members):
            raise SymmetryError(
                f"The {len(members)} chosen elements of {self.name} are not a subgroup: "
                "they lack the identity or a product of two of them."
            )
        ordered = tuple(self.elements[i] for i in sorted(members))
        return FiniteGroup(name or f"{self.name}[{len(ordered)}]", ordered)

    def __str__(self) -> str:
        """Name and order."""
        return f"{self.name} ({self.order} elements)"


def _breadth_first(start: T, multiples: Callable[[T], Iterable[T]], name: str) -> tuple[T, ...]:
    """All that is reached from the start, in the order of its discovery."""
    found, seen = [start], {start}
    # The list grows while it is read.
    for item in found:
        for other in multiples(item):
            if other not in seen:
                seen.add(other)
                found.append(other)
        if len(found) > LARGEST_ORDER:
            raise SymmetryError(f"Group {name} has more than {LARGEST_ORDER} elements.")
    return tuple(found)


def generate(name: str, generators: Sequence[E]) -> FiniteGroup[E]:
    """The group of all products of the generators.

    Raises:
        SymmetryError: if it has more than `LARGEST_ORDER` elements.

    """
    start = generators[0] @ generators[0].inverse()
    return FiniteGroup(name, _breadth_first(start, lambda e: [g @ e for g in generators], name))


def product(*groups: FiniteGroup[E]) -> FiniteGroup[E]:
    """The group generated by all elements of the given groups (their product where they meet)."""
    name = " * ".join(group.name for group in groups)
    members = [element for group in groups for element in group.elements]
    few = members[:1]
    whole = generate(name, few)
    for member in members:
        if member not in whole:
            few.append(member)
            whole = generate(name, few)
    # The order of `generate(name, members)`, which would compose many more elements.
    rows = whole.table[[whole.index(member) for member in members]]
    order = _breadth_first(0, lambda i: rows[:, i].tolist(), name)
    return FiniteGroup(name, tuple(whole.elements[i] for i in order))
