"""Files that PyG reads QM9 from: structures as SDF, properties as CSV, and whom to leave out."""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from pathlib import Path

import numpy as np

from symbench.data.arrays import Array
from symbench.data.molecules.qm9_files import TARGETS, Molecules, checked, element_numbers
from symbench.errors import DataError

MOLECULES = "qm9.zip"
LEFT_OUT = "3195404"
UNCONVERGED = 3054
URLS = {
    MOLECULES: "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/molnet_publish/qm9.zip",
    LEFT_OUT: "https://ndownloader.figshare.com/files/3195404",
}
_NUMBERED = re.compile(r"\s*(\d+)\s")


def read_pyg(archive: Path, left_out: Path) -> Molecules:
    """The molecules of the archive, without those to leave out.

    Raises:
        DataError: if a file is damaged, or structures and properties are of different molecules.

    """
    molecules, titles = read_structures(archive)
    table, names = _read_table(archive)
    if len(titles) != len(names):
        raise DataError(
            f"{archive} holds {len(titles)} structures, but properties of {len(names)} molecules."
        )
    if apart := [pair for pair in zip(titles, names, strict=True) if pair[0] != pair[1]]:
        raise DataError(
            f"{archive}: the structure {apart[0][0]} stands where the properties are of "
            f"{apart[0][1]}: files of one edition have both in one order."
        )
    kept = np.setdiff1d(np.arange(len(molecules)), read_left_out(left_out))
    if not kept.size:
        raise DataError(f"{archive} holds no molecule but those to leave out.")
    elements, positions = zip(*(molecules[k] for k in kept), strict=True)
    return checked(
        Molecules(
            f"{archive}: gdb9.sdf",
            numbers=kept + 1,
            nodes=np.array([len(each) for each in elements]),
            elements=np.concatenate(elements),
            positions=np.concatenate(positions),
            targets={name: values[kept] for name, values in table.items()},
        )
    )


def read_structures(archive: Path) -> tuple[list[tuple[Array, Array]], list[str]]:
    """Elements (atom,), into `ELEMENTS`, and positions (atom, axis), Å, of each molecule.

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
            numbers = element_numbers([atom[3] for atom in atoms])
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
