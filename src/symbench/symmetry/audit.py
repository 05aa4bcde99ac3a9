"""Does a symmetry hold? For the dynamics, by simulating; for the distribution, by a test.

Averaging is certain to help only if the true map is equivariant and the law of the data invariant
(P3). The first is decided by solving the transformed start and comparing with the transformed
solution; the second by a randomisation test: if the law is invariant, moving each trajectory by a
random power of g changes nothing, so the observed asymmetry must not stand out among those of
moved data. Source of the test: Lehmann and Romano, Testing Statistical Hypotheses, section 17.2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from symbench.errors import AuditError
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction
from symbench.symmetry.grids.isometries import GridGroup

Array = npt.NDArray[np.floating]

# Double precision leaves about 1e-12 after a few frames; a broken symmetry leaves over 1e-3.
DYNAMICS_TOLERANCE = 1e-6
# Chance that an exact symmetry is refused, over all elements of the group.
FALSE_ALARM = 1e-3
_BLOCK = 1000
_ENOUGH = 20


@dataclass(frozen=True)
class ElementAudit:
    """The audit of one element.

    Attributes:
        element: its text, such as "-y,x".
        dynamics_error: relative difference between the solution of the moved start and the moved
            solution; NaN where there is no simulator.
        asymmetry: squared difference of the mean features of the data and of the moved data, in
            units of its expectation under invariance (1 is typical, much more is suspicious).
        p_value: of the randomisation test of the distribution.
        passed: whether both audits passed.

    """

    element: str
    dynamics_error: float
    asymmetry: float
    p_value: float
    passed: bool

    @classmethod
    def judged(
        cls, element: str, dynamics_error: float, asymmetry: float, p_value: float, elements: int
    ) -> "ElementAudit":
        """The verdict on one of so many elements."""
        passed = not dynamics_error > DYNAMICS_TOLERANCE and p_value > FALSE_ALARM / elements
        return cls(element, dynamics_error, asymmetry, p_value, passed)


def audit_dynamics(
    solve: Callable[[Array, int], Array],
    starts: Array,
    group: GridGroup,
    state_fields: Sequence[Field],
    fields: Sequence[Field],
    frames: int = 2,
) -> list[float]:
    """Relative equivariance error of a simulator, one number per element of the group.

    Args:
        solve: maps states (start, state channel, *space) and a number of frames to fields of
            shape (start, frame, channel, *space), in double precision.
        starts: states to solve from.
        group: the group.
        state_fields: what the states hold.
        fields: what the solutions hold.
        frames: frames to compare; the first is the start itself.

    """
    on_state, on_fields = FieldAction(group, state_fields), FieldAction(group, fields)
    plain = torch.tensor(starts)
    moved = [on_state(index, plain) for index in range(group.order)]
    # One call for the whole orbit, since a solver may be compiled for each call.
    solutions = torch.tensor(solve(torch.cat([plain, *moved]).numpy(), frames))
    reference, *found = solutions.split(len(plain))
    errors = []
    for index, solution in enumerate(found):
        expected = on_fields(index, reference.flatten(0, 1)).reshape(reference.shape)
        errors.append(float((solution - expected).norm() / expected.norm()))
    return errors


def features(frames: Tensor) -> list[Tensor]:
    """Statistics of trajectories that a symmetry of the law must leave alone.

    Means and covariances of the channels, mean squared slopes along each axis, and the mean field
    on a coarse grid.

    Args:
        frames: shape (trajectory, time, channel, *space), standardised per field.

    Returns:
        One tensor for each of the four kinds, shape (trajectory, feature).

    """
    space = list(range(3, frames.ndim))
    mean = frames.mean(dim=[1, *space])
    covariance = torch.einsum("ntc...,ntd...->ncd", frames, frames) / frames[0, :, 0].numel()
    slopes = torch.stack(
        [((frames.roll(-1, axis) - frames) ** 2).mean(dim=[1, *space]) for axis in space], dim=1
    )
    profile = frames.mean(dim=1)
    for axis in range(2, profile.ndim):
        size = profile.shape[axis]
        coarse = next(c for c in (16, 8, 4, 2, 1) if size % c == 0 and c ** len(space) <= 512)
        profile = profile.unflatten(axis, (coarse, size // coarse)).mean(dim=axis + 1)
    return [part.flatten(1) for part in (mean, covariance, slopes, profile)]


def audit_distribution(
    frames: Tensor, group: GridGroup, fields: Sequence[Field], seed: int = 0
) -> list[tuple[float, float]]:
    """Asymmetry and p-value of the law of trajectories, one pair per element.

    Args:
        frames: shape (trajectory, time, channel, *space), in physical units.
        group: the group.
        fields: the fields in channel order.
        seed: of the randomisation.

    """
    action = FieldAction(group, fields)
    scale = _field_scale(frames, fields)
    # In double precision, so that data that are moved back and forth tie exactly.
    flat = (frames.double() / scale).flatten(0, 1)
    kinds = zip(
        *(features(action(g, flat).reshape(frames.shape)) for g in range(group.order)), strict=True
    )
    moved = np.concatenate([_standardise(torch.stack(kind).numpy()) for kind in kinds], axis=2)
    rng = np.random.default_rng(seed)
    draws = int(2 * group.order / FALSE_ALARM)
    results = [(0.0, 1.0)]
    for index in range(1, group.order):
        results.append(_randomisation_test(moved, powers_of(group, index), rng, draws))
    return results


def audit_moved_features(features: Array, elements: int = 1, seed: int = 0) -> tuple[float, float]:
    """Asymmetry and p-value of a law under one element of finite order.

    Args:
        features: of the data moved by g^0, g^1, ... up to the order of g, shape (power, trajectory,
            feature).
        elements: how many elements are tested; the p-value is resolved accordingly.
        seed: of the randomisation.

    """
    draws = int(2 * elements / FALSE_ALARM)
    powers = list(range(len(features)))
    return _randomisation_test(_standardise(features), powers, np.random.default_rng(seed), draws)


def _standardise(moved: Array) -> Array:
    """Give each feature of a kind the same spread, and each kind the same weight in the sum.

    Without the second, hundreds of cells of the mean field drown a variance that differs between
    two components.
    """
    centred = moved - moved.mean(axis=(0, 1))
    return centred / (moved.std(axis=(0, 1)) + 1e-12) / moved.shape[2] ** 0.5


def powers_of(group: GridGroup, index: int) -> list[int]:
    """Indices of the cyclic group of an element, in order: e, g, g², ..."""
    powers = [0, index]
    while (following := int(group.table[index, powers[-1]])) != 0:
        powers.append(following)
    return powers


def _randomisation_test(
    moved: Array, powers: list[int], rng: np.random.Generator, draws: int
) -> tuple[float, float]:
    """Compare mean features of the data and of the data moved by g with randomised versions."""
    # Row k holds, for each trajectory, the change of its features by g after moving it by g^k.
    changes = np.stack(
        [moved[powers[(k + 1) % len(powers)]] - moved[powers[k]] for k in range(len(powers))]
    )
    trajectories = changes.shape[1]
    observed = float((changes[0].mean(axis=0) ** 2).sum())
    gram = np.einsum("ktf,lsf->ktls", changes, changes)
    flat = gram.reshape(len(powers) * trajectories, -1)
    null: list[float] = []
    exceeding = 0
    # Stop as soon as enough moved data are as asymmetric (Besag and Clifford 1991): the p-value
    # of a symmetry that holds needs no precision.
    while len(null) < draws and exceeding < _ENOUGH:
        choice = rng.integers(len(powers), size=(_BLOCK, trajectories))
        rows = choice * trajectories + np.arange(trajectories)
        block = flat[rows[:, :, None], rows[:, None, :]].sum(axis=(1, 2)) / trajectories**2
        exceeding += int((block >= observed * (1 - 1e-9)).sum())
        null += block.tolist()
    p_value = (1 + exceeding) / (1 + len(null))
    return observed / max(float(np.mean(null)), 1e-30), p_value


def _field_scale(frames: Tensor, fields: Sequence[Field]) -> Tensor:
    """One scale per field, the same for all its components, so that it commutes with the group."""
    dimension = frames.ndim - 3
    scales, channel = [], 0
    for field in fields:
        components = field.channels(dimension)
        part = frames[:, :, channel : channel + components]
        scales += [float(part.square().mean().sqrt()) or 1.0] * components
        channel += components
    return frames.new_tensor(scales).reshape(-1, *[1] * dimension)


def judge(
    group: GridGroup,
    dynamics: Sequence[float] | None,
    distribution: Sequence[tuple[float, float]],
) -> list[ElementAudit]:
    """Put both audits together, one entry per element."""
    errors = dynamics or [float("nan")] * group.order
    return [
        ElementAudit.judged(str(element), error, asymmetry, p_value, group.order)
        for element, error, (asymmetry, p_value) in zip(
            group.elements, errors, distribution, strict=True
        )
    ]


def refuse_broken(task: str, group: str, audits: Sequence[ElementAudit]) -> None:
    """Raise `AuditError` that names the worst element of a symmetry that does not hold."""
    failed = [audit for audit in audits if not audit.passed]
    if not failed:
        return
    worst = max(failed, key=lambda audit: (audit.dynamics_error, audit.asymmetry))
    if worst.dynamics_error > DYNAMICS_TOLERANCE:
        how = (
            f"solving the moved start differs from moving the solution by "
            f"{worst.dynamics_error:.1%} (allowed {DYNAMICS_TOLERANCE:.0e})"
        )
    else:
        how = (
            f"the data differ from the moved data {worst.asymmetry:.1f} times more than chance "
            f"(p = {worst.p_value:.1g})"
        )
    raise AuditError(
        f"{group} is not a symmetry of {task}: under ({worst.element}) {how}; "
        f"{len(failed)} of {len(audits)} elements fail. Choose a smaller group, or say "
        "'exact: false' to study a broken symmetry."
    )
