"""A step as a graph: a GPU does forward, loss and backward again without being told each kernel.

A graph reads and writes the same memory whenever it is replayed. So each batch is copied to where
the graph looks for it, and gradients are added up where the graph leaves them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic

import torch
from torch import Tensor, nn

from symbench.config.settings import TrainingSettings
from symbench.data.batch import Batch, V
from symbench.training.device import Device, Work
from symbench.training.state import random_states, set_random_states
from symbench.training.treatments.treatment import Treatment

# Records work, which it may do a few times before, and returns what does it again.
Capture = Callable[[Work], Work]
# Batches of more shapes than this are trained without graphs, each of which holds memory.
_MOST_SHAPES = 8


def why_not(
    treatment: Treatment[V], settings: TrainingSettings, processes: int, device: Device
) -> str:
    """Why the steps of a training are no graph; empty if they may be one.

    A graph holds what a treatment does to a prediction and to the loss, once and for all: only
    treatments that do the same at every step may be a part of it.
    """
    if not device.graphs:
        return "only GPUs have them"
    if processes > 1:
        return "several processes share a batch"
    if settings.accumulate > 1:
        return "a batch has several parts"
    # The first class that says so, or that does something of its own and says nothing.
    for kind in type(treatment).__mro__:
        if kind is Treatment or vars(kind).get("capturable"):
            return ""
        if not {"predict", "loss_term", "after_step"}.isdisjoint(vars(kind)):
            return f"{type(treatment).__name__} does not do the same at every step"
    return ""


@dataclass(frozen=True)
class _Graph(Generic[V]):
    """What was captured for batches of one shape.

    Attributes:
        tensors: where the graph looks for those of a batch.
        gradients: where it leaves them, by parameter.
        loss: where it leaves the loss.
        replay: does it again.

    """

    tensors: list[Tensor]
    gradients: dict[nn.Parameter, Tensor]
    loss: Tensor
    replay: Work


class CapturedStep(Generic[V]):
    """Forward, loss and backward, captured once for each shape of a batch."""

    def __init__(
        self,
        model: nn.Module,
        parameters: Sequence[nn.Parameter],
        backward: Callable[[Batch[V], bool], Tensor],
        capture: Capture,
    ) -> None:
        """Capture nothing yet.

        Args:
            model: whose buffers a step may change.
            parameters: whose gradients are computed, those of a treatment too.
            backward: adds the gradients of a batch, in the first phase or after it, and returns
                the loss.
            capture: of the device.

        """
        self.model = model
        self.parameters = parameters
        self.backward = backward
        self.capture = capture
        self._graphs: dict[object, _Graph[V]] = {}
        self._gradients: dict[nn.Parameter, Tensor] = {}

    def __call__(self, batch: Batch[V], first_phase: bool) -> Tensor | None:
        """The loss of a batch, whose gradients are in place of those before.

        None where nothing was done: the batch is of one more shape than there is memory for, or
        has sparse tensors.
        """
        tensors = _tensors(batch)
        if any(tensor.layout != torch.strided for tensor in tensors):
            return None
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in tensors)
        key = first_phase, batch.samples, shapes
        if key not in self._graphs:
            if len(self._graphs) == _MOST_SHAPES:
                return None
            self._graphs[key] = self._captured(batch, first_phase)
        graph = self._graphs[key]
        for own, new in zip(graph.tensors, tensors, strict=True):
            own.copy_(new)
        for parameter, gradient in graph.gradients.items():
            parameter.grad = gradient
        graph.replay()
        return graph.loss

    def _captured(self, batch: Batch[V], first_phase: bool) -> _Graph[V]:
        own = batch.map(torch.clone)
        with _unchanged(self.model):
            loss = self.backward(own, first_phase).clone()
            gradients = {}
            for parameter in self.parameters:
                if parameter.grad is not None:
                    # All graphs leave their gradients in the same memory.
                    gradients[parameter] = self._gradients.setdefault(parameter, parameter.grad)
                    parameter.grad = gradients[parameter]

            def work() -> None:
                for gradient in gradients.values():
                    gradient.zero_()
                loss.copy_(self.backward(own, first_phase))

            return _Graph(_tensors(own), gradients, loss, self.capture(work))


def _tensors(batch: Batch[V]) -> list[Tensor]:
    found: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    batch.map(keep)
    return found


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Undo what forward passes in training change: buffers, and states of random generators."""
    buffers = {buffer: buffer.clone() for buffer in model.buffers()}
    states = random_states()
    try:
        yield
    finally:
        for buffer, before in buffers.items():
            buffer.copy_(before)
        set_random_states(states)
