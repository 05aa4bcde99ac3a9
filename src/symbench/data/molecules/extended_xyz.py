"""Reading configurations of one isolated molecule from extended XYZ files."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from symbench.data.arrays import Array
from symbench.errors import DataError

_PERIODS = (
    "H He",
    "Li Be B C N O F Ne",
    "Na Mg Al Si P S Cl Ar",
    "K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr",
    "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe",
    "Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu",
    "Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn",
    "Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr",
    "Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og",
)

ATOMIC_NUMBERS = {
    symbol: number for number, symbol in enumerate(" ".join(_PERIODS).split(), start=1)
}
# Names of the same quantity; some codes put REF_ before the reference of a fit.
ENERGY = ("energy", "REF_energy")
FORCES = ("forces", "force", "REF_forces", "REF_force")

_QUOTED = r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'"
_BRACKETED = r"\{[^}]*\}|\[[^\]]*\]"
# Quoted text and other words are matched too, so that no key is found inside of them.
_PAIR = re.compile(rf"([\w.:-]+)\s*=\s*({_QUOTED}|{_BRACKETED}|[^\s\"']+)|{_QUOTED}|\S+")


class Configuration(NamedTuple):
    """One configuration of a file, in its units; no forces where the file gives none."""

    symbols: tuple[str, ...]
    positions: Array
    energy: float
    forces: Array | None
    # The names of energy and forces in the file.
    keys: tuple[str, str | None]


def read_extended_xyz(path: Path) -> dict[str, Array]:
    """All configurations of a file; every one must have the same atoms.

    Returns:
        position (configuration, atom, axis), energy (configuration,), atomic_number (atom,) and,
        where the file has them, force (configuration, atom, axis); in the file's units.

    Raises:
        DataError: if the file is truncated or no extended XYZ, a cell is periodic, a number is not
            finite, or configurations differ in their atoms or in what is given of them.

    """
    found: list[Configuration] = []
    try:
        lines = path.read_text().splitlines()
        for number, configuration in enumerate(_configurations(lines), start=1):
            _check_alike(configuration, found[0] if found else configuration, number)
            found.append(configuration)
        if not found:
            raise ValueError("it holds no configuration")
    except (ValueError, OSError) as error:
        raise DataError(
            f"{path} is no extended XYZ file of one molecule: {error} "
            f"(after {len(found)} configurations)."
        ) from None
    arrays = {
        "position": np.array([each.positions for each in found]),
        "energy": np.array([each.energy for each in found]),
        "atomic_number": np.array([ATOMIC_NUMBERS[symbol] for symbol in found[0].symbols]),
    }
    if found[0].forces is not None:
        arrays["force"] = np.array([each.forces for each in found])
    return arrays


def _configurations(lines: Sequence[str]) -> Iterator[Configuration]:
    """One after the other; blank lines between them are left out."""
    first = 0
    while first < len(lines):
        if not lines[first].strip():
            first += 1
            continue
        count = int(lines[first])
        rows = [line.split() for line in lines[first + 2 : first + 2 + count]]
        if count < 1 or len(rows) < count:
            raise ValueError(f"it ends within a configuration of {count} atoms")
        yield _configuration(_pairs(lines[first + 1]), rows)
        first += 2 + count


def _pairs(comment: str) -> dict[str, str]:
    """Keys and values of a comment, without quotes."""
    return {
        match[1]: match[2].strip("\"'").strip()
        for match in _PAIR.finditer(comment)
        if match[1] is not None
    }


def _configuration(pairs: Mapping[str, str], rows: Sequence[Sequence[str]]) -> Configuration:
    _refuse_periodic(pairs)
    columns = _columns(pairs)
    if any(len(row) != max(place.stop for place in columns.values()) for row in rows):
        raise ValueError("a line has other columns than its Properties say")
    if "species" not in columns or "pos" not in columns:
        raise ValueError("its Properties lack species or pos")
    symbols = tuple(row[columns["species"]][0] for row in rows)
    if unknown := set(symbols) - set(ATOMIC_NUMBERS):
        raise ValueError(f"'{min(unknown)}' is no chemical element")
    energy_key, forces_key = _only(ENERGY, pairs), _only(FORCES, columns)
    if energy_key is None:
        raise ValueError("a configuration has no energy")
    return Configuration(
        symbols,
        _vectors(rows, columns["pos"]),
        _number(pairs[energy_key]),
        None if forces_key is None else _vectors(rows, columns[forces_key]),
        (energy_key, forces_key),
    )


def _refuse_periodic(pairs: Mapping[str, str]) -> None:
    """Refuse cells that repeat; a lattice repeats unless `pbc` says that it does not."""
    repeated = pairs.get("pbc", "T" if "Lattice" in pairs else "F")
    if re.search(r"[tT1]", repeated):
        raise ValueError("a cell is periodic, and only isolated molecules are supported")


def _columns(pairs: Mapping[str, str]) -> dict[str, slice]:
    """The columns of each property."""
    parts = pairs.get("Properties", "").split(":")
    if len(parts) < 3 or len(parts) % 3:
        raise ValueError("a configuration has no Properties of names, types and widths")
    columns, place = {}, 0
    for name, width in zip(parts[::3], parts[2::3], strict=True):
        columns[name] = slice(place, place + int(width))
        place += int(width)
    return columns


def _only(names: Sequence[str], given: Mapping[str, object]) -> str | None:
    """The one of some names of a quantity that is given; None if none is."""
    found = [name for name in names if name in given]
    if len(found) > 1:
        raise ValueError(f"a configuration has both {found[0]} and {found[1]}; leave one")
    return found[0] if found else None


def _vectors(rows: Sequence[Sequence[str]], columns: slice) -> Array:
    if columns.stop - columns.start != 3:
        raise ValueError("a vector has other than three columns")
    return np.array([[_number(value) for value in row[columns]] for row in rows])


def _number(text: str) -> float:
    """A finite number; Fortran writes D before the exponent."""
    value = float(re.sub(r"[dD]", "e", text))
    if not np.isfinite(value):
        raise ValueError(f"'{text}' is not finite")
    return value


def _check_alike(one: Configuration, first: Configuration, number: int) -> None:
    if one.symbols != first.symbols:
        raise ValueError(f"configuration {number} differs from the first in its atoms")
    if one.keys != first.keys:
        given, expected = ([key for key in each.keys if key] for each in (one, first))
        raise ValueError(
            f"configuration {number} gives {' and '.join(given)}, and the first one "
            f"{' and '.join(expected)}"
        )
