"""Potential-energy surfaces of LiH and NH3 from electronic structure, for small quantum circuits.

Geometries, ranges and sampling are our own choice: those of the paper (arXiv 2512.05475) could not
be read.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from symbench.data.arrays import Array, write_files
from symbench.data.dataset import Dataset, Score, TaskOptions
from symbench.data.manifest import Manifest
from symbench.data.molecules.electronic_structure import (
    Level,
    energy_and_forces,
    normal_modes,
    surface,
)
from symbench.data.molecules.molecule import MOLECULES, Molecule
from symbench.data.parameters import Count, Whole
from symbench.errors import ConfigError
from symbench.symmetry.group_names import labelled_rotations

if TYPE_CHECKING:
    from symbench.data.molecules.surface_data import SurfaceData
    from symbench.data.raw_files import RawFiles

# Of the thermal displacements, in Kelvin.
TEMPERATURE = 300.0
# Where geometries lie: in the range of training, or beyond it.
PARTS = ("inside", "outside")


class PotentialSurface(Dataset):
    """A molecule, geometries inside the range of training and outside it, and their energies."""

    kind = "molecules"
    training_samples = "training_samples"
    name: ClassVar[str]

    samples: dict[str, Count] = Field(description="number of geometries: inside, outside")
    level: Level = Field(description="of the electronic structure")
    folds: int = Field(5, ge=3, description="of cross-validation; seed k has fold k for its test")
    fewer: Count | None = Field(
        None,
        alias="training_samples",
        description="fewer geometries for training, for learning curves; null for all",
    )
    seed: Whole = Field(0, description="draws geometries, orientations and labels")

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if set(self.samples) != set(PARTS):
            raise ValueError(f"samples are {self.samples}; give numbers for inside and outside")
        inside = self.samples["inside"]
        if self.folds > inside:
            raise ValueError(f"folds is {self.folds}; give at most the {inside} samples inside")
        most = training_count(inside, self.folds)
        if self.fewer is not None and self.fewer > most:
            raise ValueError(
                f"training_samples is {self.fewer}; give at most {most}: {self.folds} folds leave "
                f"so many of {inside} samples for training"
            )
        return self

    @property
    def molecule(self) -> Molecule:
        """The molecule."""
        return MOLECULES[self.name]

    @property
    def scores(self) -> tuple[Score, ...]:
        """Absolute and squared errors, and variances that the latter are compared with."""
        units = {
            "mae": ("meV", "meV/Å"),
            "mse": ("meV²", "(meV/Å)²"),
            "spread": ("meV²", "(meV/Å)²"),
        }
        return tuple(
            Score(f"{kind}_{name}", unit)
            for name, pair in units.items()
            for kind, unit in zip(("energy", "force"), pair, strict=True)
        )

    @property
    def test_sets(self) -> tuple[str, ...]:
        """Training samples again, for the gap between training and test, and the outside."""
        return ("train", "outside")

    def check_group(self, name: str) -> None:
        """Rotations together with exchanges of equal atoms."""
        labelled_rotations(name)

    def check_seed(self, seed: int) -> None:
        """Each seed has a fold of its own."""
        if not 0 <= seed < self.folds:
            raise ConfigError(
                f"folds of {self.name} is {self.folds}, which leaves none for seed {seed}; "
                "raise 'folds'."
            )

    def open(self, directory: Path, options: TaskOptions, seed: int) -> SurfaceData:
        """The fold of a seed."""
        from symbench.data.molecules.surface_data import SurfaceData

        self.check_seed(seed)
        return SurfaceData(directory, self.molecule, self.folds, seed, self.fewer)

    @abstractmethod
    def geometries(self, rng: np.random.Generator, count: int, inside: bool) -> Array:
        """Positions in Å with the heavy atom at the origin, shape (geometry, atom, axis)."""

    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Compute all energies and forces; what was computed before is kept beside the folder."""
        import pyscf
        from pyscf.data import nist

        self.level.check(self.molecule.symbols)
        parts = {}
        for stream, part in enumerate(PARTS):
            rng = np.random.default_rng([self.seed, stream])
            geometries = self.geometries(rng, self.samples[part], part == "inside")
            # Tasks that differ in their training samples alone share what was computed.
            kept = directory.parent / "surfaces"
            found = surface(self.molecule.symbols, self.level, geometries, kept, threads)
            # Rotated and relabelled after the fact: integration grids rotate with the molecule.
            positions, forces = self._scatter(rng, geometries, found.forces)
            parts[part] = {
                "positions": positions,
                "energies_hartree": found.energies,
                "forces_hartree_per_bohr": forces,
                "energies": (found.energies - self.zero) * nist.HARTREE2EV,
                "forces": forces * (nist.HARTREE2EV / nist.BOHR),
            }
        return Manifest(
            source=f"generated by symbench with pyscf {pyscf.__version__}",
            licence="CC0-1.0",
            parameters={**self.model_dump(by_alias=True), "zero_of_energy_hartree": self.zero},
            files=write_files(directory, parts),
        )

    @cached_property
    def zero(self) -> float:
        """Energy of the equilibrium by Hartree-Fock, at the level of the data, in Hartree."""
        return energy_and_forces(self.molecule.symbols, self.level, self.equilibrium)[0]

    @property
    def equilibrium(self) -> Array:
        """Geometry of lowest Hartree-Fock energy in the same basis, Å, shape (atom, axis)."""
        return _equilibrium(self.name, self.level.basis)

    def _scatter(self, rng: np.random.Generator, *vectors: Array) -> list[Array]:
        """Each geometry in a random orientation, with its equal atoms in a random order."""
        import torch

        from symbench.symmetry.points.matrix_groups import OrthogonalGroup

        count = len(vectors[0])
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        rotations = OrthogonalGroup(3, proper=True).sample(count, generator).numpy()
        orders = np.array(self.molecule.automorphisms)
        chosen = orders[rng.integers(len(orders), size=count)][:, :, None]
        return [
            np.einsum("sab,sib->sia", rotations, np.take_along_axis(each, chosen, axis=1))
            for each in vectors
        ]


def training_count(samples: int, folds: int) -> int:
    """How many of some samples are neither in the fold of the test nor in that of validation."""
    return samples - 2 * (samples // folds)


class LithiumHydride(PotentialSurface):
    """A bond scan of LiH: 1.2 to 3.0 Å inside, 0.9 to 1.2 and 3.0 to 4.0 Å outside."""

    name = "LiH"

    def geometries(self, rng: np.random.Generator, count: int, inside: bool) -> Array:
        """See `PotentialSurface`."""
        if inside:
            lengths = rng.uniform(1.2, 3.0, count)
        else:
            lengths = rng.uniform(2.7, 4.0, count)
            lengths = np.where(lengths < 3.0, lengths - 1.8, lengths)
        return np.stack([lithium_hydride(length) for length in lengths])


class Ammonia(PotentialSurface):
    """NH3 through its inversion: bonds, angle, thermal displacements along normal modes.

    Inside: bonds of 0.90 to 1.15 Å and 60° to 120° between bonds and axis. Outside: bonds of 1.15
    to 1.30 Å, or 50° to 60° and 120° to 130°.
    """

    name = "NH3"

    def geometries(self, rng: np.random.Generator, count: int, inside: bool) -> Array:
        """See `PotentialSurface`."""
        bonds = rng.uniform(0.90, 1.15, (count, 3))
        angles = np.radians(rng.uniform(60.0, 120.0, count))
        if not inside:
            long = np.arange(count) % 2 == 0
            bonds[long] = rng.uniform(1.15, 1.30, (long.sum(), 3))
            steep = np.radians(rng.uniform(50.0, 60.0, count))
            bent = np.where(rng.random(count) < 0.5, steep, np.pi - steep)
            angles = np.where(long, angles, bent)
        placed = np.stack([ammonia(*each) for each in zip(bonds, angles, strict=True)])
        modes = normal_modes(self.molecule.symbols, self.level.basis, self.equilibrium)
        moved = placed + modes.thermal(rng, count, TEMPERATURE)
        return moved - moved[:, :1]


def lithium_hydride(length: float) -> Array:
    """LiH along z, Å, shape (atom, axis)."""
    return np.array([[0.0, 0.0, 0.0], [0.0, 0.0, length]])


def ammonia(bonds: Array | float, angle: float) -> Array:
    """NH3 with its axis along z, Å, shape (atom, axis).

    Args:
        bonds: one length or three, Å.
        angle: between bonds and axis; a right angle is the planar molecule.

    """
    about = 2 * np.pi * np.arange(3) / 3
    directions = np.stack(
        [np.sin(angle) * np.cos(about), np.sin(angle) * np.sin(about), np.full(3, np.cos(angle))],
        axis=1,
    )
    return np.concatenate([np.zeros((1, 3)), np.reshape(bonds, (-1, 1)) * directions])


@lru_cache
def _equilibrium(name: str, basis: str) -> Array:
    """Geometry of lowest Hartree-Fock energy; see `PotentialSurface.equilibrium`."""
    from scipy.optimize import minimize

    builders: dict[str, tuple[Callable[..., Array], list[float]]] = {
        "LiH": (lithium_hydride, [1.6]),
        "NH3": (ammonia, [1.0, np.radians(68.0)]),
    }
    build, start = builders[name]
    level = Level(method="hf", basis=basis)

    def energy(coordinates: Array) -> float:
        positions = build(*coordinates)
        return energy_and_forces(MOLECULES[name].symbols, level, positions)[0]

    found = minimize(energy, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-7})
    return build(*found.x)
