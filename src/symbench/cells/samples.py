"""Evaluations of samples without a grid: graphs, point clouds, eigenvectors."""

from collections.abc import Iterator

import xarray as xr

from symbench.config.schema import Selection
from symbench.evaluation.results import CellFamily, Row
from symbench.statistics import Estimate, PairedBootstrap, ratio


class SampleFamily(CellFamily):
    """All seeds of a model; the independent units are samples."""

    @property
    def score(self) -> str:
        """The metric that the task is judged by: the first that its data report."""
        return str(next(iter(self.open("none").data_vars)))

    def estimate(self, selection: Selection) -> Estimate | None:
        """Mean of a metric over samples and seeds; None where it was not evaluated."""
        if selection.evaluation not in self.evaluations:
            return None
        dataset = self.open(selection.evaluation)
        means = []
        for metric in filter(None, (selection.metric, selection.over)):
            if metric not in dataset:
                return None
            values = dataset[metric].transpose("seed", ...).values
            # Seeds are drawn first, and are the same for test sets of other sizes.
            means.append(PairedBootstrap(*values.shape).mean(values))
        return ratio(*means) if selection.over else means[0]

    def metric_rows(self) -> Iterator[Row]:
        """All metrics, one value a row."""
        for evaluation in self.evaluations:
            dataset = self.open(evaluation)
            for metric, values in dataset.data_vars.items():
                if set(values.dims) & {"output", "elements"}:
                    continue
                unit = values.attrs.get("units", "1")
                for seed in self.seeds:
                    value = values.sel(seed=seed).mean()
                    yield self.row(seed, evaluation, str(metric), value, unit=unit)
            for name, unit, values in _derived(dataset):
                for seed in self.seeds:
                    yield self.row(seed, evaluation, name, values.sel(seed=seed), unit=unit)
        if "seconds" in self.history:
            for seed in self.seeds:
                epoch = self.history[self.history.seed == seed].seconds.mean()
                yield self.row(seed, "none", "seconds_per_epoch", epoch, unit="s")


def _derived(dataset: xr.Dataset) -> Iterator[tuple[str, str, xr.DataArray]]:
    """Root mean squares, and R², of quantities whose squared errors and variances are there."""
    for quantity in ("energy", "force"):
        if f"{quantity}_spread" in dataset:
            squared = dataset[f"{quantity}_mse"].mean("sample")
            unit = dataset[f"{quantity}_mae"].attrs["units"]
            yield f"{quantity}_rmse", unit, squared**0.5
            spread = dataset[f"{quantity}_spread"].mean("sample")
            yield f"{quantity}_r_squared", "1", 1 - squared / spread
