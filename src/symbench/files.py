"""Writing files whole or not at all, and checksums."""

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from symbench.errors import ConfigError, DataError

RECORD = ".sha256"
# How names of packed files end.
COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, renamed to it only if the block succeeds.

    A killed job or a full disk leaves no half-written artifact under the final name; what a killed
    job left under a temporary one goes with the next write on the same machine. The checksum is
    kept beside the artifact, for `refuse_damaged`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(path)
    temporary = _temporary(path)
    try:
        yield temporary
        _give_usual_rights(temporary)
        _keep_checksum(path, sha256(temporary))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _give_usual_rights(path: Path) -> None:
    """The rights of any new file here: some libraries keep theirs from all others."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.partial")


def _remove_left(path: Path) -> None:
    """Remove what processes of this machine that are no more have left of a file or folder."""
    for left in path.parent.glob(f".{path.name}.{platform.node()}.*.partial"):
        process = left.name.split(".")[-2]
        # Where Snakemake alone was killed, its job may still write beside the one that follows.
        if process.isdecimal() and not _is_alive(int(process)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _keep_checksum(path: Path, checksum: str) -> None:
    """Record a checksum before its file gets its name; the earlier file passes until then."""
    # Where writers were killed one after the other, several are recorded that it does not have.
    earlier = {sha256(path)} & {*_checksums(path)} if path.is_file() else set()
    record = _record(path)
    _remove_left(record)
    temporary = _temporary(record)
    temporary.write_text("\n".join([checksum, *earlier]) + "\n")
    os.replace(temporary, record)


def _record(path: Path) -> Path:
    return path.with_name(f".{path.name}{RECORD}")


def _checksums(path: Path) -> list[str]:
    record = _record(path)
    return record.read_text().split() if record.is_file() else []


def is_damaged(path: Path) -> bool:
    """Whether an artifact is not what was written under its name, or its checksum is lost."""
    return path.is_file() and sha256(path) not in _checksums(path)


def refuse_damaged(path: Path) -> None:
    """Raise `DataError` if an artifact is not what was written under its name."""
    if is_damaged(path):
        what = "not the recorded one" if _checksums(path) else "recorded nowhere"
        raise DataError(
            f"{path} is damaged (its sha256 is {what}): `make repair`, with the same SIZE, STUDIES "
            "and CONFIG as the run, makes it anew."
        )


def refuse_filled(folder: Path) -> None:
    """Raise `DataError` if a folder that shall be new has files."""
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty: give a folder that is new.")


def refuse_existing(path: Path, mark: str | None = None) -> None:
    """Raise `DataError` if a file is there already: it may be a user's own, or an input.

    Args:
        path: of a file that shall be written.
        mark: a text in each file that this command writes, which may then be written anew.

    """
    if path.is_file() and not (mark and mark.encode() in path.read_bytes()):
        raise _taken(path)


def refuse_foreign(path: Path) -> None:
    """Raise `DataError` if a path holds anything but what `write_whole` wrote, as it wrote it."""
    if os.path.lexists(path) and (not path.is_file() or is_damaged(path)):
        raise _taken(path)


def _taken(path: Path) -> DataError:
    return DataError(
        f"{path} is there already, and is left as it is: give another name, or move it away first."
    )


def damaged(folder: Path) -> list[Path]:
    """All files below a folder that are not what was written under their names."""
    return [path for path in recorded(folder) if is_damaged(path)]


def recorded(folder: Path) -> list[Path]:
    """All files below a folder that were written whole, by their checksums."""
    records = sorted(folder.rglob(f".*{RECORD}"))
    paths = (record.with_name(record.name[1 : -len(RECORD)]) for record in records)
    return [path for path in paths if path.is_file()]


def remove(path: Path) -> None:
    """Remove a file, if it is there, and its checksum."""
    path.unlink(missing_ok=True)
    _record(path).unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Write JSON, whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def sha256(path: Path) -> str:
    """Checksum of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy_near(
    folder: Path, scratch: str | None, is_whole: Callable[[Path], bool] = Path.is_dir
) -> Path:
    """A copy of a folder on this node, made once for all jobs there; the folder without a scratch.

    Args:
        folder: data of a task, with its manifest.
        scratch: a folder of the node; ~ and environment variables such as $TMPDIR are put in.
        is_whole: whether a copy is still what was copied; one that is not is made anew.

    Raises:
        ConfigError: if a variable in the name is not set here.

    """
    if scratch is None:
        return folder
    expanded = os.path.expanduser(os.path.expandvars(scratch))
    if "$" in expanded or expanded.startswith("~"):
        raise ConfigError(f"scratch '{scratch}': not all its variables are set on this node.")
    described = f"{folder.resolve()} {sha256(folder / 'manifest.json')}"
    name = hashlib.sha256(described.encode()).hexdigest()[:16]
    near = Path(expanded, f"symbench-{name}")
    if not is_whole(near):
        near.parent.mkdir(parents=True, exist_ok=True)
        # Those of all data: one that was stopped may never be wanted again.
        _remove_left(near.with_name("symbench-*"))
        partial = _temporary_folder(near)
        try:
            shutil.copytree(folder, partial, dirs_exist_ok=True)
            if not is_whole(near):
                _move_away(near)
            os.replace(partial, near)
        except OSError:
            # Another job was first; anything else goes on to the caller.
            if not is_whole(near):
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return near


def _temporary_folder(path: Path) -> Path:
    """A new folder beside a path, which `_remove_left` finds when this process is no more."""
    start, end = f".{path.name}.{platform.node()}.", f".{os.getpid()}.partial"
    return Path(tempfile.mkdtemp(prefix=start, suffix=end, dir=path.parent))


def _move_away(folder: Path) -> None:
    """Remove a folder, if it is there, at one stroke for all others."""
    away = _temporary_folder(folder)
    try:
        with suppress(FileNotFoundError):
            os.replace(folder, away)
    finally:
        shutil.rmtree(away, ignore_errors=True)
