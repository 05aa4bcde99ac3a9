"""What averaging a trained model over a group would bring, and what it would cost.

The answer comes from the predictions over the orbit of each sample. Their variance is the gain in
squared error over the orbit mean (P4), and needs no labels; where the law of the data is invariant
the orbit mean is the error of the model, so that the variance foretells the gain. With labels the
gain itself is measured. Intervals draw whole blocks of samples, and are about this network. The set
of elements that is advised is chosen by the foretold gain, without labels; where others are looked
at because that one does not help, their intervals hold for all of them together.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor, nn

from symbench.advice.angles import violation_by_angle
from symbench.advice.choices import Choice, OrbitErrors
from symbench.advice.own_model import check_model
from symbench.advice.treatments import Situation, what_paid
from symbench.advice.verdict import Answer, verdict
from symbench.config.settings import EvaluationSettings
from symbench.data.batch import V
from symbench.data.dataset import Data, Dataset
from symbench.data.fields.check_data import carried_groups
from symbench.data.fields.grid_data import FieldData, FieldSplit
from symbench.data.fields.well import Well
from symbench.errors import DataError, SymBenchError, SymmetryError
from symbench.evaluation.measure import Measurement
from symbench.evaluation.rollouts import Rollouts
from symbench.symmetry.audit import ElementAudit, undecided
from symbench.symmetry.groups import FiniteGroup, Group

_SAMPLES_PER_TRAJECTORY = 4
_ROLLOUTS = 8
_LONGEST_ROLLOUT = 30


@dataclass(frozen=True)
class Advice:
    """What was found.

    Attributes:
        answer: what to do with the model as it is.
        sentence: the same in words, with numbers.
        training: which treatment at training paid on the benchmark's task most like this one.
        cautions: what may be wrong with data or model, a sentence each.
        elements: a row an element: element, angle (degrees that it turns by), audit, p_value,
            violation (RMS of what its prediction differs from that of the identity, over the RMS
            error), change (of the squared error of the model where the data are moved by it).
        angles: violation by angle; see `angles.violation_by_angle`.
        choices: a row a set of elements to average over: name, elements, audit (holds, undecided or
            broken, the worst of its elements), predicted and measured relative change of the
            squared error with the interval of the measured one, and seconds for one sample.
        rollouts: a row a lead time: relative change of VRMSE by averaging each step over the set
            that is advised; empty where there is none, or no rollouts.
        advised: name of the set that the sentence is about; empty where it is about none.
        about: what the advice is about, by title.

    """

    answer: Answer
    sentence: str
    training: str
    cautions: tuple[str, ...]
    elements: pd.DataFrame
    angles: pd.DataFrame
    choices: pd.DataFrame
    rollouts: pd.DataFrame
    advised: str
    about: Mapping[str, str]


def advise(
    model: nn.Module | Callable[[Tensor], Tensor],
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
        group: its name; by default the first that `check-data` proposes.
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
    if not isinstance(input_steps, int) or input_steps < 1:
        raise SymBenchError(f"input_steps={input_steps!r}: a model sees one frame or more.")
    opened = FieldData(folder, input_steps=input_steps, parity=parity, may_differ=may_differ)
    return advise_on_fields(model, opened, group, split=split, physical=physical)


def advise_on_fields(
    model: nn.Module | Callable[[Tensor], Tensor],
    data: FieldData,
    group: str | None = None,
    *,
    split: str = "valid",
    physical: bool = False,
) -> Advice:
    """The same as `advise` for a folder that is open already."""
    headers = [header for files in data.files.values() for header in files]
    if not group and not (carried := carried_groups(headers)):
        raise SymmetryError("The grid can carry no group but the trivial one.")
    return advise_on(
        PhysicalUnits(model, data) if physical else model,
        data,
        Well(dataset=data.directory.name or "own", source=str(data.directory)),
        group or carried[0],
        split=split,
    )


def advise_on(
    model: nn.Module | Callable[[V], Tensor],
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
    with _modes_kept(model):
        return _advice(model, data, dataset, group, split, settings or _settings(data))


@contextmanager
def _modes_kept(model: object) -> Iterator[None]:
    """Leave each part of a model in train or eval mode as it was, after errors too."""
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [module.training for module in modules]
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


def _advice(
    model: nn.Module | Callable[[V], Tensor],
    data: Data[V],
    dataset: Dataset,
    group: str,
    split: str,
    settings: EvaluationSettings,
) -> Advice:
    """See `advise_on`; the model is left in eval mode."""
    network = check_model(model, data.split(split))
    symmetry = data.symmetry(group, exact=False)
    audits = data.audit(group, dataset)
    of_samples = settings.model_copy(update={"rollout_trajectories": 0})
    measurement = Measurement(network, data, symmetry, of_samples, dataset, split=split)
    averaged, plain = measurement.run("average"), measurement.run("plain")
    if "error_gram" not in averaged:
        raise SymBenchError("These data have no quantities whose squared errors make sense.")
    if lost := int(averaged.attrs.get("diverged", 0)) + int(plain.attrs.get("diverged", 0)):
        raise SymBenchError(f"The model gives values that are not finite, in {lost} predictions.")
    errors = OrbitErrors(averaged, symmetry.group, audits)
    choices = errors.choices(float(averaged.seconds_per_sample.mean()))
    answer, sentence, chosen = verdict(errors, choices, group)
    open_question = undecided("this data set", group, audits)
    found: dict[str, np.ndarray] = {}
    if chosen is not None and isinstance(data, FieldData):
        found = _rollouts(measurement, data, settings, chosen)
    elements = errors.elements()
    angles = violation_by_angle(
        network, symmetry, measurement.split, elements, float(np.sqrt(errors.plain))
    )
    return Advice(
        answer,
        sentence,
        what_paid(_situation(data, dataset, symmetry.group, audits)),
        tuple(_cautions(plain, split, open_question)),
        elements,
        angles,
        pd.DataFrame([choice.row() for choice in choices]),
        pd.DataFrame(found, columns=["lead_time", "plain", "averaged", "change"]),
        chosen.name if chosen else "",
        {
            "group": str(symmetry.group),
            "samples": f"{averaged.sizes['sample']} of the split '{split}', in {errors.blocks} "
            "independent blocks",
            "error of the model": ", ".join(_scores(plain, dataset)),
        },
    )


class PhysicalUnits(nn.Module):
    """A model of fields in physical units as one of normalised fields."""

    def __init__(self, model: Callable[[Tensor], Tensor], data: FieldData) -> None:
        """Wrap a model that takes the frames of the data, and no constant fields."""
        super().__init__()
        if data.constant_channels:
            raise SymBenchError("Models in physical units cannot have constant fields here.")
        self.model = model
        self.data = data

    def forward(self, values: Tensor) -> Tensor:
        """Normalised frames, shape (batch, steps·channel, *space), to the next one."""
        normalizer = self.data.normalizer
        frames = values.unflatten(1, (self.data.input_steps, -1))
        output = self.model(normalizer.denormalize(frames, channel_axis=2).flatten(1, 2))
        if not isinstance(output, Tensor) or output.shape[1:2] != (self.data.channels,):
            raise SymBenchError(
                f"The model gives {getattr(output, 'shape', type(output).__name__)} for frames of "
                f"{self.data.channels} channels."
            )
        return normalizer.normalize(output)


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


def _situation(
    data: Data[V], dataset: Dataset, group: Group, audits: Sequence[ElementAudit]
) -> Situation:
    try:
        samples = float(len(np.unique(data.split("train").blocks)))
    except DataError:
        # Published networks come without their training data.
        samples = float("nan")
    exact = all(audit.passed for audit in audits)
    return Situation(dataset.kind, exact, float(group.order or np.inf), samples)


def _cautions(plain: xr.Dataset, split: str, open_question: str) -> list[str]:
    found = [open_question] if open_question else []
    if split == "train":
        found.append("The model has seen the split 'train': its errors there say little.")
    if "vrmse" in plain and (worst := float(plain.vrmse.mean())) >= 1:
        found.append(
            f"The model has a VRMSE of {worst:.2f}, no better than the mean of the field: are the "
            "weights, the number of frames that it sees and the units (physical or normalised) "
            "right?"
        )
    return found


def _scores(plain: xr.Dataset, dataset: Dataset) -> list[str]:
    """Scores that make sense as a mean over channels."""
    return [
        f"{score.name} {float(plain[score.name].mean()):.4g}"
        + ("" if score.unit == "1" else f" {score.unit}")
        for score in dataset.scores
        if score.name in plain and (score.unit == "1" or "channel" not in plain[score.name].dims)
    ]


def _rollouts(
    measurement: Measurement[V], data: FieldData, settings: EvaluationSettings, chosen: Choice
) -> dict[str, np.ndarray]:
    """VRMSE along rollouts, plain and averaged at each step over a set; empty without any."""
    group = measurement.symmetry.group
    assert isinstance(group, FiniteGroup)
    assert isinstance(measurement.split, FieldSplit)
    symmetry = data.symmetry(group.subgroup(chosen.members, chosen.name), exact=False)
    rollouts = Rollouts(
        measurement.model, data, measurement.split, symmetry, settings, measurement.device
    )
    with torch.inference_mode():
        plain, averaged = rollouts.run("plain"), rollouts.run("average")
    if "rollout_vrmse" not in plain:
        return {}
    before, after = (
        each.rollout_vrmse.sel(operator=operator).mean(("trajectory", "channel")).values
        for each, operator in ((plain, "plain"), (averaged, "stepwise"))
    )
    with np.errstate(invalid="ignore"):
        change = after / before - 1
    leads = plain.lead_time.values
    return {"lead_time": leads, "plain": before, "averaged": after, "change": change}
