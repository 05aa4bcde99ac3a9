"""QM9: properties of 130,831 small molecules (Ramakrishnan et al., Scientific Data 1, 140022).

The raw files are those that PyG's QM9 reads: structures as SDF, properties as CSV, and the list of
3,054 molecules whose geometry did not converge, which are left out as usual.
"""

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn

from symbench.data.arrays import read_arrays, write_arrays, write_manifest
from symbench.data.batch import Batch
from symbench.data.points.point_audit import AUDITED_SAMPLES, Moments, audit_rotations
from symbench.data.points.point_graph import GraphStore, point_symmetry, rotation_group
from symbench.data.raw_files import FromOriginals, download
from symbench.data.splits import SPLITS, check_splits
from symbench.errors import ConfigError, DataError, choose
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.symmetry import Symmetry

Array = npt.NDArray[Any]

HARTREE = 27211.386245988  # meV
# Name in the raw table: factor to our unit, unit. The order is PyG's.
TARGETS: dict[str, tuple[float, str]] = {
    "mu": (1.0, "D"),
    "alpha": (1.0, "bohr³"),
    "homo": (HARTREE, "meV"),
    "lumo": (HARTREE, "meV"),
    "gap": (HARTREE, "meV"),
    "r2": (1.0, "bohr²"),
    "zpve": (HARTREE, "meV"),
    "u0": (HARTREE, "meV"),
    "u298": (HARTREE, "meV"),
    "h298": (HARTREE, "meV"),
    "g298": (HARTREE, "meV"),
    "cv": (1.0, "cal/(mol K)"),
}
TOTAL_ENERGIES = ("u0", "u298", "h298", "g298")
ELEMENTS = ("H", "C", "N", "O", "F")
MOLECULES = "qm9.zip"
LEFT_OUT = "3195404"
URLS = {
    MOLECULES: "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/molnet_publish/qm9.zip",
    LEFT_OUT: "https://ndownloader.figshare.com/files/3195404",
}


class QM9(FromOriginals):
    """One of twelve targets, with the usual random split."""

    def __init__(
        self,
        *,
        target: str,
        samples: Mapping[str, int | None],
        checksums: Mapping[str, str] | None = None,
        seed: int = 0,
    ) -> None:
        """Set target and split.

        Args:
            target: one of `TARGETS`.
            samples: molecules per split, of one random order; None for the rest, in test only.
            checksums: sha256 of "qm9.zip" and of the list of molecules to leave out ("3195404"),
                where they are known.
            seed: of the order.

        Raises:
            ConfigError: for an unknown target or split.

        """
        self.target = choose(target, TARGETS, "target of QM9")
        check_splits({split: count or 1 for split, count in samples.items()}, "samples of QM9")
        if samples["train"] is None or samples["valid"] is None:
            raise ConfigError("samples of QM9: only 'test' may be null, for the rest.")
        self.samples = {split: samples[split] for split in SPLITS}
        self.checksums = dict(checksums or {})
        self.seed = seed

    def fetch(self, directory: Path) -> None:
        """Read or download the raw files and write every split and the manifest."""
        found = {name: path for name in URLS if (path := self.find(name))}
        missing = {name: url for name, url in URLS.items() if name not in found}
        sums = {name: self.checksums.get(name) for name in missing}
        found |= download(missing, sums, directory / "originals")
        molecules = read_structures(found[MOLECULES])
        table = _read_table(found[MOLECULES])
        left_out = _read_left_out(found[LEFT_OUT])
        if len(molecules) != len(table):
            raise DataError(f"QM9: {len(molecules)} structures, but {len(table)} properties.")
        factor, unit = TARGETS[self.target]
        values = factor * table[self.target].to_numpy()
        kept = np.setdiff1d(np.arange(len(molecules)), left_out)
        order = np.random.default_rng(self.seed).permutation(kept)
        train, valid = self.samples["train"] or 0, self.samples["valid"] or 0
        if train + valid >= len(order):
            raise DataError(f"QM9: {train} + {valid} of {len(order)} molecules leave no test set.")
        rows = dict(zip(SPLITS, np.split(order, [train, train + valid]), strict=True))
        rows["test"] = rows["test"][: self.samples["test"]]
        reference = _composition_reference(molecules, values, rows["train"], self.target)
        paths = []
        for split in SPLITS:
            path = directory / f"{split}.hdf5"
            chosen = [molecules[k] for k in rows[split]]
            write_arrays(path, _flat(chosen, values[rows[split]], reference))
            paths.append(path)
        write_manifest(
            directory,
            self,
            data_format="properties",
            tools="numpy",
            parameters={
                **self.parameters,
                "unit": unit,
                "energy_of_elements": dict(zip(ELEMENTS, reference.tolist(), strict=True)),
            },
            paths=paths,
            source="QM9 (Ramakrishnan et al. 2014), raw files as read by PyG",
            licence="CC0-1.0",
        )


def read_structures(archive: Path) -> list[tuple[Array, Array]]:
    """Element numbers (atom,), into `ELEMENTS`, and positions (atom, axis) in Å of each molecule.

    Raises:
        DataError: if the archive holds no gdb9.sdf, or a truncated one.

    """
    lines = _member(archive, "gdb9.sdf").decode().splitlines()
    molecules = []
    start = 0
    try:
        while start + 3 < len(lines):
            count = int(lines[start + 3][:3])
            atoms = [line.split() for line in lines[start + 4 : start + 4 + count]]
            numbers = np.array([ELEMENTS.index(atom[3]) for atom in atoms])
            positions = np.array([[float(value) for value in atom[:3]] for atom in atoms])
            if len(atoms) < count:
                raise ValueError("it ends within a molecule")
            molecules.append((numbers, positions))
            start = lines.index("$$$$", start + 4 + count) + 1
    except (ValueError, IndexError) as error:
        raise DataError(
            f"{archive}: gdb9.sdf is damaged at molecule {len(molecules)}: {error}."
        ) from None
    return molecules


def _read_table(archive: Path) -> pd.DataFrame:
    table = pd.read_csv(io.BytesIO(_member(archive, "gdb9.sdf.csv")))
    if missing := set(TARGETS) - set(table):
        raise DataError(f"{archive}: gdb9.sdf.csv has no column {', '.join(sorted(missing))}.")
    return table


def _member(archive: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.read(name)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise DataError(f"{archive} holds no {name}: {error}.") from None


def _read_left_out(path: Path) -> Array:
    """Indices, from zero, of the molecules to leave out: the first column of the list's rows."""
    rows = re.findall(r"^\s*(\d+)\s", path.read_text(), flags=re.MULTILINE)
    return np.array([int(row) - 1 for row in rows], dtype=int)


def _composition_reference(
    molecules: list[tuple[Array, Array]], values: Array, train: Array, target: str
) -> Array:
    """Energy of each element by least squares on the training split; zero for other targets."""
    if target not in TOTAL_ENERGIES:
        return np.zeros(len(ELEMENTS))
    counts = np.stack([np.bincount(molecules[k][0], minlength=len(ELEMENTS)) for k in train])
    solution: Array = np.linalg.lstsq(counts.astype(float), values[train], rcond=None)[0]
    return solution


def _flat(
    molecules: list[tuple[Array, Array]], values: Array, reference: Array
) -> dict[str, Array]:
    numbers = np.concatenate([molecule[0] for molecule in molecules])
    nodes = np.array([len(molecule[0]) for molecule in molecules])
    ends = np.cumsum(nodes)
    of_elements = np.add.reduceat(reference[numbers], ends - nodes)
    return {
        "positions": np.concatenate([molecule[1] for molecule in molecules]),
        "scalars": np.eye(len(ELEMENTS))[numbers],
        "nodes": nodes,
        "targets": values - of_elements,
    }


class PropertyData:
    """The data of one task; targets are numbers of molecules."""

    kind = "samples"

    def __init__(self, directory: Path, unit: str) -> None:
        """Open a folder; raises `DataError` if it holds no molecules."""
        self.directory = directory
        self.units: dict[str, str] = {"mae": unit}
        self.training = read_arrays(directory / "train.hdf5")

    @classmethod
    def open(cls, directory: Path, settings: Any, seed: int) -> "PropertyData":
        """Open what the config says; all seeds share the data."""
        return cls(directory, TARGETS[settings.parameters["target"]][1])

    def model_arguments(self) -> dict[str, object]:
        """Widths of the inputs, and the law of the target on the training split."""
        targets = self.training["targets"]
        return {
            "node_scalars": self.training["scalars"].shape[1],
            "edge_scalars": 0,
            "target_mean": float(targets.mean()),
            "target_scale": float(targets.std()) or 1.0,
        }

    def symmetry(self, group: str, exact: bool = True) -> Symmetry:
        """O(3) or SO(3); properties are invariant."""
        return point_symmetry(group, lambda element, outputs: outputs, exact)

    def audit(self, group: str, task: Any) -> list[ElementAudit]:
        """Audit the law of the training data: second moments of the first molecules."""
        ends = np.cumsum(self.training["nodes"])[:AUDITED_SAMPLES]
        clouds = np.split(self.training["positions"][: ends[-1]], ends[:-1])
        moments = [Moments.of((cloud - cloud.mean(axis=0))[None]) for cloud in clouds]
        first = np.concatenate([moment.first for moment in moments])
        second = np.concatenate([moment.second for moment in moments])
        return audit_rotations(rotation_group(group), Moments(first, second))

    def split(self, name: str) -> "PropertySplit":
        """One of train, valid, test."""
        arrays = read_arrays(self.directory / f"{name}.hdf5")
        scale = float(self.training["targets"].std()) or 1.0
        return PropertySplit(arrays, scale)


class PropertySplit:
    """The molecules of one split, in memory."""

    def __init__(self, arrays: Mapping[str, Array], scale: float) -> None:
        """Take the arrays of a file, and the unit of the loss."""
        self.store = GraphStore(arrays)
        self.scale = scale
        self.targets = torch.from_numpy(arrays["targets"]).float()[:, None]

    @property
    def samples(self) -> npt.NDArray[np.int64]:
        """One row for each molecule."""
        return np.arange(len(self.store.nodes))[:, None]

    def batch(self, rows: npt.NDArray[np.int64], generator: torch.Generator | None = None) -> Batch:
        """Some molecules; nothing in them is random."""
        graph = self.store.graph(rows[:, 0])
        return Batch(graph, self.targets[torch.from_numpy(rows[:, 0])], len(rows))

    def loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Mean absolute error, in units of the deviation of the training targets."""
        return nn.functional.l1_loss(prediction, batch.targets) / self.scale

    validation_loss = loss

    def scores(self, prediction: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Absolute error; shape (sample,)."""
        return {"mae": (prediction - batch.targets).abs()[:, 0]}
