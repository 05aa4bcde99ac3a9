"""Build the report from what is there: tables, figures and provenance."""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import jinja2
import pandas as pd
from PIL import Image

from symbench.config.read import Configuration
from symbench.config.schema import FigureSettings
from symbench.config.study import Study
from symbench.errors import SymBenchError
from symbench.figures.draw import FINDING, FINGERPRINT
from symbench.figures.results import StudyResults
from symbench.files import is_damaged, refuse_damaged, write_whole
from symbench.layout import TABLES
from symbench.report.answer import Answer, answer
from symbench.report.claims import Judged, judged_claims
from symbench.report.run import licences, read_record, what_was_run
from symbench.report.tables import tables

# What lies beside the image of a figure.
LINKED = ("pdf", "csv", "nc")
# So many missing runs are named.
NAMED = 8


@dataclass(frozen=True)
class Shown:
    """A figure of the report.

    Attributes:
        name: in the study.
        caption: what to see.
        finding: what is seen, in words.
        image: as a data address.
        links: from the report to the figure as PDF and to its table.
        command: draws it again.

    """

    name: str
    caption: str
    finding: str
    image: str
    links: tuple[str, ...]
    command: str


@dataclass
class Section:
    """One study of the report, ready for the template.

    Attributes:
        study: the study.
        lacking: what the report does not show, a sentence each.
        claims: with what was found.
        figures: those that are there.
        tables: title and HTML of each.

    """

    study: Study
    lacking: list[str] = field(default_factory=list)
    claims: list[Judged] = field(default_factory=list)
    figures: list[Shown] = field(default_factory=list)
    tables: list[dict[str, str]] = field(default_factory=list)

    @property
    def contents(self) -> list[tuple[str, str]]:
        """What the section has beside its question: name and title of each part."""
        return [
            (name, name.capitalize())
            for name in ("claims", "figures", "tables")
            if getattr(self, name)
        ]

    @property
    def counts(self) -> str:
        """How many claims ended in each verdict; checks do not count."""
        verdicts = Counter(each.whole.verdict for each in self.claims if not each.claim.check)
        told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
        return f"{verdicts.total()} claims: {told}."


@dataclass(frozen=True)
class Part:
    """What one study has in the report.

    Attributes:
        section: the study on its own.
        answer: its networks in the answer of all studies.

    """

    section: Section
    answer: Answer


def part(results: StudyResults) -> Part:
    """What a study has in the report; its networks answer nothing without a sound comparison."""
    return Part(section(results), answer([] if _comparison_problem(results) else [results]))


def build(configuration: Configuration, output: Path, made: Sequence[Part] = ()) -> None:
    """Write the report of all studies of a configuration.

    What is missing, damaged or was made with other settings is named, and not shown.

    Args:
        configuration: what was configured; its layout says where results are.
        output: the page, HTML that holds all images.
        made: parts of studies that are made already.

    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("symbench", "report"), autoescape=True, trim_blocks=True
    )
    known = {each.section.study.name: each for each in made}
    parts = [
        known.get(name) or part(StudyResults(study, configuration.layout))
        for name, study in configuration.studies.items()
    ]
    folder = files("symbench.report")
    page = environment.get_template("template.html.j2").render(
        fingerprints=" ".join(
            f"{name}={study.report_fingerprint}" for name, study in configuration.studies.items()
        ),
        size=configuration.size,
        answer=Answer(
            tuple(network for each in parts for network in each.answer.networks),
            tuple(network for each in parts for network in each.answer.references),
        ),
        sections=[each.section for each in parts],
        style=(folder / "style.css").read_text(),
        script=(folder / "report.js").read_text(),
        config="\n".join(path.read_text() for path in configuration.files),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        run=what_was_run(configuration),
        licences=licences(configuration),
    )
    with write_whole(output) as temporary:
        temporary.write_text(page)


def section(results: StudyResults) -> Section:
    """What the report says about a study."""
    found = Section(results.study)
    _add_missing_runs(found, results)
    if problem := _comparison_problem(results):
        found.lacking.append(problem)
        return found
    try:
        found.claims = judged_claims(results)
        found.tables = [
            {"title": title, "html": html(table)} for title, table in tables(results).items()
        ]
    except SymBenchError as error:
        found.lacking.append(str(error))
    add_figures(found, results, results.study.settings.figures)
    return found


def _add_missing_runs(found: Section, results: StudyResults) -> None:
    missing = [str(run) for run in results.missing]
    if not missing:
        return
    named = ", ".join(missing[:NAMED])
    more = len(missing) - NAMED
    rest = f" and {more} more" if more > 0 else ""
    count = f"{len(missing)} of {len(results.study.runs)} runs have no evaluations"
    found.lacking.append(f"{count}: {named}{rest}.")


def _comparison_problem(results: StudyResults) -> str | None:
    """Why metrics and claims cannot be shown; None if they can."""
    study = results.study
    for name in TABLES:
        path = results.layout.table(study.name, name)
        if not path.is_file():
            return f"{path.name} is not there: the study was not compared, and nothing is shown."
        try:
            refuse_damaged(path)
        except SymBenchError as error:
            return str(error)
        record = read_record(results.layout.table_provenance(study.name, name))
        if record.get("config") != study.comparison_fingerprint:
            return (
                f"{path.name} was made with other settings (or other code): nothing of it is shown."
            )
    return None


def add_figures(found: Section, results: StudyResults, figures: Sequence[FigureSettings]) -> None:
    """Add figures of this configuration; the others are named by what is wrong with them."""
    wrong: dict[str, list[str]] = {}
    for figure in figures:
        path = results.layout.figure(results.study.name, figure.name)
        if problem := _figure_problem(path, results.study.figure_fingerprint(figure.name)):
            wrong.setdefault(problem, []).append(figure.name)
            continue
        beside = (results.layout.figure(results.study.name, figure.name, s) for s in LINKED)
        links = tuple(
            each.relative_to(results.layout.report.parent).as_posix()
            for each in beside
            if each.is_file()
        )
        again = f"symbench figure {figure.name} --study {results.study.name}"
        finding = _written(path).get(FINDING, figure.caption)
        shown = Shown(figure.name, figure.caption, finding, embedded(path), links, again)
        found.figures.append(shown)
    for problem, names in wrong.items():
        found.lacking.append(f"Figures that {problem}: {', '.join(names)}.")


def embedded(path: Path) -> str:
    """An image for a page: lossless WebP, which takes 40 % of what PNG does."""
    content = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(content, "WEBP", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"


def _figure_problem(path: Path, fingerprint: str) -> str | None:
    """Why a figure cannot be shown; None if it can."""
    if not path.is_file():
        return "are not there"
    if is_damaged(path):
        return "are damaged"
    try:
        recorded = _written(path).get(FINGERPRINT)
    except OSError:
        return "are no images"
    return None if recorded == fingerprint else "were made with other settings (or other code)"


def _written(path: Path) -> dict[str, str]:
    """The texts in an image, by key."""
    with Image.open(path) as image:
        return {str(key): str(value) for key, value in image.info.items()}


def html(table: pd.DataFrame) -> str:
    """A table as HTML; texts are escaped, and what is empty stays so."""
    return table.to_html(
        index=False, border=0, na_rep="", float_format=lambda value: f"{value:.3g}", classes="table"
    )
