"""The results of a run in one file, without weights: what figures, tables and the report need."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from symbench.config.read import Configuration, read_configuration
from symbench.errors import DataError
from symbench.files import write_whole
from symbench.layout import Layout
from symbench.provenance import describe

INDEX = "archive.json"
# What only training and repair need.
_LEFT_OUT = ("weights.safetensors", "state.pt", "report.html")
_FOLDERS_LEFT_OUT = ("logs", "figures")


def write_archive(configuration: Configuration, path: Path) -> None:
    """Write tables, evaluations, histories, provenance, costs and the config as one .tar.gz.

    Raises:
        DataError: if there are no results.

    """
    results = configuration.layout.results
    if not results.is_dir():
        raise DataError(f"{results} is not there: nothing was run.")
    index = {
        "studies": list(configuration.studies),
        "overrides": list(configuration.overrides),
        "files": [_place(file).as_posix() for file in configuration.files],
        "compared": {
            name: study.comparison_fingerprint for name, study in configuration.studies.items()
        },
        "made": describe("archive"),
    }
    with write_whole(path) as temporary, tarfile.open(temporary, "w:gz") as archive:
        for file in _config_files(configuration):
            archive.add(file, _place(file).as_posix())
        for file in _result_files(configuration):
            archive.add(file, f"results/{file.relative_to(results).as_posix()}")
        described = temporary.with_name(f"{temporary.name}.index")
        described.write_text(json.dumps(index, indent=2))
        archive.add(described, INDEX)
        described.unlink()


def open_archive(path: Path, folder: Path) -> Configuration:
    """Unpack an archive into a folder, and read its configuration, whose layout is that folder.

    Raises:
        DataError: if the file is no archive of results, the folder has files, or the results were
            made by other code than this.

    """
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty: give a folder that is new.")
    try:
        with tarfile.open(path, "r:*") as archive:
            archive.extractall(folder, filter="data")
        index = json.loads((folder / INDEX).read_text())
    except (OSError, tarfile.TarError, ValueError) as error:
        raise DataError(f"{path} is no archive of results: {error}.") from None
    # Their raw files were at hand where they were run.
    there = [f"studies.{name}.optional=false" for name in index["studies"]]
    configuration = read_configuration(
        [folder / name for name in index["files"]],
        index["studies"],
        overrides=[*index["overrides"], *there],
    )
    for name, study in configuration.studies.items():
        if study.comparison_fingerprint != index["compared"][name]:
            made = index["made"]
            raise DataError(
                f"{path} was made by other code, commit {made['commit']}: its numbers can be read "
                "by that commit alone."
            )
    return replace(configuration, layout=Layout(folder / "data", folder / "results"))


def _place(file: Path) -> PurePosixPath:
    """Where a config file goes: config/<its folder>/<its name>."""
    return PurePosixPath("config", file.resolve().parent.name, file.name)


def _config_files(configuration: Configuration) -> Iterator[Path]:
    """The files of the configuration, the studies beside its size, and the schema of none."""
    yield from configuration.files
    folder = configuration.files[0].resolve().parents[1]
    yield from sorted((folder / "studies").glob("*.yaml"))
    # Names of tasks and models of other sizes are no mistakes in claims.
    given = {file.resolve() for file in configuration.files}
    yield from (file for file in sorted((folder / "sizes").glob("*.yaml")) if file not in given)


def _result_files(configuration: Configuration) -> Iterator[Path]:
    results = configuration.layout.results
    for name in (*configuration.studies, configuration.layout.benchmarks.name):
        for file in sorted((results / name).rglob("*")):
            inner = file.relative_to(results).parts[1:-1]
            left_out = any(file.name.endswith(lost) or lost in file.name for lost in _LEFT_OUT)
            if file.is_file() and not left_out and not set(inner) & set(_FOLDERS_LEFT_OUT):
                yield file
