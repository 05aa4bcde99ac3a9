"""Writing files whole or not at all, and checksums."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from symbench.errors import ConfigError


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, renamed to it only if the block succeeds.

    A killed job or a full disk leaves no half-written artifact under the final name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def sha256(path: Path) -> str:
    """Checksum of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy_near(folder: Path, scratch: str | None) -> Path:
    """A copy of a folder on this node, made once for all jobs there; the folder without a scratch.

    Args:
        folder: data of a task, with its manifest.
        scratch: a folder of the node; environment variables such as $TMPDIR are put in.

    Raises:
        ConfigError: if a variable in the name is not set here.

    """
    if scratch is None:
        return folder
    expanded = os.path.expandvars(scratch)
    if "$" in expanded:
        raise ConfigError(f"scratch '{scratch}': not all its variables are set on this node.")
    described = f"{folder.resolve()} {sha256(folder / 'manifest.json')}"
    name = hashlib.sha256(described.encode()).hexdigest()[:16]
    near = Path(expanded, f"symbench-{name}")
    if not near.is_dir():
        near.parent.mkdir(parents=True, exist_ok=True)
        partial = tempfile.mkdtemp(prefix=f".{near.name}.", suffix=".partial", dir=near.parent)
        try:
            shutil.copytree(folder, partial, dirs_exist_ok=True)
            os.replace(partial, near)
        except OSError:
            # Another job was first; anything else goes on to the caller.
            if not near.is_dir():
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return near
