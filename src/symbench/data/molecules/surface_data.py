"""Folds of a potential-energy surface: data, losses, scores, and the symmetry of labelled atoms."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from symbench.data.arrays import Array, read_arrays
from symbench.data.batch import Batch
from symbench.data.dataset import Dataset
from symbench.data.molecules.configurations import MILLI, MoleculeData, MoleculeSplit, variances
from symbench.data.molecules.molecule import Molecule, as_nodes
from symbench.data.points.point_audit import AUDITED_SAMPLES, Moments, audit_rotations
from symbench.data.points.point_graph import PointGraph, rotation_group
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit, audit_moved_features
from symbench.symmetry.group_names import labelled_rotations
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.labelled_points import LabelledPointGroup
from symbench.symmetry.symmetry import Element, Symmetry


class SurfaceData(MoleculeData):
    """One fold of the data; targets are energies (eV) and forces (eV/Å)."""

    def __init__(
        self,
        directory: Path,
        molecule: Molecule,
        folds: int,
        fold: int,
        training_samples: int | None = None,
    ) -> None:
        """Open a fold of a folder: its test; the next one validates, and the rest trains.

        Args:
            directory: the folder.
            molecule: whose surface it is.
            folds: number of folds.
            fold: whose geometries are the test.
            training_samples: so many of the rest for training; None for all.

        Raises:
            DataError: if there are too few geometries for what is asked, or they are of another
                molecule.

        """
        self.molecule = molecule
        self.atoms = len(molecule.symbols)
        inside, outside = (self._read(directory / f"{part}.hdf5") for part in ("inside", "outside"))
        count = len(inside["energies"])
        place = np.arange(count) // (count // folds)
        test, valid = place == fold, place == (fold + 1) % folds
        training = np.flatnonzero(~test & ~valid)
        if training_samples is not None and not 0 < training_samples <= len(training):
            raise DataError(
                f"{training_samples} training samples are asked, of {len(training)} in a fold."
            )
        self.parts = {
            "train": self._chosen(inside, training[:training_samples]),
            "valid": self._chosen(inside, np.flatnonzero(valid)),
            "test": self._chosen(inside, np.flatnonzero(test)),
            "outside": self._chosen(outside, np.arange(len(outside["energies"]))),
        }
        self.training = self.parts["train"]

    def _read(self, path: Path) -> dict[str, Array]:
        arrays = read_arrays(path, ("positions", "energies", "forces"))
        if arrays["positions"].shape[1:] != (self.atoms, 3):
            raise DataError(f"{path} holds no geometries of {self.atoms} atoms.")
        return arrays

    def _chosen(self, arrays: Mapping[str, Array], samples: Array) -> dict[str, Array]:
        chosen = (arrays[key][samples] for key in ("positions", "energies", "forces"))
        return {**as_nodes(self.molecule.symbols, *chosen), "has_forces": np.array(True)}

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
        return float(energies.max() - energies.min()) / 2 or 1.0

    def _group(self, name: str) -> LabelledPointGroup:
        rotations = rotation_group(labelled_rotations(name))
        return LabelledPointGroup(rotations, self.molecule.automorphisms)

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[PointGraph]:
        """Rotations and exchanges of equal atoms: forces rotate and are exchanged."""
        chosen = self._group(group)

        def on_vectors(element: Element, vectors: Tensor) -> Tensor:
            rotation, labels = chosen.split(element)
            by_sample = rotate(rotation, vectors.reshape(-1, self.atoms, 3))
            return rotate(labels, by_sample.mT).mT.reshape(vectors.shape)

        def on_scalars(element: Element, scalars: Tensor) -> Tensor:
            labels = chosen.split(element)[1]
            by_sample = scalars.reshape(-1, self.atoms, scalars.shape[1])
            return rotate(labels, by_sample.mT).mT.reshape(scalars.shape)

        def on_input(element: Element, graph: PointGraph) -> PointGraph:
            # Species stay: only equal atoms are exchanged.
            return replace(graph, positions=on_vectors(element, graph.positions))

        def on_output(element: Element, outputs: Tensor) -> Tensor:
            energy, forces = outputs[:, :1], outputs[:, 1:]
            return torch.cat([on_scalars(element, energy), on_vectors(element, forces)], dim=1)

        return Symmetry(chosen, on_input, on_output, exact)

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
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
            features = np.stack([np.hstack([lengths[:, p], strengths[:, p]]) for p in powers])
            law = audit_moved_features(features, len(chosen.orders))
            name = "atoms " + " ".join(map(str, order))
            audits.append(ElementAudit.judged(name, float("nan"), law, len(chosen.orders)))
        return audits

    def split(self, name: str) -> "SurfaceSplit":
        """One of train, valid, test, outside."""
        return SurfaceSplit(self.parts[name], self.training, self.energy_scale)

    def test_sets(self) -> Mapping[str, MoleculeSplit]:
        """Training samples again, for the gap between training and test, and the outside."""
        return {name: self.split(name) for name in ("train", "outside")}


class SurfaceSplit(MoleculeSplit):
    """The geometries of one part of a fold; rows hold a share of the energy and a force."""

    def __init__(
        self, arrays: Mapping[str, Array], training: Mapping[str, Array], unit: float
    ) -> None:
        """Take geometries and the unit of the losses; see `MoleculeSplit`."""
        super().__init__(arrays, training, unit)
        self.spread = variances(arrays)

    def first_phase_loss(self, prediction: Tensor, batch: Batch[PointGraph]) -> Tensor:
        """Mean squared error of energies that are scaled to [-1, 1]."""
        error = self.atoms * (prediction[:, 0] - batch.targets[:, 0]) / self.unit
        return error.square().mean()

    def loss(self, prediction: Tensor, batch: Batch[PointGraph]) -> Tensor:
        """The loss of energies, and the mean squared error of forces in the same unit over Å."""
        error = (prediction[:, 1:] - batch.targets[:, 1:]) / self.unit
        return self.first_phase_loss(prediction, batch) + error.square().mean()

    def scores(self, prediction: Tensor, batch: Batch[PointGraph]) -> dict[str, Tensor]:
        """Absolute and squared errors, and variances that they are compared with; (sample,).

        The variances are those of the targets of the part, whatever the prediction is.
        """
        error = MILLI * (prediction - batch.targets)
        errors = {"energy": self.atoms * error[:, :1], "force": error[:, 1:]}
        mean = batch.mean_per_sample
        absolute = {f"{kind}_mae": mean(each.abs()) for kind, each in errors.items()}
        squared = {f"{kind}_mse": mean(each.square()) for kind, each in errors.items()}
        like = absolute["energy_mae"]
        spread = {f"{kind}_spread": torch.full_like(like, v) for kind, v in self.spread.items()}
        return {**absolute, **squared, **spread}
