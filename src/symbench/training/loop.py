"""The one training loop.

Everything that is random comes from (seed, epoch, step), so that a run that was killed and resumed
ends with the same numbers as one that was not.
"""

import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from symbench.config.settings import TrainingSettings
from symbench.data.batch import Batch
from symbench.errors import TrainingError
from symbench.files import is_damaged, write_whole
from symbench.models.weights import tensors
from symbench.training.treatments.treatment import Treatment

OPTIMIZERS = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


class Split(Protocol):
    """A split as the loop sees it: rows that name samples, batches of them, and a loss."""

    @property
    def samples(self) -> np.ndarray:
        """All samples, one row each."""

    def batch(self, rows: np.ndarray, generator: torch.Generator | None = None) -> Batch:
        """The samples of some rows; what is drawn anew in each epoch comes from the generator."""

    def loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """The training loss, a scalar."""

    def first_phase_loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """The loss of the first phase; needed only where the settings have one."""

    def validation_loss(self, prediction: Tensor, batch: Batch) -> Tensor:
        """What chooses the best weights: a scalar, lower is better."""


@dataclass
class Progress:
    """What a saved state remembers beside weights and optimiser."""

    step: int = 0
    epoch_loss: float = 0.0
    best_loss: float = math.inf
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Trained:
    """The outcome.

    Attributes:
        weights: of the best epoch by validation loss.
        history: a row for each epoch.
        throughput: samples in a second, validation included.

    """

    weights: dict[str, Tensor]
    history: pd.DataFrame
    throughput: float


class Interrupted(SystemExit):
    """SIGTERM came; the state was saved. Exit code 128 + 15, as the shell would give."""

    def __init__(self) -> None:
        """Carry the exit code."""
        super().__init__(128 + signal.SIGTERM)


def learning_rate(settings: TrainingSettings, step: int, steps_per_epoch: int) -> float:
    """Constant in a first phase; then linear warm-up, and half a cosine to zero, or constant."""
    first_phase = settings.first_phase_epochs * steps_per_epoch
    if step < first_phase:
        return settings.first_phase_learning_rate or settings.learning_rate
    step -= first_phase
    warm_up = settings.warm_up_epochs * steps_per_epoch
    total = settings.epochs * steps_per_epoch - first_phase
    if step < warm_up:
        return settings.learning_rate * (step + 1) / warm_up
    if settings.schedule == "constant":
        return settings.learning_rate
    progress = (step - warm_up) / max(1, total - warm_up)
    return settings.learning_rate * (1 + math.cos(math.pi * progress)) / 2


class Trainer:
    """Trains one model; see `train`."""

    def __init__(
        self,
        model: nn.Module,
        train: Split,
        valid: Split,
        treatment: Treatment,
        settings: TrainingSettings,
        *,
        seed: int,
        state_path: Path,
        fingerprint: str = "",
        test: Split | None = None,
    ) -> None:
        """Set up processes, device and optimiser, and resume a saved state if there is one.

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

        """
        self.rank = int(os.environ.get("RANK", 0))
        self.processes = int(os.environ.get("WORLD_SIZE", 1))
        self.device = _device(self.processes)
        self.model = model.to(self.device)
        treatment.attach(self.model)
        if settings.compiled:
            self.model.compile()
        self.network = _distribute(self.model, self.device, self.processes)
        self.train_split = train
        self.valid_split = valid
        self.test_split = test
        self.treatment = treatment
        self.settings = settings
        self.seed = seed
        self.state_path = state_path
        self.fingerprint = fingerprint
        size = settings.samples_per_epoch or len(train.samples)
        self.steps_per_epoch = max(1, min(size, len(train.samples)) // settings.batch_size)
        self.total_steps = settings.epochs * self.steps_per_epoch
        self.optimizer = OPTIMIZERS[settings.optimizer](
            treatment.parameter_groups(self.model), weight_decay=settings.weight_decay
        )
        self.progress = Progress()
        self.best = _snapshot(self.model)
        self.terminated = False
        self._resume()

    def run(self) -> Trained:
        """Train to the end; raises `Interrupted` after SIGTERM and `TrainingError` on NaN."""
        previous = signal.signal(signal.SIGTERM, self._on_sigterm)
        first = self.progress.step // self.steps_per_epoch
        bar = tqdm(range(first, self.settings.epochs), desc="training", unit="epoch", disable=None)
        try:
            for epoch in bar:
                if self._out_of_patience(epoch):
                    break
                self._run_epoch(epoch)
                bar.set_postfix(valid=f"{self.progress.history[-1]['valid_loss']:.3g}")
        finally:
            signal.signal(signal.SIGTERM, previous)
        history = pd.DataFrame(self.progress.history)
        samples = self.steps_per_epoch * self.settings.batch_size
        return Trained(self.best, history, samples / float(history.seconds.mean()))

    def _run_epoch(self, epoch: int) -> None:
        start = time.perf_counter()
        self.network.train()
        done = self.progress.step % self.steps_per_epoch
        for rows in self._batches(epoch, done):
            self.progress.epoch_loss += self._step(rows)
            self.progress.step += 1
            self._check_interruption()
        row = {
            "epoch": epoch,
            "train_loss": self.progress.epoch_loss / self.steps_per_epoch,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }
        loss = self._validate()
        row |= self.treatment.record()
        with self.treatment.deployed(self.model):
            if self.treatment.projects:
                row["valid_loss_as_trained"], loss = loss, self._validate()
            row["valid_loss"] = loss
            if row["valid_loss"] < self.progress.best_loss:
                self.progress.best_loss, self.progress.best_epoch = row["valid_loss"], epoch
                self.best = _snapshot(self.model)
        row["seconds"] = time.perf_counter() - start
        row |= self._look_at_test(epoch)
        self.progress.history.append(row)
        self.progress.epoch_loss = 0.0
        self._save()

    def _batches(self, epoch: int, skip: int) -> Iterator[np.ndarray]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.train_split.samples))
        size = self.settings.batch_size
        for step in range(skip, self.steps_per_epoch):
            batch = order[step * size : (step + 1) * size]
            yield self.train_split.samples[batch[self.rank :: self.processes]]

    def _step(self, rows: np.ndarray) -> float:
        step = self.progress.step
        generator = torch.Generator().manual_seed(
            int(np.random.SeedSequence([self.seed, step, self.rank]).generate_state(1)[0])
        )
        first_phase = step < self.settings.first_phase_epochs * self.steps_per_epoch
        model: Any = self.model
        if hasattr(model, "first_phase"):
            model.first_phase = first_phase
        rate = learning_rate(self.settings, step, self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        self.optimizer.zero_grad()
        parts = np.array_split(rows, min(self.settings.accumulate, len(rows)))
        value = 0.0
        for number, part in enumerate(parts, start=1):
            # Processes exchange gradients once a step, with the last part.
            with self._without_exchange(number < len(parts)):
                value += self._add_gradients(part, len(part) / len(rows), first_phase, generator)
        self.optimizer.step()
        self.treatment.after_step((step + 1) / self.total_steps)
        return value

    def _without_exchange(self, on: bool) -> AbstractContextManager[None]:
        network = self.network
        return (
            network.no_sync()
            if on and isinstance(network, DistributedDataParallel)
            else nullcontext()
        )

    def _add_gradients(
        self, rows: np.ndarray, share: float, first_phase: bool, generator: torch.Generator
    ) -> float:
        """Add the gradients of a part of a batch, and return its share of the loss."""
        batch = self.train_split.batch(rows, generator).to(self.device)
        inputs, targets = self.treatment(batch.inputs, batch.targets, batch.samples, generator)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bfloat16):
            prediction = self.network(inputs)
        loss_of = self.train_split.first_phase_loss if first_phase else self.train_split.loss
        loss = loss_of(prediction.float(), replace(batch, targets=targets))
        value = loss.item()
        if not math.isfinite(value):
            step = self.progress.step
            raise TrainingError(
                f"The training loss became {value} at step {step} (epoch "
                f"{step // self.steps_per_epoch}); lower the learning rate, now "
                f"{self.optimizer.param_groups[0]['lr']:.1e}."
            )
        term = self.treatment.loss_term(
            self.network, inputs, prediction, loss, batch.samples, generator
        )
        total = loss if term is None else loss + term
        (total if share == 1 else share * total).backward()
        return share * value

    def _validate(self) -> float:
        windows = self.valid_split.samples
        count = min(self.settings.validation_samples or len(windows), len(windows))
        windows = windows[np.linspace(0, len(windows) - 1, count).astype(int)]
        loss = self._loss_of(self.valid_split, windows)
        if not math.isfinite(loss):
            raise TrainingError(
                f"The validation loss became {loss} after step {self.progress.step}; lower the "
                f"learning rate, now at most {self.settings.learning_rate:.1e}."
            )
        return loss

    def _look_at_test(self, epoch: int) -> dict[str, float]:
        every = self.settings.test_every
        if self.test_split is None or not every or (epoch + 1) % every:
            return {}
        with self.treatment.deployed(self.model):
            return {"test_loss": self._loss_of(self.test_split, self.test_split.samples)}

    @torch.no_grad()
    def _loss_of(self, split: Split, windows: np.ndarray) -> float:
        self.network.eval()
        total = 0.0
        for rows in np.array_split(windows, math.ceil(len(windows) / self.settings.batch_size)):
            batch = split.batch(rows).to(self.device)
            loss = split.validation_loss(self.model(batch.inputs).float(), batch)
            total += loss.item() * len(rows)
        return total / len(windows)

    def _out_of_patience(self, epoch: int) -> bool:
        patience = self.settings.patience
        return patience is not None and epoch - 1 - self.progress.best_epoch >= patience

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        self.terminated = True

    def _check_interruption(self) -> None:
        if self.terminated:
            self._save()
            raise Interrupted
        if self.progress.step % self.settings.save_every == 0:
            self._save()

    def _save(self) -> None:
        if self.rank:
            return
        state = {
            "fingerprint": self.fingerprint,
            "model": _snapshot(self.model),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "treatment": self.treatment.state(),
            "progress": vars(self.progress),
            "random": torch.get_rng_state(),
        }
        with write_whole(self.state_path) as temporary:
            torch.save(state, temporary)

    def _resume(self) -> None:
        if not self.state_path.is_file():
            return
        if is_damaged(self.state_path):
            print(f"{self.state_path} is damaged: training starts anew", flush=True)
            return
        state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        if state["fingerprint"] != self.fingerprint:
            return
        for key, value in tensors(self.model).items():
            value.data.copy_(state["model"][key])
        self.best = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.treatment.load_state(state["treatment"])
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["random"].cpu())


def _snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in tensors(model).items()}


def _device(processes: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local = int(os.environ.get("LOCAL_RANK", 0)) if processes > 1 else 0
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def _distribute(model: nn.Module, device: torch.device, processes: int) -> nn.Module:
    """Wrap for data-parallel training when torchrun started several processes."""
    if processes == 1:
        return model
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    if device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return DistributedDataParallel(model, device_ids=[device.index])
    return DistributedDataParallel(model)
