"""Distances and directions whose gradients are finite everywhere."""

import torch
from torch import Tensor

# Å²; the square root has no derivative at zero, and atoms are never as near as this.
_NEAREST = 1e-12


def length(vectors: Tensor) -> Tensor:
    """Lengths of vectors, shape (..., axis) to (..., 1).

    Vectors shorter than 1e-6 count as so long, and have a gradient of zero.
    """
    return vectors.square().sum(dim=-1, keepdim=True).clamp(min=_NEAREST).sqrt()


def direction(vectors: Tensor) -> Tensor:
    """Unit vectors, shape (..., axis); zero, with a gradient of zero, for those below 1e-6."""
    squared = vectors.square().sum(dim=-1, keepdim=True)
    units = vectors * squared.clamp(min=_NEAREST).rsqrt()
    return torch.where(squared <= _NEAREST, 0.0, units)
