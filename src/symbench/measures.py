"""What a claim may measure: one function each, from a claim and a run group to an estimate.

Each takes the claim, the run group that is the case, and all run groups of the study, and gives
None where the study has nothing to compare: the claim is not run for this case. A claim names one
of these, or a function of yours as `package.module:Name`.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from symbench.config.schema import Claim, Selection
from symbench.evaluation.results import RunGroup, over_channels
from symbench.files import refuse_damaged
from symbench.statistics import (
    Estimate,
    certain,
    derived,
    ratio,
)
from symbench.statistics import difference as difference_of
from symbench.statistics import relative_change as relative_change_of

# Steps of rounding, each of half a unit in the last place, that a score has gone through, about.
ROUNDINGS = 4

Measure = Callable[[Claim, RunGroup, Sequence[RunGroup]], Estimate | None]


def value(claim: Claim, group: RunGroup, groups: Sequence[RunGroup]) -> Estimate | None:
    """What the claim selects."""
    return selected(claim.of, group, groups)


def difference(claim: Claim, group: RunGroup, groups: Sequence[RunGroup]) -> Estimate | None:
    """What the claim selects, less what it is held against."""
    return _compared(difference_of, claim, group, groups)


def relative_change(claim: Claim, group: RunGroup, groups: Sequence[RunGroup]) -> Estimate | None:
    """The same difference as a share of what it is held against."""
    return _compared(relative_change_of, claim, group, groups)


def difference_of_changes(
    claim: Claim, group: RunGroup, groups: Sequence[RunGroup]
) -> Estimate | None:
    """The relative change, less that of the same model without a treatment at training."""
    untreated = _sibling(group, Selection(treatment="none"), groups)
    if untreated is None:
        return None
    change = relative_change(claim, group, groups)
    before = relative_change(claim, untreated, groups)
    return None if change is None or before is None else difference_of(change, before)


def foretold_change(claim: Claim, group: RunGroup, groups: Sequence[RunGroup]) -> Estimate | None:
    """The relative change on the test set, less than 0 if validation data foretell the other sign.

    The task needs a further test set `valid`, whose scores are taken in place of the claim's.
    """
    on_validation = claim.model_copy(
        update={
            key: side.model_copy(update={"metric": f"{side.metric or group.score.name}_valid"})
            for key in ("of", "against")
            if (side := getattr(claim, key)) is not None
        }
    )
    change = relative_change(claim, group, groups)
    foretold = relative_change(on_validation, group, groups)
    if change is None or foretold is None:
        return None
    sign = float(np.sign(foretold.value))
    return derived(lambda value: sign * value, change)


def measured_over_predicted_gain(
    claim: Claim, group: RunGroup, groups: Sequence[RunGroup]
) -> Estimate | None:
    """The measured gain in squared error over the orbit variance of the predictions (P4: 1).

    Not the other way round: the gain is a difference, and may lie close to 0 for its errors.
    """
    squared = group.squared_errors()
    if not squared:
        return None
    errors = {name: group.mean(each) for name, each in squared.items()}
    return ratio(difference_of(errors["plain"], errors["averaged"]), errors["orbit_variance"])


def largest_excess(claim: Claim, group: RunGroup, groups: Sequence[RunGroup]) -> Estimate | None:
    """How much worse than the orbit mean the average is at most, over all samples (P2: below 0).

    It is about the score that the task is judged by, in parts of the orbit mean of the sample; the
    theorem is about convex losses.
    """
    averaged, orbit_mean = (
        group.values(Selection.model_validate({"evaluation": name}), group.score.name)
        for name in ("average", "orbit_mean")
    )
    if averaged is None or orbit_mean is None:
        return None
    unit = group.score.unit
    orbit_mean = over_channels(orbit_mean, unit)
    excess = over_channels(averaged.astype(float), unit) - orbit_mean
    if group.score.better == "higher":
        excess = -excess
    # Where both are zero, none is worse.
    excess = (excess / abs(orbit_mean)).where(excess != 0, 0.0)
    # Scores were rounded to the precision of the predictions: as much is no excess.
    excess = excess - ROUNDINGS * np.finfo(averaged.dtype).eps
    largest = float(excess.max(skipna=False))
    return certain(largest, len(group.seeds), group.by_block(excess).values.shape[1])


def share_refused(claim: Claim, group: RunGroup, groups: Sequence[RunGroup]) -> Estimate | None:
    """Share of the elements of the group that fail the audit of the task."""
    run = group.runs[0]
    path = group.layout.audit(run.study, group.task)
    refuse_damaged(path)
    if not path.is_file():
        return None
    passed = pd.read_csv(path).passed
    return certain(float(1 - passed.mean()), 0, len(passed))


def _compared(
    compare: Callable[[Estimate, Estimate], Estimate],
    claim: Claim,
    group: RunGroup,
    groups: Sequence[RunGroup],
) -> Estimate | None:
    value = selected(claim.of, group, groups)
    reference = selected(claim.against, group, groups)
    return None if value is None or reference is None else compare(value, reference)


def selected(
    selection: Selection | None, group: RunGroup, groups: Sequence[RunGroup]
) -> Estimate | None:
    """What a selection names, of a run group or of one beside it; None where it was not run."""
    if selection is None:
        return None
    chosen = _sibling(group, selection, groups)
    return None if chosen is None else chosen.estimate(selection)


def _sibling(group: RunGroup, selection: Selection, groups: Sequence[RunGroup]) -> RunGroup | None:
    """The run group that a selection names, itself by default; None if it was not run."""
    wanted = (
        selection.task or group.task,
        selection.model or group.model,
        selection.treatment or group.treatment,
    )
    return next((g for g in groups if (g.task, g.model, g.treatment) == wanted), None)
