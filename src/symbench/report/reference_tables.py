"""Reference tables: kept from the results of a run, and made into figures and a report again."""

import csv
import io
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pandas as pd

from symbench.config.read import CONFIG, Configuration, read_configuration
from symbench.errors import DataError, choose
from symbench.figures.draw import draw_table, drawing
from symbench.figures.results import StudyResults, read_table
from symbench.files import refuse_damaged, write_whole
from symbench.layout import Layout
from symbench.report.answer import Answer, answer
from symbench.report.build import Part, Section, add_figures, html
from symbench.report.claims import judged_claims
from symbench.report.networks import network_table
from symbench.report.reference import NETWORKS, networks_of

# Larger tables of figures are left out: a repository keeps every version of them.
_LARGEST = 100_000
_FIGURES = "figures"


def keep(results: StudyResults, output: Path) -> None:
    """Write the small tables of a study, from which its figures and its report can be made.

    claims.csv, metrics.csv with means and deviations over seeds, networks.csv with what each way of
    imposing the symmetry changed, and the tables of figures.

    Args:
        results: of the study.
        output: the folder of the study's reference tables.

    Raises:
        DataError: if a table is not there or damaged.

    """
    study, layout = results.study, results.layout
    for name in ("metrics", "claims"):
        refuse_damaged(layout.table(study.name, name))
    metrics = pd.read_csv(layout.table(study.name, "metrics"), dtype={"lead_time": str})
    chosen = metrics[metrics.metric.isin(study.settings.reference_metrics or metrics.metric)]
    chosen = chosen.query("field == 'mean' and lead_time in ('1', '6:12', '13:30')")
    chosen = chosen[~chosen.evaluation.str.contains("subset|subgroup|element")]
    keys = ["task", "model", "treatment", "evaluation", "lead_time", "metric"]
    spread = chosen.groupby(keys, sort=False).value.agg(["mean", "std", "count"]).reset_index()
    output.mkdir(parents=True, exist_ok=True)
    spread.to_csv(output / "metrics.csv", index=False, float_format="%.6g")
    claims = pd.read_csv(layout.table(study.name, "claims"), dtype={"paper_value": str})
    claims.to_csv(output / "claims.csv", index=False, float_format="%.6g")
    networks = network_table(answer([results]).networks)
    networks.to_csv(output / NETWORKS, index=False, float_format="%.5g")
    for figure in study.settings.figures:
        _keep_figure(layout.figure(study.name, figure.name, "csv"), output / _FIGURES)


def _keep_figure(path: Path, folder: Path) -> None:
    """Write the table of a figure with five digits, where it has one that is small enough."""
    kept = folder / path.name
    kept.unlink(missing_ok=True)
    if not path.is_file():
        return
    refuse_damaged(path)
    with path.open(newline="") as file:
        rows = [[_rounded(cell) for cell in row] for row in csv.reader(file)]
    content = io.StringIO()
    csv.writer(content, lineterminator="\n").writerows(rows)
    if len(content.getvalue()) <= _LARGEST:
        folder.mkdir(exist_ok=True)
        kept.write_text(content.getvalue())


def _rounded(cell: str) -> str:
    """A number with five digits; whole numbers and texts as they are."""
    try:
        return f"{float(cell):.5g}" if "." in cell else cell
    except ValueError:
        return cell


def configuration_of(tables: Path, output: Path) -> Configuration:
    """The configuration that reference tables are named after, for their studies.

    Args:
        tables: the folder of a size or an overlay, such as results/reference/laptop.
        output: a new folder, in which everything goes that is made of them.

    Raises:
        DataError: if the folder holds no tables, or that of the output has files.
        ConfigError: if no size and no overlay has the name of the folder.

    """
    studies = sorted(path.parent.name for path in tables.glob(f"*/{NETWORKS}"))
    if not studies:
        raise DataError(
            f"{tables} holds no reference tables: give the folder of a size or an overlay, such as "
            "results/reference/laptop, or an archive."
        )
    if output.exists() and any(output.iterdir()):
        raise DataError(f"{output} is not empty: give a folder that is new.")
    name = tables.resolve().name
    files = {
        path.stem: path for kind in ("overlays", "sizes") for path in CONFIG.glob(f"{kind}/*.yaml")
    }
    # Their raw files were at hand where they were run.
    there = [f"studies.{study}.optional=false" for study in studies]
    found = read_configuration(
        [files[choose(name, files, "size or overlay")]], studies, overrides=there
    )
    return replace(found, layout=Layout(output / "data", output / "results"))


def made_of_tables(results: StudyResults, tables: Path, only: Collection[str] = ()) -> Part:
    """Draw the figures of a study from reference tables, and make its part of the report.

    Args:
        results: of the study, whose layout says where figures and tables go; there are none yet.
        tables: the folder of all reference tables of a size or an overlay.
        only: names of figures; all by default.

    Raises:
        DataError: if a table has other columns than this code reads.

    """
    study, layout = results.study, results.layout
    folder = tables / study.name
    with write_whole(layout.table(study.name, "claims")) as temporary:
        temporary.write_bytes((folder / "claims.csv").read_bytes())
    lost = []
    for figure in study.settings.figures:
        path = folder / _FIGURES / f"{figure.name}.csv"
        if only and figure.name not in only:
            continue
        if not path.is_file():
            lost.append(figure.name)
            continue
        try:
            draw_table(drawing(study, figure.name), read_table(path), study, layout, figure.name)
        except (LookupError, AttributeError) as error:
            raise DataError(
                f"{path} has other columns than this code draws ({error!r}): make it anew by make "
                "reference."
            ) from None
    section = Section(study, claims=judged_claims(results))
    metrics = pd.read_csv(folder / "metrics.csv", dtype={"lead_time": str})
    title = "Scores: mean and standard deviation over seeds"
    section.tables = [{"title": title, "html": html(metrics)}]
    section.lacking.append(
        "This is made from reference tables, which keep no evaluations: means over seeds in place "
        "of all numbers, and no violations, costs or audits."
    )
    if lost:
        section.lacking.append(f"Figures whose tables are too large to keep: {', '.join(lost)}.")
    kept = [figure for figure in study.settings.figures if figure.name not in lost]
    add_figures(section, results, kept)
    return Part(section, Answer(tuple(networks_of(folder / NETWORKS))))
