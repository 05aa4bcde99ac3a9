"""The comparison stage: a tidy table of metrics, and a verdict on every claim."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from symbench.config import registry
from symbench.config.schema import Claim
from symbench.config.study import Study
from symbench.errors import ConfigError
from symbench.evaluation.reading import read_evaluation
from symbench.evaluation.results import RunGroup, run_groups
from symbench.evaluation.rows import Row, metric_rows
from symbench.files import refuse_damaged, write_json, write_whole
from symbench.layout import Layout
from symbench.measures import Measure
from symbench.provenance import describe
from symbench.statistics import NOT_RUN, UNDECIDED, Estimate, Expected, lowest, pooled
from symbench.statistics import judge as judge_cases

METRIC_COLUMNS = [
    "study",
    "task",
    "model",
    "treatment",
    "evaluation",
    "seed",
    "split",
    "lead_time",
    "field",
    "metric",
    "value",
    "unit",
]
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
]


def compare_study(study: Study, layout: Layout, *, partly: bool = False) -> None:
    """Write metrics.csv and claims.csv of what was evaluated, each with its provenance beside it.

    Args:
        study: the study.
        layout: where its results are.
        partly: whether evaluations of other settings, as a failed run leaves them, only count as
            missing.

    Raises:
        DataError: if an evaluation, a history or an audit is damaged or of other settings.

    """
    for task in study.tasks:
        refuse_damaged(layout.audit(study.name, task))
    groups, missing = run_groups(study, layout)
    for run in () if partly else missing:
        for name in run.evaluations:
            if layout.evaluation(run.study, *run.key, name, run.seed).is_file():
                read_evaluation(run, layout, name)
    rows = [row for group in groups for row in metric_rows(group)]
    judged = [row for claim in study.settings.claims for row in judge(claim, study.name, groups)]
    record = describe(study.comparison_fingerprint)
    tables = {
        "metrics": pd.DataFrame(rows, columns=METRIC_COLUMNS),
        "claims": pd.DataFrame(judged, columns=CLAIM_COLUMNS),
    }
    for name, table in tables.items():
        with write_whole(layout.table(study.name, name)) as temporary:
            table.to_csv(temporary, index=False)
        write_json(layout.table_provenance(study.name, name), record)


def reference_tables(study: Study, layout: Layout, output: Path) -> None:
    """Copy the claims, and the metrics that users compare with as mean and deviation of seeds."""
    for name in ("metrics", "claims"):
        refuse_damaged(layout.table(study.name, name))
    metrics = pd.read_csv(layout.table(study.name, "metrics"), dtype={"lead_time": str})
    chosen = metrics[metrics.metric.isin(study.settings.reference_metrics)]
    chosen = chosen.query("field == 'mean' and lead_time in ('1', '6:12', '13:30')")
    chosen = chosen[~chosen.evaluation.str.contains("subset|subgroup|element")]
    keys = ["task", "model", "treatment", "evaluation", "lead_time", "metric"]
    spread = chosen.groupby(keys, sort=False).value.agg(["mean", "std", "count"]).reset_index()
    output.mkdir(parents=True, exist_ok=True)
    spread.to_csv(output / "metrics.csv", index=False, float_format="%.6g")
    claims = pd.read_csv(layout.table(study.name, "claims"))
    claims.round(6).to_csv(output / "claims.csv", index=False)


def judge(claim: Claim, study: str, groups: Sequence[RunGroup]) -> Iterator[Row]:
    """One row for the claim as a whole, then one for each case: run group that it is about.

    Where only the lowest case counts, it is the claim as a whole, and no other case is judged.
    """
    measure = _measure(claim)
    # Networks of one task share its test samples.
    cases = {
        _case(claim, group): estimate.in_scope(group.task)
        for group in groups
        if _is_meant(claim, group) and (estimate := measure(claim, group, groups)) is not None
    }
    if not cases:
        nothing = Estimate(float("nan"), (), 0, 0)
        yield _row(claim, study, "", nothing, (float("nan"),) * 2, NOT_RUN)
        return
    expected, estimates = _expected(claim), list(cases.values())
    if claim.pick == "lowest":
        chosen, interval = lowest(claim.population, estimates)
        yield _row(claim, study, "", chosen, interval, expected.side(*interval))
        return
    verdicts = judge_cases(expected, claim.population, estimates)
    whole = _summary(claim, estimates)
    needed = [
        _needed(claim, case) if outcome == UNDECIDED else float("nan")
        for case, outcome in zip(estimates, verdicts.cases, strict=True)
    ]
    most = max(needed, key=lambda units: (units == units, units))
    interval = whole.interval(claim.population)
    yield _row(claim, study, "", whole, interval, verdicts.whole, most)
    for (name, case), outcome, units in zip(cases.items(), verdicts.cases, needed, strict=True):
        interval = case.interval(claim.population)
        yield _row(claim, study, name, case, interval, outcome, units)


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


def _needed(claim: Claim, case: Estimate) -> float:
    """How many seeds, or samples, would decide a case if nothing else changed."""
    expected = _expected(claim)
    return case.needed(claim.population, expected.bounds_to_leave(case.value))


def _row(
    claim: Claim,
    study: str,
    case: str,
    estimate: Estimate,
    interval: tuple[float, float],
    outcome: str,
    needed: float = float("nan"),
) -> Row:
    networks = claim.population == "networks trained so"
    needed = needed if outcome == UNDECIDED else float("nan")
    return {
        "study": study,
        "claim": claim.name,
        "case": case,
        "statement": claim.statement,
        "origin": claim.origin,
        "population": claim.population,
        "paper_value": claim.paper_value,
        "value": estimate.value,
        "low": interval[0],
        "high": interval[1],
        "unit": claim.unit,
        "seeds": estimate.seeds,
        "samples": estimate.samples,
        "verdict": outcome,
        "seeds_needed": needed if networks else float("nan"),
        "samples_needed": float("nan") if networks else needed,
    }


def _case(claim: Claim, group: RunGroup) -> str:
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
        if not any(fnmatchcase(names[key], pattern) for pattern in patterns):
            return False
    return True
