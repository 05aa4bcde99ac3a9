"""The tables of the report."""

import math

import numpy as np
import pandas as pd
import xarray as xr

from symbench.evaluation.reading import DIVERGED
from symbench.evaluation.results import RunGroup, over_defined
from symbench.figures.results import StudyResults, change_by_averaging, score
from symbench.files import refuse_damaged
from symbench.numbers import interval
from symbench.report.run import read_record
from symbench.report.violations import irrep_tables, violations

# Lead times and operators of the table of rollouts.
LEADS = ("1", "6:12", "13:30")
ROLLOUTS = {
    "plain_rollout_plain": "plain",
    "average_rollout_stepwise": "each step",
    "average_rollout_trajectory": "at the end",
}
# Failing elements that are named.
NAMED = 7


def tables(results: StudyResults) -> dict[str, pd.DataFrame]:
    """All tables of a study by title; those that would be empty are left out."""
    found = {
        "Every way of imposing the symmetry: mean over test samples and seeds, with its standard "
        "deviation over seeds, and what it cost": _matrix_table(results),
        "Ours and published": _published_table(results),
        "Averaging at evaluation: change of the score with its 95 % interval": _gain_table(results),
        **irrep_tables(results),
        "Rollouts: VRMSE in the windows of The Well, medians over trajectories": _rollout_table(
            results
        ),
        "What averaging cost, over the plain evaluation": _cost_table(results),
        "Predictions that were not finite": _diverged_table(results),
        "Audit of the declared symmetries": _audit_table(results),
    }
    return {title: table for title, table in found.items() if len(table)}


def _names(group: RunGroup) -> dict[str, object]:
    return {"task": group.task, "model": group.model, "trained": group.treatment}


def _matrix_table(results: StudyResults) -> pd.DataFrame:
    """A row for each run group; columns for each evaluation."""
    rows = []
    for group in results.groups:
        parameters = _training(results, group, "parameters")
        row = {**_names(group), "parameters": f"{parameters:.0f}", "metric": group.score.name}
        for evaluation in group.evaluations:
            values = results.per_seed(group, evaluation, group.score.name)
            row[evaluation] = spread(values)
        row |= violations(group)
        for evaluation in group.evaluations:
            seconds = results.value(group, evaluation, "seconds_per_sample")
            row[f"ms, {evaluation}"] = 1e3 * seconds
        rows.append({**row, "training (s)": _training(results, group, "seconds")})
    return pd.DataFrame(rows)


def _published_table(results: StudyResults) -> pd.DataFrame:
    """A row for each number of a paper and each run group that it stands beside."""
    rows = []
    for published in results.study.settings.published:
        for group in results.groups:
            if not published.stands_beside(group.runs[0].key):
                continue
            metric = published.metric or group.score.name
            rows.append(
                {
                    **_names(group),
                    "metric": metric,
                    "ours": spread(results.per_seed(group, "plain", metric)),
                    "published": published.value,
                    "violation": violations(group, "plain").get("violation, plain", ""),
                    "parameters": f"{_training(results, group, 'parameters'):.0f}",
                    "published parameters": ""
                    if published.parameters is None
                    else f"{published.parameters}",
                    "epochs": _epochs(group),
                    "source": published.source,
                    "what differs": published.differs,
                }
            )
    return pd.DataFrame(rows)


def _epochs(group: RunGroup) -> str:
    """How many epochs the networks of a run group were trained for."""
    history = group.history
    return "" if history.empty else f"{int(history.epoch.max()) + 1}"


def spread(values: np.ndarray) -> str:
    """Mean and standard deviation over seeds, in words."""
    if not len(values):
        return ""
    if len(values) == 1:
        return f"{values[0]:.3g} (one seed)"
    return f"{values.mean():.3g} ± {values.std(ddof=1):.2g}"


def _training(results: StudyResults, group: RunGroup, key: str) -> float:
    """Mean over seeds of what the provenance of trainings says; NaN where it says nothing."""
    paths = [
        results.layout.trained("provenance.json", run.study, *run.key, run.seed)
        for run in group.runs
    ]
    records = [read_record(path) for path in paths]
    known = [value for record in records if isinstance(value := record.get(key), int | float)]
    return sum(known) / len(known) if known else float("nan")


def _gain_table(results: StudyResults) -> pd.DataFrame:
    """Plain, mean over the orbit and average, of what has both evaluations."""
    rows = []
    for group in results.groups:
        estimates = {
            name: group.estimate(score(name)) for name in ("plain", "orbit_mean", "average")
        }
        plain, averaged, orbit = (estimates[name] for name in ("plain", "average", "orbit_mean"))
        percent = change_by_averaging(group)
        if plain is None or averaged is None or percent is None:
            continue
        rows.append(
            {
                **_names(group),
                "metric": group.score.name,
                "plain": plain.value,
                "orbit mean": float("nan") if orbit is None else orbit.value,
                "averaged": averaged.value,
                "change %": interval(*percent),
                "samples improved": _improved(group),
                **violations(group, "plain", "average"),
            }
        )
    return pd.DataFrame(rows)


def _improved(group: RunGroup) -> str:
    """How many samples have a better score after averaging."""
    name = group.score.name
    plain, averaged = (
        _per_sample(group.open(evaluation)[name]) for evaluation in ("plain", "average")
    )
    if averaged.ndim < 2:
        # A number for each network, and none for a sample.
        return ""
    better = averaged < plain if group.score.better == "lower" else averaged > plain
    return f"{int(better.sum())} of {averaged.size}"


def _per_sample(values: xr.DataArray) -> np.ndarray:
    return (over_defined(values) if "channel" in values.dims else values).to_numpy()


def _cost_table(results: StudyResults) -> pd.DataFrame:
    """Time of a pass by the number of elements, and peak memory of rollouts."""
    rows = []
    for group in results.groups:
        if not {"plain", "average"} <= set(group.evaluations):
            continue
        seconds = {
            name: results.value(group, name, "seconds_per_sample") for name in ("plain", "average")
        }
        ratio = seconds["average"] / seconds["plain"]
        averaged = group.open("average")
        by_elements = "elements" in averaged.coords
        elements = int(averaged.elements.max()) if by_elements else averaged.sizes["element"]
        rows.append(
            {
                **_names(group),
                "one pass (ms)": 1e3 * seconds["plain"],
                "averaged (ms)": 1e3 * seconds["average"],
                "elements": elements,
                "ratio / elements": ratio / elements,
                "memory, averaged / plain": _memory_ratio(results, group),
            }
        )
    return pd.DataFrame(rows)


def _memory_ratio(results: StudyResults, group: RunGroup) -> float:
    rows = results.rows(group)
    peak = rows[rows.metric == "peak_memory"].groupby("evaluation").value.mean()
    names = ("average_rollout_stepwise", "plain_rollout_plain")
    averaged, plain = (float(peak.get(name, float("nan"))) for name in names)
    return averaged / plain


def _rollout_table(results: StudyResults) -> pd.DataFrame:
    metrics = results.metrics
    chosen = metrics[
        (metrics.metric == "vrmse_median")
        & metrics.lead_time.isin(LEADS)
        & metrics.evaluation.isin(list(ROLLOUTS))
    ]
    if chosen.empty:
        return pd.DataFrame()
    wide = chosen.assign(evaluation=chosen.evaluation.map(ROLLOUTS)).pivot_table(
        index=["task", "model", "treatment"],
        columns=["lead_time", "evaluation"],
        values="value",
        sort=False,
    )
    order = [(lead, name) for lead in LEADS for name in ROLLOUTS.values()]
    wide = wide[[column for column in order if column in wide.columns]]
    wide.columns = pd.Index([", ".join(column) for column in wide.columns])
    found = {tuple(_names(group).values()): violations(group, "plain") for group in results.groups}
    told = [found.get(names, {}).get("violation, plain", "") for names in wide.index]
    return wide.assign(**{"violation, one step": told}).reset_index()


def _diverged_table(results: StudyResults) -> pd.DataFrame:
    """A row for each run group, evaluation and test set, of which something diverged."""
    metrics = results.metrics
    rows = []
    lost = metrics[metrics.metric.str.contains(DIVERGED, regex=False) & (metrics.value > 0)]
    for group in results.groups:
        mine = results.rows(group)
        mine = mine[mine.index.isin(lost.index)]
        for (evaluation, metric), counts in mine.groupby(["evaluation", "metric"], sort=False):
            total = _total(group, str(evaluation), str(metric))
            rows.append(
                {
                    **_names(group),
                    "evaluation": evaluation,
                    "what": str(metric).replace("_", " "),
                    "diverged": f"{int(counts.value.sum())} of {total}",
                }
            )
    return pd.DataFrame(rows)


def _total(group: RunGroup, evaluation: str, metric: str) -> int:
    """Number of predictions of all seeds that a count of what diverged is a part of."""
    sizes = {str(name): size for name, size in group.open(evaluation).sizes.items()}
    if metric.startswith("rollouts"):
        return sizes["seed"] * sizes["trajectory"] * sizes["operator"]
    return sizes["seed"] * sizes[f"sample{metric.removeprefix(DIVERGED)}"]


def _audit_table(results: StudyResults) -> pd.DataFrame:
    rows = []
    for task in results.study.tasks.values():
        path = results.layout.audit(results.study.name, task.name)
        if not path.is_file():
            continue
        refuse_damaged(path)
        audit = pd.read_csv(path)
        failed = list(audit.element[~audit.passed])
        undecided = audit[audit.verdict == "undecided"]
        more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        rows.append(
            {
                "task": task.name,
                "group": task.settings.group,
                "declared": "exact" if task.settings.exact else "broken",
                "elements that hold": f"{(audit.verdict == 'holds').sum()} of {len(audit)}",
                "failing": ("; ".join(map(str, failed[:NAMED])) or "none") + more,
                "law undecided": f"{len(undecided)}, with {undecided.samples.max()} samples; "
                f"{undecided.needed.max()} could do"
                if len(undecided)
                else "none",
                "largest dynamics error": _told(audit.dynamics_error.max()),
                "smallest p-value": _told(audit.p_value.min()),
            }
        )
    return pd.DataFrame(rows)


def _told(value: float) -> str:
    return "not audited" if math.isnan(value) else f"{value:.1e}"
