"""The results of a run in one file, without weights: what figures, tables and the report need."""

import json
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from symbench.config.read import Configuration, read_as_run
from symbench.errors import ConfigError, DataError, SymBenchError
from symbench.files import refuse_filled, refuse_foreign, write_whole
from symbench.layout import Layout
from symbench.provenance import describe

INDEX = "archive.json"
# What only training and repair need.
_LEFT_OUT = ("weights.safetensors", "state.pt", "report.html")
_FOLDERS_LEFT_OUT = ("logs", "figures")


def write_archive(configuration: Configuration, path: Path) -> None:
    """Write tables, evaluations, histories, provenance, costs and the config as one .tar.gz.

    Raises:
        DataError: if there are no results, `path` has another suffix or is another file than an
            archive that was written here, or the config cannot be read from an archive.

    """
    results = configuration.layout.results
    if not results.is_dir():
        raise DataError(f"{results} is not there: nothing was run.")
    if not path.name.endswith((".tar.gz", ".tgz")):
        raise DataError(f"{path}: an archive is called .tar.gz or .tgz.")
    refuse_foreign(path)
    index = {
        "studies": list(configuration.studies),
        "overrides": list(configuration.overrides),
        "files": [_place(file).as_posix() for file in configuration.files],
        "compared": {
            name: study.comparison_fingerprint for name, study in configuration.studies.items()
        },
        "made": describe("archive"),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in _config_files(configuration):
            there = folder / _place(file)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, there)
        (folder / INDEX).write_text(json.dumps(index, indent=2))
        try:
            same = _read(folder, path) is not None
        except ConfigError:
            same = False
        if not same:
            raise DataError(
                f"{path} is not written: its config would say something else than here. Give "
                "overlays different names, and lay a base beside what lies upon it."
            )
        with (
            write_whole(path) as temporary,
            # What links point to, and no links.
            tarfile.open(temporary, "w:gz", dereference=True) as archive,
        ):
            for part in sorted(folder.iterdir()):
                archive.add(part, part.name)
            for file in _result_files(configuration):
                archive.add(file, f"results/{file.relative_to(results).as_posix()}")


def open_archive(path: Path, folder: Path) -> Configuration:
    """Unpack an archive into a folder, and read its configuration, whose layout is that folder.

    Raises:
        DataError: if the file is no archive of results, the folder has files, or the results were
            made by other code than this.

    """
    refuse_filled(folder)
    try:
        _unpack(path, folder)
        configuration = _read(folder, path)
        if configuration is None:
            made = json.loads((folder / INDEX).read_text()).get("made", {})
            raise DataError(
                f"{path} was made by other code, commit {made.get('commit', 'unknown')}: its "
                "numbers can be read by that commit alone."
            )
    except SymBenchError:
        # All of it was unpacked here, since the folder was empty.
        for unpacked in folder.iterdir() if folder.is_dir() else ():
            shutil.rmtree(unpacked) if unpacked.is_dir() else unpacked.unlink()
        raise
    return replace(configuration, layout=Layout(folder / "data", folder / "results"))


def _unpack(path: Path, folder: Path) -> None:
    try:
        # One pass: to decompress takes longer than to write.
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                _refuse_unless_plain(member)
                archive.extract(member, folder)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path} is no archive of results: {error}.") from None


def _refuse_unless_plain(member: tarfile.TarInfo) -> None:
    inner = PurePosixPath(member.name)
    if inner.is_absolute() or ".." in inner.parts or not (member.isreg() or member.isdir()):
        raise tarfile.TarError(f"'{member.name}' is no plain file below it")


def _read(folder: Path, path: Path) -> Configuration | None:
    """The configuration in an unpacked archive; None if it, or this code, is another one."""
    try:
        index = json.loads((folder / INDEX).read_text())
        studies, overrides, compared = (index[key] for key in ("studies", "overrides", "compared"))
        files = [folder / name for name in index["files"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path} is no archive of results: {error!r}.") from None
    found = read_as_run(files, studies, overrides)
    now = {name: study.comparison_fingerprint for name, study in found.studies.items()}
    return found if now == compared else None


def _place(file: Path) -> PurePosixPath:
    """Where a config file goes: config/<its folder>/<its name>."""
    return PurePosixPath("config", file.resolve().parent.name, file.name)


def _config_files(configuration: Configuration) -> Iterator[Path]:
    """The files of the configuration, and the studies, sizes and overlays beside its size."""
    yield from configuration.files
    folder = configuration.files[0].resolve().parents[1]
    yield from sorted((folder / "studies").glob("*.yaml"))
    # Names of tasks and models of other sizes and overlays are no mistakes in claims.
    given = {file.resolve() for file in configuration.files}
    others = [file for kind in ("sizes", "overlays") for file in (folder / kind).glob("*.yaml")]
    yield from (file for file in sorted(others) if file not in given)


def _result_files(configuration: Configuration) -> Iterator[Path]:
    results = configuration.layout.results
    for name in (*configuration.studies, configuration.layout.benchmarks.name):
        for file in sorted((results / name).rglob("*")):
            inner = file.relative_to(results).parts[1:-1]
            left_out = any(file.name.endswith(lost) or lost in file.name for lost in _LEFT_OUT)
            if file.is_file() and not left_out and not set(inner[:1]) & set(_FOLDERS_LEFT_OUT):
                yield file
