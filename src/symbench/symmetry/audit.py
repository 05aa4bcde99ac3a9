"""Does a symmetry hold? For the dynamics, by simulating; for the law of the data, by a test.

Averaging is certain to help only if the true map is equivariant and the law of the data invariant
(P3). The first is decided by solving the transformed start and comparing with the transformed
solution; the second by a randomisation test. Few samples decide nothing: then the audit says so,
and how many would do.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from symbench.errors import AuditError
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction
from symbench.symmetry.grids.isometries import GridGroup, check_grid
from symbench.symmetry.grids.isometry import GridIsometry
from symbench.symmetry.grids.moments import FieldMoments
from symbench.symmetry.randomisation import LawTest, in_blocks, level, randomisation_test

Array = npt.NDArray[np.floating]

# Double precision leaves about 1e-12 after a few frames; a broken symmetry leaves over 1e-3.
DYNAMICS_TOLERANCE = 1e-6


class Verdict(StrEnum):
    """What the audit says of an element."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class ElementAudit:
    """The audit of one element.

    Attributes:
        element: its text, such as "-y,x".
        dynamics_error: relative difference between the solution of the moved start and the moved
            solution; NaN where there is no simulator.
        asymmetry: squared difference of the mean features of the data and of the moved data, in
            units of its expectation under invariance (1 is typical, much more is suspicious).
        p_value: of the randomisation test of the law of the data.
        verdict: broken if the dynamics or the law break it; undecided if the dynamics do not, and
            the samples are too few to decide about the law.
        samples: how many the test had.
        needed: how many could decide; 0 where these do.
        where: in what data and moved data differ most.

    """

    element: str
    dynamics_error: float
    asymmetry: float
    p_value: float
    verdict: Verdict
    samples: int = 0
    needed: int = 0
    where: str = ""

    @property
    def passed(self) -> bool:
        """Whether the element is not found broken."""
        return self.verdict != Verdict.BROKEN

    @classmethod
    def judged(
        cls, element: str, dynamics_error: float, law: LawTest, elements: int
    ) -> "ElementAudit":
        """The verdict on one of so many elements."""
        if dynamics_error > DYNAMICS_TOLERANCE or law.p_value <= level(elements):
            verdict = Verdict.BROKEN
        else:
            verdict = Verdict.UNDECIDED if law.needed else Verdict.HOLDS
        return cls(
            element,
            dynamics_error,
            law.asymmetry,
            law.p_value,
            verdict,
            law.samples,
            law.needed,
            law.where,
        )


def audit_dynamics(
    solve: Callable[[Array, int], Array],
    starts: Array,
    group: GridGroup,
    state_fields: Sequence[Field],
    fields: Sequence[Field],
    frames: int = 2,
) -> list[float]:
    """Relative equivariance error of a simulator, one number per element of the group.

    It is infinite where a solution is not finite.

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
        error = float((solution - expected).norm() / expected.norm())
        errors.append(float("inf") if math.isnan(error) else error)
    return errors


def audit_distribution(
    frames: Tensor, group: GridGroup, fields: Sequence[Field], seed: int = 0
) -> list[LawTest]:
    """Test the law of trajectories under each element of a group.

    The cost is linear in the trajectories, which are read once.

    Args:
        frames: shape (trajectory, time, channel, *space), in physical units.
        group: the group.
        fields: the fields in channel order.
        seed: of the randomisation.

    Raises:
        AuditError: if a value is not finite.
        SymmetryError: if the grid cannot carry the group.

    """
    check_grid(group, frames.shape[3:])
    moments = FieldMoments(frames, fields)
    return audit_elements(group, moments.moved, moments.samples, seed)


def audit_elements(
    group: GridGroup,
    moved: Callable[[Sequence[GridIsometry]], Sequence[tuple[str, Array]]],
    samples: int,
    seed: int = 0,
) -> list[LawTest]:
    """Test a law under each element of a group.

    Args:
        group: the group.
        moved: from the powers of an element to the kinds of features of the data that they move;
            see `randomisation_test`.
        samples: independent ones.
        seed: of the randomisation.

    """
    results = [LawTest(0.0, 1.0, samples)]
    for index in range(1, group.order):
        if (inverse := group.inverses[index]) < index:
            # Both compare the same pairs.
            results.append(results[inverse])
            continue
        kinds = moved([group.elements[power] for power in powers_of(group, index)])
        results.append(randomisation_test(kinds, samples, group.order, seed + index))
    return results


def audit_moved_features(features: Array, elements: int = 1, seed: int = 0) -> LawTest:
    """Test a law under one element of finite order.

    Args:
        features: of the data moved by g^0, g^1, ... up to the order of g, shape (power, sample,
            feature).
        elements: how many elements are tested; the p-value is resolved accordingly.
        seed: of the randomisation.

    """
    scale = np.sqrt(np.square(features).mean(axis=(0, 1)))
    kinds = [("the data", in_blocks(features / np.where(scale > 0, scale, 1.0)))]
    return randomisation_test(kinds, features.shape[1], elements, seed)


def powers_of(group: GridGroup, index: int) -> list[int]:
    """Indices of the cyclic group of an element, in order: e, g, g², ..."""
    powers = [0, index]
    while (following := int(group.table[index, powers[-1]])) != 0:
        powers.append(following)
    return powers


def judge(
    group: GridGroup, dynamics: Sequence[float] | None, distribution: Sequence[LawTest]
) -> list[ElementAudit]:
    """Put both audits together, one entry per element."""
    errors = dynamics or [float("nan")] * group.order
    return [
        ElementAudit.judged(str(element), error, law, group.order)
        for element, error, law in zip(group.elements, errors, distribution, strict=True)
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
            f"(p = {worst.p_value:.1g}), most in {worst.where}"
        )
    raise AuditError(
        f"{group} is not a symmetry of {task}: under ({worst.element}) {how}; "
        f"{len(failed)} of {len(audits)} elements fail. Choose a smaller group, check the order, "
        "signs and parity of the fields, or say 'exact: false' to study a broken symmetry."
    )


def undecided(task: str, group: str, audits: Sequence[ElementAudit]) -> str:
    """A sentence on the elements that the samples cannot decide about; empty if there are none."""
    open_ones = [audit for audit in audits if audit.verdict == Verdict.UNDECIDED]
    if not open_ones:
        return ""
    least = max(open_ones, key=lambda audit: audit.needed)
    errors = [audit.dynamics_error for audit in open_ones]
    dynamics = "" if any(map(math.isnan, errors)) else f" The dynamics hold (to {max(errors):.0e})."
    return (
        f"Whether the law of the data of {task} is invariant under {group} cannot be decided with "
        f"{least.samples} samples for {len(open_ones)} of {len(audits)} elements; "
        f"{least.needed} could do.{dynamics}"
    )
