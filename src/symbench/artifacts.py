"""What a run leaves: which artifacts there must be, and which are no longer what was written."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from symbench.config.read import Configuration
from symbench.config.run import Run
from symbench.config.study import Study
from symbench.data.manifest import NAME, replaced, unlike_manifest
from symbench.data.raw_files import RawFiles
from symbench.errors import DataError
from symbench.files import damaged, is_damaged, remove
from symbench.layout import FAILED, IMAGES, SEEDS, TABLES, TRAINED, Layout

# Where a report says what decided each study, and how many characters come before its end.
_REPORTED = re.compile('<meta name="fingerprints" content="([^"]*)">')
_HEAD = 100_000


def expected(configuration: Configuration) -> list[Path]:
    """All artifacts that a configuration promises."""
    layout = configuration.layout
    paths = [layout.report]
    for name, study in configuration.studies.items():
        for table in TABLES:
            paths += [layout.table(name, table), layout.table_provenance(name, table)]
        for table in study.tables:
            paths += [layout.further_table(name, table)]
            paths += [layout.further_table_provenance(name, table)]
        for task in study.tasks:
            paths += [layout.audit(name, task), layout.audit_provenance(name, task)]
        for run in study.runs:
            paths += [layout.trained(file, name, *run.key, run.seed) for file in TRAINED]
            paths += [layout.evaluation(name, *run.key, each, run.seed) for each in run.evaluations]
        for figure in study.settings.figures:
            paths += [layout.figure(name, figure.name, suffix) for suffix in IMAGES]
    return paths


def trained_together(
    study: Study, layout: Layout, asked: Iterable[str] | None = None
) -> dict[str, tuple[Run, ...]]:
    """Runs that one job shall train at once, by the name of the job, in which their seeds are.

    Of each run group those that are not trained; a run that failed beside others is left to a job
    of its own. A job that reads the workflow again, on another machine and after others have
    written files, asks for what it was called.

    Args:
        study: whose trainings are planned.
        layout: where its results are.
        asked: names of jobs, in place of what the files say.

    """
    if not study.resources("train").seeds_together:
        return {}
    found = {}
    for key, runs in study.groups.items():
        start = "_".join(("train", study.name, *key, SEEDS))
        if asked is None:
            parts = [[r for r in runs if r.checkpoint is None and not _is_over(r, layout)]]
        else:
            named = [name.removeprefix(start) for name in asked if name.startswith(start)]
            parts = [[r for r in runs if str(r.seed) in name.split("_")] for name in named]
        for some in parts:
            if len(some) > 1:
                found["_".join((start, *(str(run.seed) for run in some)))] = tuple(some)
    return found


def _is_over(run: Run, layout: Layout) -> bool:
    """Whether a training with these settings left its files, or failed."""
    failed = layout.trained(FAILED, run.study, *run.key, run.seed)
    return is_trained(run, layout) or _recorded(failed) == run.training_fingerprint


def is_trained(run: Run, layout: Layout) -> bool:
    """Whether a training with these settings and this code left its files."""
    paths = [layout.trained(file, run.study, *run.key, run.seed) for file in TRAINED]
    whole = all(path.is_file() for path in paths)
    return whole and _recorded(paths[-1]) == run.training_fingerprint


def unfinished(configuration: Configuration) -> list[Study]:
    """Studies of which some run was not evaluated."""
    layout = configuration.layout
    return [
        study
        for name, study in configuration.studies.items()
        if not all(
            layout.evaluation(name, *run.key, each, run.seed).is_file()
            for run in study.runs
            for each in run.evaluations
        )
    ]


def damaged_artifacts(configuration: Configuration) -> list[Path]:
    """Artifacts and data whose content is not what was recorded when they were written."""
    layout = configuration.layout
    found = {path: None for path in expected(configuration) if is_damaged(path)}
    for name in configuration.studies:
        found |= dict.fromkeys(damaged(layout.study(name)))
    for folder in _data_folders(configuration):
        try:
            found |= dict.fromkeys(unlike_manifest(folder))
            # The raw file is the user's own: what was made of another one goes.
            if replaced(folder, RawFiles(configuration.raw_files)):
                found[folder / NAME] = None
        except DataError:
            found[folder / NAME] = None
    return list(found)


def outdated_artifacts(configuration: Configuration) -> list[Path]:
    """Artifacts that were made with other settings or other code, by what they say themselves."""
    # The workflow, which plans with this module, opens no evaluations.
    from symbench.evaluation.reading import recorded_fingerprint

    layout = configuration.layout
    found = []
    for name, study in configuration.studies.items():
        for task_name, task in study.tasks.items():
            provenance = layout.audit_provenance(name, task_name)
            if _is_of_another(_recorded(provenance), task.audit_fingerprint):
                found += [layout.audit(name, task_name), provenance]
        for run in study.runs:
            provenance = layout.trained("provenance.json", name, *run.key, run.seed)
            if _is_of_another(_recorded(provenance), run.training_fingerprint):
                found += [layout.trained(file, name, *run.key, run.seed) for file in TRAINED]
            for evaluation in run.evaluations:
                path = layout.evaluation(name, *run.key, evaluation, run.seed)
                if _is_of_another(recorded_fingerprint(path), run.evaluation_fingerprint):
                    found.append(path)
        for table in TABLES:
            provenance = layout.table_provenance(name, table)
            if _is_of_another(_recorded(provenance), study.comparison_fingerprint):
                found += [layout.table(name, table), provenance]
        for table in study.tables:
            provenance = layout.further_table_provenance(name, table)
            if _is_of_another(_recorded(provenance), study.table_fingerprint(table)):
                found += [layout.further_table(name, table), provenance]
        for figure in study.settings.figures:
            images = [layout.figure(name, figure.name, suffix) for suffix in IMAGES]
            if _is_of_another(_recorded_image(images[0]), study.figure_fingerprint(figure.name)):
                found += images
    reported = _reported(layout.report)
    studies = configuration.studies.items()
    if reported and any(reported.get(name) != each.report_fingerprint for name, each in studies):
        found.append(layout.report)
    return found


def _is_of_another(recorded: object, fingerprint: str) -> bool:
    return recorded is not None and recorded != fingerprint


def _recorded(provenance: Path) -> object:
    try:
        content = json.loads(provenance.read_text())
    except (OSError, ValueError):
        return None
    return content.get("config") if isinstance(content, dict) else None


def _recorded_image(path: Path) -> object:
    # The workflow, which plans with this module, needs no libraries for figures.
    from PIL import Image

    from symbench.figures.draw import FINGERPRINT

    try:
        with Image.open(path) as image:
            return image.info.get(FINGERPRINT)
    except OSError:
        return None


def _reported(report: Path) -> dict[str, str]:
    """The fingerprint of each study in the head of a report; empty if it says none."""
    try:
        with report.open(encoding="utf-8") as stream:
            said = _REPORTED.search(stream.read(_HEAD))
    except (OSError, ValueError):
        return {}
    pairs = (each.partition("=") for each in said[1].split()) if said else ()
    return {name: fingerprint for name, _, fingerprint in pairs}


def _data_folders(configuration: Configuration) -> Iterator[Path]:
    for key in configuration.data:
        if configuration.layout.manifest(*key).is_file():
            yield configuration.layout.data_folder(*key)


def remove_artifacts(configuration: Configuration, paths: Sequence[Path]) -> list[Path]:
    """Remove artifacts, so that the workflow makes them anew; returns what it removed.

    A file of data takes its manifest with it, which is what the workflow looks for. Where all that
    follows is there, the workflow makes such data only if it is asked for their manifest. A link
    goes, and never what it points to; what lies in a folder that links lead to, and a path outside
    of the folders of this run, is left alone.
    """
    folders = [configuration.layout.data_folder(*key) for key in configuration.data]
    lost = set(paths)
    for path in paths:
        lost |= {folder / NAME for folder in folders if folder in path.parents}
    roots = (*folders, configuration.layout.results)
    removed = [path for path in sorted(lost) if any(_is_really_below(root, path) for root in roots)]
    for path in removed:
        remove(path)
    return removed


def behind_links(configuration: Configuration, paths: Sequence[Path]) -> list[Path]:
    """Results among artifacts that `remove_artifacts` leaves: a link leads to their folder."""
    results = configuration.layout.results
    ours = [path for path in paths if results in path.parents and path.is_file()]
    return [path for path in ours if not _is_really_below(results, path)]


def _is_really_below(root: Path, path: Path) -> bool:
    parent = path.parent.resolve()
    below = root in path.parents and root.resolve() in (parent, *parent.parents)
    return below and (path.is_file() or path.is_symlink())
