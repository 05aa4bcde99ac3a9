"""The one training loop.

Everything that is random comes from (seed, epoch, step), so that a run that was killed and resumed
ends with the same numbers as one that was not.
"""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Generic

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from symbench.config.settings import TrainingSettings
from symbench.data.batch import Batch, V
from symbench.data.dataset import Split
from symbench.errors import TrainingError
from symbench.models.phased import PhasedModule
from symbench.training.failures import is_too_small_for_batch_norm, not_finite
from symbench.training.free_path import free_path
from symbench.training.losses import Losses
from symbench.training.processes import Processes, without_exchange
from symbench.training.progress_log import ProgressLog
from symbench.training.state import Progress, TrainingState, UnusableStateError, snapshot
from symbench.training.treatments.treatment import Treatment
from symbench.training.updates import Updates


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


class Interrupted(SystemExit):
    """SIGTERM came; the state was saved. Exit code 128 + 15, as the shell would give."""

    def __init__(self) -> None:
        """Carry the exit code."""
        super().__init__(128 + signal.SIGTERM)


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
            test: is looked at where the settings have `test_every`; chooses nothing.

        Raises:
            TrainingError: if there are fewer samples than processes, or the model does not suit
                the treatment.

        """
        self.processes = Processes.from_environment()
        self.device = self.processes.device
        available = len(train.samples)
        if (shared := min(settings.batch_size, available)) < self.processes.count:
            raise TrainingError(
                f"{self.processes.count} process(es) cannot share a batch of {shared} samples "
                f"(batch_size {settings.batch_size}, {available} training samples): each needs one."
            )
        self.model = model.to(self.device)
        treatment.attach(self.model)
        if settings.compiled:
            self.model.compile()
        self.network = self.processes.distribute(self.model)
        self.phased = [each for each in self.model.modules() if isinstance(each, PhasedModule)]
        self.train_split = train
        self.valid_split = valid
        self.test_split = test
        self.treatment = treatment
        self.settings = settings
        self.seed = seed
        self.state_path = state_path
        wanted = min(settings.samples_per_epoch or available, available)
        self.steps_per_epoch = max(1, wanted // settings.batch_size)
        self.samples_per_epoch = min(self.steps_per_epoch * settings.batch_size, available)
        self.updates = Updates(self.model, treatment, settings, self.steps_per_epoch)
        unread = min(self.steps_per_epoch, settings.save_every)
        self.losses = Losses(unread, settings.accumulate, self.device)
        self.free_path: list[float] = []
        self.epoch_start = 0.0
        self.terminated = False
        self.state = TrainingState(self.model, self.updates.optimizer, treatment, fingerprint)
        try:
            self.state.resume(state_path)
        except UnusableStateError as error:
            if not self.rank:
                print(f"{error}: training starts anew.", flush=True)

    @property
    def rank(self) -> int:
        """Number of this process; what is written is written by that of rank 0."""
        return self.processes.rank

    @property
    def progress(self) -> Progress:
        """How far the training is."""
        return self.state.progress

    def run(self) -> Trained:
        """Train to the end.

        Raises:
            Interrupted: after SIGTERM, when the state is saved.
            TrainingError: if a loss is not finite, or batches are too small for batch norm.

        """
        previous = signal.signal(signal.SIGTERM, self._on_sigterm)
        self.free_path = free_path(self.treatment, self.settings, self.steps_per_epoch)
        done, epochs = len(self.progress.history), self.updates.epochs
        log = ProgressLog(epochs, done, self.device) if not self.rank else None
        try:
            for epoch in range(done, epochs):
                if self._out_of_patience(epoch):
                    break
                self._run_epoch(epoch)
                if log:
                    log.tell(self.progress.history[-1], last=epoch + 1 == epochs)
        finally:
            signal.signal(signal.SIGTERM, previous)
        history = pd.DataFrame(self.progress.history)
        throughput = self.samples_per_epoch / float(history.seconds.mean())
        return Trained(self.state.best, history, throughput)

    def _run_epoch(self, epoch: int) -> None:
        self.epoch_start = time.perf_counter() - self.progress.epoch_seconds
        self.network.train()
        # A state may have been saved after the last step of an epoch, before its validation.
        done = self.progress.step - epoch * self.steps_per_epoch
        for rows in self._batches(epoch, done):
            try:
                self._step(rows)
            except Exception:
                # Whatever a network says of numbers that are not finite, they come first.
                self._read_losses()
                raise
            self.progress.step += 1
            self._check_interruption()
        self._read_losses()
        row = {
            "epoch": epoch,
            "train_loss": self.progress.epoch_loss / self.steps_per_epoch,
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
        row["seconds"] = time.perf_counter() - self.epoch_start
        row |= self._look_at_test(epoch)
        self.progress.history.append(row)
        self.progress.epoch_loss = self.progress.epoch_seconds = 0.0
        self._save()

    def _batches(self, epoch: int, skip: int) -> Iterator[np.ndarray]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.train_split.samples))
        size = self.settings.batch_size
        for step in range(skip, self.steps_per_epoch):
            batch = order[step * size : (step + 1) * size]
            yield self.train_split.samples[batch[self.rank :: self.processes.count]]

    def _generator(self, step: int) -> torch.Generator:
        """The source of all that is random in a step but the layers of the network."""
        seed = np.random.SeedSequence([self.seed, step, self.rank]).generate_state(1)[0]
        return torch.Generator().manual_seed(int(seed))

    def _parts_of_step(self, rows: np.ndarray) -> list[np.ndarray]:
        return np.array_split(rows, min(self.settings.accumulate, len(rows)))

    def _step(self, rows: np.ndarray) -> None:
        step = self.progress.step
        generator = self._generator(step)
        first_phase = step < self.settings.first_phase_epochs * self.steps_per_epoch
        for module in self.phased:
            module.first_phase = first_phase
        self.updates.begin(step)
        self.losses.begin(step)
        parts = self._parts_of_step(rows)
        for number, part in enumerate(parts, start=1):
            # Processes exchange gradients once a step, with the last part.
            last = number == len(parts)
            with nullcontext() if last else without_exchange(self.network):
                self._add_gradients(part, len(part) / len(rows), first_phase, generator)
        self.updates.finish(step)

    def _add_gradients(
        self, rows: np.ndarray, share: float, first_phase: bool, generator: torch.Generator
    ) -> None:
        """Add the gradients of a part of a batch, and keep its loss."""
        batch = self.train_split.batch(rows, generator).to(self.device)
        inputs, targets = self.treatment(batch.inputs, batch.targets, batch.samples, generator)
        prediction = self._predict_to_train(inputs, batch.samples, generator)
        loss_of = self.train_split.first_phase_loss if first_phase else self.train_split.loss
        loss = loss_of(prediction.float(), replace(batch, targets=targets))
        self.losses.add(loss, share)
        term = self.treatment.loss_term(
            self.network, inputs, prediction, loss, batch.samples, generator
        )
        total = loss if term is None else loss + term
        (total if share == 1 else share * total).backward()

    def _read_losses(self) -> None:
        """Add up the losses of the steps since the last reading.

        Raises:
            TrainingError: if one is not finite; it names the first such step.

        """
        for read in self.losses.read():
            for number, (loss, _) in enumerate(read.parts):
                if not math.isfinite(loss):
                    said = self._when("training", loss, read.step, self.updates.rate(read.step))
                    raise not_finite(said, [self._again(read.step)[number]])
            self.progress.epoch_loss += read.total

    def _again(self, step: int) -> list[Batch[V]]:
        """The parts of the batch of a step, once more."""
        epoch, done = divmod(step, self.steps_per_epoch)
        rows, generator = next(self._batches(epoch, done)), self._generator(step)
        return [self.train_split.batch(part, generator) for part in self._parts_of_step(rows)]

    def _predict_to_train(self, inputs: V, samples: int, generator: torch.Generator) -> Tensor:
        try:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bfloat16):
                return self.treatment.predict(self.network, inputs, samples, generator)
        except (ValueError, RuntimeError) as error:
            if not is_too_small_for_batch_norm(error):
                raise
            raise TrainingError(
                f"Batch norm cannot train on {samples} of {len(self.train_split.samples)} training "
                f"samples at once (batch_size {self.settings.batch_size}, accumulate "
                f"{self.settings.accumulate}, processes {self.processes.count}): choose a larger "
                "batch_size or a smaller accumulate."
            ) from None

    def _validate(self) -> float:
        samples = self.valid_split.samples
        count = min(self.settings.validation_samples or len(samples), len(samples))
        samples = samples[np.linspace(0, len(samples) - 1, count).astype(int)]
        loss = self._loss_of(self.valid_split, samples)
        if not math.isfinite(loss):
            batches = (self.valid_split.batch(rows) for rows in self._parts(samples))
            said = self._when("validation", loss, self.progress.step, self._current_rate())
            raise not_finite(said, batches)
        return loss

    def _look_at_test(self, epoch: int) -> dict[str, float]:
        every = self.settings.test_every
        if self.test_split is None or not every or (epoch + 1) % every:
            return {}
        with self.treatment.deployed(self.model):
            return {"test_loss": self._loss_of(self.test_split, self.test_split.samples)}

    @torch.no_grad()
    def _loss_of(self, split: Split[V], samples: np.ndarray) -> float:
        self.network.eval()
        parts = self._parts(samples)
        losses = []
        for rows in parts:
            batch = split.batch(rows).to(self.device)
            losses.append(split.validation_loss(self.model(batch.inputs).float(), batch))
        total = 0.0
        for loss, rows in zip(torch.stack(losses).tolist(), parts, strict=True):
            total += loss * len(rows)
        return total / len(samples)

    def _parts(self, samples: np.ndarray) -> list[np.ndarray]:
        return np.array_split(samples, math.ceil(len(samples) / self.settings.batch_size))

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
        since = max(self.progress.best_epoch + 1, begins)
        return patience is not None and epoch - since >= patience

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self.terminated = True

    def _check_interruption(self) -> None:
        if self.terminated or self.progress.step % self.settings.save_every == 0:
            self._read_losses()
            self.progress.epoch_seconds = time.perf_counter() - self.epoch_start
            self._save()
        if self.terminated:
            raise Interrupted

    def _save(self) -> None:
        if not self.rank:
            self.state.save(self.state_path)
