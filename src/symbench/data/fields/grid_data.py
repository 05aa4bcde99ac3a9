"""Windows of trajectories on a grid, as batches of normalised tensors.

Data that fits in memory is loaded once, normalised, and a batch is one gather; larger data is
read window by window. Both give the same numbers.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from symbench.data.arrays import read_manifest
from symbench.data.batch import Batch
from symbench.data.fields.well_format import (
    WellFile,
    read_constants,
    read_frames,
    read_header,
    read_statistics,
)
from symbench.data.splits import SPLITS
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit, audit_distribution, audit_dynamics, judge
from symbench.symmetry.grids.field import Field, channel_count
from symbench.symmetry.grids.fields import Normalizer
from symbench.symmetry.grids.isometries import GridGroup, check_grid, named_group
from symbench.symmetry.grids.symmetrize import field_symmetry
from symbench.symmetry.symmetry import Symmetry

AUDITED_TRAJECTORIES = 64
AUDITED_FRAMES = 3

# The Well clips standard deviations from below, so that constant components stay finite.
SMALLEST_STD = 1e-4


class GridData:
    """The data of one task: fields, grid, normalisation and the three splits."""

    kind = "grid"

    def __init__(
        self,
        directory: Path,
        *,
        input_steps: int = 4,
        parity: Mapping[str, int] | None = None,
        trajectories: Mapping[str, int] | None = None,
        memory_limit: float = 8e9,
    ) -> None:
        """Open a data directory.

        Args:
            directory: holds {train,valid,test}/*.hdf5 and stats.yaml.
            input_steps: frames that a model sees.
            parity: names the axial fields (-1).
            trajectories: use only the first so many of a split.
            memory_limit: splits of more bytes than this are read window by window.

        Raises:
            DataError: if a split or the statistics are missing or do not fit together.

        """
        self.directory = directory
        self.input_steps = input_steps
        self.parity = parity
        self.trajectories = trajectories or {}
        self.memory_limit = memory_limit
        present = [split for split in SPLITS if any((directory / split).glob("*.h*5"))]
        if not present:
            raise DataError(f"{directory} holds no HDF5 file in train/, valid/ or test/.")
        self.header = self.headers(present[0])[0]
        statistics = directory / "stats.yaml"
        self.normalizer = _normalizer(statistics, self.header.fields)
        self.constant_normalizer = (
            _normalizer(statistics, self.header.constant_fields)
            if self.header.constant_fields
            else None
        )

    def headers(self, split: str) -> list[WellFile]:
        """The files of a split, by name."""
        paths = sorted((self.directory / split).glob("*.h*5"))
        if not paths:
            raise DataError(f"{self.directory / split} holds no HDF5 file.")
        headers = [read_header(path, self.parity) for path in paths]
        for header in headers:
            if (header.shape, header.fields) != (headers[0].shape, headers[0].fields):
                raise DataError(
                    f"{header.path} has another grid or other fields than {headers[0].path}."
                )
        return headers

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
        return [
            name for field in self.header.fields for name in field.component_names(self.dimension)
        ]

    def model_arguments(self) -> dict[str, object]:
        """What The Well's constructors want to know about the data."""
        return {
            "dim_in": self.input_steps * self.channels + self.constant_channels,
            "dim_out": self.channels,
            "n_spatial_dims": self.dimension,
            "spatial_resolution": self.header.shape,
        }

    @classmethod
    def open(cls, directory: Path, settings: Any, seed: int) -> "GridData":
        """Open what the config says; all seeds share the data."""
        return cls(
            directory,
            input_steps=settings.input_steps,
            parity=settings.parity,
            trajectories=read_manifest(directory).get("trajectories"),
        )

    def symmetry(self, group: str | GridGroup, exact: bool = True) -> Symmetry:
        """The symmetry of the next-frame map on normalised tensors.

        Raises:
            SymmetryError: if the grid, the box or its boundaries cannot carry the group.

        """
        if isinstance(group, str):
            group = named_group(group, self.dimension)
        check_grid(group, self.header.shape, self.header.extent, self.header.boundary)
        return field_symmetry(
            group,
            self.header.fields,
            constant_fields=self.header.constant_fields,
            normalizer=self.normalizer,
            constant_normalizer=self.constant_normalizer,
            exact=exact,
        )

    def audit(self, group: str, task: Any) -> list[ElementAudit]:
        """Audit a group on the simulator, if the task has one, and on a sample of the data."""
        elements = named_group(group, self.dimension)
        dynamics = None
        if hasattr(task, "solve"):
            starts = task.simulate_start(1)
            dynamics = audit_dynamics(task.solve, starts, elements, task.state_fields, task.fields)
        distribution = audit_distribution(self._audit_sample(), elements, self.header.fields)
        return judge(elements, dynamics, distribution)

    def _audit_sample(self) -> Tensor:
        """A few evenly spaced frames of trajectories, shape (trajectory, time, channel, *space)."""
        split = self.split(next(s for s in SPLITS if any((self.directory / s).glob("*.h*5"))))
        chosen = range(min(split.trajectories, AUDITED_TRAJECTORIES))
        steps = min(split.steps)
        picks = torch.linspace(0, steps - 1, min(AUDITED_FRAMES, steps)).long()
        frames = [
            torch.cat([split.frames(t, int(step), int(step) + 1) for step in picks]) for t in chosen
        ]
        return self.normalizer.denormalize(torch.stack(frames), channel_axis=2)

    def split(self, name: str) -> "GridSplit":
        """One of train, valid, test."""
        return GridSplit(self, self.headers(name), self.trajectories.get(name))


class GridSplit:
    """The trajectories of one split and their windows of input_steps + 1 frames."""

    def __init__(
        self, data: GridData, headers: Sequence[WellFile], trajectories: int | None = None
    ) -> None:
        """List the trajectories, or the first of them; they are read on first use."""
        self.data = data
        self.sources = [(h, t) for h in headers for t in range(h.trajectories)][:trajectories]
        self.steps = [header.steps for header, _ in self.sources]
        size = sum(np.prod(h.shape) * h.steps for h, _ in self.sources) * data.channels * 4
        self.in_memory = size <= data.memory_limit
        short = [h for h in headers if h.steps <= data.input_steps]
        if short:
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
        """All windows as rows (trajectory, first frame)."""
        span = self.data.input_steps
        return np.array([(t, s) for t, steps in enumerate(self.steps) for s in range(steps - span)])

    def frames(self, trajectory: int, start: int, stop: int) -> Tensor:
        """Normalised frames of one trajectory, shape (time, channel, *space)."""
        if self.in_memory:
            return self._loaded[trajectory][start:stop]
        header, index = self.sources[trajectory]
        return self._normalised(read_frames(header, index, start, stop), header)

    def constants(self, trajectory: int) -> Tensor | None:
        """Normalised constant fields of one trajectory, shape (channel, *space), if any."""
        if self.data.constant_normalizer is None:
            return None
        header, index = self.sources[trajectory]
        values = torch.from_numpy(read_constants(header, index))
        return self.data.constant_normalizer.normalize(values, channel_axis=0).nan_to_num()

    def inputs(self, trajectories: Sequence[int], start: int = 0) -> Tensor:
        """Histories that begin at frame `start`, shape (trajectory, input channel, *space)."""
        stop = start + self.data.input_steps
        return torch.stack([self._input(self.frames(t, start, stop), t) for t in trajectories])

    def batch(self, rows: np.ndarray, generator: torch.Generator | None = None) -> Batch:
        """The windows of the given rows (trajectory, first frame); nothing in them is random.

        Inputs have the shape (sample, steps·channel + constant channel, *space), targets
        (sample, channel, *space): the next frame. Both are normalised.
        """
        span = self.data.input_steps + 1
        if self.in_memory and self._stacked is not None and not self.data.constant_channels:
            trajectory, start = torch.from_numpy(rows).unbind(1)
            chosen = self._stacked[trajectory[:, None], start[:, None] + torch.arange(span)]
            return Batch(chosen[:, :-1].flatten(1, 2), chosen[:, -1], len(rows))
        windows = [self.frames(t, s, s + span) for t, s in rows.tolist()]
        inputs = [self._input(w[:-1], t) for w, t in zip(windows, rows[:, 0].tolist(), strict=True)]
        targets = torch.stack([window[-1] for window in windows])
        return Batch(torch.stack(inputs), targets, len(rows))

    def loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Mean squared error of normalised fields, the protocol of The Well."""
        return nn.functional.mse_loss(prediction, batch.targets)

    validation_loss = loss

    def _input(self, frames: Tensor, trajectory: int) -> Tensor:
        history = frames.flatten(0, 1)
        constants = self.constants(trajectory)
        return history if constants is None else torch.cat([history, constants])

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

    def _normalised(self, values: np.ndarray, header: WellFile) -> Tensor:
        frames = self.data.normalizer.normalize(torch.from_numpy(values))
        if not torch.isfinite(frames).all():
            raise DataError(
                f"{header.path} holds values that are not finite; mask or repair them first."
            )
        return frames


def _normalizer(path: Path, fields: Sequence[Field]) -> Normalizer:
    mean = read_statistics(path, fields, "mean")
    std = read_statistics(path, fields, "std")
    return Normalizer(mean, tuple(max(value, SMALLEST_STD) for value in std))
