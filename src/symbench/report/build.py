"""Build the report from tables, figures and provenance."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from symbench.figures.results import StudyResults
from symbench.files import write_whole
from symbench.provenance import describe
from symbench.schema import Selection
from symbench.statistics import relative_change
from symbench.study import Configuration, Study


@dataclass(frozen=True)
class Section:
    """One study of the report, ready for the template."""

    study: Study
    claims: list[dict[str, Any]]
    figures: list[dict[str, str]]
    tables: list[dict[str, str]]


def build(configuration: Configuration, results: Path, output: Path) -> None:
    """Write the report of all studies of a configuration."""
    sections = [
        _section(StudyResults(study, results / name))
        for name, study in configuration.studies.items()
    ]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("symbench", "report"), autoescape=True, trim_blocks=True
    )
    page = environment.get_template("template.html.j2").render(
        size=configuration.size,
        sections=sections,
        style=(files("symbench.report") / "style.css").read_text(),
        config="\n".join(path.read_text() for path in configuration.files),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        run=_run(configuration, results),
    )
    with write_whole(output) as temporary:
        temporary.write_text(page)


def _section(results: StudyResults) -> Section:
    return Section(
        study=results.study,
        claims=_claims(results),
        figures=[
            {
                "name": figure.name,
                "caption": figure.caption,
                "image": _embed(results.directory / "figures" / f"{figure.name}.png"),
            }
            for figure in results.study.description.figures
        ],
        tables=[
            {
                "title": "One step: VRMSE, mean over channels, test samples and seeds",
                "html": _html(_one_step_table(results)),
            },
            {
                "title": "Rollouts: VRMSE in the windows of The Well, medians over trajectories",
                "html": _html(_rollout_table(results)),
            },
            {"title": "Audit of the declared symmetries", "html": _html(_audit_table(results))},
            {"title": "What it cost", "html": _html(_cost_table(results))},
        ],
    )


def _claims(results: StudyResults) -> list[dict[str, Any]]:
    """Each claim of the config with its overall row and its cases."""
    table = results.claims
    claims = []
    for claim in results.study.description.claims:
        overall = table[table.claim == claim.name].iloc[0]
        cases = table[table.claim.str.startswith(f"{claim.name}[")].copy()
        cases["case"] = cases.claim.str.extract(r"\[(.*)\]", expand=False)
        claims.append(
            {
                "statement": claim.statement,
                "source": claim.source,
                "paper_value": claim.paper_value,
                "verdict": overall.verdict,
                "value": _interval(overall),
                "unit": claim.unit,
                "n": overall.n,
                "cases": [
                    {"case": row.case, "value": _interval(row), "n": row.n, "verdict": row.verdict}
                    for row in cases.itertuples()
                ],
            }
        )
    return claims


def _interval(row: Any) -> str:
    if pd.isna(row.value):
        return "no data"
    if row.low == row.high:
        return f"{row.value:.3g}"
    return f"{row.value:.3g} [{row.low:.3g}, {row.high:.3g}]"


def _one_step_table(results: StudyResults) -> pd.DataFrame:
    rows = []
    for family in results.families:
        estimates = {
            name: family.estimate(Selection(evaluation=name))
            for name in ("none", "orbit_mean", "average")
        }
        change = relative_change(estimates["average"], estimates["none"])
        low, high = change.interval
        error = results.metrics.query(
            "task == @family.task and model == @family.model and treatment == @family.treatment"
            " and metric == 'equivariance_error'"
        ).value.mean()
        row = {
            "task": family.task,
            "model": family.model,
            "trained": family.treatment,
            "plain": estimates["none"].value,
            "orbit mean": estimates["orbit_mean"].value,
            "averaged": estimates["average"].value,
        }
        if "frame" in results.study.settings.evaluations:
            row["canonical shift"] = family.estimate(Selection(evaluation="frame")).value
        row |= {
            "change %": f"{100 * change.value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]",
            "equivariance error": error,
            "samples improved": _improved(family),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _improved(family: Any) -> str:
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
    for family in results.families:
        folder = results.directory / "models" / family.task / family.model / family.treatment
        records = [
            json.loads((folder / f"seed{seed}" / "provenance.json").read_text())
            for seed in family.seeds
        ]
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


def _html(table: pd.DataFrame) -> str:
    return table.to_html(
        index=False, border=0, na_rep="", float_format=lambda value: f"{value:.3g}", classes="table"
    )


def _embed(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _run(configuration: Configuration, results: Path) -> dict[str, str]:
    """What was run, on what, and how long it took."""
    record = describe("report")
    seconds = 0.0
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        seconds += float(pd.read_csv(path, sep="\t")["s"].iloc[0])
    packages = record["packages"]
    return {
        "size": configuration.size,
        "command": f"snakemake --cores {record['cores']} --config size={configuration.size}",
        "commit": record["commit"],
        "machine": f"{record['processor']}, {record['cores']} cores, {record['system']}",
        "python": record["python"],
        "packages": yaml.safe_dump(packages, default_flow_style=True, width=1000).strip("{}\n"),
        "time of all jobs": f"{seconds / 60:.1f} minutes of job time",
    }
