"""QM9: properties of 130,831 small molecules (Ramakrishnan et al., Scientific Data 1, 140022).

The raw files are those that PyG's QM9 reads: structures as SDF, properties as CSV, and the list of
3,054 molecules whose geometry did not converge, which are left out as usual.
"""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from symbench.data.arrays import Array, read_arrays, write_files
from symbench.data.dataset import SPLITS, Dataset, Score, TaskOptions
from symbench.data.manifest import Manifest
from symbench.data.molecules.molecule import refuse_coincident
from symbench.data.parameters import OpenSplits, Whole, one_of
from symbench.errors import DataError
from symbench.symmetry.group_names import check_rotations

if TYPE_CHECKING:
    from symbench.data.molecules.properties import PropertyData
    from symbench.data.raw_files import RawFiles

HARTREE = 27.211386245988  # eV
# Name in the raw table: factor to our unit, unit. The order is PyG's.
TARGETS: dict[str, tuple[float, str]] = {
    "mu": (1.0, "D"),
    "alpha": (1.0, "bohr³"),
    "homo": (HARTREE, "eV"),
    "lumo": (HARTREE, "eV"),
    "gap": (HARTREE, "eV"),
    "r2": (1.0, "bohr²"),
    "zpve": (HARTREE, "eV"),
    "u0": (HARTREE, "eV"),
    "u298": (HARTREE, "eV"),
    "h298": (HARTREE, "eV"),
    "g298": (HARTREE, "eV"),
    "cv": (1.0, "cal/(mol K)"),
}
ELEMENTS = ("H", "C", "N", "O", "F")
MOLECULES = "qm9.zip"
LEFT_OUT = "3195404"
UNCONVERGED = 3054
_NUMBERED = re.compile(r"\s*(\d+)\s")
URLS = {
    MOLECULES: "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/molnet_publish/qm9.zip",
    LEFT_OUT: "https://ndownloader.figshare.com/files/3195404",
}


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
    checksums: dict[
        Annotated[str, one_of(URLS, "file in checksums of QM9")],
        Annotated[str, Field(pattern="^[0-9a-f]{64}$")],
    ] = Field({}, description="sha256 of raw files, where they are known")
    seed: Whole = Field(0, lt=2**32, description="of the order")

    @model_validator(mode="after")
    def _check_rest(self) -> Self:
        for split in ("train", "valid"):
            if self.samples[split] is None:
                raise ValueError(f"samples.{split} is None; the test split alone may be the rest")
        return self

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
        """Read or download the raw files and write all molecules."""
        found = raw_files.find_or_download(URLS, self.checksums, directory / "raw_files")
        molecules, titles = read_structures(found[MOLECULES])
        table, names = _read_table(found[MOLECULES])
        left_out = read_left_out(found[LEFT_OUT])
        if len(titles) != len(names):
            raise DataError(
                f"{found[MOLECULES]} holds {len(titles)} structures, but properties of "
                f"{len(names)} molecules."
            )
        if apart := [pair for pair in zip(titles, names, strict=True) if pair[0] != pair[1]]:
            raise DataError(
                f"{found[MOLECULES]}: the structure {apart[0][0]} stands where the properties are "
                f"of {apart[0][1]}: files of one edition have both in one order."
            )
        factor, unit = TARGETS[self.target]
        kept = np.setdiff1d(np.arange(len(molecules)), left_out)
        rows = self._rows(len(kept), 0)
        arrays = _flat([molecules[k] for k in kept], factor * table[self.target][kept])
        place = f"{found[MOLECULES]}: gdb9.sdf"
        refuse_coincident(arrays["positions"], arrays["nodes"], place, kept + 1)
        if not self.shuffled:
            _refuse_unseen(arrays, rows)
        source = "QM9 (Ramakrishnan et al. 2014), raw files as read by PyG"
        files = write_files(directory, {"molecules": arrays})
        return Manifest(source, "CC0-1.0", {**self.model_dump(), "unit": unit}, files)

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


def read_structures(archive: Path) -> tuple[list[tuple[Array, Array]], list[str]]:
    """Element numbers (atom,), into `ELEMENTS`, and positions (atom, axis) in Å of each molecule.

    And the titles of all molecules, such as gdb_1.

    Raises:
        DataError: if the archive holds no gdb9.sdf, or a truncated one.

    """
    lines = _member(archive, "gdb9.sdf").decode(errors="replace").splitlines()
    molecules, titles = [], []
    start = 0
    try:
        while start + 3 < len(lines):
            count, bonds = int(lines[start + 3][:3]), int(lines[start + 3][3:6])
            atoms = [line.split() for line in lines[start + 4 : start + 4 + count]]
            if others := {atom[3] for atom in atoms} - set(ELEMENTS):
                raise ValueError(f"'{others.pop()}' is none of {', '.join(ELEMENTS)}")
            numbers = np.array([ELEMENTS.index(atom[3]) for atom in atoms])
            positions = np.array([[float(value) for value in atom[:3]] for atom in atoms])
            # Bonds and properties follow: atoms that are not counted would stand among them.
            if count < 1 or not lines[start + 4 + count + bonds].startswith("M  "):
                raise ValueError(f"{count} atoms and {bonds} bonds are not what it holds")
            if not np.isfinite(positions).all():
                raise ValueError("a position is not finite")
            molecules.append((numbers, positions))
            titles.append(lines[start].strip())
            start = lines.index("$$$$", start + 4 + count) + 1
    except (ValueError, IndexError) as error:
        raise DataError(
            f"{archive}: gdb9.sdf is damaged at molecule {len(molecules) + 1}: {error}."
        ) from None
    return molecules, titles


def _read_table(archive: Path) -> tuple[dict[str, Array], list[str]]:
    """Values of all molecules by property, in the units of the file, and names of the molecules."""
    import pandas as pd

    try:
        table = pd.read_csv(io.BytesIO(_member(archive, "gdb9.sdf.csv")))
    except ValueError as error:
        raise DataError(f"{archive}: gdb9.sdf.csv is no table: {error}.") from None
    if missing := {"mol_id", *TARGETS} - set(table):
        raise DataError(f"{archive}: gdb9.sdf.csv has no column {', '.join(sorted(missing))}.")
    # Pandas numbers the second of two columns of one name.
    if twice := [name for name in TARGETS if f"{name}.1" in table]:
        raise DataError(f"{archive}: gdb9.sdf.csv has the column {twice[0]} twice.")
    values = {}
    for name in TARGETS:
        values[name] = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)
        if not np.isfinite(values[name]).all():
            raise DataError(f"{archive}: column {name} of gdb9.sdf.csv holds what is no number.")
    return values, table["mol_id"].astype(str).to_list()


def _member(archive: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(archive) as opened:
            # Mathematica writes *^ before an exponent.
            return opened.read(name).replace(b"*^", b"e")
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise DataError(f"{archive} holds no {name}: {error}.") from None


def read_left_out(path: Path) -> Array:
    """Indices, from zero, of the molecules to leave out: the first column of the list's rows.

    Raises:
        DataError: unless there are 3,054: an empty, cut or foreign file would leave the others in.

    """
    lines = path.read_text(errors="replace").split("\n")
    # PyG skips nine lines at the head and two at the foot; other editions have other ones.
    for rows in (lines[9:-2], _longest_run(lines)):
        numbers = {int(row[1]) for line in rows if (row := _NUMBERED.match(line))}
        if len(numbers) == UNCONVERGED and min(numbers) > 0:
            return np.array(sorted(numbers)) - 1
    raise DataError(
        f"{path} is not the list of the {UNCONVERGED:,} molecules to leave out: it holds "
        f"{len(numbers):,} numbers of molecules."
    )


def _longest_run(lines: list[str]) -> list[str]:
    """The most lines after each other that begin with a number."""
    runs = itertools.groupby(lines, key=lambda line: bool(_NUMBERED.match(line)))
    return max((list(run) for numbered, run in runs if numbered), key=len, default=[])


def _flat(molecules: list[tuple[Array, Array]], values: Array) -> dict[str, Array]:
    """Molecules as flat arrays of nodes, and targets."""
    numbers = np.concatenate([molecule[0] for molecule in molecules])
    return {
        "positions": np.concatenate([molecule[1] for molecule in molecules]),
        "scalars": np.eye(len(ELEMENTS))[numbers],
        "nodes": np.array([len(molecule[0]) for molecule in molecules]),
        "targets": values,
    }
