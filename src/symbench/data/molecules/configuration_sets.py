"""Data sets of configurations of one molecule: from sets of configurations to their splits."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from symbench.data.arrays import Array, write_files
from symbench.data.copies import copies, digest
from symbench.data.dataset import SPLITS, Dataset, Score, TaskOptions
from symbench.data.molecules.molecule import HEAVIEST, as_nodes, refuse_coincident
from symbench.data.unlike import unlike_training
from symbench.errors import DataError
from symbench.symmetry.group_names import check_rotations

if TYPE_CHECKING:
    from symbench.data.molecules.configurations import MoleculeData

Sets = Mapping[str, Mapping[str, Array]]

# Bonds of one molecule are about as long in all sets; 1 Å is 1.9 Bohr.
_UNLIKE_DISTANCE = 1.25
# eV, and spreads of a set: mean energies at other temperatures are nearer to each other.
_UNLIKE_ENERGY, _UNLIKE_SPREADS = 1.0, 10.0


class ConfigurationSets(Dataset):
    """Energies and forces of configurations of one molecule; all seeds share them."""

    kind = "molecules"
    training_samples = "samples.train"

    @property
    def scores(self) -> tuple[Score, ...]:
        """Mean absolute errors."""
        return Score("force_mae", "meV/Å"), Score("energy_mae", "meV")

    def check_group(self, name: str) -> None:
        """O(3) or SO(3)."""
        check_rotations(name)

    def open(self, directory: Path, options: TaskOptions, seed: int) -> MoleculeData:
        """All seeds share the data."""
        from symbench.data.molecules.configurations import MoleculeData

        return MoleculeData(directory, self.test_sets)


def write_sets(
    directory: Path, sets: Sets, places: Mapping[str, str], samples: Mapping[str, int | None]
) -> tuple[float, tuple[Path, ...]]:
    """Check and write all sets: the splits, and further test sets.

    Args:
        directory: where the files go to.
        sets: position (configuration, atom, axis), Å, energy (configuration,), eV, atomic_number
            (atom,) and force, eV/Å, by name: train, test, further test sets, and valid where it is
            not the end of train.
        places: where each set comes from, in words.
        samples: of train and valid and at most of each test set; None for all.

    Returns:
        The energy that all energies count from, eV, and the files.

    Raises:
        DataError: if a set is of another molecule or holds no finite numbers, or too few.

    """
    check_sets(sets, places)
    parts = dict(sets)
    if "valid" not in parts:
        count = len(sets["train"]["energy"])
        first = max(0, count - (samples["valid"] or 0))
        parts["train"] = _part(sets["train"], slice(0, first))
        parts["valid"] = _part(sets["train"], slice(first, count))
    # Totals of thousands of eV would leave single precision no meV.
    zero = float(_part(parts["train"], slice(0, samples["train"]))["energy"].mean())
    files = {}
    for name, arrays in parts.items():
        asked = samples.get(name, samples["test"])
        if name in SPLITS and (there := len(arrays["energy"])) < (asked or 1):
            left = "" if "valid" in sets else f" beside the {samples['valid']} of validation"
            raise DataError(
                f"{asked or 1} samples of {name} are asked, and "
                f"{places.get(name, places['train'])} has {there}{left if name == 'train' else ''}."
            )
        file = name if name in SPLITS else f"test_{name}"
        files[file] = _nodes(_part(arrays, slice(0, asked)), zero)
    return zero, write_files(directory, files)


def check_sets(sets: Sets, places: Mapping[str, str]) -> None:
    """Raise `DataError` unless all sets are finite numbers of the training set's molecule."""
    for name, arrays in sets.items():
        place = places[name]
        needed = {"position", "energy", "atomic_number", *(("force",) if name in SPLITS else ())}
        if missing := needed - set(arrays):
            raise DataError(f"{place} holds no {', '.join(sorted(missing))}.")
        atoms = arrays["atomic_number"]
        if atoms.ndim != 1 or not np.isin(atoms, np.arange(1, HEAVIEST + 1)).all():
            raise DataError(
                f"{place} has the atomic numbers {atoms.tolist()}: give one whole number from 1 to "
                f"{HEAVIEST} for each atom."
            )
        # Features of atoms are numbered from the training set.
        if not np.array_equal(atoms, expected := sets["train"]["atomic_number"]):
            raise DataError(
                f"{place} has atoms {atoms.tolist()}, by atomic number, and {places['train']} has "
                f"{expected.tolist()}: all sets must be of one molecule."
            )
        count = len(arrays["energy"])
        vectors = (count, len(atoms), 3)
        shapes = {"position": vectors, "force": vectors, "energy": (count,)}
        for key in shapes.keys() & arrays.keys():
            good = count > 0 and arrays[key].shape == shapes[key]
            if not good or not np.isfinite(arrays[key]).all():
                raise DataError(
                    f"{place}: {key} of shape {arrays[key].shape} must be finite numbers of shape "
                    f"{shapes[key]}, of at least one configuration."
                )
        refuse_coincident(arrays["position"].reshape(-1, 3), np.full(count, len(atoms)), place)
    positions = {name: map(digest, arrays["position"]) for name, arrays in sets.items()}
    forces = {
        name: {"force": float(np.sqrt(np.mean(arrays["force"] ** 2)))}
        for name, arrays in sets.items()
        if "force" in arrays
    }
    distances = {
        name: {"distance to the nearest atom": _nearest(arrays["position"])}
        for name, arrays in sets.items()
        if len(arrays["atomic_number"]) > 1
    }
    for sentence in (
        *copies(positions, "configurations"),
        *unlike_training(forces),
        *unlike_training(distances, _UNLIKE_DISTANCE),
        *_unlike_energies(sets),
    ):
        warnings.warn(f"{places['train']}: {sentence}", stacklevel=2)
    if not sets["train"]["force"].any():
        raise DataError(f"{places['train']}: all forces are zero, and nothing can be learnt.")


def _nearest(positions: Array) -> float:
    """Root mean square of the distances of atoms to the one nearest to each, Å."""
    itself = np.diag(np.full(positions.shape[1], np.inf))
    found = [
        (np.linalg.norm(each[:, None] - each, axis=-1) + itself).min(axis=1) for each in positions
    ]
    return float(np.sqrt(np.mean(np.square(found))))


def _unlike_energies(sets: Sets) -> list[str]:
    """A sentence on each set whose energies are in another unit, or count from another zero."""
    means, spreads = (
        {name: float(function(arrays["energy"])) for name, arrays in sets.items()}
        for function in (np.mean, np.std)
    )
    return [
        f"energies are {mean:.6g} eV in {name} on average, and {means['train']:.6g} eV in train: "
        "another unit, or another zero of energy?"
        for name, mean in means.items()
        if abs(mean - means["train"])
        > max(_UNLIKE_ENERGY, _UNLIKE_SPREADS * max(spreads[name], spreads["train"]))
    ]


def _part(arrays: Mapping[str, Array], rows: slice) -> dict[str, Array]:
    return {key: value if key == "atomic_number" else value[rows] for key, value in arrays.items()}


def _nodes(arrays: Mapping[str, Array], zero: float) -> dict[str, Array]:
    """Arrays of nodes; zeros where there are no forces."""
    position, forces = arrays["position"], arrays.get("force")
    given = np.zeros_like(position) if forces is None else forces
    flat = as_nodes(arrays["atomic_number"], position, arrays["energy"] - zero, given)
    return {**flat, "has_forces": np.array(forces is not None)}
