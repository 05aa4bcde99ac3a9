"""Frames of O(d) for point clouds, unique where the spectrum of the covariance is simple.

Where two principal variances meet, the axes jump: no frame of O(d) is continuous everywhere
(Dym, Lawrence and Siegel, arXiv 2402.16077). `relative_gap` measures how close a cloud is to that.
"""

import itertools

import torch
from torch import Tensor

from symbench.errors import SymmetryError


def principal_axes(points: Tensor) -> tuple[Tensor, Tensor]:
    """Principal variances and axes of clouds about their centroids, largest variance first.

    Args:
        points: shape (sample, point, axis).

    Returns:
        Variances, shape (sample, axis), and axes as columns, shape (sample, axis, axis), unique
        up to the sign of each column. Neither carries a gradient.

    """
    with torch.no_grad():
        centred = points - points.mean(dim=1, keepdim=True)
        covariance = centred.mT @ centred / points.shape[1]
        variances, axes = torch.linalg.eigh(covariance)
        return variances.flip(-1), axes.flip(-1)


def relative_gap(points: Tensor) -> Tensor:
    """Smallest difference of neighbouring principal variances over the largest, shape (sample,).

    The smallest variance counts too: what matters is whether the axes are told apart.
    """
    variances, _ = principal_axes(points)
    return (variances[:, :-1] - variances[:, 1:]).amin(dim=1) / variances[:, 0]


def sign_patterns(dimension: int) -> Tensor:
    """All 2^d patterns of signs, shape (pattern, axis), the trivial one first."""
    return torch.tensor(list(itertools.product((1.0, -1.0), repeat=dimension)))


def principal_frame(points: Tensor, signs: Tensor | None = None) -> Tensor:
    """Elements of O(d) that turn each cloud into its principal axes.

    Args:
        points: shape (sample, point, axis).
        signs: patterns of signs, shape (pattern, axis) or (pattern, sample, axis): all 2^d of
            them by default (an exact frame). One random pattern, from `SignGroup(d).sample`, costs
            one pass and is equivariant only in expectation.

    Returns:
        Orthogonal matrices, shape (pattern, sample, axis, axis).

    """
    _, axes = principal_axes(points)
    patterns = sign_patterns(points.shape[-1]) if signs is None else signs
    patterns = patterns.to(axes)
    if patterns.ndim == 2:
        patterns = patterns[:, None]
    return patterns[..., None] * axes.mT


def minimal_frame(points: Tensor) -> Tensor:
    """One element of O(d) for each cloud: Gram-Schmidt on its points in an invariant order.

    The points are taken by their distance from the centroid, the farthest first, which no rotation,
    reflection or renumbering changes; QR with a positive diagonal fixes all signs, so the frame has
    one element. Source of the idea: Lin et al., Minimal Frame Averaging, arXiv 2406.07598.

    Args:
        points: shape (sample, point, axis), at least d + 1 points in general position.

    Returns:
        Orthogonal matrices, shape (1, sample, axis, axis).

    Raises:
        SymmetryError: if there are too few points to span the space.

    """
    dimension = points.shape[-1]
    if points.shape[1] <= dimension:
        raise SymmetryError(
            f"The minimal frame of O({dimension}) needs at least {dimension + 1} points, "
            f"not {points.shape[1]}."
        )
    with torch.no_grad():
        centred = points - points.mean(dim=1, keepdim=True)
        order = centred.square().sum(dim=-1).argsort(dim=1, descending=True)
        chosen = order[:, :dimension, None].expand(-1, -1, dimension)
        q, r = torch.linalg.qr(centred.gather(1, chosen).mT)
        signs = torch.sign(torch.diagonal(r, dim1=-2, dim2=-1))
        return (q * torch.where(signs == 0, 1.0, signs)[:, None, :]).mT[None]
