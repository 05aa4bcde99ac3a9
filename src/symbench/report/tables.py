"""The tables of the report, by the kind of data of a study."""

import json
from typing import Any

import pandas as pd

from symbench.cells import CellFamily, GridFamily
from symbench.config.schema import Selection
from symbench.figures.results import StudyResults
from symbench.statistics import relative_change


def tables(results: StudyResults) -> dict[str, pd.DataFrame]:
    """All tables of a study by title."""
    found: dict[str, pd.DataFrame] = {}
    if results.grid_families:
        found |= {
            "One step: VRMSE, mean over channels, test samples and seeds": _one_step_table(results),
            "Rollouts: VRMSE in the windows of The Well, medians over trajectories": _rollout_table(
                results
            ),
            "What it cost": _cost_table(results),
        }
    if results.sample_families:
        found |= {
            "Every way of imposing the symmetry: mean over test samples and seeds, with its "
            "standard deviation over seeds, and what it cost": _matrix_table(results),
        }
    return {**found, "Audit of the declared symmetries": _audit_table(results)}


def _one_step_table(results: StudyResults) -> pd.DataFrame:
    rows = []
    for family in results.grid_families:
        estimates = {
            name: family.one_step(Selection(evaluation=name))
            for name in ("none", "orbit_mean", "average")
        }
        change = relative_change(estimates["average"], estimates["none"])
        low, high = change.interval
        error = results.metrics.query(
            "task == @family.task and model == @family.model and treatment == @family.treatment"
            " and metric == 'equivariance_error'"
        ).value.mean()
        row: dict[str, Any] = {
            "task": family.task,
            "model": family.model,
            "trained": family.treatment,
            "plain": estimates["none"].value,
            "orbit mean": estimates["orbit_mean"].value,
            "averaged": estimates["average"].value,
        }
        if "frame" in family.evaluations:
            row["canonical shift"] = family.one_step(Selection(evaluation="frame")).value
        row |= {
            "change %": f"{100 * change.value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]",
            "equivariance error": error,
            "samples improved": _improved(family),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _improved(family: GridFamily) -> str:
    plain = family.open("none").vrmse.mean("channel").values
    averaged = family.open("average").vrmse.mean("channel").values
    return f"{int((averaged < plain).sum())} of {plain.size}"


def _rollout_table(results: StudyResults) -> pd.DataFrame:
    chosen = results.metrics.query(
        "metric == 'vrmse_median' and lead_time in ('1', '6:12', '13:30')"
        " and evaluation in ('none_rollout_plain', 'average_rollout_stepwise',"
        " 'average_rollout_trajectory')"
    )
    names = {
        "none_rollout_plain": "plain",
        "average_rollout_stepwise": "each step",
        "average_rollout_trajectory": "at the end",
    }
    table = chosen.assign(evaluation=chosen.evaluation.map(names)).pivot_table(
        index=["task", "model", "treatment"],
        columns=["lead_time", "evaluation"],
        values="value",
        sort=False,
    )
    table = table.reindex(
        columns=[
            (lead, name)
            for lead in ("1", "6:12", "13:30")
            for name in names.values()
            if (lead, name) in table.columns
        ]
    )
    table.columns = [", ".join(column) for column in table.columns]
    return table.reset_index()


def _audit_table(results: StudyResults) -> pd.DataFrame:
    rows = []
    for task in results.study.tasks:
        audit = pd.read_csv(results.directory / "audits" / f"{task}.csv")
        settings = results.study.settings.tasks[task]
        failed = audit[~audit.passed]
        rows.append(
            {
                "task": task,
                "group": settings.group,
                "declared": "exact" if settings.exact else "broken",
                "elements that pass": f"{int(audit.passed.sum())} of {len(audit)}",
                "failing": "; ".join(failed.element.head(7)) or "none",
                "largest dynamics error": f"{audit.dynamics_error.max():.1e}",
                "smallest p-value": f"{audit.p_value.min():.1e}",
            }
        )
    return pd.DataFrame(rows)


def _cost_table(results: StudyResults) -> pd.DataFrame:
    rows = []
    for family in results.grid_families:
        records = _training_records(results, family)
        plain, averaged = family.open("none"), family.open("average")
        memory = averaged.rollout_peak_memory.sel(operator="stepwise").mean()
        rows.append(
            {
                "task": family.task,
                "model": family.model,
                "trained": family.treatment,
                "parameters": records[0]["parameters"],
                "training (s)": sum(r.get("seconds", 0) for r in records) / len(records),
                "one pass (ms)": 1e3 * float(plain.one_step_seconds.mean()),
                "averaged (ms)": 1e3 * float(averaged.one_step_seconds.mean()),
                "elements": family.group.order,
                "ratio / elements": float(
                    averaged.one_step_seconds.mean() / plain.one_step_seconds.mean()
                )
                / family.group.order,
                "memory, averaged / plain": float(
                    memory / plain.rollout_peak_memory.sel(operator="plain").mean()
                ),
            }
        )
    return pd.DataFrame(rows)


def _training_records(results: StudyResults, family: CellFamily) -> list[dict[str, Any]]:
    """Provenance of the training of each seed."""
    folder = results.directory / "models" / family.task / family.model / family.treatment
    return [
        json.loads((folder / f"seed{seed}" / "provenance.json").read_text())
        for seed in family.seeds
    ]


def _matrix_table(results: StudyResults) -> pd.DataFrame:
    """A row for each model and treatment; columns for each evaluation."""
    rows = []
    for family in results.sample_families:
        records = _training_records(results, family)
        mine = results.metrics.query(
            "task == @family.task and model == @family.model and treatment == @family.treatment"
        )
        score = family.score
        row: dict[str, Any] = {
            "task": family.task,
            "model": family.model,
            "trained": family.treatment,
            "parameters": records[0]["parameters"],
            "metric": score,
        }
        for evaluation in family.evaluations:
            values = mine.query("evaluation == @evaluation and metric == @score").value
            row[evaluation] = f"{values.mean():.3g} ± {values.std(ddof=0):.2g}"
        for evaluation in family.evaluations:
            chosen = mine.query("evaluation == @evaluation")
            error = chosen[chosen.metric == "equivariance_error"].value.mean()
            seconds = chosen[chosen.metric == "seconds_per_sample"].value.mean()
            row[f"equivariance error, {evaluation}"] = f"{error:.1e}"
            row[f"ms, {evaluation}"] = 1e3 * seconds
        row["training (s)"] = sum(r.get("seconds", 0) for r in records) / len(records)
        rows.append(row)
    return pd.DataFrame(rows)
