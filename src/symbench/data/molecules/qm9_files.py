"""Files that QM9 is read from, each with its checks; all give `Molecules`, in the units of QM9."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import zipfile
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from symbench.data.arrays import Array, open_hdf5
from symbench.data.molecules.molecule import refuse_coincident
from symbench.errors import DataError

if TYPE_CHECKING:
    from symbench.data.raw_files import RawFiles

HARTREE = 27.211386245988  # eV
# Name: factor to our unit, unit. Names and order are PyG's. The energies u0 to g298 are total ones,
# and not those of atomisation.
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
PACKAGE = "qm9pack"
WHEEL = "qm9pack-1.0.3-py3-none-any.whl"
# The tables of the package by their sha256, in the order of the molecules.
PARTS = {
    "qm9_part1.csv": "19f0a5d595462d52cd82eef3370f3e9eb55a1f52cb14985657200349568deff3",
    "qm9_part2.csv": "2bca113fdc0b28a13563c80ed9b240e934f3da6c64c64fe74ddb4f0f36036e61",
    "qm9_part3.csv": "9c5efb5733d2af149db8d95d36ff198b4ffed12d9f7b344220a1e5877d5c6a43",
}
# Columns of the package's tables, in the order of `TARGETS`; one is misspelt there.
COLUMNS = (
    "Dipole_debye",
    "Polarizability_bohr3",
    "HOMO_au",
    "LUMO_au",
    "HOMO_LUMO_gap_au",
    "R2_bohr2",
    "ZPVE_au",
    "InternalEnergy_0K_au",
    "InternalEnergy_298K_au",
    "Enthalphy_298K_au",
    "GibbsFreeEnergy_298K_au",
    "Heatcapacity_Cv_cal_mol_K",
)
_MARKS = str.maketrans("", "", "[]' ")


class Molecules(NamedTuple):
    """Molecules one after the other.

    Attributes:
        place: file that they were read from, for messages.
        numbers: of each molecule in QM9, from 1, shape (molecule,).
        nodes: number of atoms of each, shape (molecule,).
        elements: of each atom, into `ELEMENTS`, shape (atom,).
        positions: Å, shape (atom, axis).
        targets: of each molecule by name, in the units of QM9 (energies in Hartree), (molecule,).

    """

    place: str
    numbers: Array
    nodes: Array
    elements: Array
    positions: Array
    targets: Mapping[str, Array]


def find_package(raw_files: RawFiles) -> Traversable:
    """The folder of the package qm9pack: in its wheel among the raw files, or as it is installed.

    The package itself is not imported: it needs pkg_resources, which newer installations lack.

    Raises:
        DataError: if it is in neither place.

    """
    if wheel := raw_files.find(WHEEL):
        try:
            return zipfile.Path(wheel, f"{PACKAGE}/")
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(f"{wheel} is no wheel: {error}.") from None
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise DataError(
            f"QM9 is read from the package {PACKAGE}, which is not installed: `pip install "
            f"'symbench[data]'` (104 MB), or put {WHEEL} into a folder of raw files."
        )
    return Path(found.submodule_search_locations[0])


def read_package(folder: Traversable, sums: Mapping[str, str]) -> Molecules:
    """The molecules of the package qm9pack.

    Args:
        folder: of the package, with data/qm9_part1.csv and so on.
        sums: sha256 of each table, by its name, as `PARTS`.

    Raises:
        DataError: if a table is not there, has another sum or is damaged.

    """
    import pandas as pd

    used = ["Index", "N_atoms", "Elements", "XYZ_Ang", *COLUMNS]
    tables = []
    for name, known in sums.items():
        file = folder / "data" / name
        try:
            content = file.read_bytes()
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(f"{file} cannot be read: {error}.") from None
        if (found := hashlib.sha256(content).hexdigest()) != known:
            raise DataError(f"{file} is not that of {WHEEL}: its sha256 is {found}, not {known}.")
        try:
            tables.append(pd.read_csv(io.BytesIO(content), usecols=used))
        except ValueError as error:
            raise DataError(f"{file} is no table of QM9: {error}.") from None
    table = pd.concat(tables, ignore_index=True)
    place = str(folder / "data")
    symbols = table["Elements"].astype(str).str.translate(_MARKS)
    coordinates = table["XYZ_Ang"].astype(str).str.translate(_MARKS)
    for column, each in ((symbols, 1), (coordinates, 3)):
        wrong = column.str.count(",") + 1 != each * table["N_atoms"]
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{place}: {column.name} of molecule {table['Index'][row]} does not have "
                f"{table['N_atoms'][row]} atoms."
            )
    try:
        molecules = Molecules(
            place,
            numbers=table["Index"].to_numpy(int),
            nodes=table["N_atoms"].to_numpy(int),
            elements=element_numbers(",".join(symbols).split(",")),
            positions=np.array(",".join(coordinates).split(","), dtype=float).reshape(-1, 3),
            targets={
                target: table[column].to_numpy(float)
                for target, column in zip(TARGETS, COLUMNS, strict=True)
            },
        )
    except ValueError as error:
        raise DataError(f"{place}: the tables are damaged: {error}.") from None
    return checked(molecules)


def read_file(path: Path) -> Molecules:
    """The molecules of an HDF5 file with a part of QM9.

    Args:
        path: of a file with index and atoms (molecule,), element (atom,), into `ELEMENTS`, position
            (atom, axis), Å, and the targets by name in the group target.

    Raises:
        DataError: if an array is missing, of another shape or not finite.

    """
    with open_hdf5(path) as file:
        molecules = Molecules(
            str(path),
            numbers=file["index"][()].astype(int),
            nodes=file["atoms"][()].astype(int),
            elements=file["element"][()].astype(int),
            positions=file["position"][()].astype(float),
            targets={target: file["target"][target][()].astype(float) for target in TARGETS},
        )
    return checked(molecules)


def element_numbers(symbols: Sequence[str]) -> Array:
    """Places in `ELEMENTS`; raises `ValueError` for an element that QM9 does not have."""
    places = {symbol: place for place, symbol in enumerate(ELEMENTS)}
    if others := sorted(set(symbols) - places.keys()):
        raise ValueError(f"'{others[0]}' is none of {', '.join(ELEMENTS)}")
    return np.array([places[symbol] for symbol in symbols])


def checked(molecules: Molecules) -> Molecules:
    """The molecules; raises `DataError` unless they are finite, apart, and each is there once."""
    place, numbers, nodes, elements, positions, targets = molecules
    count, atoms = len(nodes), int(nodes.sum())
    shapes = {
        "numbers": (numbers, (count,)),
        "elements": (elements, (atoms,)),
        "positions": (positions, (atoms, 3)),
        **{name: (values, (count,)) for name, values in targets.items()},
    }
    for name, (values, shape) in shapes.items():
        if values.shape != shape or not np.isfinite(values).all():
            raise DataError(
                f"{place}: {name} of shape {values.shape} must be finite numbers of shape {shape}."
            )
    if not count or nodes.min() < 1 or not np.isin(elements, range(len(ELEMENTS))).all():
        raise DataError(
            f"{place} must hold at least one molecule, atoms of each, and elements from 0 to "
            f"{len(ELEMENTS) - 1}."
        )
    if (np.diff(numbers) <= 0).any():
        raise DataError(f"{place}: its molecules must stand in the order of QM9, each once.")
    refuse_coincident(positions, nodes, place, numbers)
    return molecules
