"""Closed-loop predictions of fields by each operator: errors by lead time, spectra, cost."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from symbench.config.settings import EvaluationSettings
from symbench.data.fields.grid_data import FieldData, FieldSplit
from symbench.data.fields.metrics import power_spectrum, vrmse
from symbench.provenance import Cost, measure
from symbench.symmetry.grids.canonical_shifts import CanonicalShift
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.grids.rollouts import rollout, trajectory_average
from symbench.symmetry.groups import FiniteGroup
from symbench.symmetry.reynolds import average
from symbench.symmetry.symmetry import Symmetry

SNAPSHOT_LEADS = (1, 10, 30)

# From histories and a number of steps to normalised frames, shape (step, trajectory, channel, ...).
Roll = Callable[[Tensor, int], Tensor]


def canonical_shift(model: nn.Module, data: FieldData, follow: bool = False) -> nn.Module:
    """The frame of fields: the first channel of the newest frame fixes the pose, if it has one."""
    newest = (data.input_steps - 1) * data.channels
    return CanonicalShift(model, newest, data.header.boundary, refuse=False, follow=follow)


def elements_of_rollouts(
    symmetry: Symmetry[Tensor], settings: EvaluationSettings, dimension: int
) -> Sequence[int]:
    """Elements that rollouts are averaged over: the group, or the part that the settings name.

    Raises:
        SymmetryError: if the part is no part of the group.

    """
    group = symmetry.group
    assert isinstance(group, FiniteGroup)
    if settings.rollout_group is None:
        return group.listed()
    part = named_group(settings.rollout_group, dimension)
    return [group.index(element) for element in part.elements]


@dataclass(frozen=True)
class Rollouts:
    """Rollouts of the trajectories of a split.

    Attributes:
        model: the trained network.
        data: what the split belongs to.
        split: its trajectories are rolled out from their start.
        symmetry: the group to average over.
        settings: how many, how far, and over which part of the group.
        device: where the model is.

    """

    model: nn.Module
    data: FieldData
    split: FieldSplit
    symmetry: Symmetry[Tensor]
    settings: EvaluationSettings
    device: torch.device

    def run(self, evaluation: str) -> xr.Dataset:
        """Rollouts by each operator of an evaluation; without any, an attribute says why."""
        count = self.settings.rollout_trajectories
        chosen = self._trajectories(self.split.trajectories if count is None else count)
        if not chosen:
            needed = self.data.input_steps + self.settings.rollout_steps
            short = f"no test trajectory has the {needed} frames of input and rollout"
            why = "rollout_trajectories is 0" if count == 0 else short
            return xr.Dataset(attrs={"no_rollout": why})
        parts = [
            self._describe(name, roll, chosen) for name, roll in self._operators(evaluation).items()
        ]
        dataset = xr.concat(parts, dim="operator", data_vars="all", combine_attrs="drop")
        diverged = sum(int(part.attrs["diverged"]) for part in parts)
        dataset["rollout_vrmse"].attrs = {"units": "1", "diverged": diverged}
        dataset["lead_time"].attrs["units"] = f"frames of {self.data.header.time_step:g}"
        dataset["rollout_seconds"].attrs["units"] = "s per trajectory"
        dataset["rollout_peak_memory"].attrs["units"] = "bytes"
        dataset.attrs["rollouts_diverged"] = diverged
        if evaluation == "average":
            dataset.attrs["rollout_elements"] = len(self._elements)
        return dataset

    def _trajectories(self, count: int) -> list[int]:
        """Those that are long enough, evenly spaced, so that files (regimes) are represented."""
        needed = self.data.input_steps + self.settings.rollout_steps
        long_enough = [t for t, steps in enumerate(self.split.steps) if steps >= needed]
        positions = np.linspace(0, len(long_enough) - 1, min(count, len(long_enough)))
        return [long_enough[int(p)] for p in positions]

    @property
    def _elements(self) -> Sequence[int]:
        return elements_of_rollouts(self.symmetry, self.settings, self.data.dimension)

    def _operators(self, evaluation: str) -> Mapping[str, Roll]:
        if evaluation == "plain":
            return {"plain": self._fed_back(self.model)}
        if evaluation == "frame":
            return {"stepwise": self._framed}
        chunk, elements = self.settings.chunk, self._elements
        stepwise = average(self.model, self.symmetry, elements=elements, chunk=chunk)
        trajectory: Roll = partial(
            trajectory_average,
            self.model,
            self.symmetry,
            elements=elements,
            constant_channels=self.data.constant_channels,
            chunk=chunk,
        )
        return {"stepwise": self._fed_back(stepwise), "trajectory": trajectory}

    def _framed(self, inputs: Tensor, steps: int) -> Tensor:
        return self._fed_back(canonical_shift(self.model, self.data, follow=True))(inputs, steps)

    def _fed_back(self, model: nn.Module) -> Roll:
        constants = self.data.constant_channels
        return lambda inputs, steps: torch.stack(list(rollout(model, inputs, steps, constants)))

    def _rolled(
        self, roll: Roll, trajectories: Sequence[int]
    ) -> Iterator[tuple[Tensor, Tensor, Cost]]:
        """Predicted and true frames, normalised, (step, trajectory, channel, *space), by batch."""
        start, steps = self.data.input_steps, self.settings.rollout_steps
        for first in range(0, len(trajectories), self.settings.batch_size):
            part = trajectories[first : first + self.settings.batch_size]
            inputs = self.split.inputs(part).to(self.device)
            true = [self.split.frames(t, start, start + steps) for t in part]
            with measure(self.device) as cost:
                frames = roll(inputs, steps)
            yield frames, torch.stack(true, dim=1).to(self.device), cost

    def _describe(self, name: str, roll: Roll, trajectories: Sequence[int]) -> xr.Dataset:
        extent = self.data.header.extent
        leads = [lead for lead in SNAPSHOT_LEADS if lead <= self.settings.rollout_steps]
        chosen = [lead - 1 for lead in leads]
        scores: list[Tensor] = []
        spectra: dict[str, list[Tensor]] = {"spectrum": [], "spectrum_truth": []}
        panels: dict[str, np.ndarray] = {}
        costs: list[Cost] = []
        for predicted, truth, cost in self._rolled(roll, trajectories):
            steps = zip(predicted, truth, strict=True)
            scores.append(torch.stack([vrmse(p, t) for p, t in steps]).cpu())
            for which, values in (("", predicted), ("_truth", truth)):
                shown = self.data.normalizer.denormalize(values[chosen].double(), channel_axis=2)
                spectra[f"spectrum{which}"].append(
                    torch.stack([power_spectrum(frames, extent).cpu() for frames in shown])
                )
                panels.setdefault(f"panel{which}", self._panel(shown[:, 0]))
            costs.append(cost)
        errors = torch.cat(scores, dim=1)
        # A rollout that blew up is infinitely wrong, not missing; NaN is a truth without variance.
        lost = errors.isinf()
        panel = ("operator", "panel_lead", "channel", "x", "y")
        seconds = sum(cost.seconds for cost in costs) / len(trajectories)
        return xr.Dataset(
            {
                "rollout_vrmse": (
                    ("operator", "lead_time", "trajectory", "channel"),
                    errors.numpy()[None],
                ),
                "rollout_seconds": (("operator",), [seconds]),
                "rollout_peak_memory": (("operator",), [max(cost.peak_memory for cost in costs)]),
                **{key: (panel, values[None]) for key, values in panels.items()},
                **{
                    key: (
                        ("operator", "panel_lead", "wavenumber"),
                        torch.cat(parts, dim=1).mean(dim=1).numpy()[None],
                    )
                    for key, parts in spectra.items()
                },
            },
            coords={
                "operator": [name],
                "lead_time": np.arange(1, len(errors) + 1),
                "trajectory": list(trajectories),
                "panel_lead": leads,
                "channel": self.data.channel_names,
            },
            attrs={"diverged": int(lost.any(dim=2).any(dim=0).sum())},
        )

    def _panel(self, frames: Tensor) -> np.ndarray:
        """Frames of one trajectory, (lead, channel, x, y).

        Of three dimensions the middle plane, of one dimension a plane of one cell.
        """
        values = frames.cpu().numpy()
        if self.data.dimension == 1:
            return values[..., None]
        return values[..., values.shape[-1] // 2] if self.data.dimension == 3 else values
