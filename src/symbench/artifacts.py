"""What a run leaves: which artifacts there must be, and which are no longer what was written."""

import json
from collections.abc import Sequence
from pathlib import Path

from symbench.config.study import Configuration, evaluation_paths, training_paths
from symbench.files import damaged, is_damaged, remove, sha256

MANIFEST = "manifest.json"


def expected(configuration: Configuration) -> list[Path]:
    """All artifacts that a configuration promises."""
    root = Path(configuration.results, configuration.size)
    paths = [root / "report.html"]
    for name, study in configuration.studies.items():
        folder = root / name
        for table in ("metrics", "claims"):
            paths += [folder / f"{table}.csv", folder / f"{table}.provenance.json"]
        paths += [folder / "audits" / f"{task}.csv" for task in study.tasks]
        paths += [folder / "models" / path for path in training_paths(study)]
        paths += [folder / "evaluations" / path for path in evaluation_paths(study)]
        for figure in study.description.figures:
            paths += [folder / "figures" / f"{figure.name}.{suffix}" for suffix in ("png", "pdf")]
    return paths


def damaged_artifacts(configuration: Configuration) -> list[Path]:
    """Artifacts and data whose content is not what its recorded checksum says."""
    results = Path(configuration.results, configuration.size)
    data = Path(configuration.data, configuration.size)
    found = [path for path in [results / "report.html"] if is_damaged(path)]
    found += [path for name in configuration.studies for path in damaged(results / name)]
    for task in configuration.tasks:
        of_task = damaged(data / task)
        if data / task / MANIFEST not in of_task:
            of_task += [path for path in _unlike_manifest(data / task) if path not in of_task]
        found += of_task
    return found


def _unlike_manifest(folder: Path) -> list[Path]:
    try:
        checksums = json.loads((folder / MANIFEST).read_text())["sha256"]
    except (OSError, ValueError, KeyError):
        return []
    paths = {folder / name: checksum for name, checksum in checksums.items()}
    return [path for path, known in paths.items() if path.is_file() and sha256(path) != known]


def remove_artifacts(paths: Sequence[Path]) -> list[Path]:
    """Remove artifacts, so that the workflow makes them anew; returns manifests that are gone.

    A file of data takes its manifest with it, which is what the workflow looks for. Where all that
    follows is there, the workflow makes such data only if it is asked for their manifest.
    """
    lost = set(paths)
    for path in paths:
        if path.suffix in (".hdf5", ".h5", ".yaml"):
            lost.update(folder / MANIFEST for folder in path.parents[:2])
    gone = sorted(path for path in lost if path.name == MANIFEST and path.is_file())
    for path in lost:
        remove(path)
    return gone
