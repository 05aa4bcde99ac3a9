"""Raw files of real data: looked for in folders first, fetched with a checksum otherwise."""

import glob
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from symbench.errors import DataError
from symbench.files import sha256

FOLDERS_VARIABLE = "SYMBENCH_DATA_CACHE"
# Seconds in which a server must say how large a file is.
_PATIENCE = 20.0


@dataclass(frozen=True)
class RawFiles:
    """Finds files of others.

    Attributes:
        folders: where they are looked for, after the folders that the environment variable
            SYMBENCH_DATA_CACHE names; the config's key `raw_files` sets them.
        found: the files that were found, by the name that they were looked for by.

    """

    folders: tuple[Path, ...] = ()
    found: dict[str, Path] = field(default_factory=dict, init=False, repr=False, compare=False)

    def find(self, name: str) -> Path | None:
        """A file by its name, in one of the folders or below; None if it is in none."""
        if (path := self._search(name)) is not None:
            self.found[name] = path
        return path

    def _search(self, name: str) -> Path | None:
        named = os.environ.get(FOLDERS_VARIABLE, "")
        folders = [Path(folder) for folder in named.split(os.pathsep) if folder]
        for folder in (*folders, *self.folders):
            # No file can have a name that is too long.
            with suppress(OSError):
                if (path := folder / name).is_file():
                    return path
                below = [] if os.path.isabs(name) else folder.rglob(glob.escape(name))
                for path in sorted(below):
                    if path.is_file():
                        return path
        return None

    def need(self, name: str, why_no_download: str) -> Path:
        """A file by its name; raises `DataError` that says where to put it."""
        if (path := self.find(name)) is None:
            raise DataError(
                f"{name} is in no folder of {FOLDERS_VARIABLE} or of the config's key 'raw_files', "
                f"and is not downloaded: {why_no_download}."
            )
        return path

    def download_size(self, urls: Mapping[str, str]) -> int | None:
        """Bytes of those files that no folder holds, as servers say; None if one does not."""
        sizes = [_size(url) for name, url in urls.items() if self.find(name) is None]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    def find_or_download(
        self, urls: Mapping[str, str], checksums: Mapping[str, str | None], directory: Path
    ) -> dict[str, Path]:
        """Files by name, downloaded where no folder holds them; each is checked by its sha256.

        Args:
            urls: address of each file, by name.
            checksums: sha256 of each file; None where nobody has published it: what arrives is
                then only as good as the checks of its content.
            directory: where downloads go to.

        Raises:
            DataError: if a file cannot be had or arrives damaged.

        """
        import pooch

        paths = {}
        for name, url in urls.items():
            if (found := self.find(name)) is not None:
                if (known := checksums.get(name)) and sha256(found) != known:
                    raise DataError(
                        f"{found} is not the {name} that is meant: its sha256 is {sha256(found)}, "
                        f"not {known}."
                    )
                paths[name] = found
                continue
            known = f"sha256:{checksums[name]}" if checksums.get(name) else None
            try:
                path = pooch.retrieve(url, known, name, directory, progressbar=False)
            except (OSError, ValueError) as error:
                raise DataError(f"{name} cannot be fetched from {url}: {error}") from None
            paths[name] = Path(path)
        return paths


def _size(url: str) -> int | None:
    """Bytes behind an address, if its server answers and says so."""
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(url, method="HEAD"), timeout=_PATIENCE) as answer:
            return int(answer.headers["Content-Length"])
    except (OSError, TypeError, ValueError):
        return None
