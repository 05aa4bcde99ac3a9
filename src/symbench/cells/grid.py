"""Evaluations of surrogates on a grid: one step, rollouts, subsets and subgroups."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from symbench.config.schema import Selection
from symbench.evaluation.results import Array, CellFamily, Row
from symbench.statistics import Estimate, PairedBootstrap, difference, ratio
from symbench.symmetry.grids.isometries import GridIsometry, named_group
from symbench.symmetry.groups import FiniteGroup

# Lead times of The Well's benchmark, counted from one.
HORIZONS = {"1": (1, 1), "6:12": (6, 12), "13:30": (13, 30)}
SUBSET_DRAWS = 64


class GridFamily(CellFamily):
    """All seeds of a surrogate; the independent units are trajectories."""

    def metric_rows(self) -> Iterator[Row]:
        """All metrics, one value a row."""
        yield from _one_step_rows(self)
        yield from _rollout_rows(self)
        yield from _cost_rows(self)

    @property
    def score(self) -> str:
        """The error that The Well's benchmark reports."""
        return "vrmse"

    @property
    def dimension(self) -> int:
        """Spatial dimension, from the text of the identity element."""
        return str(self.open("average").element.values[0]).count(",") + 1

    @cached_property
    def group(self) -> FiniteGroup[GridIsometry]:
        """The group that was averaged over."""
        return named_group(self.study.settings.tasks[self.task].group, self.dimension)

    @cached_property
    def bootstrap(self) -> PairedBootstrap:
        """Resamples of seeds and test trajectories for one-step values."""
        trajectories = np.unique(self.open("none").trajectory_of_sample.values)
        return PairedBootstrap(len(self.seeds), len(trajectories))

    @cached_property
    def rollout_bootstrap(self) -> PairedBootstrap:
        """Resamples of seeds and rolled-out trajectories."""
        return PairedBootstrap(len(self.seeds), self.open("none").sizes["trajectory"])

    def by_trajectory(self, values: xr.DataArray) -> Array:
        """Mean over the windows of each trajectory, shape (seed, trajectory)."""
        grouped = values.groupby("trajectory_of_sample").mean()
        return grouped.transpose("seed", "trajectory_of_sample").values

    def estimate(self, selection: Selection) -> Estimate | None:
        """Mean VRMSE of a selection, over channels, samples (or trajectories) and seeds."""
        if selection.horizon == "1":
            return self.one_step(selection)
        dataset, last = self.open("none"), HORIZONS[selection.horizon][1]
        if "lead_time" not in dataset or int(dataset.lead_time.max()) < last:
            return None
        values = self.rollout_vrmse(selection).mean(("channel", "lead_time"))
        return self.rollout_bootstrap.mean(values.transpose("seed", "trajectory").values)

    def one_step(self, selection: Selection) -> Estimate:
        """Mean one-step VRMSE over channels, samples and seeds."""
        values = self.one_step_vrmse(selection).mean("channel")
        return self.bootstrap.mean(self.by_trajectory(values))

    def one_step_vrmse(self, selection: Selection) -> xr.DataArray:
        """VRMSE of one step, dimensions (seed, sample, channel)."""
        if selection.subgroup is not None:
            subgroup = named_group(selection.subgroup, self.dimension)
            return self.subset_vrmse([self.group.index(e) for e in subgroup.elements])
        if selection.evaluation == "orbit_mean":
            return self.open("average").element_vrmse.mean("element")
        return self.open(selection.evaluation).vrmse

    def subset_vrmse(self, elements: list[int]) -> xr.DataArray:
        """VRMSE of the average over some elements, from the Gram matrix of the errors."""
        averaged = self.open("average")
        chosen = averaged.error_gram.isel(element=elements, element_b=elements)
        squared = chosen.mean(("element", "element_b"))
        return np.sqrt(squared / averaged.variance)

    def rollout_vrmse(self, selection: Selection) -> xr.DataArray:
        """VRMSE of rollouts at a horizon, dimensions (seed, lead_time, trajectory, channel)."""
        operator = "plain" if selection.evaluation == "none" else selection.operator
        values = self.open(selection.evaluation).rollout_vrmse.sel(operator=operator)
        first, last = HORIZONS[selection.horizon]
        # A rollout that blew up counts as infinitely wrong, not as missing.
        return values.sel(lead_time=slice(first, last)).fillna(np.inf)

    def squared_errors(self) -> dict[str, Array]:
        """Standardised squared errors and their decomposition (P4), shape (seed, trajectory).

        Keys: plain, averaged, forecast (orbit variance, from predictions alone), all in units of
        the variance of each field, mean over channels.
        """
        plain, averaged = self.open("none"), self.open("average")
        return {
            key: self.by_trajectory((values / averaged.scale).mean("channel"))
            for key, values in (
                ("plain", plain.mse),
                ("averaged", averaged.mse),
                ("forecast", averaged.orbit_variance),
                ("orbit_distance", averaged.orbit_distance),
            )
        }

    def largest_excess(self) -> Estimate:
        """Largest VRMSE of the average above the orbit mean, over all samples (P2: below 0)."""
        averaged = self.open("average")
        orbit_mean = averaged.element_vrmse.mean(("element", "channel"))
        value = float((averaged.vrmse.mean("channel") - orbit_mean).max())
        return Estimate(value, np.array([value]), averaged.sizes["sample"])

    def predicted_over_measured_gain(self) -> Estimate:
        """Forecast of the gain in squared error over the measured gain (P4: 1)."""
        errors = {key: self.bootstrap.mean(values) for key, values in self.squared_errors().items()}
        return ratio(errors["forecast"], difference(errors["plain"], errors["averaged"]))


def _per_seed(
    family: GridFamily, values: xr.DataArray, evaluation: str, metric: str, **at: Any
) -> Iterator[Row]:
    for seed in family.seeds:
        yield family.row(seed, evaluation, metric, values.sel(seed=seed).mean(), **at)


def _one_step_rows(family: GridFamily) -> Iterator[Row]:
    scores: dict[str, xr.DataArray] = {name: family.open(name).vrmse for name in family.evaluations}
    averaged = family.open("average")
    scores["orbit_mean"] = averaged.element_vrmse.mean("element")
    for evaluation, values in scores.items():
        for channel in values.channel.values:
            single = values.sel(channel=channel)
            yield from _per_seed(family, single, evaluation, "vrmse", field=str(channel))
        yield from _per_seed(family, values, evaluation, "vrmse")
        medians = values.mean("channel").median("sample")
        yield from _per_seed(family, medians, evaluation, "vrmse_median")
    for index, element in enumerate(averaged.element.values):
        values = averaged.element_vrmse.isel(element=index)
        yield from _per_seed(family, values, f"element({element})", "vrmse")
    for number, members in enumerate(family.group.subgroups):
        values = family.subset_vrmse(sorted(members))
        name = f"subgroup{number}_order{len(members)}"
        yield from _per_seed(family, values, name, "vrmse")
        yield from _per_seed(family, values**2, name, "nmse")
    yield from _subset_rows(family)
    unit = "variance of the field"
    for metric, errors in family.squared_errors().items():
        evaluation = "none" if metric == "plain" else "average"
        name = {"plain": "mse", "averaged": "mse"}.get(metric, metric)
        for seed, row in zip(family.seeds, errors, strict=True):
            yield family.row(seed, evaluation, name, row.mean(), unit=unit)
    error = np.sqrt((averaged.orbit_distance / averaged.variance).mean(("sample", "channel")))
    yield from _per_seed(family, error, "none", "equivariance_error")


def _subset_rows(family: GridFamily) -> Iterator[Row]:
    """VRMSE and squared error of nested random subsets, mean over random orders."""
    averaged = family.open("average")
    order = family.group.order
    gram = averaged.error_gram.transpose("seed", "sample", "channel", "element", "element_b").values
    variance = averaged.variance.transpose("seed", "sample", "channel").values
    rng = np.random.default_rng(0)
    totals = np.zeros((2, len(family.seeds), order))
    for _ in range(SUBSET_DRAWS):
        chosen = rng.permutation(order)
        shuffled = gram[..., chosen[:, None], chosen]
        sums = shuffled.cumsum(axis=-1).cumsum(axis=-2)
        prefix = np.diagonal(sums, axis1=-2, axis2=-1) / np.arange(1, order + 1) ** 2
        scaled = np.maximum(prefix, 0) / variance[..., None]
        totals[0] += np.sqrt(scaled).mean(axis=(1, 2)) / SUBSET_DRAWS
        totals[1] += scaled.mean(axis=(1, 2)) / SUBSET_DRAWS
    for metric, per_seed in zip(("vrmse", "nmse"), totals, strict=True):
        for seed, values in zip(family.seeds, per_seed, strict=True):
            for count, value in enumerate(values, start=1):
                yield family.row(seed, f"subset{count}", metric, value)


def _rollout_rows(family: GridFamily) -> Iterator[Row]:
    for evaluation in family.evaluations:
        dataset = family.open(evaluation)
        if "rollout_vrmse" not in dataset:
            continue
        for operator in dataset.operator.values:
            name = f"{evaluation}_rollout_{operator}"
            values = dataset.rollout_vrmse.sel(operator=operator).fillna(np.inf)
            for seed in family.seeds:
                per_trajectory = values.sel(seed=seed).mean("channel")
                for lead in dataset.lead_time.values:
                    scores = per_trajectory.sel(lead_time=lead).values
                    at = {"lead_time": str(lead)}
                    yield family.row(seed, name, "vrmse", scores.mean(), **at)
                    yield family.row(seed, name, "vrmse_median", np.median(scores), **at)
                for horizon, (first, last) in list(HORIZONS.items())[1:]:
                    window = per_trajectory.sel(lead_time=slice(first, last))
                    at = {"lead_time": horizon}
                    if window.sizes["lead_time"]:
                        scores = window.mean("lead_time").values
                        yield family.row(seed, name, "vrmse", scores.mean(), **at)
                        yield family.row(seed, name, "vrmse_median", np.median(scores), **at)


def _cost_rows(family: GridFamily) -> Iterator[Row]:
    for evaluation in family.evaluations:
        dataset = family.open(evaluation)
        for seed in family.seeds:
            one = dataset.sel(seed=seed)
            seconds = one.one_step_seconds
            yield family.row(seed, evaluation, "seconds_per_sample", seconds, unit="s")
            for operator in dataset.operator.values if "operator" in dataset.dims else []:
                at: dict[str, Any] = {"lead_time": "rollout"}
                name = f"{evaluation}_rollout_{operator}"
                spent = one.sel(operator=operator)
                time, memory = spent.rollout_seconds, spent.rollout_peak_memory
                yield family.row(seed, name, "seconds_per_trajectory", time, unit="s", **at)
                yield family.row(seed, name, "peak_memory", memory, unit="byte", **at)
