"""The one training loop.

Everything that is random comes from (seed, epoch, step), so that a run that was killed and resumed
ends with the same numbers as one that was not.
"""

import math
import time
from collections.abc import Generator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import numpy as np
import pandas as pd
from torch import Tensor, nn

from symbench.config.settings import TrainingSettings
from symbench.data.batch import V
from symbench.data.dataset import Split
from symbench.errors import TrainingError
from symbench.models.measured import exactly
from symbench.models.placing import placed
from symbench.training.batches import Batches, PreparedStep
from symbench.training.captured import CapturedStep, why_not
from symbench.training.cuda import device_of
from symbench.training.failures import not_finite
from symbench.training.feeder import prepared
from symbench.training.free_path import free_path
from symbench.training.gradients import Gradients
from symbench.training.losses import Losses
from symbench.training.place import Place
from symbench.training.processes import Processes, without_exchange
from symbench.training.progress_log import ProgressLog
from symbench.training.state import (
    Progress,
    TrainingState,
    UnusableStateError,
    snapshot,
)
from symbench.training.termination import Interrupted, Termination
from symbench.training.treatments.treatment import Treatment
from symbench.training.updates import Updates
from symbench.training.validation import in_parts, mean_loss


@dataclass(frozen=True)
class Trained:
    """The outcome.

    Attributes:
        weights: of the best epoch by validation loss.
        history: a row for each epoch.
        throughput: training samples in a second, validation included.

    """

    weights: dict[str, Tensor]
    history: pd.DataFrame
    throughput: float


class Trainer(Generic[V]):
    """Trains one model; see `run`."""

    def __init__(
        self,
        model: nn.Module,
        train: Split[V],
        valid: Split[V],
        treatment: Treatment[V],
        settings: TrainingSettings,
        *,
        seed: int,
        state_path: Path,
        fingerprint: str = "",
        name: str = "",
        test: Split[V] | None = None,
    ) -> None:
        """Set up processes, device and optimiser, and resume a saved state if there is one.

        A state that is damaged, or of another version of code or config, is told in one sentence
        and ignored.

        Args:
            model: the network, initialised.
            train: the training split.
            valid: the split that chooses the weights.
            treatment: how the symmetry is imposed.
            settings: how to train.
            seed: decides the order of samples and the treatment's elements.
            state_path: where the state is saved and looked for.
            fingerprint: a state with another fingerprint is of another run and is ignored.
            name: is said in the log, where it tells of several trainings.
            test: is looked at where the settings have `test_every`; chooses nothing.

        Raises:
            TrainingError: if there are fewer samples than processes, the model does not suit the
                treatment, or a first phase is longer than the training.

        """
        self.processes = Processes.from_environment()
        self.device = device_of(self.processes.device)
        self.batches = Batches(train, settings, seed, self.processes, self.device)
        steps_per_epoch = self.batches.steps_per_epoch
        if settings.first_phase_epochs > (epochs := settings.epochs_of(steps_per_epoch)):
            raise TrainingError(
                f"first_phase_epochs is {settings.first_phase_epochs}; {settings.steps} steps are "
                f"{epochs} epochs: give at most so many."
            )
        self.model = placed(model, self.device.device)
        treatment.attach(self.model)
        if settings.compiled:
            self.model.compile()
        self.network = self.processes.distribute(self.model)
        self.valid_split = valid
        self.test_split = test
        self.treatment = treatment
        self.settings = settings
        self.state_path = state_path
        self.name = name
        self.held = train.hold_on(self.device.device, self.device.room_for_samples())
        fused = self.device.fuses(self.model.parameters())
        self.updates = Updates(self.model, treatment, settings, steps_per_epoch, fused=fused)
        unread = min(steps_per_epoch, settings.save_every)
        self.losses = Losses(unread, settings.accumulate, self.device.device)
        self.gradients = Gradients(
            self.network, train, treatment, settings, self.processes, self.losses
        )
        if settings.cuda_graphs:
            self._capture()
        self.free_path: list[float] = []
        self.epoch_start = self.worked = 0.0
        self.since = time.perf_counter()
        self.state = TrainingState(self.model, self.updates.optimizer, treatment, fingerprint)
        try:
            self.state.resume(state_path)
        except UnusableStateError as error:
            if not self.rank:
                print(f"{error}: training starts anew.", flush=True)
        self.resumed = self.progress.step > 0
        self.place = Place(settings, self.device)

    @property
    def rank(self) -> int:
        """Number of this process; what is written is written by that of rank 0."""
        return self.processes.rank

    @property
    def progress(self) -> Progress:
        """How far the training is."""
        return self.state.progress

    def _capture(self) -> None:
        """Let steps be graphs, or say why they are none."""
        count = self.processes.count
        if reason := why_not(self.treatment, self.settings, count, self.device):
            if not self.rank:
                named = f"{self.name}: " if self.name else ""
                print(f"{named}cuda_graphs has no effect: {reason}", flush=True)
            return
        self.gradients.captured = CapturedStep(
            self.model, self.updates.parameters, self.gradients.backward, self.device.capture
        )

    def run(self) -> Trained:
        """Train to the end.

        Raises:
            Interrupted: after SIGTERM, when the state is saved.
            TrainingError: if a loss is not finite, or batches are too small for batch norm.

        """
        with Termination.awaited() as termination, self.place.taken():
            for _ in self.steps(termination):
                pass
        return self.trained()

    def steps(self, termination: Termination) -> Generator[bool, None, None]:
        """Train to the end, and stop after each step until it is asked for the next.

        Each must be asked for when `place` is taken; raises what `run` does.
        """
        self.since = time.perf_counter()
        self.free_path = free_path(self.treatment, self.settings, self.batches.steps_per_epoch)
        done, epochs = len(self.progress.history), self.updates.epochs
        log = ProgressLog(epochs, done, self.device.device, self.name) if not self.rank else None
        for epoch in range(done, epochs):
            if self._out_of_patience(epoch):
                return
            with closing(self._steps_of_epoch(epoch)) as steps:
                for _ in steps:
                    self._check_interruption(termination)
                    # Between two steps others may take their turns.
                    self.worked = self._worked()
                    yield True
                    self.since = time.perf_counter()
            self._end_epoch(epoch)
            self.worked, self.since = self._worked(), time.perf_counter()
            if log:
                log.tell(self.progress.history[-1], last=epoch + 1 == epochs)

    def trained(self) -> Trained:
        """The outcome, once the training is at its end."""
        history = pd.DataFrame(self.progress.history)
        throughput = self.batches.samples_per_epoch / float(history.seconds.mean())
        return Trained(self.state.best, history, throughput)

    def _steps_of_epoch(self, epoch: int) -> Generator[None, None, None]:
        self.epoch_start = self._worked() - self.progress.epoch_seconds
        self.network.train()
        # A state may have been saved after the last step of an epoch, before its validation.
        steps = range(self.progress.step, (epoch + 1) * self.batches.steps_per_epoch)
        # What is made on the device itself takes no thread.
        ahead = 0 if self.held else self.device.ahead
        with closing(prepared(self.batches.prepare, steps, ahead)) as following:
            for step in following:
                try:
                    self._step(step)
                except Exception:
                    # Whatever a network says of numbers that are not finite, they come first.
                    self._read_losses()
                    raise
                self.progress.step += 1
                yield

    def _end_epoch(self, epoch: int) -> None:
        """Validate, and keep the weights if they are the best."""
        self._read_losses()
        row = {
            "epoch": epoch,
            "train_loss": self.progress.epoch_loss / self.batches.steps_per_epoch,
            "learning_rate": self._current_rate(),
        }
        loss = self._validate()
        row |= self.treatment.record()
        if self.free_path:
            row["free_gamma"] = self.free_path[epoch]
        with self.treatment.deployed(self.model):
            if self.treatment.projects:
                row["valid_loss_as_trained"], loss = loss, self._validate()
            row["valid_loss"] = loss
            if row["valid_loss"] < self.progress.best_loss:
                self.progress.best_loss, self.progress.best_epoch = row["valid_loss"], epoch
                self.state.best = snapshot(self.model)
        row["seconds"] = self._worked() - self.epoch_start
        row |= self._look_at_test(epoch)
        self.progress.history.append(row)
        self.progress.epoch_loss = self.progress.epoch_seconds = 0.0
        self._save()

    def _step(self, prepared: PreparedStep[V]) -> None:
        step = self.progress.step
        first_phase = step < self.settings.first_phase_epochs * self.batches.steps_per_epoch
        self.updates.begin(step)
        self.losses.begin(step)
        for number, (part, share) in enumerate(
            zip(prepared.parts, prepared.shares, strict=True), start=1
        ):
            # Processes exchange gradients once a step, with the last part.
            last = number == len(prepared.parts)
            with nullcontext() if last else without_exchange(self.network):
                self.gradients.add(part(), share, first_phase, prepared.generator)
        self.updates.finish(step)

    def _read_losses(self) -> None:
        """Add up the losses of the steps since the last reading.

        Raises:
            TrainingError: if one is not finite; it names the first such step.

        """
        for read in self.losses.read():
            for number, (loss, _) in enumerate(read.parts):
                if not math.isfinite(loss):
                    said = self._when("training", loss, read.step, self.updates.rate(read.step))
                    again = self.batches.prepare(read.step).parts[number]
                    raise not_finite(said, [again()])
            self.progress.epoch_loss += read.total

    def _validate(self) -> float:
        samples = self.valid_split.samples
        count = min(self.settings.validation_samples or len(samples), len(samples))
        samples = samples[np.linspace(0, len(samples) - 1, count).astype(int)]
        loss = self._loss_of(self.valid_split, samples)
        if not math.isfinite(loss):
            parts = in_parts(samples, self.settings.batch_size)
            batches = (self.valid_split.batch(rows) for rows in parts)
            said = self._when("validation", loss, self.progress.step, self._current_rate())
            raise not_finite(said, batches)
        return loss

    def _look_at_test(self, epoch: int) -> dict[str, float]:
        every = self.settings.test_every
        if self.test_split is None or not every or (epoch + 1) % every:
            return {}
        with self.treatment.deployed(self.model):
            return {"test_loss": self._loss_of(self.test_split, self.test_split.samples)}

    def _loss_of(self, split: Split[V], samples: np.ndarray) -> float:
        self.network.eval()
        size = self.settings.batch_size
        with exactly(self.model):
            return mean_loss(self.model, split, samples, size, self.device)

    def _when(self, kind: str, loss: float, step: int, rate: float) -> str:
        """Which loss became what, and when."""
        return (
            f"The {kind} loss became {loss} at step {step} (epoch "
            f"{len(self.progress.history)}, learning rate {rate:.1e})"
        )

    def _current_rate(self) -> float:
        return float(self.updates.optimizer.param_groups[0]["lr"])

    def _out_of_patience(self, epoch: int) -> bool:
        patience = self.settings.patience
        begins = int(self.treatment.begins * self.updates.epochs)
        since = max(self.progress.best_epoch + 1, begins, self.settings.first_phase_epochs)
        return patience is not None and epoch - since >= patience

    def _worked(self) -> float:
        """Seconds in which this training had its turn, in this process."""
        return self.worked + time.perf_counter() - self.since

    def _check_interruption(self, termination: Termination) -> None:
        if termination.came or self.progress.step % self.settings.save_every == 0:
            self._read_losses()
            self.progress.epoch_seconds = self._worked() - self.epoch_start
            self._save()
        if termination.came:
            raise Interrupted

    def _save(self) -> None:
        if not self.rank:
            self.state.save(self.state_path)
