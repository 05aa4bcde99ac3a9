"""Frames of O(d) for point clouds, unique where the spectrum of the covariance is simple.

Where two principal variances meet, the axes jump: no frame of O(d) is continuous everywhere
(Dym, Lawrence and Siegel, arXiv 2402.16077). `relative_gap` measures how close a cloud is to that,
and the frames refuse clouds that leave them open.
"""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from symbench.errors import SymmetryError
from symbench.symmetry.points.actions import rotate

# Of squared distances in double precision, over the largest.
SAME_DISTANCE = 1e-12


def principal_axes(points: Tensor) -> tuple[Tensor, Tensor]:
    """Principal variances and axes of clouds about their centroids, largest variance first.

    Args:
        points: shape (sample, point, axis).

    Returns:
        Variances, shape (sample, axis), and axes as columns, shape (sample, axis, axis), unique
        up to the sign of each column. Neither carries a gradient. Those of clouds that are not
        finite are arbitrary: what is made of such clouds is not finite either.

    """
    # In half precision, axes would not turn with their clouds.
    with torch.no_grad(), torch.autocast(points.device.type, enabled=False):
        wide = points if points.dtype == torch.float64 else points.float()
        centred = wide - wide.mean(dim=1, keepdim=True)
        variances, axes = finite_eigh(centred.mT @ centred / max(1, points.shape[1]))
        return variances.flip(-1), axes.flip(-1).to(points)


def finite_eigh(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of symmetric matrices, with 0 for entries that are not finite.

    PyTorch's own raises an error for the whole batch.
    """
    values, vectors = torch.linalg.eigh(matrices.nan_to_num(0.0, 0.0, 0.0))
    return values, vectors


def relative_gap(points: Tensor) -> Tensor:
    """Smallest difference of neighbouring principal variances over the largest, shape (sample,).

    The smallest variance counts too: what matters is whether the axes are told apart. Zero where
    all points lie at one place.
    """
    variances, _ = principal_axes(points)
    gap = (variances[:, :-1] - variances[:, 1:]).amin(dim=1)
    return gap / variances[:, 0].clamp(min=torch.finfo(gap.dtype).tiny)


def sign_patterns(dimension: int, device: torch.device | None = None) -> Tensor:
    """All 2^d patterns of signs, shape (pattern, axis), the trivial one first."""
    numbers = torch.arange(2**dimension, device=device)
    bits = numbers[:, None] // 2 ** torch.arange(dimension - 1, -1, -1, device=device) % 2
    return 1.0 - 2.0 * bits


def equal_variances(variances: Tensor) -> Tensor:
    """Which axes share their variance, up to rounding, with the next one or the one before.

    Args:
        variances: largest first, shape (sample, axis).

    Returns:
        Shape (sample, axis).

    """
    rounding = 16 * torch.finfo(variances.dtype).eps
    with_next = variances[:, :-1] - variances[:, 1:] <= rounding * variances[:, :1]
    none = torch.zeros_like(with_next[:, :1])
    return torch.cat([with_next, none], dim=1) | torch.cat([none, with_next], dim=1)


def left_open(equal: Tensor, along: Tensor) -> Tensor:
    """Which samples have a vector along axes of equal variance, shape (sample,), up to rounding.

    Any turn among such axes serves as well. That changes nothing where no vector has a component
    along them: a line is turned the same way whatever its other two axes are.

    Args:
        equal: shape (sample, axis); see `equal_variances`.
        along: length of all components along each axis, shape (sample, axis).

    """
    rounding = 1000 * torch.finfo(along.dtype).eps * along.amax(dim=1, keepdim=True)
    return (equal & (along > rounding)).any(dim=1)


def determined_axes(points: Tensor, *others: Tensor) -> Tensor:
    """Principal axes as columns, shape (sample, axis, axis); see `principal_axes`.

    Args:
        points: shape (sample, point, axis).
        others: further vectors that the axes turn, such as velocities, shape (sample, row, axis).

    Raises:
        SymmetryError: if a point or a vector has a component along axes of equal variance.

    """
    variances, axes = principal_axes(points)
    equal = equal_variances(variances)
    if bool(equal.any()):
        vectors = torch.cat([points - points.mean(dim=1, keepdim=True), *others], dim=1)
        along = rotate(axes.mT, vectors.detach()).norm(dim=1)
        if count := int(left_open(equal, along).sum()):
            raise SymmetryError(
                f"{count} of {len(points)} clouds have equal variances along some of their "
                "principal axes, which are not determined then: a model that is framed by them "
                "would not be equivariant."
            )
    return axes


def axes_frame(axes: Tensor, signs: Tensor | None = None) -> Tensor:
    """Elements that turn clouds into their axes, which are columns; see `principal_frame`."""
    patterns = sign_patterns(axes.shape[-1], axes.device) if signs is None else signs
    patterns = patterns.to(axes)
    if patterns.ndim == 2:
        patterns = patterns[:, None]
    return patterns[..., None] * axes.mT


def principal_frame(
    points: Tensor, signs: Tensor | None = None, others: Sequence[Tensor] = ()
) -> Tensor:
    """Elements of O(d) that turn each cloud into its principal axes.

    Args:
        points: shape (sample, point, axis).
        signs: patterns of signs, shape (pattern, axis) or (pattern, sample, axis): all 2^d of
            them by default (an exact frame). One random pattern, from `SignGroup(d).sample`, costs
            one pass and is equivariant only in expectation.
        others: further vectors that are turned, such as velocities, shape (sample, row, axis).

    Returns:
        Orthogonal matrices, shape (pattern, sample, axis, axis).

    Raises:
        SymmetryError: if the axes are not determined; see `determined_axes`.

    """
    return axes_frame(determined_axes(points, *others), signs)


def rotations_of(frame: Tensor) -> Tensor:
    """The half of a frame of O(d) that does not reflect: a frame of SO(d).

    Args:
        frame: shape (pattern, sample, axis, axis), all 2^d patterns of signs.

    Returns:
        Rotations, shape (pattern / 2, sample, axis, axis).

    """
    order = torch.linalg.det(frame).argsort(dim=0, descending=True)[: len(frame) // 2]
    return frame.gather(0, order[..., None, None].expand(-1, -1, *frame.shape[2:]))


def minimal_frame(points: Tensor, *, checked: bool = True) -> Tensor:
    """One element of O(d) for each cloud: Gram-Schmidt on its points in an invariant order.

    The points are taken by their distance from the centroid, the farthest first, which no rotation,
    reflection or renumbering changes; QR with a positive diagonal fixes all signs, so the frame has
    one element. Source of the idea: Lin et al., Minimal Frame Averaging, arXiv 2406.07598.

    Args:
        points: shape (sample, point, axis), at least d + 1 points in general position: the d that
            are farthest from the centroid lie at distances of their own, and span the space.
        checked: whether other clouds are refused, whose frames do not turn with them; a warning
            says where rounding decides.

    Returns:
        Orthogonal matrices, shape (1, sample, axis, axis).

    Raises:
        SymmetryError: if there are too few points to span the space, or they are in no general
            position.

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
        along = torch.diagonal(r, dim1=-2, dim2=-1)
        if checked:
            _check_general_position(points, along.abs().amin(dim=1))
        return (q * torch.where(along < 0, -1.0, 1.0)[:, None, :]).mT[None]


def _check_general_position(points: Tensor, height: Tensor) -> None:
    """Refuse clouds that leave their minimal frame open.

    Args:
        points: shape (sample, point, axis).
        height: the smallest distance of a chosen point from the space that those before it span,
            shape (sample,).

    """
    # Two distances may well agree to single precision by chance, and not in double precision.
    wide = points.double()
    wide = wide - wide.mean(dim=1, keepdim=True)
    squared = wide.square().sum(dim=-1).sort(dim=1, descending=True).values
    largest, dimension = squared[:, 0], points.shape[-1]
    gap = (squared[:, :dimension] - squared[:, 1 : dimension + 1]).amin(dim=1)
    # Of coordinates, as they are given.
    rounding = 8 * torch.finfo(points.dtype).eps * points.abs().amax(dim=(1, 2))
    special = (gap <= SAME_DISTANCE * largest) | (height <= rounding)
    if count := int(special.sum()):
        raise SymmetryError(
            f"{count} of {len(points)} clouds are in no general position, which the minimal frame "
            f"of O({dimension}) needs: the {dimension} points farthest from the centroid must lie "
            "at different distances from it and span the space."
        )
    near = (gap <= rounding * largest.sqrt()) | (height <= 8 * rounding)
    if count := int(near.sum()):
        warnings.warn(
            f"Rounding alone keeps {count} of {len(points)} clouds in general position: their "
            "minimal frames may not turn with them.",
            stacklevel=3,
        )
