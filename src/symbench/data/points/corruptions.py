"""Corruptions of point clouds at test: fewer points, noise, rotations."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.matrix_groups import OrthogonalGroup

Corruption = Callable[[Tensor, torch.Generator], Tensor]


def drop(share: float, points: Tensor, generator: torch.Generator) -> Tensor:
    """Clouds without a random share of their points; one at least is left."""
    kept = math.ceil((1 - share) * points.shape[1])
    order = torch.rand(points.shape[:2], generator=generator).argsort(dim=1)[:, :kept]
    return points.gather(1, order[..., None].expand(-1, -1, 3).to(points.device))


def jitter(size: float, points: Tensor, generator: torch.Generator) -> Tensor:
    """Normal noise on every coordinate; the largest distance from the centre is 1."""
    noise = torch.randn(points.shape, generator=generator).to(points)
    return points + size * noise


def rotate_upright(points: Tensor, generator: torch.Generator) -> Tensor:
    """A random angle about the last axis for each cloud."""
    angle = 2 * math.pi * torch.rand(len(points), generator=generator)
    rotation = torch.eye(3).repeat(len(points), 1, 1)
    rotation[:, 0, 0] = rotation[:, 1, 1] = angle.cos()
    rotation[:, 1, 0], rotation[:, 0, 1] = angle.sin(), -angle.sin()
    return rotate(rotation, points)


def rotate_freely(points: Tensor, generator: torch.Generator) -> Tensor:
    """A random rotation for each cloud."""
    return rotate(OrthogonalGroup(3, proper=True).sample(len(points), generator), points)


# By name of the test set, as in `Clouds.test_sets`.
CORRUPTIONS: dict[str, Corruption] = {
    "drop_quarter": partial(drop, 0.25),
    "drop_half": partial(drop, 0.5),
    "noise_002": partial(jitter, 0.02),
    "noise_005": partial(jitter, 0.05),
    "rotated_upright": rotate_upright,
    "rotated_freely": rotate_freely,
}
