"""Distances whose gradients are finite everywhere."""

from torch import Tensor

# Å²; the square root has no derivative at zero, and atoms are never as near as this.
_NEAREST = 1e-12


def length(vectors: Tensor) -> Tensor:
    """Lengths of vectors, shape (..., axis) to (..., 1).

    Vectors shorter than 1e-6 count as so long, and have a gradient of zero.
    """
    return vectors.square().sum(dim=-1, keepdim=True).clamp(min=_NEAREST).sqrt()
