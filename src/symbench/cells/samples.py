"""Evaluations of samples without a grid: graphs, point clouds, eigenvectors."""

from collections.abc import Iterator

from symbench.cells.base import CellFamily, Row
from symbench.schema import Selection
from symbench.statistics import Estimate, PairedBootstrap


class SampleFamily(CellFamily):
    """All seeds of a model; the independent units are samples."""

    @property
    def score(self) -> str:
        """The metric that a task is judged by: the first that its data report."""
        return str(next(iter(self.open("none").data_vars)))

    def estimate(self, selection: Selection) -> Estimate | None:
        """Mean of a metric over samples and seeds; None where it was not evaluated."""
        if selection.evaluation not in self.evaluations:
            return None
        dataset = self.open(selection.evaluation)
        if selection.metric not in dataset:
            return None
        values = dataset[selection.metric].transpose("seed", ...).values
        return PairedBootstrap(*values.shape).mean(values)

    def metric_rows(self) -> Iterator[Row]:
        """All metrics, one value a row."""
        for evaluation in self.evaluations:
            dataset = self.open(evaluation)
            for metric, values in dataset.data_vars.items():
                unit = values.attrs.get("units", "1")
                for seed in self.seeds:
                    value = values.sel(seed=seed).mean()
                    yield self.row(seed, evaluation, str(metric), value, unit=unit)
        if "seconds" in self.history:
            for seed in self.seeds:
                epoch = self.history[self.history.seed == seed].seconds.mean()
                yield self.row(seed, "none", "seconds_per_epoch", epoch, unit="s")
