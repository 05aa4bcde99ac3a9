"""Corruptions of point clouds at test: fewer points, noise, rotations."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from symbench.data.batch import Batch
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.matrix_groups import OrthogonalGroup

Corruption = Callable[[Tensor, torch.Generator], Tensor]


def drop(share: float, points: Tensor, generator: torch.Generator) -> Tensor:
    """Clouds without a random share of their points."""
    kept = math.ceil((1 - share) * points.shape[1])
    order = torch.rand(points.shape[:2], generator=generator).argsort(dim=1)[:, :kept]
    return points.gather(1, order[..., None].expand(-1, -1, 3).to(points.device))


def jitter(size: float, points: Tensor, generator: torch.Generator) -> Tensor:
    """Normal noise on every coordinate; the largest distance from the centre is 1."""
    noise = torch.randn(points.shape, generator=generator).to(points)
    return points + size * noise


def turn_upright(points: Tensor, generator: torch.Generator) -> Tensor:
    """A random angle about the last axis for each cloud."""
    angle = 2 * math.pi * torch.rand(len(points), generator=generator)
    rotation = torch.eye(3).repeat(len(points), 1, 1)
    rotation[:, 0, 0] = rotation[:, 1, 1] = angle.cos()
    rotation[:, 1, 0], rotation[:, 0, 1] = angle.sin(), -angle.sin()
    return rotate(rotation, points)


def turn_freely(points: Tensor, generator: torch.Generator) -> Tensor:
    """A random rotation for each cloud."""
    return rotate(OrthogonalGroup(3, proper=True).sample(len(points), generator), points)


CORRUPTIONS: dict[str, Corruption] = {
    "drop_quarter": partial(drop, 0.25),
    "drop_half": partial(drop, 0.5),
    "noise_002": partial(jitter, 0.02),
    "noise_005": partial(jitter, 0.05),
    "turned_upright": turn_upright,
    "turned_freely": turn_freely,
}


class Corrupted:
    """A split whose inputs are corrupted, each sample always in the same way."""

    def __init__(self, split: Any, corruption: Corruption) -> None:
        """Wrap a split of point clouds."""
        self.split = split
        self.corruption = corruption

    @property
    def samples(self) -> npt.NDArray[np.int64]:
        """Those of the split."""
        windows: npt.NDArray[np.int64] = self.split.samples
        return windows

    def batch(self, rows: npt.NDArray[np.int64], generator: torch.Generator | None = None) -> Batch:
        """Some samples, corrupted."""
        batch: Batch = self.split.batch(rows)
        chosen = torch.Generator().manual_seed(int(rows[0, 0]))
        return replace(batch, inputs=self.corruption(batch.inputs, chosen))

    def scores(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Those of the split."""
        scores: dict[str, Tensor] = self.split.scores(prediction, batch)
        return scores
