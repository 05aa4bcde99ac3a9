"""Audit of rotations and reflections for data of points, from first and second moments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from symbench.data.arrays import Array
from symbench.symmetry.audit import ElementAudit, audit_moved_features
from symbench.symmetry.points.matrix_groups import OrthogonalGroup

# The randomisation test takes time and memory with the square of this.
AUDITED_SAMPLES = 100
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

    def moved(self, element: Array) -> Array:
        """All moments of moved data, shape (sample, feature)."""
        first = self.first @ element.T
        second = element @ self.second @ element.T
        return np.concatenate([part.reshape(len(first), -1) for part in (first, second)], axis=1)


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
        features = np.stack([moments.moved(power) for power in powers])
        asymmetry, p_value = audit_moved_features(features, len(elements), seed=number)
        name = f"{'reflection' if reflected else 'quarter turn'} {number}"
        audits.append(ElementAudit.judged(name, errors[number], asymmetry, p_value, len(elements)))
    return audits


def _standard_element(dimension: int, reflects: bool) -> Array:
    """A reflection of the first axis, or a quarter turn of the first two."""
    element = np.eye(dimension)
    if reflects:
        element[0, 0] = -1.0
    else:
        element[:2, :2] = [[0.0, -1.0], [1.0, 0.0]]
    return element
