"""Build the report from tables, figures and provenance."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from symbench.config.study import Configuration, Study
from symbench.figures.results import StudyResults
from symbench.files import write_whole
from symbench.provenance import describe
from symbench.report.tables import tables


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
        tables=[{"title": title, "html": _html(table)} for title, table in tables(results).items()],
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
    if pd.isna(row.low):
        return f"{row.value:.3g} (one value, no interval)"
    if row.low == row.high:
        return f"{row.value:.3g}"
    return f"{row.value:.3g} [{row.low:.3g}, {row.high:.3g}]"


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
