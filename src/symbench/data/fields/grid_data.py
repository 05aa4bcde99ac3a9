"""Trajectories of fields on a grid, as batches of normalised tensors.

Data that fits in memory is loaded once, normalised, and a batch is one gather; larger data is
read sample by sample. Both give the same numbers.
"""

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from symbench.data.batch import Batch
from symbench.data.dataset import SPLITS, Data, Dataset
from symbench.data.fields.audit_sample import audit_sample
from symbench.data.fields.grid_split import GridSplit
from symbench.data.fields.normalisation import read_normalizer
from symbench.data.fields.well_folder import SUFFIXES, data_root, split_files
from symbench.data.fields.well_format import (
    WellFile,
    read_constants,
    read_frames,
    read_header,
    refuse_different,
)
from symbench.data.manifest import NAME as MANIFEST
from symbench.data.manifest import data_files
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit, audit_distribution, judge
from symbench.symmetry.grids.field import channel_count
from symbench.symmetry.grids.fields import Normalizer
from symbench.symmetry.grids.isometries import GridGroup, check_grid, named_group
from symbench.symmetry.grids.symmetrize import field_symmetry
from symbench.symmetry.symmetry import Symmetry

# Normalised values above this have one digit left in single precision.
FAR = 1e6


class FieldData(Data[Tensor]):
    """The data of one task: fields, grid, normalisation and the three splits."""

    def __init__(
        self,
        directory: Path,
        *,
        input_steps: int = 4,
        parity: Mapping[str, int] | None = None,
        trajectories: Mapping[str, int] | None = None,
        may_differ: Collection[str] = (),
        memory_limit: float = 8e9,
    ) -> None:
        """Open a folder with stats.yaml and {train,valid,test}/*.hdf5, or data/ with these.

        Where there is a manifest, the files that it lists are read, and no others.

        Args:
            directory: the folder.
            input_steps: frames that a model sees.
            parity: names the axial fields (-1).
            trajectories: use only the first so many of a split.
            may_differ: what the files need not have in common; see `differences`.
            memory_limit: splits of more bytes than this are read sample by sample.

        Raises:
            DataError: if a file or the statistics are missing, damaged, or do not fit together, or
                lie in two places.

        """
        self.directory = directory
        self.input_steps = input_steps
        self.trajectories = trajectories or {}
        self.memory_limit = memory_limit
        self.files = {
            split: [read_header(path, parity) for path in paths]
            for split, paths in _by_split(directory).items()
        }
        headers = [header for files in self.files.values() for header in files]
        self.header = headers[0]
        refuse_different(headers, may_differ)
        statistics = directory / "stats.yaml"
        self.normalizer, self.constant = read_normalizer(
            statistics, self.header.fields, self.dimension
        )
        if self.constant:
            warnings.warn(
                f"{statistics} says that {', '.join(sorted(self.constant))} is constant over the "
                "training data: errors relative to that variance are left out of all means.",
                stacklevel=2,
            )
        constant = self.header.constant_fields
        self.constant_normalizer = (
            read_normalizer(statistics, constant, self.dimension)[0] if constant else None
        )

    @property
    def dimension(self) -> int:
        """Number of spatial axes."""
        return len(self.header.shape)

    @property
    def channels(self) -> int:
        """Channels of one frame."""
        return channel_count(self.header.fields, self.dimension)

    @property
    def constant_channels(self) -> int:
        """Channels of the constant fields."""
        return channel_count(self.header.constant_fields, self.dimension)

    @property
    def channel_names(self) -> list[str]:
        """Names of the components, in channel order."""
        return [n for field in self.header.fields for n in field.component_names(self.dimension)]

    def model_arguments(self) -> dict[str, object]:
        """What The Well's constructors want to know about the data."""
        return {
            "dim_in": self.input_steps * self.channels + self.constant_channels,
            "dim_out": self.channels,
            "n_spatial_dims": self.dimension,
            "spatial_resolution": self.header.shape,
        }

    def symmetry(self, group: str | GridGroup, exact: bool = True) -> Symmetry[Tensor]:
        """The symmetry of the next-frame map on normalised tensors.

        Raises `SymmetryError` if the grid, the box or its boundaries cannot carry the group.
        """
        if isinstance(group, str):
            group = named_group(group, self.dimension)
        boxes = {(h.extent, h.boundary) for files in self.files.values() for h in files}
        for extent, boundary in boxes:
            check_grid(group, self.header.shape, extent, boundary)
        return field_symmetry(
            group,
            self.header.fields,
            constant_fields=self.header.constant_fields,
            normalizer=self.normalizer,
            constant_normalizer=self.constant_normalizer,
            exact=exact,
        )

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit a group on the simulator, if there is one, and on a sample of the data.

        Raises `SymmetryError` as `symmetry` does.
        """
        self.symmetry(group)
        elements = named_group(group, self.dimension)
        dynamics = dataset.dynamics_errors(group, elements.listed())
        fields = (*self.header.fields, *self.header.constant_fields)
        sample = audit_sample(self.split(next(iter(self.files))))
        distribution = audit_distribution(sample, elements, fields)
        return judge(elements, dynamics, distribution)

    def split(self, name: str) -> "FieldSplit":
        """One of train, valid, test; raises `DataError` if the folder holds none of its files."""
        if name not in self.files:
            raise DataError(f"{self.directory} holds no HDF5 file in {name}/.")
        return FieldSplit(self, self.files[name], self.trajectories.get(name))


def _by_split(directory: Path) -> dict[str, list[Path]]:
    """The files of each split that is there; raises `DataError` for none, as `data_root` does."""
    found: dict[str, list[Path]] = {}
    if (directory / MANIFEST).is_file():
        for path in data_files(directory, SUFFIXES):
            *above, split = path.relative_to(directory).parent.parts or ("",)
            if above in ([], ["data"]):
                found.setdefault(split, []).append(path)
    else:
        root = data_root(directory)
        found = {split: split_files(root, split) for split in SPLITS}
    splits = {split: found[split] for split in SPLITS if found.get(split)}
    if not splits:
        raise DataError(f"{directory} holds no HDF5 file in train/, valid/ or test/.")
    return splits


class FieldSplit(GridSplit):
    """The trajectories of one split; a sample is input_steps frames and the next one."""

    def __init__(
        self, data: FieldData, headers: Sequence[WellFile], most: int | None = None
    ) -> None:
        """Index the files; at most so many trajectories, the first ones.

        Raises `DataError` if a trajectory has too few frames.
        """
        super().__init__(data.normalizer, data.channel_names)
        self.data = data
        self.sources = [(h, t) for h in headers for t in range(h.trajectories)][:most]
        self.steps = [header.steps for header, _ in self.sources]
        self.size = 4 * sum(self.steps) * data.channels * int(np.prod(headers[0].shape))
        self.in_memory = self.size <= data.memory_limit
        if short := [h for h in headers if h.steps <= data.input_steps]:
            raise DataError(
                f"{short[0].path} has {short[0].steps} frames; "
                f"{data.input_steps} in and 1 out need {data.input_steps + 1}."
            )

    @property
    def trajectories(self) -> int:
        """Number of trajectories."""
        return len(self.sources)

    @cached_property
    def samples(self) -> np.ndarray:
        """All samples as rows (trajectory, first frame)."""
        span = self.data.input_steps
        return np.array([(t, s) for t, steps in enumerate(self.steps) for s in range(steps - span)])

    @property
    def blocks(self) -> np.ndarray:
        """The trajectory of each sample."""
        return self.samples[:, 0]

    def frames(self, trajectory: int, start: int, stop: int) -> Tensor:
        """Normalised frames of one trajectory, shape (time, channel, *space)."""
        if self.in_memory:
            return self._loaded[trajectory][start:stop]
        header, index = self.sources[trajectory]
        return self._normalised(read_frames(header, index, start, stop), header)

    def inputs(self, trajectories: Sequence[int], start: int = 0) -> Tensor:
        """Histories that begin at frame `start`, shape (trajectory, input channel, *space)."""
        stop = start + self.data.input_steps
        return torch.stack([self._input(self.frames(t, start, stop), t) for t in trajectories])

    @property
    def _one_gather(self) -> bool:
        """Whether a batch is one gather, if trajectories are equally long."""
        return self.in_memory and not self.data.constant_channels

    def hold_on(self, device: torch.device, room: int) -> bool:
        """Keep all frames on a device, where a batch is one gather."""
        if self.size > room or not self._one_gather or self._stacked is None:
            return False
        self._stacked = self._stacked.to(device)
        self._loaded = self._stacked.unbind()
        return True

    def batch(self, rows: np.ndarray, generator: torch.Generator | None = None) -> Batch[Tensor]:
        """The samples of the given rows (trajectory, first frame); nothing in them is random.

        Inputs have the shape (sample, steps·channel + constant channel, *space), targets
        (sample, channel, *space): the next frame. Both are normalised.
        """
        span = self.data.input_steps + 1
        if self._one_gather and self._stacked is not None:
            device = self._stacked.device
            trajectory, start = torch.from_numpy(rows).to(device, non_blocking=True).unbind(1)
            frames = start[:, None] + torch.arange(span, device=device)
            chosen = self._stacked[trajectory[:, None], frames]
            return Batch(chosen[:, :-1].flatten(1, 2), chosen[:, -1], len(rows))
        spans = [(self.frames(t, s, s + span), t) for t, s in rows.tolist()]
        inputs = torch.stack([self._input(frames[:-1], t) for frames, t in spans])
        return Batch(inputs, torch.stack([frames[-1] for frames, _ in spans]), len(rows))

    @property
    def scales(self) -> dict[str, float]:
        """Variance over the training data by component; components of one field share theirs.

        NaN of constant fields.
        """
        stds = self.normalizer.std
        scales: dict[str, float] = {}
        for field in self.data.header.fields:
            names = field.component_names(self.data.dimension)
            own = stds[len(scales) : len(scales) + len(names)]
            varies = field.name not in self.data.constant
            scale = float(np.mean(np.square(own))) if varies else float("nan")
            scales |= dict.fromkeys(names, scale)
        return scales

    def _input(self, frames: Tensor, trajectory: int) -> Tensor:
        """Frames and the constant fields, all normalised, as channels."""
        history = frames.flatten(0, 1)
        if self.data.constant_normalizer is None:
            return history
        header, index = self.sources[trajectory]
        constants = read_constants(header, index)[None]
        normalised = self._normalised(constants, header, self.data.constant_normalizer)
        return torch.cat([history, normalised[0]])

    @cached_property
    def _loaded(self) -> Sequence[Tensor]:
        return [
            self._normalised(read_frames(header, index, 0, header.steps), header)
            for header, index in self.sources
        ]

    @cached_property
    def _stacked(self) -> Tensor | None:
        """All trajectories as one tensor, if they are equally long."""
        if len(set(self.steps)) > 1:
            return None
        stacked = torch.stack(list(self._loaded))
        self._loaded = stacked.unbind()
        return stacked

    def _normalised(
        self, values: np.ndarray, header: WellFile, normalizer: Normalizer | None = None
    ) -> Tensor:
        # In double precision: a mean may be much larger than what varies about it.
        chosen = normalizer or self.normalizer
        frames = chosen.normalize(torch.from_numpy(values).double()).float()
        largest = float(frames.abs().max())
        if not math.isfinite(largest):
            raise DataError(
                f"{header.path} holds values that are not finite; mask or repair them first."
            )
        if largest > FAR:
            warnings.warn(
                f"{header.path} holds values over {FAR:.0e} standard deviations from the mean of "
                "stats.yaml: it is of other data, or values are missing; digits are lost.",
                stacklevel=2,
            )
        return frames
