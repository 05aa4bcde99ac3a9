"""Data sets of The Well, or any folder in its schema: linked from disk or fetched from the Hub."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from symbench.data.dataset import SPLITS, TaskOptions
from symbench.data.fields.field_dataset import FieldDataset
from symbench.data.fields.well_folder import data_root, is_data, split_files
from symbench.data.manifest import Manifest
from symbench.data.parameters import Count, Text, one_of
from symbench.errors import DataError
from symbench.files import sha256
from symbench.layout import from_home
from symbench.symmetry.grids.isometries import lowest_dimension, named_group

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

    from symbench.data.fields.grid_data import FieldData
    from symbench.data.raw_files import RawFiles

HUB = "hub"
THE_WELL = "polymathic-ai"
LICENCE = "CC-BY-4.0 (The Well, arXiv 2412.00568)"
OTHER_LICENCE = "unknown: the licence of the folder's owner"
STATISTICS = "stats.yaml"
SplitName = Annotated[str, one_of(SPLITS, "split of The Well")]
# What the files of a data set need not have in common, if the task says so.
MAY_DIFFER = ("box", "time_step")
# Bytes of data whose values are all read right after they are fetched.
READ_WHOLE = 2**30
Difference = Annotated[str, one_of(MAY_DIFFER, "difference between files")]


class Well(FieldDataset):
    """A data set in The Well's HDF5 schema."""

    dataset: Text = Field(description='name, such as "active_matter"')
    source: Text = Field(
        HUB,
        description='"hub" (Hugging Face; the endpoint is taken from HF_ENDPOINT), or a folder '
        "that holds stats.yaml and data/{train,valid,test}/ or {train,valid,test}/",
    )
    revision: Text = Field("main", description="branch, tag or commit on the Hub; pin a commit")
    splits: list[SplitName] = Field(list(SPLITS), min_length=1)
    files_per_split: Count | None = Field(
        None,
        description="only the first so many files of each split, by name; 1 is what The Well's own "
        "tool calls first-only",
    )
    trajectories: dict[SplitName, Count] = Field(
        {}, description="only so many trajectories of a split, the first of its files"
    )
    organisation: Text = Field(THE_WELL, description="owner of the Hub repository")
    may_differ: list[Difference] = Field(
        [],
        description='what the files need not have in common: "box", "time_step", or both; where '
        "frames are not equally far from each other, models know frames and no times",
    )
    licence: Text | None = Field(
        None, description="of the data; that of The Well, and unknown for data of others, if null"
    )

    @property
    def repository(self) -> str:
        """Owner and name on the Hub."""
        return f"{self.organisation}/{self.dataset}"

    def check_group(self, name: str) -> None:
        """Raise `SymmetryError` unless a group of this name acts in the plane or in space."""
        named_group(name, lowest_dimension(name))

    def open(self, directory: Path, options: TaskOptions, seed: int) -> FieldData:
        """Open the files; all seeds share them."""
        from symbench.data.fields.grid_data import FieldData

        return FieldData(
            directory,
            input_steps=options.input_steps,
            parity=options.parity,
            trajectories=self.trajectories,
            may_differ=self.may_differ,
        )

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Bring the files to the directory: links to those of a folder, or downloads."""
        from_hub = self.source == HUB
        files = (
            self._download(directory)
            if from_hub
            else self._linked(directory, from_home(self.source))
        )
        self._check(files)
        hub, folder = f"{self.repository}@{self.revision}", f"folder {Path(self.source).name}"
        return Manifest(
            source=f"Hugging Face dataset {hub}" if from_hub else folder,
            licence=self.licence
            or (LICENCE if from_hub and self.organisation == THE_WELL else OTHER_LICENCE),
            parameters=self.model_dump(include={"dataset", "splits", "files_per_split"}),
            files=tuple(files),
        )

    def _check(self, files: Sequence[Path]) -> None:
        """Raise `DataError` unless the files and their statistics belong together."""
        from symbench.data.fields.well_format import (
            copied,
            left_out,
            read_header,
            read_statistics,
            refuse_different,
        )
        from symbench.data.fields.well_writer import field_statistics, sizes
        from symbench.data.unlike import unlike_training

        statistics, *others = files
        headers = [read_header(path) for path in others]
        refuse_different(headers, self.may_differ)
        by_split = {
            split: [header for header in headers if header.path.parent.name == split]
            for split in self.splits
        }
        told = [*left_out(headers), *copied(by_split)]
        if sum(path.stat().st_size for path in others) <= READ_WHOLE:
            found = {split: field_statistics(files) for split, files in by_split.items()}
            told += unlike_training(sizes(found))
        for sentence in told:
            warnings.warn(f"{self.dataset}: {sentence}", stacklevel=2)
        fields = (*headers[0].fields, *headers[0].constant_fields)
        for key in ("mean", "std"):
            read_statistics(statistics, fields, key, len(headers[0].axes))

    def _chosen(self, names: Sequence[str]) -> list[str]:
        return sorted(names)[: self.files_per_split]

    def _linked(self, directory: Path, folder: Path) -> list[Path]:
        """Links to the files of a folder; the files themselves where it is this directory."""
        if not (folder / STATISTICS).is_file():
            raise DataError(
                f"{folder / STATISTICS} is missing: normalisation is unknown; `symbench check-data "
                f"{folder} --stats` makes it."
            )
        data = data_root(folder)
        wanted = {STATISTICS: folder / STATISTICS}
        for split in self.splits:
            names = [path.name for path in split_files(data, split)]
            if not names:
                raise DataError(f"{data / split} holds no HDF5 file.")
            wanted |= {f"{split}/{name}": data / split / name for name in self._chosen(names)}
        if os.path.realpath(folder) == os.path.realpath(directory):
            return [directory / path.relative_to(folder) for path in wanted.values()]
        return [_link(directory, name, path) for name, path in wanted.items()]

    def needs_network(self, raw_files: RawFiles) -> bool:
        """Whether the data come from the Hub."""
        return self.source == HUB

    def download_size(self, raw_files: RawFiles) -> int:
        """Bytes that `fetch` would bring from the Hub, which is asked; 0 for a folder."""
        if self.source != HUB:
            return 0
        files, wanted = self._on_the_hub()
        return sum(files[name].size for name in wanted if name in files)

    def _on_the_hub(self) -> tuple[dict[str, RepoFile], dict[str, str]]:
        """All files of the repository, and where those of interest go."""
        from symbench.hub import listing

        files = listing(self.repository, self.revision)
        wanted = {STATISTICS: STATISTICS}
        for split in self.splits:
            names = [name for name in files if name.startswith(f"data/{split}/")]
            names = self._chosen([name for name in names if is_data(name)])
            wanted |= {name: f"{split}/{Path(name).name}" for name in names}
        return files, wanted

    def _download(self, directory: Path) -> list[Path]:
        files, wanted = self._on_the_hub()
        total = sum(files[name].size for name in wanted if name in files)
        print(f"{self.repository}: {len(wanted)} files, {total / 1e9:.2f} GB to fetch", flush=True)
        for remote, local in wanted.items():
            if remote not in files:
                raise DataError(f"{self.repository} holds no {remote} at revision {self.revision}.")
            self._download_file(files[remote], directory / local)
        return [directory / local for local in wanted.values()]

    def _download_file(self, file: RepoFile, target: Path) -> None:
        from symbench.hub import download_data

        expected = file.lfs.sha256 if file.lfs else None
        if not (target.is_file() and expected and sha256(target) == expected):
            download_data(self.repository, self.revision, file, target)
        if expected and (actual := sha256(target)) != expected:
            target.unlink()
            raise DataError(
                f"{file.path} of {self.repository} arrived damaged (sha256 {actual}, expected "
                f"{expected}); it was removed, fetch it again."
            )


def _link(directory: Path, name: str, target: Path) -> Path:
    """Link to a file of others from a name in the directory; only links are ever replaced.

    Raises:
        DataError: if something else has that name.

    """
    link = directory / name
    if os.path.realpath(link) == os.path.realpath(target):
        return link
    if link.parent != directory and link.parent.is_symlink():
        raise DataError(f"{link.parent} is a link to another folder: remove it, and fetch again.")
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        raise DataError(
            f"{link} is a file of its own, not a link to {target}: it is left as it is; move it "
            "away, and fetch again."
        )
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target.resolve())
    return link
