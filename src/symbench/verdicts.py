"""Verdicts: each claim about the run groups of a study, as rows of a table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from symbench.config import registry
from symbench.config.patterns import matches
from symbench.config.schema import Claim
from symbench.errors import ConfigError
from symbench.evaluation.results import RunGroup
from symbench.evaluation.rows import Row
from symbench.measures import Measure, selected
from symbench.statistics import (
    COVERAGE,
    NOT_RUN,
    UNDECIDED,
    Estimate,
    Expected,
    lowest,
    pooled,
)
from symbench.statistics import judge as judge_cases

CLAIM_COLUMNS = [
    "study",
    "claim",
    "case",
    "statement",
    "origin",
    "population",
    "paper_value",
    "value",
    "low",
    "high",
    "unit",
    "seeds",
    "samples",
    "verdict",
    "seeds_needed",
    "samples_needed",
    "note",
]

NAN = float("nan")


@dataclass(frozen=True)
class Case:
    """One run group that a claim is about.

    Attributes:
        name: task, model and, unless the claim fixes it, treatment.
        estimate: what was measured.
        lacking: why it cannot be judged, as a sentence; empty if it can.

    """

    name: str
    estimate: Estimate
    lacking: str


def judge(claim: Claim, study: str, groups: Sequence[RunGroup]) -> Iterator[Row]:
    """One row for the claim as a whole, then one for each case: run group that it is about.

    Where only the lowest case counts, it is the claim as a whole, and no other case is judged.
    """
    cases = list(_cases(claim, groups))
    if not cases:
        yield _row(claim, study, Case("", Estimate(NAN, (), 0, 0), ""), (NAN, NAN), NOT_RUN)
        return
    expected, estimates = _expected(claim), [case.estimate for case in cases]
    lacking = "; ".join(dict.fromkeys(case.lacking for case in cases if case.lacking))
    if claim.pick == "lowest":
        chosen, interval = lowest(claim.population, estimates)
        outcome = UNDECIDED if lacking else expected.side(*interval)
        yield _row(claim, study, Case("", chosen, lacking), interval, outcome)
        return
    judged = [case for case in cases if not case.lacking]
    found = judge_cases(expected, claim.population, [case.estimate for case in judged])
    verdicts = dict(zip([case.name for case in judged], found.cases, strict=True))
    undecided = found.cases.count(UNDECIDED)
    needed = {
        case.name: _needed(claim, case.estimate, undecided)
        for case in judged
        if verdicts[case.name] == UNDECIDED
    }
    outcome = UNDECIDED if lacking and found.whole != expected.unmet else found.whole
    # Nothing is said of the whole where it is not known for each of its cases.
    known = needed and outcome == UNDECIDED and not lacking
    most = float(np.max([*needed.values()])) if known else NAN
    summary = _summary(claim, [case.estimate for case in judged] or estimates)
    told = "; ".join(filter(None, (lacking, _unmet_cases(verdicts, expected, summary))))
    whole = Case("", summary, told)
    yield _row(claim, study, whole, whole.estimate.interval(claim.population), outcome, most)
    for case in cases:
        interval = case.estimate.interval(claim.population)
        verdict = verdicts.get(case.name, UNDECIDED)
        yield _row(claim, study, case, interval, verdict, needed.get(case.name, NAN))


def _unmet_cases(verdicts: Mapping[str, str], expected: Expected, summary: Estimate) -> str:
    """Which cases decide a claim that its summary alone does not contradict, as a sentence."""
    unmet = [name for name, verdict in verdicts.items() if verdict == expected.unmet]
    if len(verdicts) < 2 or not unmet or expected.unmet == UNDECIDED:
        return ""
    if expected.side(summary.value, summary.value) == expected.unmet:
        return ""
    return f"{expected.unmet} by {len(unmet)} of {len(verdicts)} cases: {', '.join(unmet)}"


def _cases(claim: Claim, groups: Sequence[RunGroup]) -> Iterator[Case]:
    measure = _measure(claim)
    for group in groups:
        if not _is_meant(claim, group):
            continue
        estimate = measure(claim, group, groups)
        if estimate is not None:
            yield Case(_case_name(claim, group), estimate, _lacking(claim, group, groups))


def _lacking(claim: Claim, group: RunGroup, groups: Sequence[RunGroup]) -> str:
    """Why a case cannot be judged although it was run, as a sentence; empty if it can."""
    for need in claim.needs:
        found = selected(need.of, group, groups)
        value = NAN if found is None else found.value
        if Expected(need.below, need.above).side(value, value) != "supported":
            metric = need.of.metric or group.score.name
            return f"{need.why} ({metric} {value:.3g})"
    return ""


def _measure(claim: Claim) -> Measure:
    found = registry.resolve("measures", claim.measure)
    if not callable(found):
        raise ConfigError(f"claim {claim.name}: measure '{claim.measure}' is no function.")
    return cast(Measure, found)


def _expected(claim: Claim) -> Expected:
    if claim.check:
        return Expected(claim.expect.below, claim.expect.above, "passed", "failed")
    met = "reproduced" if claim.origin == "paper" else "supported"
    return Expected(claim.expect.below, claim.expect.above, met, claim.unmet)


def _summary(claim: Claim, cases: Sequence[Estimate]) -> Estimate:
    """One estimate for all cases of a claim: their mean, or of an excess the largest."""
    if claim.measure == "largest_excess":
        return max(cases, key=lambda case: (bool(np.isnan(case.value)), case.value))
    return pooled(cases)


def _needed(claim: Claim, case: Estimate, undecided: int) -> float:
    """How many seeds, or samples, would decide one of some undecided cases, all else alike.

    NaN where none would, because the claim leaves open what lies outside of its bounds.
    """
    expected = _expected(claim)
    if expected.unmet == UNDECIDED and expected.side(case.value, case.value) == UNDECIDED:
        return NAN
    coverage = 1 - (1 - COVERAGE) / undecided
    return case.needed(claim.population, expected.bounds_to_leave(case.value), coverage)


def _row(
    claim: Claim,
    study: str,
    case: Case,
    interval: tuple[float, float],
    outcome: str,
    needed: float = NAN,
) -> Row:
    networks = claim.population == "networks trained so"
    return {
        "study": study,
        "claim": claim.name,
        "case": case.name,
        "statement": claim.statement,
        "origin": claim.origin,
        "population": claim.population,
        "paper_value": claim.paper_value,
        "value": case.estimate.value,
        "low": interval[0],
        "high": interval[1],
        "unit": claim.unit,
        "seeds": case.estimate.seeds,
        "samples": case.estimate.samples,
        "verdict": outcome,
        "seeds_needed": needed if networks else NAN,
        "samples_needed": NAN if networks else needed,
        "note": case.lacking,
    }


def _case_name(claim: Claim, group: RunGroup) -> str:
    """Name of a case; the treatment is told where the claim does not fix it."""
    fixed = claim.where.get("treatment") in (group.treatment, [group.treatment])
    return ",".join([group.task, group.model] if fixed else group.runs[0].key)


def _is_meant(claim: Claim, group: RunGroup) -> bool:
    names = {"task": group.task, "model": group.model, "treatment": group.treatment}
    for key, wanted in claim.where.items():
        if key == "exact":
            if wanted != group.exact:
                return False
            continue
        patterns = wanted if isinstance(wanted, list) else [str(wanted)]
        if not matches(names[key], patterns):
            return False
    return True
