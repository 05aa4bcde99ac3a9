"""The one evaluation loop for surrogates on a grid: one step, rollouts, and what they cost.

Everything is measured in physical units, on the same samples and with the same weights, and kept
per sample, so that evaluations can be compared pair by pair. The one-step part of `average` keeps,
for each sample and channel, the Gram matrix of the errors over the group,

    gram[g, h] = mean over space of (p_g - y)(p_h - y),   p_g = psi(g)^-1 f(phi(g) x),

from which the squared error of the average over any subset S follows: the mean of gram over S x S.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from symbench.config.settings import EvaluationSettings
from symbench.data.fields.grid_data import GridData, GridSplit
from symbench.evaluation.metrics import mean_squared_error, power_spectrum, target_variance, vrmse
from symbench.provenance import Cost, measure
from symbench.symmetry.grids.canonical_shifts import CanonicalShift
from symbench.symmetry.grids.isometries import GridGroup, named_group
from symbench.symmetry.grids.rollouts import rollout, trajectory_average
from symbench.symmetry.groups import FiniteGroup
from symbench.symmetry.reynolds import average, orbit
from symbench.symmetry.symmetry import Symmetry

SNAPSHOT_LEADS = (1, 10, 30)


class GridEvaluator:
    """Evaluates one trained model on the test split of one task."""

    def __init__(
        self,
        model: nn.Module,
        data: GridData,
        symmetry: Symmetry,
        settings: EvaluationSettings,
        split: str = "test",
    ) -> None:
        """Choose device, windows and trajectories.

        Args:
            model: the trained network.
            data: the data of the task.
            symmetry: the group to average over.
            settings: how much to evaluate.
            split: which split.

        """
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device).eval()
        self.data = data
        self.symmetry = symmetry
        assert isinstance(symmetry.group, FiniteGroup)
        self.group: GridGroup = symmetry.group
        self.settings = settings
        self.split: GridSplit = data.split(split)
        self.samples = self._choose_windows()
        count = settings.rollout_trajectories or self.split.trajectories
        long_enough = [
            t
            for t, steps in enumerate(self.split.steps)
            if steps >= data.input_steps + settings.rollout_steps
        ]
        # Evenly spaced, so that files (regimes) are all represented.
        positions = np.linspace(0, len(long_enough) - 1, min(count, len(long_enough)))
        self.rollout_trajectories = [long_enough[int(p)] for p in positions]

    def evaluate(self, evaluation: str) -> xr.Dataset:
        """One of "none", "average" and "frame", as a dataset with named dimensions."""
        with torch.inference_mode():
            return {"none": self._plain, "average": self._averaged, "frame": self._framed}[
                evaluation
            ]()

    def _plain(self) -> xr.Dataset:
        return xr.merge([self._one_step(self.model), self._rollouts({"plain": self.model})])

    def _framed(self) -> xr.Dataset:
        # The newest frame comes last; its first channel fixes the pose.
        newest = (self.data.input_steps - 1) * self.data.channels
        framed = CanonicalShift(self.model, reference_channel=newest)
        return xr.merge([self._one_step(framed), self._rollouts({"stepwise": framed})])

    def _averaged(self) -> xr.Dataset:
        elements = self._rollout_elements()
        stepwise = average(self.model, self.symmetry, elements=elements, chunk=self.settings.chunk)
        trajectory = partial(
            trajectory_average,
            self.model,
            self.symmetry,
            elements=elements,
            chunk=self.settings.chunk,
        )
        rollouts = self._rollouts({"stepwise": stepwise, "trajectory": trajectory})
        rollouts.attrs["rollout_elements"] = len(elements)
        return xr.merge([self._orbits(), rollouts], combine_attrs="no_conflicts")

    def _choose_windows(self) -> np.ndarray:
        per_trajectory = self.settings.samples_per_trajectory
        if per_trajectory is None:
            return self.split.samples
        chosen = []
        for trajectory in range(self.split.trajectories):
            rows = self.split.samples[self.split.samples[:, 0] == trajectory]
            count = min(per_trajectory, len(rows))
            chosen.append(rows[((np.arange(count) + 0.5) * len(rows) / count).astype(int)])
        return np.concatenate(chosen)

    def _rollout_elements(self) -> list[int]:
        name = self.settings.rollout_group
        if name is None:
            return list(self.group.listed())
        subgroup = named_group(name, self.data.dimension)
        return [self.group.index(element) for element in subgroup.elements]

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised inputs and physical targets."""
        for start in range(0, len(self.samples), self.settings.batch_size):
            rows = self.samples[start : start + self.settings.batch_size]
            batch = self.split.batch(rows).to(self.device)
            yield batch.inputs, self.data.normalizer.denormalize(batch.targets)

    def _one_step(self, model: Callable[[Tensor], Tensor]) -> xr.Dataset:
        scores: dict[str, list[Tensor]] = {"vrmse": [], "mse": [], "variance": []}
        seconds = 0.0
        for inputs, target in self._batches():
            start = time.perf_counter()
            output = model(inputs)
            self._synchronise()
            seconds += time.perf_counter() - start
            prediction = self.data.normalizer.denormalize(output)
            _append(scores, prediction, target)
        return self._samples(scores, seconds)

    def _orbits(self) -> xr.Dataset:
        """One step for every element: the average, the orbit mean, subsets and subgroups."""
        scores: dict[str, list[Tensor]] = {"vrmse": [], "mse": [], "variance": []}
        extra: dict[str, list[Tensor]] = {
            "element_vrmse": [],
            "error_gram": [],
            "orbit_variance": [],
            "orbit_distance": [],
        }
        seconds = 0.0
        for inputs, target in self._batches():
            start = time.perf_counter()
            outputs = list(orbit(self.model, self.symmetry, inputs, chunk=self.settings.chunk))
            self._synchronise()
            seconds += time.perf_counter() - start
            predictions = torch.stack(
                [self.data.normalizer.denormalize(output) for _, output in outputs], dim=1
            ).double()
            mean = predictions.mean(dim=1)
            _append(scores, mean.float(), target)
            errors = (predictions - target.double()[:, None]).flatten(3)
            gram = torch.einsum("ngcx,nhcx->ncgh", errors, errors) / errors.shape[-1]
            extra["error_gram"].append(gram)
            spread = (predictions - mean[:, None]).flatten(3)
            extra["orbit_variance"].append(spread.square().mean(dim=(1, 3)))
            extra["orbit_distance"].append(spread[:, 0].square().mean(dim=2))
            per_element = [vrmse(p.float(), target) for p in predictions.unbind(1)]
            extra["element_vrmse"].append(torch.stack(per_element, dim=1))
        dataset = self._samples(scores, seconds)
        channel = ("sample", "channel")
        dataset["element_vrmse"] = (("sample", "element", "channel"), _join(extra["element_vrmse"]))
        dataset["error_gram"] = ((*channel, "element", "element_b"), _join(extra["error_gram"]))
        dataset["orbit_variance"] = (channel, _join(extra["orbit_variance"]))
        dataset["orbit_distance"] = (channel, _join(extra["orbit_distance"]))
        names = [str(element) for element in self.group.elements]
        return dataset.assign_coords(element=names, element_b=names)

    def _samples(self, scores: dict[str, list[Tensor]], seconds: float) -> xr.Dataset:
        dataset = xr.Dataset(
            {key: (("sample", "channel"), _join(values)) for key, values in scores.items()},
            coords={
                "channel": self.data.channel_names,
                "trajectory_of_sample": ("sample", self.samples[:, 0]),
                "first_frame": ("sample", self.samples[:, 1]),
                # Per field, not per component: the scale that makes errors of fields comparable
                # without labels, and that commutes with the group.
                "scale": ("channel", self._field_variance()),
            },
        )
        dataset["vrmse"].attrs["units"] = "1"
        dataset["mse"].attrs["units"] = dataset["variance"].attrs["units"] = "field units squared"
        dataset["one_step_seconds"] = seconds / len(self.samples)
        dataset["one_step_seconds"].attrs["units"] = "s per sample"
        return dataset

    def _field_variance(self) -> np.ndarray:
        variances: list[float] = []
        channel = 0
        for field in self.data.header.fields:
            count = field.channels(self.data.dimension)
            stds = self.data.normalizer.std[channel : channel + count]
            variances += [float(np.mean(np.square(stds)))] * count
            channel += count
        return np.array(variances)

    def _rollouts(self, operators: dict[str, Any]) -> xr.Dataset:
        """Rollouts by each operator, with the truth beside them."""
        steps = self.settings.rollout_steps
        if not self.rollout_trajectories:
            return xr.Dataset()
        inputs = self.split.inputs(self.rollout_trajectories).to(self.device)
        start = self.data.input_steps
        truth = torch.stack(
            [
                self.data.normalizer.denormalize(self.split.frames(t, start, start + steps))
                for t in self.rollout_trajectories
            ],
            dim=1,
        ).to(self.device)
        parts = []
        for name, operator in operators.items():
            with self._measure() as cost:
                frames = self._roll(operator, inputs, steps)
            predicted = self.data.normalizer.denormalize(frames, channel_axis=2)
            parts.append(self._describe_rollout(name, predicted, truth, cost))
        return xr.concat(parts, dim="operator", data_vars="all")

    def _roll(self, operator: Any, inputs: Tensor, steps: int) -> Tensor:
        constants = self.data.constant_channels
        if isinstance(operator, nn.Module):
            return torch.stack(list(rollout(operator, inputs, steps, constants)))
        return operator(inputs=inputs, steps=steps, constant_channels=constants)

    def _describe_rollout(
        self, name: str, predicted: Tensor, truth: Tensor, cost: Cost
    ) -> xr.Dataset:
        leads = [lead for lead in SNAPSHOT_LEADS if lead <= len(predicted)]
        chosen = [lead - 1 for lead in leads]
        scores = torch.stack([vrmse(p, t) for p, t in zip(predicted, truth, strict=True)])
        middle = predicted.shape[-1] // 2
        panels = {
            key: values[chosen, 0][..., middle] if self.data.dimension == 3 else values[chosen, 0]
            for key, values in (("panel", predicted), ("panel_truth", truth))
        }
        spectra = {
            key: torch.stack([power_spectrum(values[step]).mean(dim=0) for step in chosen])
            for key, values in (("spectrum", predicted), ("spectrum_truth", truth))
        }
        trajectory = ("operator", "lead_time", "trajectory", "channel")
        dataset = xr.Dataset(
            {
                "rollout_vrmse": (trajectory, _row(scores)),
                "rollout_seconds": (("operator",), [cost.seconds / predicted.shape[1]]),
                "rollout_peak_memory": (("operator",), [cost.peak_memory]),
                **{
                    key: (("operator", "panel_lead", "channel", "x", "y"), _row(value))
                    for key, value in panels.items()
                },
                **{
                    key: (("operator", "panel_lead", "wavenumber"), _row(value))
                    for key, value in spectra.items()
                },
            },
            coords={
                "operator": [name],
                "lead_time": np.arange(1, len(predicted) + 1),
                "trajectory": self.rollout_trajectories,
                "panel_lead": leads,
                "channel": self.data.channel_names,
            },
        )
        dataset["rollout_vrmse"].attrs["units"] = "1"
        dataset["lead_time"].attrs["units"] = f"frames of {self.data.header.time_step:g}"
        dataset["rollout_seconds"].attrs["units"] = "s per trajectory"
        dataset["rollout_peak_memory"].attrs["units"] = "bytes"
        return dataset

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _measure(self) -> AbstractContextManager[Cost]:
        return measure(gpu=self.device.type == "cuda")


def _append(scores: dict[str, list[Tensor]], prediction: Tensor, target: Tensor) -> None:
    scores["vrmse"].append(vrmse(prediction, target))
    scores["mse"].append(mean_squared_error(prediction, target))
    scores["variance"].append(target_variance(target))


def _join(values: list[Tensor]) -> np.ndarray:
    return torch.cat(values).cpu().numpy()


def _row(values: Tensor) -> np.ndarray:
    return values.cpu().numpy()[None]
