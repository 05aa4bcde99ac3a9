"""Original files of real data: looked for in folders first, fetched with a checksum otherwise."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pooch

from symbench.errors import DataError

CACHE_VARIABLE = "SYMBENCH_DATA_CACHE"


class FromOriginals:
    """A task family whose data come from files of others.

    Attributes:
        folders: where the files are looked for before they are downloaded, after the folders that
            the environment variable SYMBENCH_DATA_CACHE names; the config's key `cache` sets them.

    """

    folders: Sequence[Path] = ()

    @property
    def parameters(self) -> dict[str, Any]:
        """All that was set, for the manifest."""
        return {key: value for key, value in vars(self).items() if key != "folders"}

    def find(self, name: str) -> Path | None:
        """A file by its name; None if no folder holds it."""
        named = os.environ.get(CACHE_VARIABLE, "")
        folders = [Path(folder) for folder in named.split(os.pathsep) if folder]
        found = (folder / name for folder in (*folders, *self.folders))
        return next((path for path in found if path.is_file()), None)

    def need(self, name: str, why_no_download: str) -> Path:
        """A file by its name; raises `DataError` that says where to put it."""
        if (path := self.find(name)) is None:
            raise DataError(
                f"{name} is in no folder of {CACHE_VARIABLE} or of the config's key 'cache', and "
                f"is not downloaded: {why_no_download}."
            )
        return path


def download(
    urls: Mapping[str, str], checksums: Mapping[str, str | None], directory: Path
) -> dict[str, Path]:
    """Fetch files that are not there yet, each checked against its sha256.

    Args:
        urls: address of each file, by name.
        checksums: sha256 of each file; None where nobody has published it: what arrives is then
            only as good as the checks of its content.
        directory: where to.

    Raises:
        DataError: if a file cannot be had or arrives damaged.

    """
    paths = {}
    for name, url in urls.items():
        expected = checksums[name]
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
