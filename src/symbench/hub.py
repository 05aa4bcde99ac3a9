"""Files of the Hugging Face Hub; the endpoint is taken from HF_ENDPOINT."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import hf_raise_for_status, http_backoff

from symbench.errors import DataError

# Seconds until a question that gets no answer is given up; the client asks a few times.
TIMEOUT = 20.0


def commit(repository: str, revision: str | None, *, kind: str) -> str:
    """The commit behind a revision (None: the newest) of a "dataset" or "model".

    Raises:
        DataError: if there is no answer, or no such repository or revision.

    """
    try:
        found = HfApi().repo_info(repository, repo_type=kind, revision=revision, timeout=TIMEOUT)
        return str(found.sha)
    except Exception as error:
        raise DataError(f"The Hub does not know {repository}: {_said(error)}") from None


def listing(repository: str, revision: str) -> dict[str, RepoFile]:
    """All files of a repository of data, by path; raises `DataError` if there is no answer."""
    # The client has changed its transport, and with it the errors, between releases: all count.
    try:
        return {file.path: file for file in _files(repository, revision)}
    except Exception as error:
        raise DataError(
            f"The Hub does not list {repository} at revision {revision}: {_said(error)}; on a node "
            "without a network, fetch where there is one first, or give a folder as 'source'."
        ) from None


def _files(repository: str, revision: str) -> Iterator[RepoFile]:
    """Ask page by page, because the client's own listing waits for an answer for ever."""
    tree = f"{HfApi().endpoint}/api/datasets/{repository}/tree/{quote(revision, safe='')}"
    url: str | None = f"{tree}?recursive=true"
    while url:
        answer = http_backoff("GET", url, headers=build_hf_headers(), timeout=TIMEOUT)
        hf_raise_for_status(answer)
        for entry in answer.json():
            if entry["type"] == "file":
                yield RepoFile(**entry)
        url = answer.links.get("next", {}).get("url")


def download_data(repository: str, revision: str, file: RepoFile, target: Path) -> None:
    """Bring a file of a repository of data; an earlier download that was cut or killed goes on.

    The client's own downloads start anew in each process, which a file of 100 GB does not bear.

    Args:
        repository: owner and name.
        revision: branch, tag or commit.
        file: from `listing`.
        target: where it goes, whole or not at all.

    Raises:
        DataError: if it cannot be had, or the line was cut.

    """
    target.parent.mkdir(parents=True, exist_ok=True)
    version = file.lfs.sha256 if file.lfs else file.blob_id
    partial = target.with_name(f".{target.name}.{version[:12]}.partial")
    url = hf_hub_url(repository, file.path, repo_type="dataset", revision=revision)
    try:
        with partial.open("ab") as stream:
            if (start := stream.tell()) < file.size:
                headers = build_hf_headers()
                http_get(url, stream, resume_size=start, headers=headers, expected_size=file.size)
    except Exception as error:
        raise DataError(
            f"The Hub does not give {file.path} of {repository}: {_said(error)}"
        ) from None
    partial.replace(target)


def download(repository: str, name: str, *, revision: str | None = None) -> Path:
    """A file of a repository of a model, in the cache of the Hub's client.

    Args:
        repository: owner and name.
        name: path in the repository.
        revision: branch, tag or commit; None for the newest.

    Raises:
        DataError: if it cannot be had, or the line was cut.

    """
    try:
        found = hf_hub_download(repository, name, revision=revision, etag_timeout=TIMEOUT)
        return Path(str(found))
    except Exception as error:
        raise DataError(f"The Hub does not give {name} of {repository}: {_said(error)}") from None


def size_of(repository: str, name: str, *, revision: str | None = None) -> int:
    """Bytes of a file of a repository of a model; raises `DataError` if the Hub does not say."""
    url = hf_hub_url(repository, name, revision=revision)
    try:
        size = get_hf_file_metadata(url, timeout=TIMEOUT).size
    except Exception as error:
        raise DataError(f"The Hub does not know {name} of {repository}: {_said(error)}") from None
    if size is None:
        raise DataError(f"The Hub does not say how large {name} of {repository} is.")
    return int(size)


def _said(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
