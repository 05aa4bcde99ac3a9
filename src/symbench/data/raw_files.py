"""Raw files of real data: looked for in folders first, fetched with a checksum otherwise."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from symbench.errors import DataError

FOLDERS_VARIABLE = "SYMBENCH_DATA_CACHE"


@dataclass(frozen=True)
class RawFiles:
    """Finds files of others.

    Attributes:
        folders: where they are looked for, after the folders that the environment variable
            SYMBENCH_DATA_CACHE names; the config's key `raw_files` sets them.

    """

    folders: tuple[Path, ...] = ()

    def find(self, name: str) -> Path | None:
        """A file by its name; None if no folder holds it."""
        named = os.environ.get(FOLDERS_VARIABLE, "")
        folders = [Path(folder) for folder in named.split(os.pathsep) if folder]
        found = (folder / name for folder in (*folders, *self.folders))
        return next((path for path in found if path.is_file()), None)

    def need(self, name: str, why_no_download: str) -> Path:
        """A file by its name; raises `DataError` that says where to put it."""
        if (path := self.find(name)) is None:
            raise DataError(
                f"{name} is in no folder of {FOLDERS_VARIABLE} or of the config's key 'raw_files', "
                f"and is not downloaded: {why_no_download}."
            )
        return path

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
        found = {name: path for name in urls if (path := self.find(name))}
        missing = {name: url for name, url in urls.items() if name not in found}
        return found | download(missing, checksums, directory)


def download(
    urls: Mapping[str, str], checksums: Mapping[str, str | None], directory: Path
) -> dict[str, Path]:
    """Fetch files that are not there yet; see `RawFiles.find_or_download`."""
    import pooch

    paths = {}
    for name, url in urls.items():
        expected = checksums.get(name)
        try:
            path = pooch.retrieve(
                url,
                known_hash=f"sha256:{expected}" if expected else None,
                fname=name,
                path=directory,
                progressbar=False,
            )
        except (OSError, ValueError) as error:
            raise DataError(f"{name} cannot be fetched from {url}: {error}") from None
        paths[name] = Path(path)
    return paths
