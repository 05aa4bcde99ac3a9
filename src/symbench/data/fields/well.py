"""Data sets of The Well, or any folder in its schema: linked from disk or fetched from the Hub."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from huggingface_hub.hf_api import RepoFile

from symbench.data.fields.well_format import read_header
from symbench.data.splits import SPLITS
from symbench.errors import ConfigError, DataError
from symbench.files import sha256, write_json
from symbench.hub import download_data, listing

LICENCE = "CC-BY-4.0 (The Well, arXiv 2412.00568)"


class Well:
    """A data set in The Well's HDF5 schema."""

    def __init__(
        self,
        *,
        dataset: str,
        source: str = "hub",
        revision: str = "main",
        splits: Sequence[str] = SPLITS,
        files_per_split: int | None = None,
        trajectories: Mapping[str, int] | None = None,
        organisation: str = "polymathic-ai",
    ) -> None:
        """Say what to fetch and from where.

        Args:
            dataset: name, such as "active_matter".
            source: "hub" (Hugging Face; the endpoint is taken from HF_ENDPOINT), or a folder that
                holds stats.yaml and data/{train,valid,test}/ or {train,valid,test}/.
            revision: branch, tag or commit of the Hub repository; pin a commit.
            splits: which splits.
            files_per_split: take only the first so many files of each split, by name; 1 is what
                The Well's own tool calls first-only.
            trajectories: use only so many trajectories of a split, the first of its files.
            organisation: owner of the Hub repository.

        Raises:
            ConfigError: for a split that does not exist.

        """
        if not splits or {*splits, *(trajectories or {})} - set(SPLITS):
            raise ConfigError(f"splits of {dataset}: choose among {', '.join(SPLITS)}.")
        self.dataset = dataset
        self.source = source
        self.revision = revision
        self.splits = tuple(splits)
        self.files_per_split = files_per_split
        self.trajectories = dict(trajectories or {})
        self.organisation = organisation

    def fetch(self, directory: Path) -> None:
        """Bring the files to `directory` and write the manifest with their checksums."""
        if self.source == "hub":
            checksums, origin = self._download(directory)
        else:
            checksums, origin = self._link(directory, Path(self.source).expanduser())
        for name in checksums:
            read_header(directory / name)
        write_json(
            directory / "manifest.json",
            {
                "source": origin,
                "dataset": self.dataset,
                "licence": LICENCE,
                "trajectories": self.trajectories,
                "sha256": checksums,
            },
        )

    def _choose(self, names: Sequence[str]) -> list[str]:
        return sorted(names)[: self.files_per_split]

    def _link(self, directory: Path, folder: Path) -> tuple[dict[str, str], str]:
        data = folder / "data" if (folder / "data").is_dir() else folder
        if not (folder / "stats.yaml").is_file():
            raise DataError(f"{folder / 'stats.yaml'} is missing: normalisation is unknown.")
        checksums = {}
        _replace_link(directory / "stats.yaml", folder / "stats.yaml")
        for split in self.splits:
            names = [path.name for path in (data / split).glob("*.h*5")]
            if not names:
                raise DataError(f"{data / split} holds no HDF5 file.")
            for name in self._choose(names):
                _replace_link(directory / split / name, data / split / name)
                checksums[f"{split}/{name}"] = sha256(data / split / name)
        return checksums, f"folder {folder.name}"

    @property
    def repository(self) -> str:
        """Owner and name on the Hub."""
        return f"{self.organisation}/{self.dataset}"

    def download_size(self) -> int:
        """Bytes that `fetch` would bring from the Hub, which is asked; 0 for a folder."""
        if self.source != "hub":
            return 0
        files, wanted = self._wanted()
        return sum(files[name].size for name in wanted if name in files)

    def _wanted(self) -> tuple[dict[str, RepoFile], dict[str, str]]:
        """All files of the repository, and where those of interest go."""
        files = listing(self.repository, self.revision)
        wanted = {"stats.yaml": "stats.yaml"}
        for split in self.splits:
            names = [name for name in files if name.startswith(f"data/{split}/")]
            names = [name for name in names if name.endswith((".hdf5", ".h5"))]
            wanted |= {name: f"{split}/{Path(name).name}" for name in self._choose(names)}
        return files, wanted

    def _download(self, directory: Path) -> tuple[dict[str, str], str]:
        repository = self.repository
        files, wanted = self._wanted()
        total = sum(files[name].size for name in wanted if name in files)
        print(f"{repository}: {len(wanted)} files, {total / 1e9:.2f} GB to fetch", flush=True)
        checksums = {}
        for remote, local in wanted.items():
            checksum = self._fetch_file(repository, remote, files, directory / local)
            if local != "stats.yaml":
                checksums[local] = checksum
        return checksums, f"Hugging Face dataset {repository}@{self.revision}"

    def _fetch_file(
        self, repository: str, remote: str, files: dict[str, RepoFile], target: Path
    ) -> str:
        if remote not in files:
            raise DataError(f"{repository} holds no {remote} at revision {self.revision}.")
        lfs = files[remote].lfs
        expected = lfs.sha256 if lfs else None
        if not (target.is_file() and expected and sha256(target) == expected):
            download_data(repository, self.revision, files[remote], target)
        actual = sha256(target)
        if expected and actual != expected:
            target.unlink()
            raise DataError(
                f"{remote} of {repository} arrived damaged (sha256 {actual}, expected {expected}); "
                "it was removed, fetch it again."
            )
        return actual


def _replace_link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target.resolve())
