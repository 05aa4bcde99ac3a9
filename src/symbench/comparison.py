"""The comparison stage: a tidy table of metrics, and a verdict on every claim."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from symbench.cells import HORIZONS, CellFamily, families
from symbench.files import write_json, write_whole
from symbench.provenance import describe
from symbench.schema import Claim, Selection
from symbench.statistics import (
    Estimate,
    difference,
    pooled,
    ratio,
    relative_change,
    verdict,
    verdict_of_all,
)
from symbench.study import Study

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
SUBSET_DRAWS = 64
Row = dict[str, Any]


def compare_study(study: Study, evaluations: Path, metrics: Path, claims: Path) -> None:
    """Write metrics.csv and claims.csv, each with its provenance beside it."""
    found = families(study, evaluations)
    rows = [row for family in found for row in metric_rows(family)]
    record = describe(study.comparison_fingerprint())
    _write_table(metrics, pd.DataFrame(rows, columns=METRIC_COLUMNS), record)
    judged = [row for claim in study.description.claims for row in judge(claim, study.name, found)]
    _write_table(claims, pd.DataFrame(judged, columns=CLAIM_COLUMNS), record)


def reference_tables(results: Path, output: Path) -> None:
    """Copy the claims, and the VRMSE of each evaluation as mean and standard deviation of seeds."""
    metrics = pd.read_csv(results / "metrics.csv", dtype={"lead_time": str})
    chosen = metrics.query(
        "metric == 'vrmse' and field == 'mean' and lead_time in ('1', '6:12', '13:30')"
    )
    chosen = chosen[~chosen.evaluation.str.contains("subset|subgroup|element")]
    keys = ["task", "model", "treatment", "evaluation", "lead_time"]
    summary = chosen.groupby(keys, sort=False).value.agg(["mean", "std", "count"]).reset_index()
    output.mkdir(parents=True, exist_ok=True)
    summary.round(6).to_csv(output / "vrmse.csv", index=False)
    pd.read_csv(results / "claims.csv").round(6).to_csv(output / "claims.csv", index=False)


def _write_table(path: Path, table: pd.DataFrame, record: dict[str, Any]) -> None:
    with write_whole(path) as temporary:
        table.to_csv(temporary, index=False)
    write_json(path.with_suffix(".provenance.json"), record)


def metric_rows(family: CellFamily) -> Iterator[Row]:
    """All metrics of a cell family, one value a row."""
    yield from _one_step_rows(family)
    yield from _rollout_rows(family)
    yield from _cost_rows(family)


def _row(family: CellFamily, seed: int, evaluation: str, metric: str, value: Any, **at: Any) -> Row:
    return {
        "study": family.study.name,
        "task": family.task,
        "model": family.model,
        "treatment": family.treatment,
        "evaluation": evaluation,
        "seed": seed,
        "split": "test",
        "lead_time": at.get("lead_time", "1"),
        "field": at.get("field", "mean"),
        "metric": metric,
        "value": float(value),
        "unit": at.get("unit", "1"),
    }


def _per_seed(
    family: CellFamily, values: xr.DataArray, evaluation: str, metric: str, **at: Any
) -> Iterator[Row]:
    for seed in family.seeds:
        yield _row(family, seed, evaluation, metric, values.sel(seed=seed).mean(), **at)


def _one_step_rows(family: CellFamily) -> Iterator[Row]:
    scores: dict[str, xr.DataArray] = {
        name: family.open(name).vrmse for name in family.study.settings.evaluations
    }
    averaged = family.open("average")
    scores["orbit_mean"] = averaged.element_vrmse.mean("element")
    for evaluation, values in scores.items():
        for channel in values.channel.values:
            single = values.sel(channel=channel)
            yield from _per_seed(family, single, evaluation, "vrmse", field=str(channel))
        yield from _per_seed(family, values, evaluation, "vrmse")
        medians = values.mean("channel").median("sample")
        yield from _per_seed(family, medians, evaluation, "vrmse_median")
    for index, element in enumerate(averaged.element.values):
        values = averaged.element_vrmse.isel(element=index)
        yield from _per_seed(family, values, f"element({element})", "vrmse")
    for number, members in enumerate(family.group.subgroups):
        values = family.subset_vrmse(sorted(members))
        name = f"subgroup{number}_order{len(members)}"
        yield from _per_seed(family, values, name, "vrmse")
        yield from _per_seed(family, values**2, name, "nmse")
    yield from _subset_rows(family)
    unit = "variance of the field"
    for metric, errors in family.squared_errors().items():
        evaluation = "none" if metric == "plain" else "average"
        name = {"plain": "mse", "averaged": "mse"}.get(metric, metric)
        for seed, row in zip(family.seeds, errors, strict=True):
            yield _row(family, seed, evaluation, name, row.mean(), unit=unit)
    error = np.sqrt((averaged.deviation / averaged.variance).mean(("sample", "channel")))
    yield from _per_seed(family, error, "none", "equivariance_error")


def _subset_rows(family: CellFamily) -> Iterator[Row]:
    """VRMSE and squared error of nested random subsets, mean over random orders."""
    averaged = family.open("average")
    order = family.group.order
    gram = averaged.error_gram.transpose("seed", "sample", "channel", "element", "element_b").values
    variance = averaged.variance.transpose("seed", "sample", "channel").values
    rng = np.random.default_rng(0)
    totals = np.zeros((2, len(family.seeds), order))
    for _ in range(SUBSET_DRAWS):
        chosen = rng.permutation(order)
        shuffled = gram[..., chosen[:, None], chosen]
        sums = shuffled.cumsum(axis=-1).cumsum(axis=-2)
        prefix = np.diagonal(sums, axis1=-2, axis2=-1) / np.arange(1, order + 1) ** 2
        scaled = np.maximum(prefix, 0) / variance[..., None]
        totals[0] += np.sqrt(scaled).mean(axis=(1, 2)) / SUBSET_DRAWS
        totals[1] += scaled.mean(axis=(1, 2)) / SUBSET_DRAWS
    for metric, per_seed in zip(("vrmse", "nmse"), totals, strict=True):
        for seed, values in zip(family.seeds, per_seed, strict=True):
            for count, value in enumerate(values, start=1):
                yield _row(family, seed, f"subset{count}", metric, value)


def _rollout_rows(family: CellFamily) -> Iterator[Row]:
    for evaluation in family.study.settings.evaluations:
        dataset = family.open(evaluation)
        if "rollout_vrmse" not in dataset:
            continue
        for operator in dataset.operator.values:
            name = f"{evaluation}_rollout_{operator}"
            values = dataset.rollout_vrmse.sel(operator=operator).fillna(np.inf)
            for seed in family.seeds:
                per_trajectory = values.sel(seed=seed).mean("channel")
                for lead in dataset.lead_time.values:
                    scores = per_trajectory.sel(lead_time=lead).values
                    at = {"lead_time": str(lead)}
                    yield _row(family, seed, name, "vrmse", scores.mean(), **at)
                    yield _row(family, seed, name, "vrmse_median", np.median(scores), **at)
                for horizon, (first, last) in list(HORIZONS.items())[1:]:
                    window = per_trajectory.sel(lead_time=slice(first, last))
                    at = {"lead_time": horizon}
                    if window.sizes["lead_time"]:
                        scores = window.mean("lead_time").values
                        yield _row(family, seed, name, "vrmse", scores.mean(), **at)
                        yield _row(family, seed, name, "vrmse_median", np.median(scores), **at)


def _cost_rows(family: CellFamily) -> Iterator[Row]:
    for evaluation in family.study.settings.evaluations:
        dataset = family.open(evaluation)
        for seed in family.seeds:
            one = dataset.sel(seed=seed)
            seconds = one.one_step_seconds
            yield _row(family, seed, evaluation, "seconds_per_sample", seconds, unit="s")
            for operator in dataset.operator.values if "operator" in dataset.dims else []:
                at: dict[str, Any] = {"lead_time": "rollout"}
                name = f"{evaluation}_rollout_{operator}"
                spent = one.sel(operator=operator)
                time, memory = spent.rollout_seconds, spent.rollout_peak_memory
                yield _row(family, seed, name, "seconds_per_trajectory", time, unit="s", **at)
                yield _row(family, seed, name, "peak_memory", memory, unit="byte", **at)


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
    return all(getattr(family, key) == value for key, value in claim.where.items())


def _measure(claim: Claim, family: CellFamily, found: Sequence[CellFamily]) -> Estimate | None:
    """The quantity of a claim for one family; None where the config has nothing to compare."""
    if claim.measure == "largest_excess":
        value = family.largest_excess()
        return Estimate(value, np.array([value]), family.open("average").sizes["sample"])
    if claim.measure == "share_refused":
        share = family.share_refused()
        return Estimate(share, np.array([share]), family.group.order)
    if claim.measure == "forecast_over_gain":
        errors = {k: family.bootstrap.mean(v) for k, v in family.squared_errors().items()}
        return ratio(errors["forecast"], difference(errors["plain"], errors["averaged"]))
    assert claim.of is not None
    assert claim.against is not None
    change = _change(family, claim.of, claim.against)
    if claim.measure == "relative_change" or change is None:
        return change
    untreated = [
        other
        for other in found
        if (other.task, other.model, other.treatment) == (family.task, family.model, "none")
    ]
    before = _change(untreated[0], claim.of, claim.against) if untreated else None
    return difference(change, before) if before is not None else None


def _change(family: CellFamily, of: Selection, against: Selection) -> Estimate | None:
    if of.horizon != "1":
        last = HORIZONS[of.horizon][1]
        dataset = family.open("none")
        if "lead_time" not in dataset or int(dataset.lead_time.max()) < last:
            return None
    return relative_change(family.estimate(of), family.estimate(against))
