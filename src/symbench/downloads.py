"""What a configuration takes from elsewhere, how large it is, and whether it is here already."""

from dataclasses import dataclass

from symbench.config.read import Configuration
from symbench.data.raw_files import RawFiles
from symbench.errors import DataError


@dataclass(frozen=True)
class Download:
    """Data or weights that servers of others have.

    Attributes:
        name: of the data set, or of the repository.
        size: in bytes; None where no server says it.

    """

    name: str
    size: int | None


def missing_downloads(configuration: Configuration) -> list[Download]:
    """All that is not here yet, with its size: servers are asked.

    Raises:
        DataError: if the Hub does not answer, or lacks a file.

    """
    from symbench.hub import size_of

    layout = configuration.layout
    raw_files = RawFiles(configuration.raw_files)
    found = [
        Download(f"{folder}/{name}", task.dataset.download_size(raw_files))
        for (folder, name), task in configuration.data.items()
        if task.dataset.needs_network(raw_files) and not layout.manifest(folder, name).is_file()
    ]
    for weights, taken in configuration.published.items():
        files = [path for path in layout.published_files(weights) if not path.is_file()]
        if files:
            repository = str(taken.repository)
            sizes = [size_of(repository, path.name, revision=taken.revision) for path in files]
            found.append(Download(repository, sum(sizes)))
    return found


def refuse_beyond(limit_gb: float | None, downloads: list[Download]) -> None:
    """Raise `DataError` if more would be brought than the limit, or nobody knows how much."""
    if limit_gb is None:
        return
    if unknown := [each.name for each in downloads if each.size is None]:
        raise DataError(
            f"No server says how large {unknown[0]} is, so that limit_gb: {limit_gb:g} cannot be "
            "held: fetch it by itself, or give no limit."
        )
    total = sum(each.size or 0 for each in downloads) / 1e9
    if total > limit_gb:
        raise DataError(
            f"{total:.2f} GB would be downloaded, and limit_gb is {limit_gb:g}: raise it, or "
            "choose fewer studies, tasks or splits."
        )
