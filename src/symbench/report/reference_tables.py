"""Reference tables: kept from the results of a run, and made into figures and a report again."""

import csv
import io
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pandas as pd

from symbench.config.read import CONFIG, Configuration, read_as_run
from symbench.errors import DataError, choose
from symbench.figures.draw import draw_table, drawing
from symbench.figures.results import StudyResults, read_table
from symbench.files import recorded, refuse_damaged, refuse_filled, write_whole
from symbench.layout import NETWORKS, Layout
from symbench.report.answer import Answer, answered_networks
from symbench.report.build import Part, Section, add_figures, html
from symbench.report.claims import judged_claims
from symbench.report.networks import network_table
from symbench.report.reference import networks_of

# Larger tables of figures are left out: a repository keeps every version of them.
_LARGEST = 100_000


def keep(results: StudyResults, output: Path) -> None:
    """Write the small tables of a study, from which its figures and its report can be made.

    They lie as results do: claims, metrics as means and deviations over seeds, networks with what
    each way of imposing the symmetry changed, and the tables of figures.

    Args:
        results: of the study.
        output: the folder of the reference tables of its size or overlay.

    Raises:
        DataError: if a table is not there, a table or an evaluation is damaged, or the folder of
            the study holds anything but reference tables.

    """
    study, layout, kept = results.study, results.layout, Layout(output, output)
    _refuse_other_files(kept, study.name)
    for name in ("metrics", "claims"):
        refuse_damaged(layout.table(study.name, name))
    metrics = read_table(layout.table(study.name, "metrics"))
    chosen = metrics[metrics.metric.isin(study.settings.reference_metrics or metrics.metric)]
    chosen = chosen.query("field == 'mean' and lead_time in ('1', '6:12', '13:30')")
    chosen = chosen[~chosen.evaluation.str.contains("subset|subgroup|element")]
    keys = ["task", "model", "treatment", "evaluation", "lead_time", "metric"]
    spread = chosen.groupby(keys, sort=False).value.agg(["mean", "std", "count"]).reset_index()
    networks = network_table(answered_networks(results))
    kept.study(study.name).mkdir(parents=True, exist_ok=True)
    # First: by them a folder is known for one of reference tables.
    networks.to_csv(kept.table(study.name, NETWORKS), index=False, float_format="%.5g")
    spread.to_csv(kept.table(study.name, "metrics"), index=False, float_format="%.6g")
    claims = pd.read_csv(layout.table(study.name, "claims"), dtype={"paper_value": str})
    claims.to_csv(kept.table(study.name, "claims"), index=False, float_format="%.6g")
    for figure in study.settings.figures:
        paths = (each.figure(study.name, figure.name, "csv") for each in (layout, kept))
        _keep_figure(*paths)


def _refuse_other_files(kept: Layout, study: str) -> None:
    """Refuse a folder of a study with anything but reference tables, such as results of a run."""
    folder = kept.study(study)
    filled = folder.exists() and any(folder.iterdir())
    # Only tables of a run have their checksums beside them.
    if filled and (recorded(folder) or not _has_tables(kept, study)):
        raise DataError(
            f"{folder} holds other files than reference tables, and is left as it is: give another "
            "folder."
        )


def _keep_figure(path: Path, kept: Path) -> None:
    """Write the table of a figure with five digits, where it has one that is small enough."""
    kept.unlink(missing_ok=True)
    if not path.is_file():
        return
    refuse_damaged(path)
    with path.open(newline="") as file:
        rows = [[_rounded(cell) for cell in row] for row in csv.reader(file)]
    content = io.StringIO()
    csv.writer(content, lineterminator="\n").writerows(rows)
    if len(content.getvalue()) <= _LARGEST:
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(content.getvalue())


def _rounded(cell: str) -> str:
    """A number with five digits; whole numbers and texts as they are."""
    try:
        return f"{float(cell):.5g}" if "." in cell else cell
    except ValueError:
        return cell


def configuration_of(tables: Path, output: Path, studies: Collection[str] = ()) -> Configuration:
    """The configuration that reference tables are named after, for their studies.

    Args:
        tables: the folder of a size or an overlay, such as results/reference/laptop.
        output: a new folder, in which everything goes that is made of them.
        studies: that are wanted; all by default.

    Raises:
        DataError: if the folder holds no tables, or that of the output has files.
        ConfigError: if no size and no overlay has the name of the folder, or it has no tables of a
            study that is wanted.

    """
    kept = Layout(tables, tables)
    found = [path.name for path in sorted(tables.iterdir()) if _has_tables(kept, path.name)]
    if not found:
        raise DataError(
            f"{tables} holds no reference tables: give the folder of a size or an overlay, such as "
            "results/reference/laptop, or an archive."
        )
    refuse_filled(output)
    chosen = [choose(study, found, "study of these tables") for study in studies]
    name = tables.resolve().name
    files = {
        path.stem: path for kind in ("overlays", "sizes") for path in CONFIG.glob(f"{kind}/*.yaml")
    }
    file = files[choose(name, files, "size or overlay")]
    configuration = read_as_run([file], chosen or found)
    return replace(configuration, layout=Layout(output / "data", output / "results"))


def _has_tables(kept: Layout, study: str) -> bool:
    return kept.table(study, NETWORKS).is_file()


def _with_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The table of a figure, whose lead times are numbers unless they are windows, as 13:30."""
    if "lead_time" in table and table.lead_time.str.fullmatch(r"\d+").all():
        return table.astype({"lead_time": int})
    return table


def made_of_tables(results: StudyResults, tables: Path, only: Collection[str] = ()) -> Part:
    """Draw the figures of a study from reference tables, and make its part of the report.

    Args:
        results: of the study, whose layout says where figures and tables go; there are none yet.
        tables: the folder of all reference tables of a size or an overlay.
        only: names of figures; all by default.

    Raises:
        DataError: if a table has other columns than this code reads.

    """
    study, layout, kept = results.study, results.layout, Layout(tables, tables)
    with write_whole(layout.table(study.name, "claims")) as temporary:
        temporary.write_bytes(kept.table(study.name, "claims").read_bytes())
    lost = []
    for figure in study.settings.figures:
        path = kept.figure(study.name, figure.name, "csv")
        if only and figure.name not in only:
            continue
        if not path.is_file():
            lost.append(figure.name)
            continue
        try:
            table = _with_numbers(read_table(path))
            draw_table(drawing(study, figure.name), table, study, layout, figure.name)
        except (LookupError, AttributeError) as error:
            raise DataError(
                f"{path} has other columns than this code draws ({error!r}): make it anew by make "
                "reference."
            ) from None
    section = Section(study, claims=judged_claims(results))
    metrics = read_table(kept.table(study.name, "metrics"))
    title = "Scores: mean and standard deviation over seeds"
    section.tables = [{"title": title, "html": html(metrics)}]
    section.lacking.append(
        "This is made from reference tables, which keep no evaluations: means over seeds in place "
        "of all numbers, and no violations, costs or audits."
    )
    if lost:
        section.lacking.append(f"Figures whose tables are too large to keep: {', '.join(lost)}.")
    drawn = [figure for figure in study.settings.figures if figure.name not in lost]
    add_figures(section, results, drawn)
    return Part(section, Answer(tuple(networks_of(kept, study.name))))
