"""Evaluations, read: all seeds of a task, model and treatment, and estimates of any metric."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from symbench.config.run import Run
from symbench.config.schema import Selection
from symbench.config.study import Study
from symbench.data.dataset import Score
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.evaluation.reading import (
    is_evaluated,
    join_seeds,
    multipliers_of,
    read_history,
)
from symbench.evaluation.scores import metrics_of, own_metric
from symbench.evaluation.times import Times, times_measured_alone, with_times
from symbench.layout import Layout
from symbench.statistics import Blocks, Estimate, mean, ratio, root
from symbench.symmetry.grids.isometries import GridGroup, named_group

Array = np.ndarray

# Lead times of The Well's benchmark, counted from one.
HORIZONS = {"1": (1, 1), "6:12": (6, 12), "13:30": (13, 30)}


@dataclass(frozen=True)
class RunGroup:
    """All seeds of one task, model and treatment that were evaluated.

    Attributes:
        runs: one for each seed.
        layout: where their results are.
        times: of predictions, where they were measured alone.

    """

    runs: tuple[Run, ...]
    layout: Layout
    times: Times = field(default_factory=dict, compare=False, repr=False)

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.runs[0].task.name

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.runs[0].model

    @property
    def treatment(self) -> str:
        """How the symmetry was imposed at training."""
        return self.runs[0].treatment

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the runs."""
        return tuple(run.seed for run in self.runs)

    @property
    def evaluations(self) -> tuple[str, ...]:
        """What was evaluated."""
        return self.runs[0].evaluations

    @property
    def exact(self) -> bool:
        """Whether the symmetry of the task is declared exact."""
        return self.runs[0].task.settings.exact

    @property
    def score(self) -> Score:
        """The score that the task is judged by, with unit and direction."""
        return self.runs[0].task.dataset.scores[0]

    @cached_property
    def registry(self) -> dict[str, Score]:
        """All metrics of the task by name."""
        task = self.runs[0].task
        return metrics_of(task.dataset, tuple(map(own_metric, task.settings.metrics)))

    def __str__(self) -> str:
        """Such as nbody/segnn/strict."""
        return "/".join(self.runs[0].key)

    def open(self, evaluation: str) -> xr.Dataset:
        """All seeds of one evaluation, with a dimension `seed`; see `reading.join_seeds`.

        Raises:
            ConfigError: if there is no such evaluation.
            DataError: if a file is damaged, of other settings, or the seeds do not fit together.

        """
        if evaluation not in self.evaluations:
            raise ConfigError(
                f"'{evaluation}' of {self} is needed, but not among its evaluations: "
                f"{', '.join(self.evaluations)}."
            )
        return self._opened[evaluation]

    @cached_property
    def _opened(self) -> dict[str, xr.Dataset]:
        opened = {name: join_seeds(self.runs, self.layout, name) for name in self.evaluations}
        return {
            name: with_times(dataset, self.runs, name, self.times)
            for name, dataset in opened.items()
        }

    def estimate(self, selection: Selection) -> Estimate | None:
        """Mean of a metric over channels, samples and seeds; None where it was not evaluated."""
        metric = selection.metric or self.score.name
        value = self._estimate(selection, metric)
        if value is None or selection.over is None:
            return value
        reference = self._estimate(selection, selection.over)
        return None if reference is None else ratio(value, reference)

    def _estimate(self, selection: Selection, metric: str) -> Estimate | None:
        if metric == "gamma":
            return self.gamma()
        if metric in ("free_gamma", "gamma_over_free_path"):
            return self._beside_free_path(metric)
        if metric == "seconds_per_epoch":
            return _of_networks(self.seconds_per_epoch)
        values = self.values(selection, metric)
        if values is not None and values.dims == ("seed",):
            # A number for each network, such as its correlation.
            return _of_networks(dict(zip(self.seeds, values.values.tolist(), strict=True)))
        if values is not None:
            return self.mean(self.by_block(over_channels(values, self.registry[metric].unit)))
        if metric == "equivariance_error" and selection.evaluation == "plain":
            return self._equivariance_error()
        return None

    def values(self, selection: Selection, metric: str) -> xr.DataArray | None:
        """A metric of each test sample or trajectory, with dimension seed; None if it is not there.

        Dimensions (seed, sample), or that of a further test set or of calls in place of samples,
        and channel where there are channels.
        """
        orbit_mean = selection.evaluation == "orbit_mean"
        evaluation = "average" if orbit_mean else selection.evaluation
        if evaluation not in self.evaluations:
            return None
        dataset = self.open(evaluation)
        if selection.horizon != "1":
            return _at_horizon(dataset, selection, metric)
        if selection.subgroup is not None:
            return _vrmse_of_subgroup(dataset, selection.subgroup) if metric == "vrmse" else None
        if orbit_mean:
            name = f"element_{metric}"
            if name not in dataset:
                return None
            # Means of single precision would differ by as much as what P2 looks for.
            return dataset[name].astype(float).mean("element", skipna=False)
        return dataset[metric] if metric in self.registry and metric in dataset else None

    def by_block(self, values: xr.DataArray) -> Blocks:
        """Values of samples or trajectories in independent blocks.

        Raises:
            DataError: if the seeds have other numbers of blocks.

        """
        (dimension,) = (str(name) for name in values.dims if name != "seed")
        block = f"block{dimension.removeprefix('sample')}"
        rows: list[Array] = []
        sizes: list[Array] = []
        for seed in self.seeds:
            of_seed = values.sel(seed=seed)
            if block not in of_seed.coords:
                rows.append(of_seed.values)
                sizes.append(np.ones(len(rows[-1])))
                continue
            number = np.unique(of_seed[block].values, return_inverse=True)[1]
            sizes.append(np.bincount(number))
            rows.append(np.bincount(number, of_seed.values) / sizes[-1])
        if len({len(row) for row in rows}) > 1:
            raise DataError(
                f"{self}: its seeds have other numbers of independent test samples or "
                f"trajectories: {', '.join(str(len(row)) for row in rows)}."
            )
        return Blocks(np.stack(rows), np.stack(sizes))

    def mean(self, blocks: Blocks) -> Estimate:
        """Mean over samples and seeds, paired with others by the seeds."""
        return mean(blocks.values, self.seeds, sizes=blocks.sizes)

    def squared_errors(self) -> dict[str, Blocks]:
        """Squared errors and their decomposition (P4); empty without orbits.

        Keys: plain and averaged; orbit_variance, from predictions alone: the predicted gain;
        orbit_distance of the plain prediction from the mean. Each in units of the scale of its
        quantity, mean over quantities.
        """
        if "average" not in self.evaluations or "error_gram" not in self.open("average"):
            return {}
        dataset = self.open("average")
        gram = dataset.error_gram
        values = {
            "plain": gram.isel(element=0, element_b=0, drop=True),
            "averaged": gram.mean(("element", "element_b"), skipna=False),
            "orbit_variance": dataset.orbit_variance,
            "orbit_distance": dataset.orbit_distance,
        }
        return {
            name: self.by_block((each / dataset.scale).mean("channel"))
            for name, each in values.items()
        }

    def equivariance_errors(self) -> xr.DataArray | None:
        """Squared relative distance of the plain prediction from the average, (seed, sample)."""
        if "average" not in self.evaluations:
            return None
        dataset = self.open("average")
        if "orbit_distance" not in dataset or "variance" not in dataset:
            return None
        return over_defined(dataset.orbit_distance / dataset.variance)

    def _equivariance_error(self) -> Estimate | None:
        squares = self.equivariance_errors()
        if squares is None:
            return None
        return root(self.mean(self.by_block(squares)))

    def gamma(self) -> Estimate | None:
        """|γ| at the end of training, mean over layers of each run; None without such layers."""
        if "gamma" not in self.multipliers:
            return None
        last = self.history.groupby("seed").epoch.max()
        relaxation = abs(self.multipliers.gamma)
        return _of_networks(
            {
                seed: float(relaxation.sel(seed=seed, epoch=epoch).mean(skipna=False))
                for seed, epoch in zip(last.index.tolist(), last.tolist(), strict=True)
            }
        )

    def _beside_free_path(self, metric: str) -> Estimate | None:
        """|γ| of `training.free_path`, or how much farther from zero that of the layers is.

        Mean over the second half of the epochs: both swing, and the last epoch would tell their
        phases. None without dual variables.
        """
        if "free_gamma" not in self.history:
            return None
        values = self.history.free_gamma.abs()
        if metric == "gamma_over_free_path":
            layers = self.history.filter(regex="^gamma:").abs()
            values = layers.mean(axis=1, skipna=False) - values
        last = self.history.groupby("seed").epoch.transform("max")
        late = values[2 * self.history.epoch >= last]
        means = late.groupby(self.history.seed).agg(lambda each: each.mean(skipna=False))
        return _of_networks(dict(zip(means.index.tolist(), means.tolist(), strict=True)))

    @cached_property
    def multipliers(self) -> xr.Dataset:
        """What constrained training recorded; see `reading.multipliers_of`."""
        return multipliers_of(self.history)

    @cached_property
    def history(self) -> pd.DataFrame:
        """Training histories of all seeds, with a column `seed`; no rows of published weights."""
        return read_history(self.runs, self.layout)

    @property
    def seconds_per_epoch(self) -> dict[int, float]:
        """Mean over the epochs of each run that was trained here, by seed."""
        if "seconds" not in self.history:
            return {}
        means = self.history.groupby("seed").seconds.agg(lambda each: each.mean(skipna=False))
        return dict(zip(means.index.tolist(), means.tolist(), strict=True))

    @property
    def seconds_of_training(self) -> float:
        """Of all epochs, validation included: mean over seeds; NaN where nothing was trained."""
        if "seconds" not in self.history:
            return float("nan")
        return float(self.history.groupby("seed").seconds.sum(min_count=1).mean())


def run_groups(study: Study, layout: Layout) -> tuple[list[RunGroup], list[Run]]:
    """Run groups of the runs that were evaluated, in the order of the config, and all other runs.

    A run group of which some seeds are missing has the seeds that are there. A run that was
    evaluated with other settings, or other code, is missing.
    """
    groups, missing = [], []
    times = times_measured_alone(study, layout)
    for runs in study.groups.values():
        there = tuple(run for run in runs if is_evaluated(run, layout))
        missing += [run for run in runs if run not in there]
        if there:
            groups.append(RunGroup(there, layout, times))
    return groups, missing


def over_channels(values: xr.DataArray, unit: str) -> xr.DataArray:
    """Mean over channels; errors in units of their own are scaled first, so that they compare."""
    if "channel" not in values.dims:
        return values
    if unit != "1" and "scale" in values.coords:
        values = values / values.scale
    return over_defined(values)


def over_defined(values: xr.DataArray) -> xr.DataArray:
    """Mean over the channels that have a score; samples or trajectories without any are left out.

    NaN in a channel says that the target is constant there: what is not finite in predictions is
    infinite in scores.
    """
    mean = values.mean("channel")
    samples = [name for name in mean.dims if str(name).startswith(("sample", "trajectory"))]
    return mean.dropna(samples[0], how="all") if samples and mean.notnull().any() else mean


def grid_group(name: str, element: str) -> GridGroup | None:
    """A group of the axes of an element such as "x,y"; None if there is none of this name."""
    try:
        return named_group(name, element.count(",") + 1)
    except SymmetryError:
        return None


def _vrmse_of_subgroup(dataset: xr.Dataset, subgroup: str) -> xr.DataArray | None:
    """VRMSE of the average over a part of the group, (seed, sample, channel), from the Gram matrix.

    None if it was not averaged over that part, or there are no variances of targets.
    """
    if "error_gram" not in dataset or "variance" not in dataset:
        return None
    names = [str(name) for name in dataset.element.values]
    part = grid_group(subgroup, names[0])
    if part is None:
        return None
    members = [str(element) for element in part.elements]
    if not set(members) <= set(names):
        return None
    chosen = [names.index(each) for each in members]
    gram = dataset.error_gram.isel(element=chosen, element_b=chosen)
    return np.sqrt(gram.mean(("element", "element_b"), skipna=False) / dataset.variance)


def _at_horizon(dataset: xr.Dataset, selection: Selection, metric: str) -> xr.DataArray | None:
    """Errors of rollouts, mean over the lead times of a horizon, (seed, trajectory, channel)."""
    first, last = HORIZONS[selection.horizon]
    name = f"rollout_{metric}"
    if name not in dataset or int(dataset.lead_time.max()) < last:
        return None
    operator = "plain" if selection.evaluation == "plain" else selection.operator
    if operator not in dataset.operator:
        return None
    values = dataset[name].sel(operator=operator, lead_time=slice(first, last))
    return values.mean("lead_time")


def _of_networks(values: Mapping[int, float]) -> Estimate | None:
    """Mean of one number for each network, by seed; None without any."""
    if not values:
        return None
    return mean(np.array(list(values.values()))[:, None], list(values), samples_drawn=False)
