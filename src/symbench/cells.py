"""The evaluations of a cell family (all seeds of a task, model and treatment), as arrays."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from symbench.errors import DataError
from symbench.schema import Selection
from symbench.statistics import Estimate, PairedBootstrap
from symbench.study import Study
from symbench.symmetry.groups import FiniteGroup
from symbench.symmetry.isometries import GridIsometry, named_group

Array = npt.NDArray[np.floating]

# Lead times of The Well's benchmark, counted from one.
HORIZONS = {"1": (1, 1), "6:12": (6, 12), "13:30": (13, 30)}


@dataclass(frozen=True)
class CellFamily:
    """All seeds of one (task, model, treatment)."""

    study: Study
    task: str
    model: str
    treatment: str
    seeds: tuple[int, ...]
    directory: Path

    @property
    def exact(self) -> bool:
        """Whether the symmetry of the task is declared exact."""
        return self.study.settings.tasks[self.task].exact

    def open(self, evaluation: str) -> xr.Dataset:
        """All seeds of one evaluation, with a dimension `seed`."""
        return self._datasets[evaluation]

    @cached_property
    def _datasets(self) -> dict[str, xr.Dataset]:
        opened: dict[str, xr.Dataset] = {}
        for evaluation in self.study.settings.evaluations:
            parts = []
            for seed in self.seeds:
                path = self.directory / self.task / self.model / self.treatment / evaluation
                path = path / f"seed{seed}.nc"
                try:
                    parts.append(xr.load_dataset(path, engine="h5netcdf"))
                except (OSError, ValueError) as error:
                    raise DataError(f"{path} cannot be read: {error}.") from None
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

    def estimate(self, selection: Selection) -> Estimate:
        """Mean VRMSE of a selection, over channels, samples (or trajectories) and seeds."""
        if selection.horizon == "1":
            values = self.one_step_vrmse(selection).mean("channel")
            return self.bootstrap.mean(self.by_trajectory(values))
        values = self.rollout_vrmse(selection).mean(("channel", "lead_time"))
        return self.rollout_bootstrap.mean(values.transpose("seed", "trajectory").values)

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
                ("deviation", averaged.deviation),
            )
        }

    def share_refused(self) -> float:
        """Share of the elements of the group that fail their audit."""
        audit = pd.read_csv(self.directory.parent / "audits" / f"{self.task}.csv")
        return float(1 - audit.passed.mean())

    def largest_excess(self) -> float:
        """Largest VRMSE of the average above the orbit mean, over all samples (P2: below 0)."""
        averaged = self.open("average")
        orbit_mean = averaged.element_vrmse.mean(("element", "channel"))
        return float((averaged.vrmse.mean("channel") - orbit_mean).max())


def families(study: Study, directory: Path) -> list[CellFamily]:
    """All cell families of a study, in the order of the config."""
    seeds: dict[tuple[str, str, str], list[int]] = {}
    for cell in study.cells:
        seeds.setdefault((cell.task, cell.model, cell.treatment), []).append(cell.seed)
    return [CellFamily(study, *key, tuple(found), directory) for key, found in seeds.items()]
