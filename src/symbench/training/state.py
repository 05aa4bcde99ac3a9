"""What a killed run needs to go on: all that changes while a model is trained, in one file."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from symbench.errors import TrainingError
from symbench.files import is_damaged, write_whole
from symbench.models.weights import tensors

# What an optimiser notes about its kernels.
_OF_THE_DEVICE = {"foreach", "fused", "capturable"}


class UnusableStateError(TrainingError):
    """A saved state is damaged, or is not of this run."""


class Stateful(Protocol):
    """Something that gives its state and takes it back, such as a treatment."""

    def state(self) -> dict[str, object]:
        """Tensors, numbers and containers of them."""

    def load_state(self, state: Mapping[str, object]) -> None:
        """Take a state back; any error means that it is of another version."""


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: steps of the optimiser that are done.
        epoch_loss: sum of the losses of the steps of an epoch that is not done.
        epoch_seconds: time that this epoch took before the state was saved.
        best_loss: lowest validation loss.
        best_epoch: its epoch; -1 before the first.
        history: a row for each epoch that is done.

    """

    step: int = 0
    epoch_loss: float = 0.0
    epoch_seconds: float = 0.0
    best_loss: float = math.inf
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)


class TrainingState:
    """Weights, optimiser, treatment and progress of a training, saved and resumed as one.

    Attributes:
        progress: how far the training is.
        best: the weights of the best epoch; the initial ones before the first.

    """

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, treatment: Stateful, fingerprint: str
    ) -> None:
        """Start at the first step.

        Args:
            model: the network.
            optimizer: of its parameters.
            treatment: the training treatment, attached to the model.
            fingerprint: a state with another fingerprint is of another run.

        """
        self.model = model
        self.optimizer = optimizer
        self.treatment = treatment
        self.fingerprint = fingerprint
        self.progress = Progress()
        self.best = snapshot(model)

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all."""
        with write_whole(path) as temporary:
            torch.save(self._content(), temporary)

    def resume(self, path: Path) -> None:
        """Take a saved state back if there is one, whole or not at all.

        Raises:
            UnusableStateError: if the file is damaged, or of another version of code or config;
                the training is then where it was.

        """
        if not path.is_file():
            return
        saved = _read(path)
        before = copy.deepcopy(self._content())
        try:
            self._take(_mapping(saved, set(before)))
        except Exception as error:
            # A file of another version may hold anything, and break whatever takes it.
            self._take(before)
            raise UnusableStateError(
                f"{path} is of another version of code or config ({_on_one_line(error)})"
            ) from None

    def _content(self) -> dict[str, object]:
        return {
            "fingerprint": self.fingerprint,
            "model": snapshot(self.model),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "treatment": self.treatment.state(),
            "progress": vars(self.progress),
            "random": random_states(),
        }

    def _take(self, saved: Mapping[str, object]) -> None:
        if saved["fingerprint"] != self.fingerprint:
            raise UnusableStateError("its fingerprint is another")
        copy_into(tensors(self.model), saved["model"])
        copy_into(self.best, saved["best"])
        load_optimizer(self.optimizer, saved["optimizer"])
        self.treatment.load_state(_mapping(saved["treatment"], set(self.treatment.state())))
        self.progress = _progress(saved["progress"])
        set_random_states(saved["random"])


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of all weights of a model, by name."""
    return {key: value.detach().clone() for key, value in tensors(model).items()}


def copy_into(own: Mapping[str, Tensor], saved: object) -> None:
    """Copy saved tensors into those of the same names.

    Raises:
        UnusableStateError: unless all names, shapes and types agree; nothing is copied then.

    """
    found = _mapping(saved, set(own))
    values = {}
    for key, tensor in own.items():
        value = found[key]
        if not isinstance(value, Tensor):
            raise UnusableStateError(f"{key} is no tensor")
        if value.shape != tensor.shape or value.dtype != tensor.dtype:
            raise UnusableStateError(
                f"{key} is {value.dtype} of shape {tuple(value.shape)}, not {tensor.dtype} of "
                f"shape {tuple(tensor.shape)}"
            )
        values[key] = value
    for key, tensor in own.items():
        tensor.data.copy_(values[key])


def load_optimizer(optimizer: Optimizer, saved: object) -> None:
    """Take the state of an optimiser back, but not how it is computed: that is of the device.

    Raises:
        UnusableStateError: if it is of another kind of optimiser, or of other parameters; both are
            found only when a step is made if the optimiser is left to check by itself.

    """
    own = optimizer.state_dict()
    found = _mapping(saved, set(own))
    groups, states = found["param_groups"], found["state"]
    if not isinstance(groups, list) or not isinstance(states, dict):
        raise UnusableStateError("its optimiser is another")
    if [set(group) for group in groups] != [set(group) for group in own["param_groups"]]:
        raise UnusableStateError("its optimiser is another")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, state in states.items():
        for value in state.values():
            # Numbers such as the count of steps are tensors without axes.
            fits = not isinstance(value, Tensor) or value.shape in ((), parameters[number].shape)
            if not fits:
                raise UnusableStateError("its optimiser is of other parameters")
    taken = [
        {**group, **{key: mine[key] for key in _OF_THE_DEVICE & set(mine)}}
        for group, mine in zip(groups, own["param_groups"], strict=True)
    ]
    optimizer.load_state_dict({"state": states, "param_groups": taken})


def _read(path: Path) -> object:
    """The content of a file, on the CPU: each part goes to its own device when it is taken."""
    damaged = UnusableStateError(f"{path} is damaged")
    try:
        if is_damaged(path):
            raise damaged
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except UnusableStateError:
        raise
    except Exception:
        # Whatever else was written under this name: torch has no one error for it.
        raise damaged from None
    return content


def _mapping(value: object, keys: set[str]) -> Mapping[str, object]:
    """The value, if it is a mapping with just these keys."""
    if not isinstance(value, dict):
        raise UnusableStateError(f"{type(value).__name__} in place of keys and values")
    if different := sorted(str(key) for key in set(value) ^ keys):
        raise UnusableStateError(f"other keys: {', '.join(different[:3])}")
    return value


def _progress(saved: object) -> Progress:
    start = vars(Progress())
    values = _mapping(saved, set(start))
    for key, value in values.items():
        if type(value) is not type(start[key]):
            raise UnusableStateError(f"{key} is of type {type(value).__name__}")
    progress = Progress()
    vars(progress).update(values)
    return progress


def random_states() -> dict[str, Tensor]:
    """States of the generators that layers such as dropout draw from."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_states(saved: object) -> None:
    """Take them back; raises `UnusableStateError` for what is no such states."""
    if not isinstance(saved, dict):
        raise UnusableStateError("no states of random generators")
    torch.set_rng_state(saved["cpu"])
    if "cuda" in saved and torch.cuda.is_initialized():
        torch.cuda.set_rng_state(saved["cuda"])


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
