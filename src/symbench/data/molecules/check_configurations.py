"""What `symbench check-data` says of extended XYZ files, before anything is run."""

from collections.abc import Sequence
from pathlib import Path

from symbench.data.checked import Checked
from symbench.data.molecules.configuration_sets import check_sets
from symbench.data.molecules.extended_xyz import USUAL, Keys, read_all
from symbench.errors import DataError
from symbench.files import COMPRESSED

_SUFFIXES = (".xyz", ".extxyz")


def configuration_files(place: Path) -> list[Path]:
    """The extended XYZ files of a folder, the one for training first, or a file alone."""
    found = [place] if place.is_file() else sorted(place.glob("*"))
    packed = {suffix + ending for suffix in _SUFFIXES for ending in COMPRESSED}
    files = [path for path in found if path.name.endswith((*_SUFFIXES, *packed))]
    return sorted(files, key=lambda path: "train" not in path.name)


def check_configurations(paths: Sequence[Path], keys: Keys = USUAL) -> Checked:
    """Check that all files hold configurations of one molecule, held against the first file.

    Args:
        paths: of the files.
        keys: names of energy and forces in them.

    """
    from ase.formula import Formula
    from ase.symbols import Symbols

    try:
        sets = read_all({path.name: path for path in paths}, keys)
        names = ["train", *(f"file {name}" for name in list(sets)[1:])]
        places = dict(zip(names, map(str, paths), strict=True))
        check_sets(dict(zip(names, sets.values(), strict=True)), places)
    except DataError as error:
        return Checked([], [str(error)])
    said = [
        f"{name}: {len(arrays['energy'])} configurations of "
        f"{Formula(str(Symbols(arrays['atomic_number']))).format('hill')}, energies from "
        f"{arrays['energy'].min():.6g} to {arrays['energy'].max():.6g} eV, "
        f"{'with' if 'force' in arrays else 'without'} forces"
        for name, arrays in sets.items()
    ]
    return Checked(said, [])
