"""Reading configurations of one molecule from extended XYZ files."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from symbench.errors import DataError

ATOMIC_NUMBERS = {"H": 1, "C": 6, "N": 7, "O": 8, "F": 9, "Na": 11, "S": 16, "Cl": 17}


def read_extended_xyz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All configurations of a file; every one must have the same atoms.

    Returns:
        position (configuration, atom, xyz), energy (configuration,), atomic_number (atom,) and,
        where the file has them, force (configuration, atom, xyz); in the file's units.

    Raises:
        DataError: if the file is truncated, or its configurations differ in their atoms.

    """
    lines = path.read_text().splitlines()
    positions, forces, energies, species = [], [], [], []
    first = 0
    try:
        while first < len(lines) and lines[first].strip():
            count = int(lines[first])
            comment = lines[first + 1]
            rows = [line.split() for line in lines[first + 2 : first + 2 + count]]
            if len(rows) < count:
                raise ValueError("it ends within a configuration")
            columns = _columns(comment)
            energy = re.search(r'(?:^|\s)(?:energy|REF_energy)="?([-+.\deE]+)', comment)
            if energy is None:
                raise ValueError("a configuration has no energy")
            energies.append(float(energy.group(1)))
            species.append([row[columns["species"]] for row in rows])
            positions.append(_vectors(rows, columns["pos"]))
            if (column := columns.get("forces", columns.get("force"))) is not None:
                forces.append(_vectors(rows, column))
            first += 2 + count
    except (ValueError, IndexError, KeyError) as error:
        raise DataError(f"{path} is no extended XYZ file of one molecule: {error}.") from None
    if any(names != species[0] for names in species):
        raise DataError(f"{path}: configurations differ in their atoms.")
    arrays: dict[str, npt.NDArray[Any]] = {
        "position": np.array(positions),
        "energy": np.array(energies),
        "atomic_number": np.array([ATOMIC_NUMBERS[name] for name in species[0]]),
    }
    if forces:
        arrays["force"] = np.array(forces)
    return arrays


def _columns(comment: str) -> dict[str, int]:
    """First column of each property."""
    described = re.search(r"Properties=(\S+)", comment)
    if described is None:
        raise ValueError("a configuration has no Properties")
    parts = described.group(1).split(":")
    columns, place = {}, 0
    for name, width in zip(parts[::3], parts[2::3], strict=True):
        columns[name] = place
        place += int(width)
    return columns


def _vectors(rows: list[list[str]], column: int) -> list[list[float]]:
    vectors = [[float(value) for value in row[column : column + 3]] for row in rows]
    if any(len(vector) < 3 for vector in vectors):
        raise ValueError("a line lacks columns")
    return vectors
