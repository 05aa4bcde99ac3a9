"""Audit of rotations and reflections for data of points, from first and second moments."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from symbench.data.arrays import Array
from symbench.symmetry.audit import ElementAudit, audit_elements, judge
from symbench.symmetry.grids.isometries import GridGroup
from symbench.symmetry.grids.isometry import GridIsometry
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.randomisation import in_blocks, randomisation_test

AUDITED_SAMPLES = 1000
_AUDITED_ELEMENTS = 6


@dataclass(frozen=True)
class Moments:
    """What a rotation moves: means of vectors and of their products.

    Attributes:
        first: shape (sample, vector, axis).
        second: shape (sample, tensor, axis, axis).

    """

    first: Array
    second: Array

    @classmethod
    def of(cls, *vectors: Array) -> Moments:
        """Moments of the first samples, of kinds of vectors of shape (sample, point, axis)."""
        vectors = tuple(kind[:AUDITED_SAMPLES] for kind in vectors)
        products = [
            np.einsum("tia,tib->tab", a, b) / a.shape[1]
            for place, a in enumerate(vectors)
            for b in vectors[place:]
        ]
        return cls(np.stack([v.mean(axis=1) for v in vectors], axis=1), np.stack(products, axis=1))

    def moved(self, elements: Sequence[Array]) -> list[tuple[str, Array]]:
        """Kinds of moments of data moved by each of some elements, each vector in its own unit.

        Returns:
            Name and values of each kind, shape (element, block of samples, moment).

        """
        pairs = np.array(
            list(itertools.combinations_with_replacement(range(self.first.shape[1]), 2))
        )
        squares = self.second[:, pairs[:, 0] == pairs[:, 1]].trace(axis1=2, axis2=3)
        units = np.sqrt(squares.mean(axis=0))
        units[units == 0] = 1.0
        first = self.first / units[:, None]
        second = self.second / units[pairs].prod(axis=1)[:, None, None]
        kinds = {
            "mean vectors": [first @ g.T for g in elements],
            "products of vectors": [g @ second @ g.T for g in elements],
        }
        return [
            (name, in_blocks(np.stack([part.reshape(len(part), -1) for part in moved])))
            for name, moved in kinds.items()
        ]


def audit_rotations(
    group: OrthogonalGroup,
    moments: Moments,
    dynamics_errors: Callable[[Tensor], list[float] | None] | None = None,
) -> list[ElementAudit]:
    """Audit quarter turns in random planes, and reflections where the group has them.

    Args:
        group: O(d) or SO(d).
        moments: of the training data.
        dynamics_errors: `Dataset.dynamics_errors` of the group, where there is a simulator.

    """
    bases = group.sample(_AUDITED_ELEMENTS, torch.Generator().manual_seed(0)).numpy()
    reflects = [number % 2 == 0 and not group.proper for number in range(len(bases))]
    planes = [_standard_element(group.dimension, reflected) for reflected in reflects]
    elements = np.stack([b @ g @ b.T for b, g in zip(bases, planes, strict=True)])
    found = dynamics_errors(torch.from_numpy(elements)) if dynamics_errors else None
    errors = [float("nan")] * len(elements) if found is None else found
    audits = []
    for number, (element, reflected) in enumerate(zip(elements, reflects, strict=True)):
        powers = [np.linalg.matrix_power(element, k) for k in range(2 if reflected else 4)]
        law = randomisation_test(
            moments.moved(powers), len(moments.first), len(elements), seed=number
        )
        name = f"{'reflection' if reflected else 'quarter turn'} {number}"
        audits.append(ElementAudit.judged(name, errors[number], law, len(elements)))
    return audits


def audit_matrices(
    group: GridGroup, moved: Callable[[Sequence[Array]], dict[str, Array]], samples: int
) -> list[ElementAudit]:
    """Audit the law of points under each element of a group of signed permutations.

    Args:
        group: the group, without shifts.
        moved: from matrices to each kind of moments of the data that they move, shape (matrix,
            sample, ...), by name.
        samples: independent ones.

    """

    def kinds(powers: Sequence[GridIsometry]) -> list[tuple[str, Array]]:
        found = []
        for name, values in moved([power.matrix for power in powers]).items():
            flat = values.reshape(*values.shape[:2], -1)
            unit = np.sqrt((flat[0] ** 2).mean()) or 1.0
            found.append((name, in_blocks(flat / unit)))
        return found

    return judge(group, None, audit_elements(group, kinds, samples))


def _standard_element(dimension: int, reflects: bool) -> Array:
    """A reflection of the first axis, or a quarter turn of the first two."""
    element = np.eye(dimension)
    if reflects:
        element[0, 0] = -1.0
    else:
        element[:2, :2] = [[0.0, -1.0], [1.0, 0.0]]
    return element
