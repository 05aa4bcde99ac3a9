"""Extended XYZ files of one isolated molecule: read by ASE, and what it gives is checked.

ASE takes a blank line for the end of the file, the last of two values of one key, logical columns
for numbers, and exponents of Fortran for text: frames are told apart here and given to it one by
one.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from symbench.data.arrays import Array
from symbench.data.molecules.molecule import HEAVIEST
from symbench.errors import DataError
from symbench.files import COMPRESSED

A = TypeVar("A")
B = TypeVar("B")

# Names of the same quantity; some codes put REF_ before the reference of a fit.
ENERGY = ("energy", "REF_energy")
FORCES = ("forces", "force", "REF_forces", "REF_force")
_UNITS = ("ev", "ev/å", "ev/a", "ev/ang", "ev/angstrom", "å", "a", "ang", "angstrom")
# Gold is Au, and texts may name it.
_OTHER_UNITS = re.compile(
    r"(?:(?i:hartrees?|k(?:cal|j)(?:/mole?)?|rydbergs?|bohr|a\.u\.|mev|nm)|Ha|Eh|Ry|au|AU)(?:/\S+)?"
)
_CELL = {"lattice", "cell", "box", "pbc", "periodic"}
_LIKE_FORCES = re.compile("force|grad|^f$")
_PLAIN = "species:S:1:pos:R:3"

_QUOTED = re.compile(
    r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'" + r"|\{[^}]*\}|\[[^\]]*\]", re.DOTALL
)
# Fortran writes D before an exponent, Mathematica *^.
_EXPONENT = re.compile(r"(?<![\w.+-])([+-]?(?:\d+\.?\d*|\.\d+))(?:[dD]|\*\^)([+-]?\d+)(?![\w.])")


class Keys(NamedTuple):
    """Names of energy and forces in a file; of those to look for, None stands for the usual."""

    energy: str | None = None
    forces: str | None = None


USUAL = Keys()


class Frame(NamedTuple):
    """One configuration; no forces where the file gives none."""

    numbers: Array
    positions: Array
    energy: float
    forces: Array | None
    keys: Keys


def read_all(paths: Mapping[str, Path], keys: Keys = USUAL) -> dict[str, dict[str, Array]]:
    """The configurations of some files by name, see `read_extended_xyz`.

    Raises:
        DataError: for a file that cannot be read, and if energies or forces have other names in one
            file than in the first, though a file may lack forces.

    """
    found, first = {}, None
    for name, path in paths.items():
        found[name], used = read_extended_xyz(path, keys)
        first = first or (path, used)
        for place, mine, other in zip(Keys._fields, used, first[1], strict=True):
            if mine and other and mine != other:
                raise DataError(
                    f"{path} gives the {place} as {mine} and {first[0]} as {other}: they may "
                    "mean different things, so give both files the same name."
                )
    return found


def read_extended_xyz(path: Path, keys: Keys = USUAL) -> tuple[dict[str, Array], Keys]:
    """All configurations of a file; every one must have the same atoms.

    Returns:
        position (configuration, atom, axis), Å, energy (configuration,), eV, atomic_number (atom,)
        and, where the file has them, force (configuration, atom, axis), eV/Å; and the names of
        energy and forces.

    Raises:
        DataError: if the file is truncated or no extended XYZ, a cell is periodic, a number is not
            finite, a unit is another, or configurations differ in their atoms or in what is given
            of them.

    """
    frames: list[Frame] = []
    try:
        if path.suffix.lower() in COMPRESSED:
            raise ValueError("it is compressed: unpack it first")
        text = path.read_text(encoding="utf-8-sig")
        for lines in _frames(_EXPONENT.sub(r"\1e\2", text)):
            frame = _frame(lines, keys)
            _check_alike(frame, frames[0] if frames else frame)
            frames.append(frame)
    except (ValueError, OSError) as error:
        raise DataError(
            f"{path} is no extended XYZ file of one isolated molecule: in configuration "
            f"{len(frames) + 1}, {error}."
        ) from None
    if not frames:
        raise DataError(f"{path} holds no configuration.")
    if not text.endswith("\n"):
        warnings.warn(
            f"{path} does not end with a line feed: its last number may have been cut.",
            stacklevel=2,
        )
    numbers, positions, energies, forces, names = zip(*frames, strict=True)
    arrays = {
        "position": np.array(positions),
        "energy": np.array(energies),
        "atomic_number": numbers[0],
    }
    if names[0].forces is not None:
        arrays["force"] = np.array(forces)
    return arrays, names[0]


def _frames(text: str) -> Iterator[list[str]]:
    """The comment and the atoms of each frame; blank lines between frames are left out."""
    lines = text.split("\n")
    first = 0
    while first < len(lines):
        if word := lines[first].strip():
            if not word.isdecimal() or not int(word):
                raise ValueError(f"{word[:60]!r} stands where a number of atoms should")
            frame = lines[first + 1 : first + 2 + int(word)]
            if len(frame) <= int(word):
                raise ValueError(f"the file ends within a configuration of {word} atoms")
            yield frame
            first += len(frame)
        first += 1


def _frame(lines: Sequence[str], keys: Keys) -> Frame:
    from ase.io.extxyz import key_val_str_to_dict, read_xyz

    comment, rows = lines[0], [line.split() for line in lines[1:]]
    _refuse_twice(comment)
    said = _by_ase(key_val_str_to_dict, comment) if comment.strip() else {}
    # ASE knows no other spelling of these two, and would take the molecule for an isolated one.
    like = [key for key in said if {*re.split(r"[\W_]", key.lower())} & _CELL]
    if wrong := [key for key in like if key not in ("Lattice", "pbc")]:
        raise ValueError(f"a cell is written Lattice and pbc, and not {wrong[0]}")
    # ASE gives True to a word alone, such as a unit behind a number.
    if words := [word for word in _words(comment) if word.lower() not in _UNITS]:
        raise ValueError(
            f"its comment has the word {words[0]}, which is the value of no key; energies in eV "
            "and lengths in Å are supported, and remarks in quotes"
        )
    _check_units(said)
    said.setdefault("Properties", _PLAIN)
    columns = _columns(str(said["Properties"]), rows)
    energy, forces = _names(said, columns, keys)
    read = {key: said[key] for key in ("Lattice", "pbc", "Properties") if key in said}
    file = StringIO("\n".join([str(len(rows)), "-", *lines[1:], ""]))
    atoms = _by_ase(next, read_xyz(file, index=0, properties_parser=lambda _: read))
    if atoms.pbc.any():
        raise ValueError("its cell is periodic, and only isolated molecules are supported")
    if not ((atoms.numbers > 0) & (atoms.numbers <= HEAVIEST)).all():
        raise ValueError("an atom X is of no chemical element, nor one of a number beyond 118")
    if {"species", "Z"} <= set(columns):
        species = [row[columns["species"].start].capitalize() for row in rows]
        if species != atoms.get_chemical_symbols():
            raise ValueError("its columns species and Z are of different elements")
    found = Frame(
        atoms.numbers,
        atoms.positions,
        _number(energy, said[energy]),
        None if forces is None else np.array([row[columns[forces]] for row in rows], dtype=float),
        Keys(energy, forces),
    )
    for name, array in (("pos", found.positions), (forces, found.forces)):
        if array is not None and not np.isfinite(array).all():
            raise ValueError(f"a number of {name} is not finite")
    return found


def _by_ase(function: Callable[[A], B], argument: A) -> B:
    try:
        return function(argument)
    # Whatever ASE raises for what it does not expect.
    except Exception as error:
        raise ValueError(f"ASE cannot read it ({type(error).__name__}: {error})") from None


def _refuse_twice(comment: str) -> None:
    given = re.findall(r"([^\s=]+)\s*=", _QUOTED.sub("0", comment))
    if twice := [key for key in given if given.count(key) > 1]:
        raise ValueError(f"its comment gives {twice[0]} twice")


def _words(comment: str) -> list[str]:
    """The words of a comment that belong to no key; quoted text is a remark."""
    plain = _QUOTED.sub('""', comment)
    return [word for word in re.sub(r"[^\s=]+\s*=\s*\S+", "", plain).split() if word != '""']


def _check_units(said: Mapping[str, object]) -> None:
    for key, value in said.items():
        other = "unit" in key.lower() and str(value).lower() not in _UNITS
        # ASE gives True to quoted text alone.
        if other or _OTHER_UNITS.fullmatch(key if value is True else str(value)):
            raise ValueError(f"{key} is {value}; energies in eV and lengths in Å are supported")


def _columns(properties: str, rows: Sequence[Sequence[str]]) -> dict[str, slice]:
    """The columns of each property; every row must have all of them, and no more."""
    parts = properties.split(":")
    if len(parts) % 3 or not all(width.isdecimal() for width in parts[2::3]):
        raise ValueError("its Properties are no names, types and widths")
    columns: dict[str, slice] = {}
    place = 0
    for name, kind, width in zip(parts[::3], parts[1::3], map(int, parts[2::3]), strict=True):
        if name in columns:
            raise ValueError(f"its Properties give {name} twice")
        if (name == "pos" or "force" in name.lower()) and (kind not in "RI" or width != 3):
            raise ValueError(f"its column {name}:{kind}:{width} is no vector, {name}:R:3")
        if name == "Z" and kind != "I":
            raise ValueError(f"its column Z:{kind} holds no whole numbers, Z:I")
        columns[name] = slice(place, place + width)
        place += width
    if "pos" not in columns or not columns.keys() & {"species", "Z"}:
        raise ValueError("its Properties lack pos, or both species and Z")
    # ASE would take them for elements and positions, whatever the others say.
    if other := sorted({"numbers", "positions"} & columns.keys()):
        raise ValueError(f"its column {other[0]} goes by the name of species, Z or pos")
    for number, row in enumerate(rows, start=1):
        if len(row) != place:
            raise ValueError(f"atom {number} has {len(row)} columns, and its Properties {place}")
    return columns


def _names(
    said: Collection[str], columns: Mapping[str, slice], keys: Keys
) -> tuple[str, str | None]:
    energy = _only(ENERGY, keys.energy, said, "energy_key")
    if energy is None:
        raise ValueError(
            f"its comment has no {keys.energy or ' or '.join(ENERGY)} and gives "
            f"{', '.join(said) or 'nothing'}; name the energy by 'energy_key'"
        )
    forces = _only(FORCES, keys.forces, columns, "forces_key")
    if forces == "pos" or (forces and columns[forces].stop - columns[forces].start != 3):
        raise ValueError(f"its column {forces} holds no forces")
    like = [name for name in columns if _LIKE_FORCES.search(name.lower())]
    if forces is None and like:
        raise ValueError(
            f"its columns {', '.join(like)} are not {keys.forces or ' or '.join(FORCES)}; name the "
            "forces, minus the gradient of the energy, by 'forces_key'"
        )
    return energy, forces


def _only(usual: Sequence[str], asked: str | None, given: Collection[str], key: str) -> str | None:
    """The one name of a quantity that is given; None if none is."""
    found = [name for name in ((asked,) if asked else usual) if name in given]
    if len(found) > 1:
        raise ValueError(f"it gives {' and '.join(found)}; name the one that counts by '{key}'")
    return found[0] if found else None


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise ValueError(f"{name} is {value!r}, which is no number")
    if not np.isfinite(value):
        raise ValueError(f"{name} is {value}, which is not finite")
    return float(value)


def _check_alike(frame: Frame, first: Frame) -> None:
    if not np.array_equal(frame.numbers, first.numbers):
        raise ValueError("it differs from the first one in its atoms or their order")
    if frame.keys != first.keys:
        given, expected = ([key for key in each.keys if key] for each in (frame, first))
        raise ValueError(f"it gives {' and '.join(given)}, the first one {' and '.join(expected)}")
