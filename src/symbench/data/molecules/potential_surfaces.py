"""Potential-energy surfaces of LiH and NH3 from electronic structure, for small quantum circuits.

Geometries, ranges and sampling are our own choice: those of the paper (arXiv 2512.05475) could not
be read.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from symbench.data.arrays import read_arrays, write_arrays, write_manifest
from symbench.data.batch import Batch
from symbench.data.molecules.acetylacetone import MoleculeData, MoleculeSplit
from symbench.data.molecules.electronic_structure import (
    Level,
    energy_and_forces,
    normal_modes,
    surface,
)
from symbench.data.points.point_audit import AUDITED_SAMPLES, Moments, audit_rotations
from symbench.data.points.point_graph import PointGraph, rotation_group
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.symmetry.audit import ElementAudit, audit_moved_features
from symbench.symmetry.group_names import LABELLED_GROUPS
from symbench.symmetry.points.labelled_points import LabelledPointGroup, Order, automorphisms
from symbench.symmetry.points.matrix_groups import OrthogonalGroup
from symbench.symmetry.symmetry import Symmetry

Array = npt.NDArray[np.floating]

MILLI = 1e3
_PARTS = ("inside", "outside")


@dataclass(frozen=True)
class Molecule:
    """Atoms with bonds; the first atom is the heavy one, the others are active.

    Attributes:
        symbols: of the atoms.
        bonds: pairs of atoms.

    """

    symbols: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]

    @property
    def automorphisms(self) -> tuple[Order, ...]:
        """Exchanges of equal atoms that keep the bonds."""
        return automorphisms(self.symbols, self.bonds)


LITHIUM_HYDRIDE = Molecule(("Li", "H"), ((0, 1),))
AMMONIA = Molecule(("N", "H", "H", "H"), ((0, 1), (0, 2), (0, 3)))
MOLECULES = {"LiH": LITHIUM_HYDRIDE, "NH3": AMMONIA}


class PotentialSurface(ABC):
    """A molecule, geometries inside the range of training and outside it, and their energies."""

    name: ClassVar[str]

    def __init__(
        self,
        *,
        samples: Mapping[str, int],
        level: Mapping[str, Any],
        folds: int = 5,
        training_samples: int | None = None,
        seed: int = 0,
    ) -> None:
        """Set the size.

        Args:
            samples: number of geometries: inside, outside.
            level: method, basis and grid of the electronic structure; see `Level`.
            folds: parts of cross-validation; seed k of a cell has fold k for its test.
            training_samples: fewer geometries for training, for learning curves; None for all.
            seed: draws geometries, orientations and labels.

        Raises:
            ConfigError: for sizes or levels that make no sense.

        """
        if set(samples) != set(_PARTS) or min(samples.values()) < 1:
            raise ConfigError(f"samples of {self.name} are inside and outside, not {samples}.")
        if not 3 <= folds <= samples["inside"]:
            raise ConfigError(
                f"folds of {self.name}: {folds} is not between 3 and {samples['inside']} samples."
            )
        self.samples = dict(samples)
        try:
            self.level = Level(**level)
        except TypeError as error:
            raise ConfigError(f"level of {self.name}: {error}.") from None
        self.level.check(self.molecule.symbols)
        self.folds = folds
        self.training_samples = training_samples
        self.seed = seed
        self.workers = 1

    @property
    def molecule(self) -> Molecule:
        """The molecule."""
        return MOLECULES[self.name]

    @abstractmethod
    def geometries(self, rng: np.random.Generator, count: int, inside: bool) -> Array:
        """Positions in Å with the heavy atom at the origin, shape (geometry, atom, axis)."""

    def fetch(self, directory: Path) -> None:
        """Compute all energies and forces; write files and manifest."""
        # Late: models of these molecules import this module, and need no electrons.
        import pyscf
        from pyscf.data import nist

        directory.mkdir(parents=True, exist_ok=True)
        paths = []
        for stream, part in enumerate(_PARTS):
            rng = np.random.default_rng([self.seed, stream])
            geometries = self.geometries(rng, self.samples[part], part == "inside")
            found = surface(
                self.molecule.symbols,
                self.level,
                geometries,
                directory.parent / "surfaces",
                self.workers,
            )
            # Turned and relabelled after the fact: integration grids turn with the molecule.
            positions, forces = self._scatter(rng, geometries, found.forces)
            path = directory / f"{part}.hdf5"
            arrays = {
                "positions": positions,
                "energies_hartree": found.energies,
                "forces_hartree_per_bohr": forces,
                "energies": (found.energies - self.zero) * nist.HARTREE2EV,
                "forces": forces * (nist.HARTREE2EV / nist.BOHR),
            }
            write_arrays(path, arrays)
            paths.append(path)
        write_manifest(
            directory,
            self,
            data_format="potential_surface",
            tools=f"pyscf {pyscf.__version__}",
            parameters={
                "molecule": self.name,
                "samples": self.samples,
                "level": vars(self.level),
                "folds": self.folds,
                "training_samples": self.training_samples,
                "zero_of_energy_hartree": self.zero,
                "seed": self.seed,
            },
            paths=paths,
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
        count = len(vectors[0])
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        turns = OrthogonalGroup(3, proper=True).sample(count, generator).numpy()
        orders = np.array(self.molecule.automorphisms)
        chosen = orders[rng.integers(len(orders), size=count)][:, :, None]
        return [
            np.einsum("sab,sib->sia", turns, np.take_along_axis(each, chosen, axis=1))
            for each in vectors
        ]


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
    temperature = 300.0

    def geometries(self, rng: np.random.Generator, count: int, inside: bool) -> Array:
        """See `PotentialSurface`."""
        bonds = rng.uniform(0.90, 1.15, (count, 3))
        angles = np.radians(rng.uniform(60.0, 120.0, count))
        if not inside:
            long = np.arange(count) % 2 == 0
            bonds[long] = rng.uniform(1.15, 1.30, (long.sum(), 3))
            steep = np.radians(rng.uniform(50.0, 60.0, count))
            turned = np.where(rng.random(count) < 0.5, steep, np.pi - steep)
            angles = np.where(long, angles, turned)
        placed = np.stack([ammonia(*each) for each in zip(bonds, angles, strict=True)])
        modes = normal_modes(self.molecule.symbols, self.level.basis, self.equilibrium)
        moved = placed + modes.thermal(rng, count, self.temperature)
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

    def energy(coordinates: Array) -> float:
        positions = build(*coordinates)
        return energy_and_forces(MOLECULES[name].symbols, Level("hf", basis), positions)[0]

    found = minimize(energy, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-7})
    return build(*found.x)


class SurfaceData(MoleculeData):
    """One fold of the data; targets are energies (eV) and forces (eV/Å)."""

    units: ClassVar[dict[str, str]] = {
        "force_mae": "meV/Å",
        "energy_mae": "meV",
        "force_mse": "(meV/Å)²",
        "energy_mse": "meV²",
        "force_spread": "(meV/Å)²",
        "energy_spread": "meV²",
        "predictions": "meV and meV/Å",
        "targets": "meV and meV/Å",
    }

    def __init__(self, directory: Path, settings: Mapping[str, Any], fold: int) -> None:
        """Open a fold of a folder.

        Args:
            directory: the folder.
            settings: molecule, folds and training_samples, as the manifest has them.
            fold: whose geometries are the test; those of the next validate.

        Raises:
            DataError: if there are too few geometries for what is asked.

        """
        self.directory = directory
        self.molecule = MOLECULES[settings["molecule"]]
        self.atoms = len(self.molecule.symbols)
        inside, outside = (self._flat(read_arrays(directory / f"{part}.hdf5")) for part in _PARTS)
        folds, count = settings["folds"], len(inside["energies"])
        size = count // folds
        place = np.arange(count) // size
        test = place == fold % folds
        valid = place == (fold + 1) % folds
        training = np.flatnonzero(~test & ~valid)
        if (fewer := settings["training_samples"]) is not None:
            if not 0 < fewer <= len(training):
                raise DataError(
                    f"{fewer} training samples are asked, of {len(training)} in a fold."
                )
            training = training[:fewer]
        self.parts = {
            "train": self._chosen(inside, training),
            "valid": self._chosen(inside, np.flatnonzero(valid)),
            "test": self._chosen(inside, np.flatnonzero(test)),
            "outside": outside,
        }
        self.training = self.parts["train"]

    @classmethod
    def open(cls, directory: Path, settings: Any, seed: int) -> "SurfaceData":
        """Open the fold of a seed."""
        manifest = json.loads((directory / "manifest.json").read_text())
        return cls(directory, manifest["parameters"], seed)

    def _flat(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Arrays of nodes as `GraphStore` takes them, beside those of samples."""
        count = len(arrays["energies"])
        kinds = sorted(set(self.molecule.symbols))
        one_hot = np.array([[symbol == kind for kind in kinds] for symbol in self.molecule.symbols])
        return {
            "positions": arrays["positions"].reshape(-1, 3),
            "scalars": np.tile(one_hot.astype(float), (count, 1)),
            "nodes": np.full(count, self.atoms),
            "energies": arrays["energies"],
            "forces": arrays["forces"].reshape(-1, 3),
            "has_forces": np.array(True),
        }

    def _chosen(
        self, arrays: Mapping[str, Array], samples: npt.NDArray[np.int64]
    ) -> dict[str, Array]:
        nodes = (samples[:, None] * self.atoms + np.arange(self.atoms)).flatten()
        of_nodes = ("positions", "scalars", "forces")
        return {
            key: value[nodes] if key in of_nodes else value[samples] if value.ndim else value
            for key, value in arrays.items()
        }

    def model_arguments(self) -> dict[str, object]:
        """The molecule, widths of the inputs, and the range of the training energies."""
        energies = self.training["energies"]
        return {
            "molecule": self.molecule,
            "node_scalars": self.training["scalars"].shape[1],
            "edge_scalars": 0,
            "energy_scale": self.energy_scale,
            "energy_shift": float(energies.max() + energies.min()) / 2,
        }

    @property
    def energy_scale(self) -> float:
        """Half the range of the training energies: targets lie in [-1, 1]."""
        energies = self.training["energies"]
        return float(energies.max() - energies.min()) / 2

    def _group(self, name: str) -> LabelledPointGroup:
        if not (match := LABELLED_GROUPS.match(name)):
            raise SymmetryError(
                f"Group '{name}' does not act on labelled atoms: SO(3) * automorphisms, or O(3) *."
            )
        return LabelledPointGroup(rotation_group(match[1]), self.molecule.automorphisms)

    def symmetry(self, group: str, exact: bool = True) -> Symmetry:
        """Rotations and exchanges of equal atoms: forces turn and are exchanged."""
        chosen = self._group(group)

        def on_vectors(element: Tensor, vectors: Tensor) -> Tensor:
            turn, labels = (part.to(vectors) for part in chosen.split(element))
            by_sample = vectors.reshape(-1, self.atoms, 3)
            return (labels @ by_sample @ turn.mT).reshape(vectors.shape)

        def on_scalars(element: Tensor, scalars: Tensor) -> Tensor:
            labels = chosen.split(element)[1].to(scalars)
            by_sample = scalars.reshape(-1, self.atoms, scalars.shape[1])
            return (labels @ by_sample).reshape(scalars.shape)

        def on_input(element: Tensor, graph: PointGraph) -> PointGraph:
            # Species stay: only equal atoms are exchanged.
            return replace(graph, positions=on_vectors(element, graph.positions))

        def on_output(element: Tensor, outputs: Tensor) -> Tensor:
            energy, forces = outputs[:, :1], outputs[:, 1:]
            return torch.cat([on_scalars(element, energy), on_vectors(element, forces)], dim=1)

        return Symmetry(chosen, on_input, on_output, exact)

    def audit(self, group: str, task: Any) -> list[ElementAudit]:
        """Audit the law of the data: orientations, and the order of equal atoms."""
        chosen = self._group(group)
        shape = (-1, self.atoms, 3)
        positions, forces = (
            self.training[key].reshape(shape)[:, 1:] for key in ("positions", "forces")
        )
        audits = audit_rotations(chosen.rotations, Moments.of(positions, forces))
        lengths = np.linalg.norm(positions[:AUDITED_SAMPLES], axis=2)
        strengths = np.linalg.norm(forces[:AUDITED_SAMPLES], axis=2)
        for order in chosen.orders[1:]:
            places = np.array(order)[1:] - 1
            powers = [np.arange(len(places))]
            while (following := powers[-1][places]).tolist() != powers[0].tolist():
                powers.append(following)
            features = np.stack(
                [np.concatenate([lengths[:, p], strengths[:, p]], axis=1) for p in powers]
            )
            asymmetry, p_value = audit_moved_features(features, len(chosen.orders))
            name = "atoms " + " ".join(map(str, order))
            audits.append(
                ElementAudit.judged(name, float("nan"), asymmetry, p_value, len(chosen.orders))
            )
        return audits

    def split(self, name: str) -> "SurfaceSplit":
        """One of train, valid, test, outside."""
        return SurfaceSplit(self.parts[name], self.energy_scale)

    def variants(self) -> dict[str, "MoleculeSplit"]:
        """Training samples again, for the gap between training and test, and the outside."""
        return {name: self.split(name) for name in ("train", "outside")}


class SurfaceSplit(MoleculeSplit):
    """The geometries of one part of a fold; rows hold a share of the energy and a force."""

    def __init__(self, arrays: Mapping[str, Array], energy_scale: float) -> None:
        """Take the arrays of a part, and the unit of energies in the loss."""
        super().__init__(arrays, energy_scale)
        self.atoms = int(arrays["nodes"][0])
        self.variance = {
            "energy": float(arrays["energies"].var()),
            "force": float(arrays["forces"].var()),
        }

    def first_phase_loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Mean squared error of energies that are scaled to [-1, 1]."""
        error = self.atoms * (prediction[:, 0] - batch.targets[:, 0]) / self.force_scale
        return error.square().mean()

    def loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """The loss of energies, and the mean squared error of forces in the same unit over Å."""
        error = (prediction[:, 1:] - batch.targets[:, 1:]) / self.force_scale
        return self.first_phase_loss(prediction, batch) + error.square().mean()

    validation_loss = loss

    def scores(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Absolute and squared errors, and variances that they are compared with; (sample,)."""
        error = MILLI * (prediction - batch.targets)
        energy, force = self.atoms * error[:, :1], error[:, 1:]
        known = {
            "energy_mae": batch.mean_per_sample(energy.abs()),
            "force_mae": batch.mean_per_sample(force.abs()),
            "energy_mse": batch.mean_per_sample(energy.square()),
            "force_mse": batch.mean_per_sample(force.square()),
        }
        for kind, variance in self.variance.items():
            known[f"{kind}_spread"] = torch.full_like(known["energy_mae"], MILLI**2 * variance)
        return known

    def outputs(self, values: Tensor, batch: Batch) -> Tensor:
        """Energy (meV) and forces (meV/Å) of each sample, shape (sample, 1 + atom·axis)."""
        by_sample = MILLI * values.reshape(batch.samples, self.atoms, 4)
        energy = by_sample[:, :, 0].sum(dim=1, keepdim=True)
        return torch.cat([energy, by_sample[:, :, 1:].flatten(1)], dim=1)
