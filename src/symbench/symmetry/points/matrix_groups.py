"""Groups whose elements are arrays: signs of eigenvectors, orthogonal matrices.

An element is a tensor; a stack of elements has one leading axis more, and acts on a batch with one
element for each sample.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symbench.errors import SymmetryError
from symbench.symmetry.groups import check_subset
from symbench.symmetry.symmetry import stacked

if TYPE_CHECKING:
    from symbench.symmetry.groups import Element, Elements

LARGEST_LIST = 2**16


@dataclass(frozen=True)
class SignGroup:
    """{±1}^k: independent flips of the signs of k eigenvectors; elements of shape (column,)."""

    columns: int

    @property
    def name(self) -> str:
        """Such as signs(16)."""
        return f"signs({self.columns})"

    @property
    def order(self) -> int:
        """2^k."""
        return int(2**self.columns)

    @property
    def identity(self) -> Tensor:
        """All signs +1."""
        return torch.ones(self.columns, dtype=torch.float64)

    def inverse(self, element: Element) -> Tensor:
        """A flip undoes itself."""
        return torch.as_tensor(element)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Uniform elements, shape (count, column)."""
        bits = torch.randint(2, (count, self.columns), generator=generator)
        return 1.0 - 2.0 * bits.double()

    def subset(self, count: int, seed: int) -> Tensor:
        """The identity and count - 1 elements, drawn independently."""
        return identity_and_others(self, count, seed)

    def listed(self) -> Tensor:
        """All elements, the identity first, shape (element, column); up to 2^16."""
        _check_listable(self.name, self.order)
        return torch.tensor(
            list(itertools.product((1.0, -1.0), repeat=self.columns)), dtype=torch.float64
        ).reshape(self.order, self.columns)

    def check(self, elements: Elements) -> Tensor:
        """Return a stack of elements; raises `SymmetryError` if they are none of this group."""
        elements = stacked(elements)
        if elements.shape[1:] != (self.columns,) or not bool((elements.abs() == 1).all()):
            raise SymmetryError(f"Elements of {self.name} are {self.columns} signs each.")
        return elements

    def __str__(self) -> str:
        """Name and order."""
        return f"{self.name} ({self.order} elements)"


@dataclass(frozen=True)
class OrthogonalGroup:
    """O(d), or SO(d) if proper: rotations (and reflections); elements of shape (axis, axis)."""

    dimension: int
    proper: bool = False

    @property
    def name(self) -> str:
        """Such as O(3)."""
        return f"{'S' if self.proper else ''}O({self.dimension})"

    @property
    def order(self) -> None:
        """Infinite."""
        return None

    @property
    def identity(self) -> Tensor:
        """The unit matrix."""
        return torch.eye(self.dimension, dtype=torch.float64)

    def inverse(self, element: Element) -> Tensor:
        """The transposed matrix."""
        return torch.as_tensor(element).mT

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Elements by the Haar measure, shape (count, axis, axis).

        QR of a Gaussian matrix with the signs of R's diagonal moved into Q (Mezzadri,
        arXiv math-ph/0609050).
        """
        shape = (count, self.dimension, self.dimension)
        gaussian = torch.randn(shape, generator=generator, dtype=torch.float64)
        q, r = torch.linalg.qr(gaussian)
        q = q * torch.sign(torch.diagonal(r, dim1=-2, dim2=-1))[:, None, :]
        if self.proper:
            first = torch.cat([torch.linalg.det(q)[:, None], q.new_ones(count, shape[1] - 1)], 1)
            q = q * first[:, None, :]
        return q

    def subset(self, count: int, seed: int) -> Tensor:
        """The identity and count - 1 elements, drawn independently."""
        return identity_and_others(self, count, seed)

    def listed(self) -> Tensor:
        """Raises `SymmetryError`: there is no list of infinitely many elements."""
        raise SymmetryError(
            f"{self.name} has infinitely many elements: give a number of sampled elements."
        )

    def check(self, elements: Elements) -> Tensor:
        """Return a stack in double precision; raises `SymmetryError` for other elements."""
        wide = stacked(elements).double()
        d = self.dimension
        good = wide.shape[1:] == (d, d) and len(wide) > 0
        if good:
            good = bool(torch.allclose(wide @ wide.mT, self.identity.to(wide), atol=1e-5))
            good = good and not (self.proper and bool((torch.linalg.det(wide) < 0).any()))
        if not good:
            raise SymmetryError(
                f"Elements of {self.name} are {d}x{d} orthogonal matrices, at least one."
            )
        return wide

    def __str__(self) -> str:
        """The name."""
        return self.name


def identity_and_others(group: SignGroup | OrthogonalGroup, count: int, seed: int) -> Tensor:
    """The identity and count - 1 elements, drawn independently, shape (element, ...)."""
    check_subset(group, count)
    others = group.sample(count - 1, torch.Generator().manual_seed(seed))
    return torch.cat([group.identity[None], others])


def _check_listable(name: str, order: int) -> None:
    if order > LARGEST_LIST:
        raise SymmetryError(
            f"{name} has {order} elements, too many to list (at most {LARGEST_LIST}): "
            "give a number of sampled elements."
        )
