"""The comparison stage: a tidy table of metrics, and a verdict on every claim."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from symbench.cells import CellFamily, families
from symbench.config.schema import Claim, Selection
from symbench.config.study import Study
from symbench.evaluation.results import Row
from symbench.files import write_json, write_whole
from symbench.provenance import describe
from symbench.statistics import (
    Estimate,
    difference,
    pooled,
    relative_change,
    verdict,
    verdict_of_all,
)

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
    "statement",
    "paper_value",
    "value",
    "low",
    "high",
    "unit",
    "n",
    "verdict",
]


def compare_study(study: Study, evaluations: Path, metrics: Path, claims: Path) -> None:
    """Write metrics.csv and claims.csv, each with its provenance beside it."""
    found = families(study, evaluations)
    rows = [row for family in found for row in family.metric_rows()]
    record = describe(study.comparison_fingerprint())
    _write_table(metrics, pd.DataFrame(rows, columns=METRIC_COLUMNS), record)
    judged = [row for claim in study.description.claims for row in judge(claim, study.name, found)]
    _write_table(claims, pd.DataFrame(judged, columns=CLAIM_COLUMNS), record)


def reference_tables(study: Study, results: Path, output: Path) -> None:
    """Copy the claims, and the metrics that users compare with as mean and deviation of seeds."""
    metrics = pd.read_csv(results / "metrics.csv", dtype={"lead_time": str})
    chosen = metrics[metrics.metric.isin(study.description.reference_metrics)]
    chosen = chosen.query("field == 'mean' and lead_time in ('1', '6:12', '13:30')")
    chosen = chosen[~chosen.evaluation.str.contains("subset|subgroup|element")]
    keys = ["task", "model", "treatment", "evaluation", "lead_time", "metric"]
    summary = chosen.groupby(keys, sort=False).value.agg(["mean", "std", "count"]).reset_index()
    output.mkdir(parents=True, exist_ok=True)
    summary.to_csv(output / "metrics.csv", index=False, float_format="%.6g")
    pd.read_csv(results / "claims.csv").round(6).to_csv(output / "claims.csv", index=False)


def _write_table(path: Path, table: pd.DataFrame, record: dict[str, Any]) -> None:
    with write_whole(path) as temporary:
        table.to_csv(temporary, index=False)
    write_json(path.with_suffix(".provenance.json"), record)


def judge(claim: Claim, study: str, found: Sequence[CellFamily]) -> Iterator[Row]:
    """One row per (task, model) that the claim is about, then one for the claim as a whole."""
    cases = {
        f"{claim.name}[{_case(claim, family)}]": estimate
        for family in found
        if _is_meant(claim, family) and (estimate := _measure(claim, family, found)) is not None
    }
    base = {
        "study": study,
        "statement": claim.statement,
        "paper_value": claim.paper_value,
        "unit": claim.unit,
    }
    bounds = (claim.expect.below, claim.expect.above, claim.unmet)
    rows = [
        {**base, "claim": name, **_numbers(case), "verdict": verdict(case.interval, *bounds)}
        for name, case in cases.items()
    ]
    if claim.pick == "lowest" and cases:
        best = min(cases.values(), key=lambda case: case.value)
        yield {
            **base,
            "claim": claim.name,
            **_numbers(best),
            "verdict": verdict(best.interval, *bounds),
        }
        return
    overall = _numbers(pooled(list(cases.values()))) if cases else {"n": 0}
    yield {
        **base,
        "claim": claim.name,
        **overall,
        "verdict": verdict_of_all([r["verdict"] for r in rows]),
    }
    yield from rows


def _case(claim: Claim, family: CellFamily) -> str:
    """Name of a case; the treatment is told where the claim does not fix it."""
    names = [family.task, family.model]
    return ",".join(names if "treatment" in claim.where else [*names, family.treatment])


def _numbers(estimate: Estimate) -> Row:
    low, high = estimate.interval
    return {"value": estimate.value, "low": low, "high": high, "n": estimate.n}


def _is_meant(claim: Claim, family: CellFamily) -> bool:
    return all(
        getattr(family, key) in (value if isinstance(value, list) else [value])
        for key, value in claim.where.items()
    )


def _measure(claim: Claim, family: CellFamily, found: Sequence[CellFamily]) -> Estimate | None:
    """The quantity of a claim for one family; None where the config has nothing to compare."""
    if claim.of is None:
        return family.measure(claim.measure)
    if claim.measure == "difference_of_changes":
        change = _compared("relative_change", claim, family, found)
        untreated = _sibling(family, Selection(evaluation="none", treatment="none"), found)
        if change is None or untreated is None:
            return None
        before = _compared("relative_change", claim, untreated, found)
        return difference(change, before) if before is not None else None
    return _compared(claim.measure, claim, family, found)


def _compared(
    measure: str, claim: Claim, family: CellFamily, found: Sequence[CellFamily]
) -> Estimate | None:
    assert claim.of is not None
    value = _estimate(claim.of, family, found)
    if measure == "value" or value is None:
        return value
    assert claim.against is not None
    reference = _estimate(claim.against, family, found)
    if reference is None:
        return None
    return {"relative_change": relative_change, "difference": difference}[measure](value, reference)


def _estimate(
    selection: Selection, family: CellFamily, found: Sequence[CellFamily]
) -> Estimate | None:
    chosen = _sibling(family, selection, found)
    if chosen is None:
        return None
    # Not of an evaluation but of training: how far homotopy layers have stayed from equivariance.
    return chosen.gamma() if selection.metric == "gamma" else chosen.estimate(selection)


def _sibling(
    family: CellFamily, selection: Selection, found: Sequence[CellFamily]
) -> CellFamily | None:
    """The family that a selection names, itself by default."""
    wanted = (
        selection.task or family.task,
        selection.model or family.model,
        selection.treatment or family.treatment,
    )
    return next((f for f in found if (f.task, f.model, f.treatment) == wanted), None)
