"""Orders of the members of a set, whose number differs from sample to sample."""

from functools import lru_cache

import torch
from torch import Tensor

from symbench.errors import SymmetryError
from symbench.symmetry.symmetry import Element, Elements, stacked

_IDENTITY = 0


class Orders:
    """Permutations of all sets at once: an element is a seed, and whether it is taken back.

    A set of n members is put into a random order of n drawn from the seed; seed 0 is the identity.
    Elements are tensors of shape (2,): the seed, and 1 or -1.
    """

    name = "orders"
    order = None

    @property
    def identity(self) -> Tensor:
        """All sets as they are."""
        return torch.tensor([_IDENTITY, 1])

    def inverse(self, element: Element) -> Tensor:
        """The order that takes this one back."""
        return torch.as_tensor(element) * torch.tensor([1, -1])

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """So many random orders, shape (element, 2)."""
        seeds = torch.randint(1, 2**31, (count,), generator=generator)
        return torch.stack([seeds, torch.ones_like(seeds)], dim=1)

    def subset(self, count: int, seed: int) -> Tensor:
        """The identity and count - 1 random orders, shape (element, 2)."""
        if count < 1:
            raise SymmetryError(f"A subset of {self.name} has at least 1 element, not {count}.")
        others = self.sample(count - 1, torch.Generator().manual_seed(seed))
        return torch.cat([self.identity[None], others])

    def listed(self) -> Tensor:
        """Raises `SymmetryError`: sets of any size have no list of orders."""
        raise SymmetryError("Orders of sets of any size have no list: give a number of them.")

    def check(self, elements: Elements) -> Tensor:
        """Return a stack of elements; raises `SymmetryError` unless each is a seed and a sign."""
        elements = stacked(elements)
        good = elements.shape[1:] == (2,) and len(elements) > 0 and not elements.is_floating_point()
        if not good or bool((elements[:, 1].abs() != 1).any()):
            raise SymmetryError("Elements of orders are a seed and 1 or -1 each, at least one.")
        return elements

    def __str__(self) -> str:
        """The name."""
        return self.name


@lru_cache(maxsize=4096)
def order_of(seed: int, sign: int, members: int) -> Tensor:
    """The order that an element gives so many members, shape (member,): who comes at each place."""
    if seed == _IDENTITY:
        return torch.arange(members)
    order = torch.randperm(members, generator=torch.Generator().manual_seed(seed))
    return order if sign > 0 else order.argsort()
