"""The evaluation loop for samples without a grid: graphs, point clouds, eigenvectors.

The data say what is scored; here is what is common: the same samples with the plain model, its
average over the group and its frame, the equivariance error of each, and what each costs.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor, nn

from symbench.config.settings import EvaluationSettings
from symbench.data.batch import Batch
from symbench.symmetry.frame_averaging import FrameAveraged
from symbench.symmetry.reynolds import Averaged, average
from symbench.symmetry.symmetry import Model, Symmetry

# Elements that the equivariance error is the mean over.
PROBES = 2
# Calls of the model that are timed, after one that is not.
TIMED_CALLS = 3


class SampleEvaluator:
    """Evaluates one trained model on the test split of one task."""

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        symmetry: Symmetry,
        settings: EvaluationSettings,
        split: str = "test",
    ) -> None:
        """Choose device and samples.

        Args:
            model: the trained network.
            data: the data of the task.
            symmetry: the group to average over, and its frame.
            settings: how much to evaluate.
            split: which split.

        """
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device).eval()
        self.data = data
        self.symmetry = symmetry
        self.settings = settings
        self.split = data.split(split)

    def evaluate(self, evaluation: str) -> xr.Dataset:
        """One of "none", "average" and "frame", as a dataset with named dimensions."""
        build: dict[str, Callable[[], Model]] = {
            "none": lambda: self.model,
            "average": self._averaged,
            "frame": lambda: FrameAveraged(self.model, self.symmetry),
        }
        # Not inference mode: forces are gradients of an energy.
        with torch.no_grad():
            return self._score(build[evaluation]())

    def _averaged(self) -> Model:
        order = self.symmetry.group.order
        whole = order is not None and order <= self.settings.elements
        return average(
            self.model, self.symmetry, elements="all" if whole else self.settings.elements
        )

    def _score(self, model: Any) -> xr.Dataset:
        scores: dict[str, list[Tensor]] = {}
        errors: list[Tensor] = []
        seconds: list[float] = []
        outputs: list[Tensor] = []
        targets: list[Tensor] = []
        counts = _counts(model)
        by_elements: dict[str, list[Tensor]] = {}
        for number, batch in enumerate(self._batches(self.split)):
            if counts:
                partial = list(model.of_first(batch.inputs, counts))
                output = partial[-1]
                for name, values in self._stacked_scores(partial, batch).items():
                    by_elements.setdefault(name, []).append(values)
            else:
                output = model(batch.inputs)
            if not number:
                seconds = [self._timed(model, batch) for _ in range(TIMED_CALLS)]
            for name, values in self.split.scores(output, batch).items():
                scores.setdefault(name, []).append(values)
            errors.append(self._equivariance_error(model, batch, output, number))
            if hasattr(self.split, "outputs"):
                outputs.append(self.split.outputs(output, batch))
                targets.append(self.split.outputs(batch.targets, batch))
            if hasattr(self.split, "disturbed"):
                change = self._sensitivity(model, batch, output, number)
                scores.setdefault("sensitivity", []).append(change)
        dataset = xr.Dataset(
            {
                name: (("sample",), torch.cat(values).cpu().numpy())
                for name, values in {**scores, "equivariance_error": errors}.items()
            }
        )
        if outputs:
            dataset["predictions"] = (("sample", "output"), torch.cat(outputs).cpu().numpy())
            dataset["targets"] = (("sample", "output"), torch.cat(targets).cpu().numpy())
        if counts:
            dataset["elements"] = counts
        for name, parts in by_elements.items():
            scored = torch.cat(parts, dim=1).cpu().numpy()
            dataset[f"{name}_by_elements"] = (("elements", "sample"), scored)
        for suffix, split in self._variants().items():
            for name, of_variant in self._scores_of(model, split).items():
                dataset[f"{name}_{suffix}"] = ((f"sample_{suffix}",), of_variant)
        for variable in dataset.data_vars:
            units = (u for known, u in self.data.units.items() if str(variable).startswith(known))
            dataset[variable].attrs["units"] = next(units, "1")
        dataset["seconds_per_sample"] = (("call",), np.array(seconds))
        dataset["seconds_per_sample"].attrs["units"] = "s"
        return dataset

    def _stacked_scores(self, outputs: list[Tensor], batch: Batch) -> dict[str, Tensor]:
        """Scores of some outputs for the same batch, by name, shape (output, sample)."""
        scores = [self.split.scores(output, batch) for output in outputs]
        return {name: torch.stack([each[name] for each in scores]) for name in scores[0]}

    def _batches(self, split: Any) -> Iterator[Batch]:
        """All samples of a split, in order."""
        rows = split.samples
        for part in np.array_split(rows, max(1, len(rows) // self.settings.batch_size)):
            yield split.batch(part).to(self.device)

    def _variants(self) -> dict[str, Any]:
        """Other test sets: beyond the law of the training data, or corrupted."""
        return dict(self.data.variants()) if hasattr(self.data, "variants") else {}

    def _scores_of(self, model: Model, split: Any) -> dict[str, npt.NDArray[np.floating]]:
        """Scores of a whole split, by name, shape (sample,)."""
        scores: dict[str, list[Tensor]] = {}
        for batch in self._batches(split):
            for name, values in split.scores(model(batch.inputs), batch).items():
                scores.setdefault(name, []).append(values)
        return {name: torch.cat(values).cpu().numpy() for name, values in scores.items()}

    def _timed(self, model: Model, batch: Batch) -> float:
        """Seconds per sample of one call."""
        start = time.perf_counter()
        model(batch.inputs)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / batch.samples

    def _sensitivity(self, model: Model, batch: Batch, output: Tensor, number: int) -> Tensor:
        """Change of the output over a small change of the input, both RMS, per sample.

        Exactly equivariant models may still jump: frames do, where the choice of a pose does.
        """
        moved, size = self.split.disturbed(batch, torch.Generator().manual_seed(number))
        change = model(moved) - output
        return batch.mean_per_sample(change.square()).sqrt() / size

    def _equivariance_error(
        self, model: Model, batch: Batch, output: Tensor, number: int
    ) -> Tensor:
        """Relative size of f(phi(g) x) - psi(g) f(x), per sample, over random elements."""
        generator = torch.Generator().manual_seed(number)
        violation = torch.zeros(batch.samples, device=output.device)
        for element in self.symmetry.group.sample(PROBES, generator):
            moved = model(self.symmetry.act_on_input(element, batch.inputs))
            difference = moved - self.symmetry.act_on_output(element, output)
            violation += batch.mean_per_sample(difference.square())
        size = batch.mean_per_sample(output.square())
        return (violation / PROBES / size.clamp(min=1e-30)).sqrt()


def _counts(model: Any) -> list[int]:
    """Numbers of elements, 1, 2, 4, ... and all, whose partial averages are scored on the way."""
    if not isinstance(model, Averaged):
        return []
    most = len(model.elements)
    return sorted({most, *(2**k for k in range(most.bit_length()))})
