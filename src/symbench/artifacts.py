"""What a run leaves: which artifacts there must be, and which are no longer what was written."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from symbench.config.read import Configuration
from symbench.data.manifest import unlike_manifest
from symbench.errors import DataError
from symbench.files import damaged, is_damaged, remove
from symbench.layout import IMAGES, TABLES, TRAINED


def expected(configuration: Configuration) -> list[Path]:
    """All artifacts that a configuration promises."""
    layout = configuration.layout
    paths = [layout.report]
    for name, study in configuration.studies.items():
        for table in TABLES:
            paths += [layout.table(name, table), layout.table_provenance(name, table)]
        paths += [layout.further_table(name, table) for table in study.tables]
        paths += [layout.audit(name, task) for task in study.tasks]
        for run in study.runs:
            paths += [layout.trained(file, name, *run.key, run.seed) for file in TRAINED]
            paths += [layout.evaluation(name, *run.key, each, run.seed) for each in run.evaluations]
        for figure in study.settings.figures:
            paths += [layout.figure(name, figure.name, suffix) for suffix in IMAGES]
    return paths


def damaged_artifacts(configuration: Configuration) -> list[Path]:
    """Artifacts and data whose content is not what was recorded when they were written."""
    layout = configuration.layout
    found = {path: None for path in expected(configuration) if is_damaged(path)}
    for name in configuration.studies:
        found |= dict.fromkeys(damaged(layout.study(name)))
    for folder in _data_folders(configuration):
        try:
            found |= dict.fromkeys(unlike_manifest(folder))
        except DataError:
            found[folder / "manifest.json"] = None
    return list(found)


def outdated_artifacts(configuration: Configuration) -> list[Path]:
    """Weights and tables that were made with other settings or other code, by their provenance."""
    layout = configuration.layout
    found = []
    for name, study in configuration.studies.items():
        for run in study.runs:
            provenance = layout.trained("provenance.json", name, *run.key, run.seed)
            if _is_of_another(provenance, run.training_fingerprint):
                found += [layout.trained(file, name, *run.key, run.seed) for file in TRAINED]
        for table in TABLES:
            provenance = layout.table_provenance(name, table)
            if _is_of_another(provenance, study.comparison_fingerprint):
                found += [layout.table(name, table), provenance]
    return found


def _is_of_another(provenance: Path, fingerprint: str) -> bool:
    try:
        return bool(json.loads(provenance.read_text()).get("config") != fingerprint)
    except (OSError, ValueError, AttributeError):
        return False


def lost_data(configuration: Configuration) -> list[Path]:
    """Manifests of data of which a file is lost."""
    manifests = []
    for folder in _data_folders(configuration):
        try:
            if any(not path.is_file() for path in unlike_manifest(folder)):
                manifests.append(folder / "manifest.json")
        except DataError:
            manifests.append(folder / "manifest.json")
    return manifests


def _data_folders(configuration: Configuration) -> Iterator[Path]:
    for key in configuration.data:
        if configuration.layout.manifest(*key).is_file():
            yield configuration.layout.data_folder(*key)


def remove_artifacts(configuration: Configuration, paths: Sequence[Path]) -> list[Path]:
    """Remove artifacts, so that the workflow makes them anew; returns manifests that are gone.

    A file of data takes its manifest with it, which is what the workflow looks for. Where all that
    follows is there, the workflow makes such data only if it is asked for their manifest. A link
    goes, and never what it points to; a path outside of the folders of this run is left alone.
    """
    layout = configuration.layout
    folders = [layout.data_folder(*key) for key in configuration.data]
    lost = set(paths)
    for path in paths:
        lost |= {folder / "manifest.json" for folder in folders if folder in path.parents}
    gone = sorted(path for path in lost if path.name == "manifest.json" and path.is_file())
    for path in lost:
        if any(root in path.parents for root in (*folders, layout.results)):
            remove(path)
    return gone
