"""What averaging a trained model over a group would bring, and what it would cost.

The answer comes from the predictions over the orbit of each sample. Their variance is the gain in
squared error over the orbit mean (P4), and needs no labels; where the law of the data is invariant
the orbit mean is the error of the model, so that the variance foretells the gain. With labels the
gain itself is measured. Intervals draw whole blocks of samples, and are about this network.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr
from torch import Tensor, nn

from symbench.config.schema import Population
from symbench.config.settings import EvaluationSettings
from symbench.data.batch import V
from symbench.data.dataset import Data, Dataset
from symbench.data.fields.check_data import POINT_GROUPS, carried_groups
from symbench.data.fields.grid_data import FieldData
from symbench.data.fields.well import Well
from symbench.errors import SymBenchError, SymmetryError
from symbench.evaluation.measure import Measurement
from symbench.statistics import Estimate, mean, ratio, relative_change
from symbench.symmetry.audit import ElementAudit, Verdict
from symbench.symmetry.grids.isometries import GridGroup, named_group
from symbench.symmetry.grids.isometry import GridIsometry
from symbench.symmetry.groups import FiniteGroup, Group

Answer = Literal["average", "do not average", "nothing to gain", "not decided"]
POPULATION: Population = "this network"
# Predictions that differ by less than this part of the squared error differ by round-off.
ROUND_OFF = 1e-6
# A smaller group that keeps as much of the gain is named beside the largest.
KEPT = 0.8
# So many elements of a set are named.
_NAMED = 4
_SAMPLES_PER_TRAJECTORY = 4
_ROLLOUTS = 8
_LONGEST_ROLLOUT = 30


@dataclass(frozen=True)
class Advice:
    """What was found.

    Attributes:
        answer: what to do with the model as it is.
        sentence: the same in words, with numbers.
        elements: a row an element: element, audit, p_value, violation (RMS of what its prediction
            differs from that of the identity, over the RMS error), change (of the squared error of
            the model where the data are moved by it).
        choices: a row a set of elements to average over: name, elements, allowed (whether the audit
            found none of them broken), predicted and measured relative change of the squared error
            with the interval of the measured one, and seconds for one sample.
        rollouts: a row a lead time: relative change of VRMSE by averaging each step; empty where
            there are no rollouts.
        about: what the advice is about, by title.

    """

    answer: Answer
    sentence: str
    elements: pd.DataFrame
    choices: pd.DataFrame
    rollouts: pd.DataFrame
    about: Mapping[str, str]


def advise(
    model: nn.Module,
    data: str | Path,
    group: str | None = None,
    *,
    split: str = "valid",
    input_steps: int = 4,
    parity: Mapping[str, int] | None = None,
    may_differ: Collection[str] = (),
    physical: bool = False,
) -> Advice:
    """Advise on averaging a trained model of fields over a group; nothing is trained.

    Args:
        model: maps normalised frames, shape (batch, steps·channel + constant channel, *space), to
            the next one, as the networks of The Well do.
        data: folder in The Well's schema, with stats.yaml.
        group: its name; by default the largest that grid, box and boundaries can carry.
        split: which part of the data is looked at: one that the model was not trained on.
        input_steps: frames that the model sees.
        parity: names the axial fields (-1).
        may_differ: what the files need not have in common, "box" or "time_step".
        physical: whether the model takes and gives values in physical units.

    Raises:
        SymBenchError: if the data cannot be read or carry the group, or the model does not take
            them.

    """
    folder = Path(data)
    opened = FieldData(folder, input_steps=input_steps, parity=parity, may_differ=may_differ)
    headers = [header for files in opened.files.values() for header in files]
    if group is None and not (carried := carried_groups(headers)):
        raise SymmetryError("The grid can carry no group but the trivial one.")
    return advise_on(
        PhysicalUnits(model, opened) if physical else model,
        opened,
        Well(dataset=folder.name or "own", source=str(folder)),
        group or carried[0],
        split=split,
    )


def advise_on(
    model: nn.Module,
    data: Data[V],
    dataset: Dataset,
    group: str,
    *,
    split: str = "valid",
    settings: EvaluationSettings | None = None,
) -> Advice:
    """Advise on averaging a trained model of any data over a group.

    Args:
        model: takes the inputs of the data.
        data: with labels, which the model was not trained on.
        dataset: where they come from; it names their scores.
        group: name of the group.
        split: which part of the data is looked at.
        settings: how much is looked at; by default a few samples of each trajectory.

    Raises:
        SymBenchError: as `advise`.

    """
    settings = settings or _settings(data)
    symmetry = data.symmetry(group, exact=False)
    audits = data.audit(group, dataset)
    measurement = Measurement(model, data, symmetry, settings, dataset, split=split)
    try:
        averaged, plain = measurement.run("average"), measurement.run("plain")
    except (RuntimeError, TypeError, ValueError) as error:
        raise SymBenchError(
            f"The model does not take the data: {' '.join(str(error).split())}."
        ) from None
    if "error_gram" not in averaged:
        raise SymBenchError("These data have no quantities whose squared errors make sense.")
    orbits = _Orbits(averaged, symmetry.group, audits)
    elements = orbits.elements()
    choices = list(orbits.choices(float(plain.seconds_per_sample.mean())))
    answer, sentence = _verdict(orbits, choices, group)
    about = {
        "group": str(symmetry.group),
        "samples": f"{averaged.sizes['sample']} of the split '{split}', in {orbits.blocks} blocks",
        "error": ", ".join(_scores(plain, dataset)),
    }
    table = pd.DataFrame([choice.row() for choice in choices])
    return Advice(answer, sentence, elements, table, _rollouts(plain, averaged), about)


class PhysicalUnits(nn.Module):
    """A model of fields in physical units as one of normalised fields."""

    def __init__(self, model: nn.Module, data: FieldData) -> None:
        """Wrap a model that takes the frames of the data, and no constant fields."""
        super().__init__()
        if data.constant_channels:
            raise SymBenchError("Models in physical units cannot have constant fields here.")
        self.model = model
        self.normalizer = data.normalizer
        self.steps = data.input_steps

    def forward(self, values: Tensor) -> Tensor:
        """Normalised frames, shape (batch, steps·channel, *space), to the next one."""
        frames = values.unflatten(1, (self.steps, -1))
        physical = self.normalizer.denormalize(frames, channel_axis=2).flatten(1, 2)
        return self.normalizer.normalize(self.model(physical))


def _settings(data: object) -> EvaluationSettings:
    """A few samples of each trajectory, and rollouts as long as there are frames for."""
    if not isinstance(data, FieldData):
        return EvaluationSettings(batch_size=16, examine_average=False)
    frames = min(header.steps for files in data.files.values() for header in files)
    steps = min(_LONGEST_ROLLOUT, frames - data.input_steps)
    return EvaluationSettings(
        samples_per_trajectory=_SAMPLES_PER_TRAJECTORY,
        rollout_trajectories=_ROLLOUTS if steps > 1 else 0,
        rollout_steps=max(1, steps),
        examine_average=False,
    )


@dataclass(frozen=True)
class _Choice:
    """A set of elements to average over."""

    name: str
    members: tuple[int, ...]
    allowed: bool
    predicted: Estimate
    measured: Estimate
    seconds: float

    def row(self) -> dict[str, object]:
        low, high = self.measured.interval(POPULATION)
        return {
            "name": self.name,
            "elements": len(self.members),
            "allowed": self.allowed,
            "predicted": self.predicted.value,
            "measured": self.measured.value,
            "low": low,
            "high": high,
            "seconds": self.seconds,
        }


class _Orbits:
    """The Gram matrices of the errors over the orbit, by block of samples."""

    def __init__(self, averaged: xr.Dataset, group: Group, audits: Sequence[ElementAudit]) -> None:
        self.group = group
        self.audits = audits
        gram = averaged.error_gram / averaged.scale
        number = np.unique(averaged.block.values, return_inverse=True)[1]
        by_sample = gram.mean("channel").transpose("sample", "element", "element_b").values
        self.grams = np.stack(
            [by_sample[number == n].mean(axis=0) for n in range(number.max() + 1)]
        )
        self.names = [str(name) for name in averaged.element.values]

    @property
    def blocks(self) -> int:
        """Independent blocks of samples."""
        return len(self.grams)

    @property
    def broken(self) -> frozenset[int]:
        """Elements that the audit found broken."""
        return frozenset(
            index for index, audit in enumerate(self.audits) if audit.verdict == Verdict.BROKEN
        )

    def elements(self) -> pd.DataFrame:
        """See `Advice`; the audit has a row for each element of a finite group alone."""
        mean_gram = self.grams.mean(axis=0)
        diagonal = np.diag(mean_gram)
        plain = diagonal[0] or np.nan
        apart = np.maximum(diagonal + diagonal[0] - mean_gram[0] - mean_gram[:, 0], 0)
        table = pd.DataFrame({"element": self.names})
        matched = len(self.audits) == len(self.names)
        table["audit"] = [str(a.verdict.value) for a in self.audits] if matched else "not audited"
        table["p_value"] = [a.p_value for a in self.audits] if matched else np.nan
        table["violation"] = np.sqrt(apart / plain)
        table["change"] = diagonal / plain - 1
        return table

    def choices(self, seconds: float) -> Iterator[_Choice]:
        """Subgroups of a finite group, or the first 2, 4, ... elements of others."""
        whole = len(self.names)
        broken = self.broken if len(self.audits) == whole else frozenset()
        named: Mapping[frozenset[int], str] = {}
        if isinstance(self.group, FiniteGroup) and self.group.order == whole:
            if isinstance(self.group.elements[0], GridIsometry):
                named = _names_of_subgroups(self.group)
            parts = [tuple(sorted(members)) for members in self.group.subgroups]
        else:
            parts = [tuple(range(n)) for n in (*(2**k for k in range(whole.bit_length())), whole)]
        for part in dict.fromkeys(part for part in parts if 1 < len(part) <= whole):
            predicted, measured = self.changes(part)
            yield _Choice(
                named.get(frozenset(part)) or self._listed(part),
                part,
                not broken & set(part),
                predicted,
                measured,
                seconds * len(part),
            )

    def _listed(self, part: Sequence[int]) -> str:
        """Elements that have no name together."""
        shown = [f"({self.names[index]})" for index in part[:_NAMED]]
        return ", ".join([*shown, "..."] if len(part) > _NAMED else shown)

    def changes(self, part: Sequence[int]) -> tuple[Estimate, Estimate]:
        """Predicted and measured relative change of the squared error."""
        grams = self.grams[:, part][:, :, part]
        averaged = grams.mean(axis=(1, 2))
        orbit_mean = np.einsum("bgg->bg", grams).mean(axis=1)
        plain = mean(self.grams[None, :, 0, 0], [0])
        predicted = ratio(mean((averaged - orbit_mean)[None], [0]), plain)
        return predicted, relative_change(mean(averaged[None], [0]), plain)


def _names_of_subgroups(group: GridGroup) -> dict[frozenset[int], str]:
    """Names of those subgroups that have one, by indices of their elements."""
    dimension = group.elements[0].dimension
    found = {frozenset(range(group.order)): group.name}
    for name in POINT_GROUPS[dimension]:
        members = named_group(name, dimension).elements
        if set(members) <= set(group.elements):
            found.setdefault(frozenset(map(group.index, members)), name)
    return found


def _verdict(orbits: _Orbits, choices: Sequence[_Choice], group: str) -> tuple[Answer, str]:
    """What to do, and why."""
    if all(-choice.predicted.value < ROUND_OFF for choice in choices):
        return "nothing to gain", (
            f"Nothing to gain: the model is equivariant under {group} already, to round-off."
        )
    allowed = [choice for choice in choices if choice.allowed]
    if not allowed:
        whole = max(choices, key=lambda choice: len(choice.members))
        return "do not average", (
            f"Do not average over {group}: the audit finds that the data do not have this symmetry "
            f"({len(orbits.broken)} of {len(orbits.names)} elements are broken). On these samples "
            f"it would change the squared error by {_told(whole)}."
        )
    best = max(allowed, key=lambda choice: (len(choice.members), -choice.measured.value))
    low, high = best.measured.interval(POPULATION)
    cost = f"at {len(best.members)} times the cost of a prediction"
    if high < 0:
        return "average", (
            f"Average over {best.name}: it changes the squared error by {_told(best)} {cost}."
            + _smaller(best, allowed)
        )
    if low > 0:
        return "do not average", (
            f"Do not average over {best.name}: it changes the squared error by {_told(best)}."
        )
    needed = best.measured.needed(POPULATION, [0.0])
    would = f"; about {needed:.0f} blocks of samples would" if np.isfinite(needed) else ""
    return "not decided", (
        f"Not decided: averaging over {best.name} changes the squared error by {_told(best)}: "
        f"{orbits.blocks} blocks of samples do not tell it from no change{would}. The orbit "
        f"variance foretells {best.predicted.value:+.1%}."
    )


def _told(choice: _Choice) -> str:
    low, high = choice.measured.interval(POPULATION)
    return f"{choice.measured.value:+.1%} [{low:+.1%}, {high:+.1%}]"


def _smaller(best: _Choice, allowed: Sequence[_Choice]) -> str:
    """The smallest set that keeps most of the gain, if it is smaller."""
    enough = [choice for choice in allowed if choice.measured.value <= KEPT * best.measured.value]
    least = min(enough, key=lambda choice: (len(choice.members), choice.measured.value))
    if len(least.members) == len(best.members):
        return ""
    share = least.measured.value / best.measured.value
    return f" {least.name} alone, {len(least.members)} elements, has {share:.0%} of that gain."


def _scores(plain: xr.Dataset, dataset: Dataset) -> Iterator[str]:
    for score in dataset.scores:
        if score.name in plain:
            unit = "" if score.unit == "1" else f" {score.unit}"
            yield f"{score.name} {float(plain[score.name].mean()):.4g}{unit}"


def _rollouts(plain: xr.Dataset, averaged: xr.Dataset) -> pd.DataFrame:
    if "rollout_vrmse" not in plain:
        return pd.DataFrame(columns=["lead_time", "plain", "averaged", "change"])
    before, after = (
        each.rollout_vrmse.sel(operator=operator).mean(("trajectory", "channel")).values
        for each, operator in ((plain, "plain"), (averaged, "stepwise"))
    )
    leads = plain.lead_time.values
    return pd.DataFrame(
        {"lead_time": leads, "plain": before, "averaged": after, "change": after / before - 1}
    )
