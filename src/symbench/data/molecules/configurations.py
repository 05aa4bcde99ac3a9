"""Energies and forces of configurations of one molecule: data, loss, scores and symmetry."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from symbench.data.arrays import Array, read_arrays
from symbench.data.batch import Batch
from symbench.data.dataset import Data, Dataset
from symbench.data.points.graph_store import NodeSplit
from symbench.data.points.point_audit import Moments, audit_rotations
from symbench.data.points.point_graph import (
    PointGraph,
    graph_symmetry,
    rotation_group,
    sample_of_equal_rows,
)
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.symmetry import Element, Symmetry

MILLI = 1e3
ENERGY_WEIGHT = 10.0


class MoleculeData(Data[PointGraph]):
    """The data of one task; targets are energies (eV) and forces (eV/Å)."""

    def __init__(self, directory: Path, further_tests: Sequence[str] = ()) -> None:
        """Open a folder; raises `DataError` if it holds no molecules.

        Further test sets, beside the test split, are files test_<name>.hdf5.
        """
        self.directory = directory
        self.further_tests = further_tests
        self.training = read_arrays(directory / "train.hdf5")

    def model_arguments(self) -> dict[str, object]:
        """Widths of the inputs, and scales of the targets, from the training split."""
        return {
            "node_scalars": self.training["scalars"].shape[1],
            "edge_scalars": 0,
            "energy_scale": self.force_scale,
        }

    @property
    def force_scale(self) -> float:
        """RMS of the training forces."""
        return float(np.sqrt(np.square(self.training["forces"]).mean()))

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[PointGraph]:
        """O(3) or SO(3): forces rotate, energies do not."""
        atoms = int(self.training["nodes"][0])

        def on_output(element: Element, outputs: Tensor) -> Tensor:
            sample_of_row = sample_of_equal_rows(outputs, atoms)
            forces = rotate(element, outputs[:, 1:], sample_of_row)
            return torch.cat([outputs[:, :1], forces], dim=1)

        return graph_symmetry(group, on_output, exact)

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit the law of the training data; energies of isolated molecules are invariant."""
        shape = (len(self.training["nodes"]), -1, 3)
        positions = self.training["positions"].reshape(shape)
        centred = positions - positions.mean(axis=1, keepdims=True)
        forces = self.training["forces"].reshape(shape)
        return audit_rotations(rotation_group(group), Moments.of(centred, forces))

    def split(self, name: str) -> "MoleculeSplit":
        """One of train, valid, test."""
        arrays = read_arrays(self.directory / f"{name}.hdf5")
        return MoleculeSplit(arrays, self.training, self.force_scale)

    def test_sets(self) -> Mapping[str, "MoleculeSplit"]:
        """Test sets beyond the law of the training data."""
        return {name: self.split(f"test_{name}") for name in self.further_tests}


class MoleculeSplit(NodeSplit):
    """The configurations of one split; rows hold a share of the energy and a force."""

    def __init__(
        self, arrays: Mapping[str, Array], training: Mapping[str, Array], unit: float
    ) -> None:
        """Take the arrays of configurations, those of the training split for scales, and a unit.

        The unit is that of the loss: eV for energies, eV/Å for forces.
        """
        share = np.repeat(arrays["energies"] / arrays["nodes"], arrays["nodes"])
        super().__init__(arrays, np.concatenate([share[:, None], arrays["forces"]], axis=1))
        self.atoms = int(arrays["nodes"][0])
        self.has_forces = bool(arrays["has_forces"])
        self.quantities = ("energy", "force") if self.has_forces else ("energy",)
        self.unit = unit
        self._variances = variances(training)

    def loss(self, prediction: Tensor, batch: Batch[PointGraph]) -> Tensor:
        """Squared errors of forces and of the energy per atom, in units of the training forces."""
        error = (prediction - batch.targets).square() / self.unit**2
        return error[:, 1:].mean() + ENERGY_WEIGHT * error[:, 0].mean()

    def scores(self, prediction: Tensor, batch: Batch[PointGraph]) -> dict[str, Tensor]:
        """Absolute errors of each configuration; shape (sample,)."""
        error = (prediction - batch.targets).abs()
        atoms = batch.inputs.nodes
        scores = {}
        if self.has_forces:
            scores["force_mae"] = MILLI * batch.mean_per_sample(error[:, 1:])
        scores["energy_mae"] = MILLI * atoms * batch.mean_per_sample(error[:, :1])
        return scores

    def values_of(self, outputs: Tensor, batch: Batch[PointGraph]) -> dict[str, Tensor]:
        """Energy (sample, 1) in meV, and forces (sample, 3·atom) in meV/Å."""
        by_sample = MILLI * outputs.reshape(batch.samples, self.atoms, 4)
        energy = by_sample[:, :, 0].sum(dim=1, keepdim=True)
        forces = {"force": by_sample[:, :, 1:].flatten(1)} if self.has_forces else {}
        return {"energy": energy, **forces}

    @property
    def scales(self) -> dict[str, float]:
        """Variances of the training targets, meV² and (meV/Å)²; forces of a molecule sum to 0."""
        return {name: self._variances[name] or 1.0 for name in self.quantities}


def variances(arrays: Mapping[str, Array]) -> dict[str, float]:
    """Of energies and forces of some configurations, meV² and (meV/Å)²."""
    return {
        "energy": MILLI**2 * float(arrays["energies"].var()),
        "force": MILLI**2 * float(arrays["forces"].var()),
    }
