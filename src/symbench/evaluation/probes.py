"""What is looked at in each batch of test samples; the loop is in `measure`.

A probe sees batch after batch and gives variables with named dimensions at the end. Those of the
average are in `orbits`, and what fields have besides in `rollouts`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Protocol, cast

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from symbench.data.batch import Batch, ModelInputs, V
from symbench.data.dataset import Score, Split
from symbench.errors import DataError
from symbench.evaluation.scores import Metric
from symbench.symmetry.symmetry import Symmetry

# Elements that the equivariance error is the mean over.
EQUIVARIANCE_ELEMENTS = 2
# Calls of the model that are timed, after one that is not.
TIMED_CALLS = 3
# Predictions of more numbers a sample are not kept for the figure of parity.
MOST_OUTPUTS = 64

Operator = Callable[[V], Tensor]


@dataclass(frozen=True)
class Step(Generic[V]):
    """One batch and what the evaluated operator makes of it.

    Attributes:
        number: of the batch.
        batch: inputs and targets.
        output: the prediction.
        orbit: predictions of all elements that are averaged over, moved back; empty unless the
            operator is the average.

    """

    number: int
    batch: Batch[V]
    output: Tensor
    orbit: Sequence[Tensor] = ()


class Probe(Protocol[V]):
    """Looks at every batch."""

    def see(self, step: Step[V]) -> None:
        """Take from a batch what is needed of it."""

    def dataset(self) -> xr.Dataset:
        """What was found, with named dimensions; empty where nothing was."""


class Scorer(Generic[V]):
    """All scores of a split, and those of the user; what is not finite counts as the worst."""

    def __init__(
        self,
        split: Split[V],
        registry: Mapping[str, Score],
        metrics: Sequence[Metric] = (),
    ) -> None:
        """Score the predictions of a split.

        Args:
            split: the split.
            registry: all scores by name, the one that the task is judged by first.
            metrics: further ones.

        """
        self.split = split
        self.registry = registry
        self.metrics = metrics
        self.judged = {next(iter(registry)), *(metric.name for metric in metrics)}

    def __call__(self, output: Tensor, batch: Batch[V]) -> tuple[dict[str, Tensor], Tensor]:
        """Scores by name, (sample,) or (sample, channel), and which samples diverged, (sample,).

        A score that is not finite becomes the worst value; so does the one that the task is judged
        by, and each of the user, where the prediction is not finite: the class of a NaN is none.

        Raises:
            DataError: for a score that the data set does not list.

        """
        scores = dict(self.split.scores(output, batch))
        for metric in self.metrics:
            scores[metric.name] = metric.function(output, cast("Batch[ModelInputs]", batch))
        lost = batch.mean_per_sample((~output.isfinite()).float()) > 0
        diverged = lost
        for name, values in scores.items():
            if name not in self.registry:
                raise DataError(
                    f"The test split gives a score '{name}' that its data set does not list; it "
                    f"lists {', '.join(self.registry)}."
                )
            # NaN of one channel says that its target has no variance; see `fields.metrics`.
            wrong = ~values.isfinite() if values.ndim == 1 else values.isinf()
            if name in self.judged:
                wrong = wrong | _like(lost, values)
            scores[name] = values.masked_fill(wrong, self.registry[name].worst)
            diverged = diverged | wrong.reshape(len(wrong), -1).any(dim=1).to(lost.device)
        return scores, diverged


class Scores(Generic[V]):
    """Scores of each sample; the attribute `diverged` counts predictions that are not finite."""

    def __init__(self, scorer: Scorer[V], suffix: str = "") -> None:
        """Keep the scores of a scorer; the suffix names a further test set."""
        self.scorer = scorer
        self.suffix = f"_{suffix}" if suffix else ""
        self.found: dict[str, list[Tensor]] = {}
        self.lost: list[Tensor] = []

    def see(self, step: Step[V]) -> None:
        """Score the prediction."""
        scores, diverged = self.scorer(step.output, step.batch)
        self.lost.append(diverged)
        append(self.found, scores)

    def dataset(self) -> xr.Dataset:
        """Each score with dimensions (sample,) or (sample, channel)."""
        dataset = xr.Dataset(attrs={f"diverged{self.suffix}": int(joined(self.lost).sum())})
        for name, parts in self.found.items():
            values = joined(parts)
            dimensions = (f"sample{self.suffix}", "channel")[: values.ndim]
            units = self.scorer.registry[name].unit
            dataset[f"{name}{self.suffix}"] = (dimensions, values, {"units": units})
        return dataset


class EquivarianceError(Generic[V]):
    """Relative size of f(phi(g) x) - psi(g) f(x), per sample, over random elements."""

    def __init__(self, operator: Operator[V], symmetry: Symmetry[V]) -> None:
        """Look at an operator under a symmetry."""
        self.operator = operator
        self.symmetry = symmetry
        self.found: list[Tensor] = []

    def see(self, step: Step[V]) -> None:
        """Call the operator once for each element."""
        batch, output = step.batch, step.output
        generator = torch.Generator().manual_seed(step.number)
        violation = torch.zeros(batch.samples, device=output.device, dtype=torch.float64)
        for element in self.symmetry.group.sample(EQUIVARIANCE_ELEMENTS, generator):
            moved = self.operator(self.symmetry.act_on_input(element, batch.inputs))
            difference = moved - self.symmetry.act_on_output(element, output)
            violation += batch.mean_per_sample(difference.double().square())
        size = batch.mean_per_sample(output.double().square())
        # Predictions that are zero before and after are equivariant.
        ratio = (violation / size / EQUIVARIANCE_ELEMENTS).masked_fill(violation == 0, 0.0)
        self.found.append(ratio.sqrt())

    def dataset(self) -> xr.Dataset:
        """`equivariance_error`, dimension sample."""
        return _of_samples("equivariance_error", self.found)


class Sensitivity(Generic[V]):
    """Change of the output over a small change of the input, both RMS, per sample.

    Exactly equivariant models may still jump: frames do, where the choice of a pose does.
    """

    def __init__(self, operator: Operator[V], split: Split[V]) -> None:
        """Look at an operator; a split that cannot be disturbed gives nothing."""
        self.operator = operator
        self.split = split
        self.found: list[Tensor] = []

    def see(self, step: Step[V]) -> None:
        """Call the operator with disturbed inputs."""
        disturbed = self.split.disturbed(step.batch, torch.Generator().manual_seed(step.number))
        if disturbed is None:
            return
        inputs, size = disturbed
        change = self.operator(inputs) - step.output
        self.found.append(step.batch.mean_per_sample(change.square()).sqrt() / size)

    def dataset(self) -> xr.Dataset:
        """`sensitivity`, dimension sample."""
        return _of_samples("sensitivity", self.found) if self.found else xr.Dataset()


class Parity(Generic[V]):
    """Predictions beside targets, where a sample has few of them."""

    def __init__(self, split: Split[V], units: Mapping[str, str]) -> None:
        """Keep the values of a split; units by quantity."""
        self.split = split
        self.units = units
        self.widths: list[int] | None = None
        self.kept = bool(split.quantities)
        self.found: dict[str, list[Tensor]] = {}

    def see(self, step: Step[V]) -> None:
        """Keep the values of predictions and targets."""
        if not self.kept:
            return
        for name, outputs in (("predictions", step.output), ("targets", step.batch.targets)):
            values = self.split.values_of(outputs, step.batch)
            parts = [values[quantity].flatten(1) for quantity in self.split.quantities]
            widths = [part.shape[1] for part in parts]
            # Samples of different sizes have no outputs in common.
            self.kept = sum(widths) <= MOST_OUTPUTS and self.widths in (None, widths)
            if not self.kept:
                return
            self.widths = widths
            append(self.found, {name: torch.cat(parts, dim=1)})

    def dataset(self) -> xr.Dataset:
        """`predictions` and `targets`, dimensions (sample, output), with quantity and unit.

        And `correlation` of all of them (Pearson), a number, where there is but one quantity.
        """
        if not self.kept or self.widths is None:
            return xr.Dataset()
        quantities = [
            quantity
            for quantity, width in zip(self.split.quantities, self.widths, strict=True)
            for _ in range(width)
        ]
        names = [
            quantity if width == 1 else f"{quantity} {number}"
            for quantity, width in zip(self.split.quantities, self.widths, strict=True)
            for number in range(width)
        ]
        found = {name: joined(parts) for name, parts in self.found.items()}
        dataset = xr.Dataset(
            {
                name: (("sample", "output"), values, {"units": "unit of the output"})
                for name, values in found.items()
            },
            coords={
                "output": names,
                "quantity": ("output", quantities),
                "unit": ("output", [self.units[quantity] for quantity in quantities]),
            },
        )
        if len(self.split.quantities) == 1:
            with np.errstate(invalid="ignore"):
                table = np.corrcoef(found["predictions"].ravel(), found["targets"].ravel())
            dataset["correlation"] = ((), table[0, 1], {"units": "1"})
        return dataset


class Time(Generic[V]):
    """Seconds per sample of a few calls with the first batch, after one that is not timed."""

    def __init__(self, operator: Operator[V], device: torch.device) -> None:
        """Time an operator on a device."""
        self.operator = operator
        self.device = device
        self.seconds: list[float] = []

    def see(self, step: Step[V]) -> None:
        """Time the calls, if this is the first batch; the loop has called the operator already."""
        if not self.seconds:
            calls = calls_in_seconds(self.operator, step.batch, self.device)
            self.seconds = [*islice(calls, TIMED_CALLS)]

    def dataset(self) -> xr.Dataset:
        """`seconds_per_sample`, dimension call."""
        return seconds_per_sample(self.seconds)


def calls_in_seconds(
    operator: Operator[V], batch: Batch[V], device: torch.device
) -> Iterator[float]:
    """Call an operator again and again, and yield the seconds per sample of each call."""
    while True:
        start = time.perf_counter()
        operator(batch.inputs)
        synchronise(device)
        yield (time.perf_counter() - start) / batch.samples


def seconds_per_sample(seconds: Sequence[float]) -> xr.Dataset:
    """Times of calls as a variable of dimension call."""
    return xr.Dataset({"seconds_per_sample": ("call", np.array(seconds), {"units": "s"})})


def synchronise(device: torch.device) -> None:
    """Wait until a device has done what it was told, for times."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def joined(parts: Sequence[Tensor]) -> np.ndarray:
    """Values of all batches as one array."""
    return torch.cat([part.cpu() for part in parts]).numpy()


def append(found: dict[str, list[Tensor]], values: Mapping[str, Tensor]) -> None:
    """Add values of a batch to those of the batches before, by name."""
    for name, each in values.items():
        found.setdefault(name, []).append(each)


def _like(samples: Tensor, values: Tensor) -> Tensor:
    """One value for each sample, in a shape that goes with others."""
    return samples.to(values.device).reshape(-1, *[1] * (values.ndim - 1))


def _of_samples(name: str, parts: Sequence[Tensor]) -> xr.Dataset:
    """A ratio of each sample, infinite where the prediction is not finite."""
    values = np.nan_to_num(joined(parts), nan=np.inf, posinf=np.inf)
    return xr.Dataset({name: ("sample", values, {"units": "1"})})
