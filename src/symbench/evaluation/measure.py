"""The one evaluation loop: a trained model, its average over the group or its frame, on test data.

Everything is measured in physical units, on the same samples and with the same weights, and kept
per sample, so that evaluations can be compared pair by pair. What is looked at is in `probes`,
`orbits` and `rollouts`; what the data are decides which of them there are.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Generic, cast

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from symbench.config.settings import EvaluationSettings
from symbench.data.batch import Batch, V
from symbench.data.dataset import Data, Dataset, Split
from symbench.data.fields.grid_data import FieldData, FieldSplit
from symbench.devices import chosen_device
from symbench.errors import SymmetryError
from symbench.evaluation.floor import mark_floor
from symbench.evaluation.orbits import Orbits, PartialAverages, means_of_first
from symbench.evaluation.probes import (
    EquivarianceError,
    Operator,
    Parity,
    Probe,
    Scorer,
    Scores,
    Sensitivity,
    Step,
    Time,
    calls_in_seconds,
    seconds_per_sample,
    synchronise,
)
from symbench.evaluation.rollouts import Rollouts, canonical_shift, elements_of_rollouts
from symbench.evaluation.scores import Metric, metrics_of, unit_of
from symbench.models.placing import placed
from symbench.symmetry.chunks import Chunk
from symbench.symmetry.frame_averaging import FrameAveraged
from symbench.symmetry.grids.canonical_shifts import check_periodic
from symbench.symmetry.reynolds import average, orbit
from symbench.symmetry.symmetry import Symmetry

# Predictions of all elements of a group that are kept at once, for fields.
_BYTES_OF_ORBITS = 2**32
# How often an operator is timed, and for how many seconds at least.
_MEASURED = 5
_SECONDS = 0.05


class Measurement(Generic[V]):
    """Measures one trained model on a split of one task."""

    def __init__(
        self,
        model: nn.Module,
        data: Data[V],
        symmetry: Symmetry[V],
        settings: EvaluationSettings,
        dataset: Dataset,
        metrics: Sequence[Metric] = (),
        split: str = "test",
    ) -> None:
        """Choose device and samples.

        Args:
            model: the trained network.
            data: the data of the task.
            symmetry: the group to average over, and its frame.
            settings: how much to evaluate.
            dataset: where the data come from; it lists their scores.
            metrics: further scores, those of the user.
            split: whose samples are looked at.

        """
        self.device = chosen_device()
        self.model = placed(model, self.device).eval()
        self.data = data
        self.symmetry = symmetry
        self.settings = settings
        self.metrics = tuple(metrics)
        self.registry = metrics_of(dataset, self.metrics)
        self.split: Split[V] = data.split(split)
        self.fields = isinstance(self.split, FieldSplit)
        self.chosen = self._choose_samples()

    @staticmethod
    def check(
        data: Data[V],
        symmetry: Symmetry[V],
        settings: EvaluationSettings,
        evaluations: Sequence[str],
    ) -> None:
        """Raise `SymmetryError` if data of this symmetry cannot be evaluated so; needs no model."""
        fields = isinstance(data, FieldData)
        if "frame" in evaluations and not fields and symmetry.frame is None:
            raise SymmetryError(f"There is no frame for {symmetry.group}: leave out 'frame'.")
        if "frame" in evaluations and isinstance(data, FieldData):
            check_periodic(data.header.boundary)
        if "average" in evaluations:
            _averaged_over(symmetry, settings, fields)
            if isinstance(data, FieldData):
                on_grid = cast("Symmetry[Tensor]", symmetry)
                elements_of_rollouts(on_grid, settings, data.dimension)

    def run(self, evaluation: str) -> xr.Dataset:
        """One of "plain", "average" and "frame", as a dataset with named dimensions."""
        with self._without_gradients():
            parts = [self._of_samples(evaluation), *self._of_rollouts(evaluation)]
        return xr.merge(parts, combine_attrs="no_conflicts", compat="no_conflicts", join="outer")

    def time(self, evaluation: str) -> list[float]:
        """Seconds per sample with the first batch, measured five times, warmed up.

        Each is the median over as many calls as there are in a twentieth of a second, one at least.

        Args:
            evaluation: one of "plain", "average" and "frame".

        """
        operator = self._operator(evaluation)
        batch = next(self._batches(self.split, self.chosen))
        with self._without_gradients():
            operator(batch.inputs)
            synchronise(self.device)
            calls = calls_in_seconds(operator, batch, self.device)
            return [_median(calls, _SECONDS / batch.samples) for _ in range(_MEASURED)]

    def _without_gradients(self) -> AbstractContextManager[object]:
        # Forces are gradients of an energy, which inference mode does not allow.
        return torch.inference_mode() if self.fields else torch.no_grad()

    @property
    def _chunk(self) -> Chunk:
        return self.settings.chunk if self.fields else 1

    def _operator(self, evaluation: str) -> Operator[V]:
        if evaluation == "plain":
            return self.model
        if evaluation == "average":
            elements = _averaged_over(self.symmetry, self.settings, self.fields)
            return average(self.model, self.symmetry, elements=elements, chunk=self._chunk)
        if isinstance(self.data, FieldData):
            return cast("Operator[V]", canonical_shift(self.model, self.data))
        return FrameAveraged(self.model, self.symmetry)

    def _of_samples(self, evaluation: str) -> xr.Dataset:
        operator = self._operator(evaluation)
        scorer = Scorer(self.split, self.registry, self.metrics)
        elements = None
        if evaluation == "average":
            elements = _averaged_over(self.symmetry, self.settings, self.fields)
        again = not self.fields and (evaluation != "average" or self.settings.examine_average)
        probes: list[Probe[V]] = [Time(operator, self.device)] if again else []
        probes.append(Scores(scorer))
        if elements is not None:
            probes.append(PartialAverages(scorer, len(elements)))
            if self.split.quantities:
                probes.append(Orbits(scorer, self.symmetry, elements))
        units = {quantity: unit_of(quantity, self.registry) for quantity in self.split.quantities}
        probes.append(Parity(self.split, units))
        if again:
            probes.append(EquivarianceError(operator, self.symmetry))
            probes.append(Sensitivity(operator, self.split))
        seconds = 0.0
        batches = self._batches(self.split, self.chosen, self._samples_of_orbits(elements))
        for number, batch in enumerate(batches):
            if not again and not number:
                self.model(batch.inputs)
                synchronise(self.device)
            start = time.perf_counter()
            outputs: list[Tensor] = []
            if elements is None:
                output = operator(batch.inputs)
            else:
                pulled_back = orbit(
                    self.model, self.symmetry, batch.inputs, elements, chunk=self._chunk
                )
                outputs = [output for _, output in pulled_back]
                (output,) = means_of_first(outputs, [len(outputs)])
            synchronise(self.device)
            seconds += time.perf_counter() - start
            for probe in probes:
                probe.see(Step(number, batch, output, outputs))
        parts = [probe.dataset() for probe in probes]
        if not again:
            parts.append(seconds_per_sample([seconds / len(self.chosen)]))
        for name, split in self.data.test_sets().items():
            parts.append(self._of_further_set(name, split, operator))
        merged = xr.merge(parts, combine_attrs="no_conflicts")
        merged = merged.assign_coords(self._coordinates("channel" in merged.dims))
        return mark_floor(merged) if self.fields else merged

    def _of_further_set(self, name: str, split: Split[V], operator: Operator[V]) -> xr.Dataset:
        scores = Scores(Scorer(split, self.registry, self.metrics), name)
        for number, batch in enumerate(self._batches(split, np.arange(len(split.samples)))):
            scores.see(Step(number, batch, operator(batch.inputs)))
        blocks = {f"block_{name}": (f"sample_{name}", split.blocks)}
        return scores.dataset().assign_coords(blocks)

    def _of_rollouts(self, evaluation: str) -> Iterator[xr.Dataset]:
        if isinstance(self.data, FieldData) and isinstance(self.split, FieldSplit):
            on_grid = cast("Symmetry[Tensor]", self.symmetry)
            yield Rollouts(
                self.model, self.data, self.split, on_grid, self.settings, self.device
            ).run(evaluation)

    def _coordinates(self, channels: bool) -> dict[str, object]:
        """The block of each sample; for fields trajectory and frame; scales of the quantities."""
        coordinates: dict[str, object] = {"block": ("sample", self.split.blocks[self.chosen])}
        if self.fields:
            rows = self.split.samples[self.chosen]
            coordinates["trajectory_of_sample"] = ("sample", rows[:, 0])
            coordinates["first_frame"] = ("sample", rows[:, 1])
        if channels:
            quantities = list(self.split.quantities)
            scales = [self.split.scales[quantity] for quantity in quantities]
            coordinates |= {"channel": quantities, "scale": ("channel", scales)}
        return coordinates

    def _choose_samples(self) -> np.ndarray:
        """Positions of the samples that are evaluated, among those of the split."""
        per_trajectory = self.settings.samples_per_trajectory
        blocks = self.split.blocks
        if per_trajectory is None or not self.fields:
            return np.arange(len(blocks))
        chosen = []
        for block in np.unique(blocks):
            rows = np.flatnonzero(blocks == block)
            count = min(per_trajectory, len(rows))
            chosen.append(rows[((np.arange(count) + 0.5) * len(rows) / count).astype(int)])
        return np.concatenate(chosen)

    def _samples_of_orbits(self, elements: Sequence[int] | Tensor | None) -> int:
        """Samples whose predictions of all elements are kept at once, at most those of a batch."""
        most = self.settings.batch_size
        if elements is None or not isinstance(self.data, FieldData):
            return most
        frame = 4 * self.data.channels * math.prod(self.data.header.shape)
        return max(1, min(most, _BYTES_OF_ORBITS // (len(elements) * frame)))

    def _batches(
        self, split: Split[V], chosen: np.ndarray, most: int | None = None
    ) -> Iterator[Batch[V]]:
        """Samples of a split, in order; at most as many in a batch, where that is said."""
        rows = split.samples[chosen]
        most = most or self.settings.batch_size
        # Fields, which need memory, have no batch of more; others draw corruptions and elements
        # once a batch, so that the parts decide numbers, and share a small rest among all.
        parts = -(-len(rows) // most) if self.fields else max(1, len(rows) // most)
        for part in np.array_split(rows, parts):
            yield split.batch(part).to(self.device)


def _median(calls: Iterator[float], most: float) -> float:
    """The median of times until their sum reaches so much."""
    found = [next(calls)]
    while sum(found) < most:
        found.append(next(calls))
    return float(np.median(found))


def _averaged_over(
    symmetry: Symmetry[V], settings: EvaluationSettings, fields: bool
) -> Sequence[int] | Tensor:
    """All elements of a group that is small or acts on fields, else the identity and others."""
    order = symmetry.group.order
    if order is not None and (fields or order <= settings.elements):
        return symmetry.group.listed()
    return symmetry.group.subset(settings.elements, seed=0)
