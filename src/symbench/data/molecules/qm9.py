"""QM9: properties of 130,831 small molecules (Ramakrishnan et al., Scientific Data 1, 140022).

The 3,054 molecules whose geometry did not converge are left out as usual. Molecules stand in the
order of QM9, whatever they are read from: splits are the same ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from symbench.data.arrays import Array, read_arrays, write_files
from symbench.data.dataset import SPLITS, Dataset, Score, TaskOptions
from symbench.data.manifest import Manifest
from symbench.data.molecules.qm9_files import (
    ELEMENTS,
    PARTS,
    TARGETS,
    Molecules,
    find_package,
    read_file,
    read_package,
)
from symbench.data.molecules.qm9_pyg import LEFT_OUT, MOLECULES, URLS, read_pyg
from symbench.data.parameters import OpenSplits, Text, Whole, one_of
from symbench.errors import DataError, choose
from symbench.symmetry.group_names import check_rotations

if TYPE_CHECKING:
    from symbench.data.molecules.properties import PropertyData
    from symbench.data.raw_files import RawFiles

SOURCES = {
    "qm9pack": "QM9 (Ramakrishnan et al. 2014), by the package qm9pack 1.0.3",
    "pyg": "QM9 (Ramakrishnan et al. 2014), raw files as read by PyG",
}
HDF5 = ".hdf5"


class QM9(Dataset):
    """One of twelve targets, as they are in the raw table, but energies in eV."""

    kind = "molecules"

    target: Annotated[str, one_of(TARGETS, "target of QM9")] = Field(description="see `TARGETS`")
    samples: OpenSplits = Field(description="of one random order; null for the rest, in test only")
    shuffled: bool = Field(
        False,
        description="whether each seed has an order of its own, or all have that of the public "
        "codes of Cormorant and SEGNN",
    )
    standardised: bool = Field(
        False,
        description="whether networks and losses count in mean absolute deviations from the mean",
    )
    source: Text = Field(
        "qm9pack",
        description="`qm9pack`, the package, installed (`symbench[data]`) or its wheel among the "
        "raw files; `pyg`, the files that PyG reads, downloaded; or the name of an HDF5 file with "
        "a part of QM9, such as qm9_8000.hdf5",
    )
    checksums: dict[
        Annotated[str, one_of(URLS, "file in checksums of QM9")],
        Annotated[str, Field(pattern="^[0-9a-f]{64}$")],
    ] = Field({}, description="sha256 of the files of `pyg`, where they are known")
    seed: Whole = Field(0, lt=2**32, description="of the order")

    @model_validator(mode="after")
    def _check_rest(self) -> Self:
        for split in ("train", "valid"):
            if self.samples[split] is None:
                raise ValueError(f"samples.{split} is None; the test split alone may be the rest")
        return self

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if not self.source.endswith(HDF5):
            choose(self.source, SOURCES, f"source of QM9 that is no {HDF5} file")
        if self.checksums and self.source != "pyg":
            raise ValueError("checksums are of the files of the source 'pyg'")
        return self

    @property
    def raw_files_needed(self) -> tuple[str, ...]:
        """The HDF5 file, where it is the source."""
        return (self.source,) if self.source.endswith(HDF5) else ()

    def urls(self, raw_files: RawFiles) -> Mapping[str, str]:
        """The files of PyTorch Geometric, where they are the source."""
        return URLS if self.source == "pyg" else {}

    @property
    def scores(self) -> tuple[Score, ...]:
        """Mean absolute error in the unit of the target."""
        return (Score("mae", TARGETS[self.target][1]),)

    def check_group(self, name: str) -> None:
        """O(3) or SO(3)."""
        check_rotations(name)

    def open(self, directory: Path, options: TaskOptions, seed: int) -> PropertyData:
        """The split of a seed; without `shuffled` it is that of all seeds."""
        from symbench.data.molecules.properties import PropertyData

        needed = ("positions", "scalars", "nodes", "targets")
        arrays = read_arrays(directory / "molecules.hdf5", needed)
        rows = self._rows(len(arrays["nodes"]), seed)
        _refuse_unseen(arrays, rows)
        return PropertyData(arrays, self.target, rows, self.standardised)

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Read all molecules of the source, and write them with the target."""
        molecules = self._read(directory, raw_files)
        rows = self._rows(len(molecules.nodes), 0)
        factor, unit = TARGETS[self.target]
        arrays = {
            "positions": molecules.positions,
            "scalars": np.eye(len(ELEMENTS), dtype=np.uint8)[molecules.elements],
            "nodes": molecules.nodes,
            "targets": factor * molecules.targets[self.target],
        }
        if not self.shuffled:
            _refuse_unseen(arrays, rows)
        source = SOURCES.get(self.source, f"QM9 (Ramakrishnan et al. 2014), {self.source}")
        files = write_files(directory, {"molecules": arrays})
        return Manifest(source, "CC0-1.0", {**self.model_dump(), "unit": unit}, files)

    def _read(self, directory: Path, raw_files: RawFiles) -> Molecules:
        if self.source == "qm9pack":
            return read_package(find_package(raw_files), PARTS)
        if self.source == "pyg":
            found = raw_files.find_or_download(
                self.urls(raw_files), self.checksums, directory / "raw_files"
            )
            return read_pyg(found[MOLECULES], found[LEFT_OUT])
        return read_file(raw_files.need(self.source, "it was converted from the package qm9pack"))

    def _rows(self, count: int, seed: int) -> dict[str, Array]:
        """The molecules of each split, of so many."""
        if self.shuffled:
            order = np.random.default_rng([self.seed, seed]).permutation(count)
        else:
            order = np.random.RandomState(self.seed).permutation(count)
        # Only the test split may be what remains.
        train, valid = self.samples["train"] or 0, self.samples["valid"] or 0
        test = self.samples["test"]
        if train + valid + (test or 1) > count:
            asked = f"{train} + {valid} + {'1 or more' if test is None else test}"
            raise DataError(f"QM9: {asked} molecules are asked, of {count}.")
        rows = dict(zip(SPLITS, np.split(order, [train, train + valid]), strict=True))
        return {**rows, "test": rows["test"][:test]}


def _refuse_unseen(arrays: Mapping[str, Array], rows: Mapping[str, Array]) -> None:
    """Raise `DataError` for an element that no training molecule has: its energy is unknown."""
    first = np.cumsum(arrays["nodes"]) - arrays["nodes"]
    has = np.logical_or.reduceat(arrays["scalars"] > 0, first)
    known = has[rows["train"]].any(axis=0)
    for split in SPLITS[1:]:
        if (unseen := has[rows[split]].any(axis=0) & ~known).any():
            names = ", ".join(itertools.compress(ELEMENTS, unseen))
            raise DataError(
                f"QM9: molecules of {split} hold {names}, and none of the {len(rows['train'])} of "
                "training does: take more samples.train, or another seed."
            )
