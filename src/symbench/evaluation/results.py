"""All seeds of a task, model and treatment: what is common to every kind of data."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from symbench.config.schema import Selection
from symbench.config.study import Study
from symbench.errors import ConfigError, DataError
from symbench.files import refuse_damaged
from symbench.statistics import Estimate, PairedBootstrap

Array = npt.NDArray[np.floating]
Row = dict[str, Any]


@dataclass(frozen=True)
class CellFamily(ABC):
    """All seeds of one (task, model, treatment).

    Attributes:
        study: the study.
        task: name of the task.
        model: name of the model.
        treatment: how the symmetry was imposed at training.
        seeds: of its cells.
        directory: the folder of evaluations of the study.

    """

    study: Study
    task: str
    model: str
    treatment: str
    seeds: tuple[int, ...]
    directory: Path

    @property
    def evaluations(self) -> list[str]:
        """What was evaluated."""
        return self.study.evaluations(self.model, self.treatment)

    @property
    def exact(self) -> bool:
        """Whether the symmetry of the task is declared exact."""
        return self.study.settings.tasks[self.task].exact

    def open(self, evaluation: str) -> xr.Dataset:
        """All seeds of one evaluation, with a dimension `seed`."""
        if evaluation not in self.evaluations:
            raise ConfigError(
                f"{self.study.name}: '{evaluation}' of {self.task}/{self.model} is needed, but not "
                f"among its evaluations: {', '.join(self.evaluations)}."
            )
        return self._datasets[evaluation]

    @cached_property
    def _datasets(self) -> dict[str, xr.Dataset]:
        opened: dict[str, xr.Dataset] = {}
        for evaluation in self.evaluations:
            parts = [read(self.directory, self, evaluation, seed) for seed in self.seeds]
            opened[evaluation] = xr.concat(
                parts,
                dim=xr.Variable("seed", list(self.seeds)),
                data_vars="all",
                coords="minimal",
                compat="override",
                join="exact",
            )
        return opened

    @property
    @abstractmethod
    def score(self) -> str:
        """The metric that the task is judged by."""

    @abstractmethod
    def estimate(self, selection: Selection) -> Estimate | None:
        """The mean of a metric over samples and seeds; None where it was not evaluated."""

    @abstractmethod
    def metric_rows(self) -> Iterator[Row]:
        """All metrics, one value a row."""

    def measure(self, name: str) -> Estimate:
        """A measure that only this kind of data has."""
        measured: Estimate = getattr(self, name)()
        return measured

    def share_refused(self) -> Estimate:
        """Share of the elements of the group that fail their audit."""
        audit = pd.read_csv(self.directory.parent / "audits" / f"{self.task}.csv")
        share = float(1 - audit.passed.mean())
        return Estimate(share, np.array([share]), len(audit))

    def gamma(self) -> Estimate | None:
        """|γ| at the end of training over layers and seeds; None without homotopy layers."""
        if "gamma" not in self.multipliers:
            return None
        paths = (self.multipliers.gamma.sel(seed=seed).dropna("epoch") for seed in self.seeds)
        values = np.stack([abs(path.isel(epoch=-1)) for path in paths])
        return PairedBootstrap(*values.shape).mean(values)

    @cached_property
    def multipliers(self) -> xr.Dataset:
        """What constrained training recorded: gamma, lambda, slack and ratio of homotopy layers.

        Dimensions (seed, epoch, layer), NaN after the last epoch of a seed; no variable without
        such layers.
        """
        columns = [name for name in map(str, self.history) if ":" in name]
        if not columns:
            return xr.Dataset()
        long = self.history.melt(["seed", "epoch"], columns)
        long[["quantity", "layer"]] = long.variable.str.split(":", n=1, expand=True)
        index = ["seed", "epoch", "layer", "quantity"]
        table = long.set_index(index).value.unstack("quantity")
        return table.to_xarray().sel(layer=long.layer.unique())

    @cached_property
    def history(self) -> pd.DataFrame:
        """Training histories of all seeds, with a column `seed`."""
        folder = self.directory.parent / "models" / self.task / self.model / self.treatment
        return pd.concat(
            [
                pd.read_csv(folder / f"seed{seed}" / "history.csv").assign(seed=seed)
                for seed in self.seeds
            ],
            ignore_index=True,
        )

    def row(self, seed: int, evaluation: str, metric: str, value: Any, **at: Any) -> Row:
        """One row of the table of metrics."""
        return {
            "study": self.study.name,
            "task": self.task,
            "model": self.model,
            "treatment": self.treatment,
            "evaluation": evaluation,
            "seed": seed,
            "split": "test",
            "lead_time": at.get("lead_time", "1"),
            "field": at.get("field", "mean"),
            "metric": metric,
            "value": float(value),
            "unit": at.get("unit", "1"),
        }


def read(directory: Path, family: Any, evaluation: str, seed: int) -> xr.Dataset:
    """One evaluation of one cell; raises `DataError` if it is not there or cannot be read."""
    path = directory / family.task / family.model / family.treatment / evaluation
    path = path / f"seed{seed}.nc"
    refuse_damaged(path)
    try:
        return xr.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
