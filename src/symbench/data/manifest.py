"""The manifest of a folder of data: what made its files, which belong, and their checksums."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from symbench.data.raw_files import RawFiles
from symbench.errors import DataError
from symbench.files import refuse_damaged, sha256, write_json

NAME = "manifest.json"
# When files were last changed, which saves taking sums. Apart from the manifest, so that data that
# are made again alike have the same manifest, and nothing that follows from them is done again.
TIMES = ".modified.json"
# The key of raw files, which may lie elsewhere at any time: the manifest knows them by name.
RAW = "raw_files"


@dataclass(frozen=True)
class Manifest:
    """What a data set says about the files that it has made.

    Attributes:
        source: where the data come from, in words.
        licence: of the data.
        parameters: all that decides the data.
        files: the files that belong, in the folder or links in it to files elsewhere.

    """

    source: str
    licence: str
    parameters: Mapping[str, object]
    files: tuple[Path, ...]


def write_manifest(
    directory: Path,
    manifest: Manifest,
    dataset: str,
    fingerprint: str,
    raw_files: RawFiles | None = None,
) -> None:
    """Write manifest.json, last of all.

    Args:
        directory: the folder of data.
        manifest: what the data set says.
        dataset: its name in the config.
        fingerprint: of the settings that the data were made from.
        raw_files: what the data set found its raw files with.

    """
    raw = dict(sorted(raw_files.found.items())) if raw_files else {}
    files = {path.relative_to(directory).as_posix(): path for path in sorted(set(manifest.files))}
    times: dict[str, object] = {name: path.stat().st_mtime_ns for name, path in files.items()}
    times[RAW] = {name: path.stat().st_mtime_ns for name, path in raw.items()}
    (directory / TIMES).write_text(json.dumps(times))
    write_json(
        directory / NAME,
        {
            "dataset": dataset,
            "fingerprint": fingerprint,
            "source": manifest.source,
            "licence": manifest.licence,
            "parameters": dict(manifest.parameters),
            "files": {name: _about(path) for name, path in files.items()},
            **({RAW: {name: _about(path) for name, path in raw.items()}} if raw else {}),
        },
    )


def _about(path: Path) -> dict[str, object]:
    return {"sha256": sha256(path), "bytes": path.stat().st_size}


def _times(directory: Path) -> dict[str, object]:
    """When files were changed before their sums were taken; empty if it was not kept."""
    try:
        content = json.loads((directory / TIMES).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def listed(directory: Path) -> dict[str, Mapping[str, object]]:
    """The files that the manifest of a folder lists, by their path in it.

    Raises:
        DataError: if there is no manifest, it is not what was written, or it names a file outside
            of its folder.

    """
    content = read_manifest(directory)
    files = content.get("files")
    if not isinstance(files, dict) or not all(isinstance(about, dict) for about in files.values()):
        raise DataError(f"{directory / NAME} lists no files: it is of another version or damaged.")
    for name in files:
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or PurePosixPath(name).is_absolute() or os.sep * 2 in name:
            raise DataError(f"{directory / NAME} names {name}, which is outside of its folder.")
    return files


def read_manifest(directory: Path) -> dict[str, object]:
    """What manifest.json says; raises `DataError` if it is missing or not what was written."""
    path = directory / NAME
    if not path.is_file():
        raise DataError(f"{directory} holds no {NAME}: fetch the data first.")
    refuse_damaged(path)
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}.") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold keys and values.")
    return content


def unlike_manifest(directory: Path) -> list[Path]:
    """Files of a folder that are lost, or are not what its manifest says.

    A file whose size and time are as recorded is believed; else its checksum decides.
    """
    times = _times(directory)
    return [
        directory / name
        for name, about in listed(directory).items()
        if not _is_as_listed(directory / name, about, times.get(name))
    ]


def replaced(directory: Path, raw_files: RawFiles) -> list[Path]:
    """Raw files that data were made of and that are others now; one that is gone is none."""
    recorded, times = read_manifest(directory).get(RAW), _times(directory).get(RAW)
    modified = times if isinstance(times, dict) else {}
    return [
        path
        for name, about in (recorded.items() if isinstance(recorded, dict) else ())
        if (path := raw_files.find(name)) is not None
        and not _is_as_listed(path, about, modified.get(name))
    ]


def _is_as_listed(path: Path, about: Mapping[str, object], modified: object) -> bool:
    if not path.is_file() or path.stat().st_size != about.get("bytes"):
        return False
    return path.stat().st_mtime_ns == modified or sha256(path) == about.get("sha256")


def check_data(directory: Path, fingerprint: str, raw_files: RawFiles | None = None) -> None:
    """Refuse a folder whose files are not those that a task describes.

    Args:
        directory: the folder of data.
        fingerprint: of the task's data.
        raw_files: finds those that the data were made of, where they shall be looked at too.

    Raises:
        DataError: if the manifest is missing or damaged, was written for other settings, or lists
            a file that is lost or was changed after it was fetched, or a raw file that is another
            now.

    """
    recorded = read_manifest(directory).get("fingerprint")
    if recorded != fingerprint:
        raise DataError(
            f"{directory} holds data of other settings (recorded {recorded}, wanted {fingerprint})."
        )
    for path in unlike_manifest(directory):
        what = "was changed after it was fetched" if path.is_file() else "is lost"
        raise DataError(
            f"{path} {what}: `make repair`, with the same SIZE, STUDIES and CONFIG as the run, "
            "makes the data anew."
        )
    for path in replaced(directory, raw_files) if raw_files else []:
        raise DataError(
            f"{path} is not the raw file that the data in {directory} were made of: `make repair`, "
            "with the same SIZE, STUDIES and CONFIG as the run, makes the data anew."
        )


def data_files(directory: Path, suffixes: Iterable[str]) -> list[Path]:
    """Files that belong to a folder of data, by name: those of the manifest, or all without one."""
    if (directory / NAME).is_file():
        names = list(listed(directory))
    else:
        found = (path for path in directory.rglob("*") if path.is_file())
        names = [path.relative_to(directory).as_posix() for path in found]
    return [directory / name for name in sorted(names) if name.lower().endswith(tuple(suffixes))]
