"""Training of runs, alone or several at once, and what is kept of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from symbench.config.read import Configuration
from symbench.config.run import Run
from symbench.data.batch import ModelInputs
from symbench.data.dataset import Data
from symbench.devices import chosen_device
from symbench.errors import SymBenchError
from symbench.files import remove, write_json, write_whole
from symbench.layout import FAILED
from symbench.memory import keep_freed_memory
from symbench.models.homotopy import parameters_in_use
from symbench.models.weights import load_weights, save_weights
from symbench.provenance import describe, measure
from symbench.stages.networks import (
    build_treatment,
    initial_model,
    raw_weights,
    room_for_networks,
)
from symbench.symmetry.symmetry import Symmetry
from symbench.training.loop import Trained, Trainer
from symbench.training.together import train_together


def train_runs(
    configuration: Configuration, runs: Sequence[Run], threads: int, output: Path | None = None
) -> None:
    """Train runs, or take their published weights; writes weights, history and provenance of each.

    Several are trained at once, in turns, in this process. One that fails stops no other; it is
    noted, so that the workflow trains it by itself from then on. The states of all are then kept,
    so that nothing is trained twice.

    Args:
        configuration: the runs are of.
        runs: what is trained.
        threads: of the CPU.
        output: the folder to write to, of one run; that of each run by default.

    Raises:
        SymBenchError: if a run fails: of several the first that did, with its name.

    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    several = len(runs) > 1
    layout = configuration.layout
    folders = [output or layout.run_folder(run.study, *run.key, run.seed) for run in runs]
    trainings: dict[int, _Training] = {}
    outcomes: dict[int, Trained | SymBenchError] = {}
    for number, (run, folder) in enumerate(zip(runs, folders, strict=True)):
        try:
            trainings[number] = _Training.of(configuration, run, folder)
        except SymBenchError as error:
            outcomes[number] = error
    device = chosen_device() if any(each.trains for each in trainings.values()) else None
    with torch.random.fork_rng(devices=[]), measure(device) as spent:
        with room_for_networks(device, f"{runs[0]}"):
            trainers = {
                number: training.trainer(str(training.run) if several else "")
                for number, training in trainings.items()
                if training.trains
            }
        outcomes |= zip(trainers, train_together([*trainers.values()]), strict=True)
    errors = {number: each for number, each in outcomes.items() if isinstance(each, SymBenchError)}
    if any(trainer.rank for trainer in trainers.values()) and not errors:
        return
    cost = spent.measured()
    if several:
        cost["trained_together"] = len(trainers)
    # Of what a training took before it was interrupted, the state knows the time alone.
    energy = cost.pop("energy", None)
    worked = sum(trainer.worked for trainer in trainers.values())
    for number, training in trainings.items():
        if isinstance(outcome := outcomes.get(number), SymBenchError):
            continue
        own = dict(cost)
        if energy is not None and number in trainers and not trainers[number].resumed:
            own["energy"] = energy * trainers[number].worked / worked
        training.write(outcome, own, device)
    if errors:
        first = min(errors)
        if not several:
            raise errors[first]
        for number, failure in errors.items():
            noted = {"config": runs[number].training_fingerprint, "error": str(failure)}
            write_json(folders[number] / FAILED, noted)
        raise type(errors[first])(f"{runs[first]}: {errors[first]}")
    for training in trainings.values():
        remove(training.state)
        remove(training.output / FAILED)


@dataclass(frozen=True)
class _Training:
    """A run that is to be trained, with all that it takes.

    Attributes:
        run: of it.
        data: of its task.
        symmetry: of its task.
        model: initialised.
        published: its weights, if it takes some.
        output: the folder to write to.

    """

    run: Run
    data: Data[ModelInputs]
    symmetry: Symmetry[ModelInputs]
    model: nn.Module
    published: Path | None
    output: Path

    @classmethod
    def of(cls, configuration: Configuration, run: Run, output: Path) -> "_Training":
        """Open the data of a run, and build its network."""
        model, published, data, symmetry = initial_model(configuration, run)
        if run.checkpoint is not None and run.checkpoint.file is not None:
            published = raw_weights(configuration, run.checkpoint)
        return cls(run, data, symmetry, model, published, output)

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return self.published is None and parameters_in_use(self.model) > 0

    @property
    def state(self) -> Path:
        """The file of what goes on after an interruption."""
        return self.output / "state.pt"

    def trainer(self, name: str) -> Trainer[ModelInputs]:
        """What trains it, with a name for the log."""
        torch.manual_seed(self.run.seed)
        return Trainer(
            self.model,
            self.data.split("train"),
            self.data.split("valid"),
            build_treatment(self.run, self.symmetry),
            self.run.training,
            seed=self.run.seed,
            state_path=self.state,
            fingerprint=self.run.training_fingerprint,
            name=name,
            test=self.data.split("test") if self.run.training.test_every else None,
        )

    def write(
        self, trained: Trained | None, spent: Mapping[str, float], device: torch.device | None
    ) -> None:
        """Write weights, history and provenance; None stands for weights that were not trained."""
        weights = self.output / "weights.safetensors"
        parameters = parameters_in_use(self.model)
        if trained is None:
            if self.published is not None:
                load_weights(self.model, self.published, ours=False)
            save_weights(weights, self.model.state_dict())
            history = pd.DataFrame(columns=["epoch", "train_loss", "valid_loss"])
            cost: dict[str, object] = {}
        else:
            save_weights(weights, trained.weights)
            history = trained.history
            seconds = float(history.seconds.sum())
            cost = {**spent, "seconds": seconds, "samples_per_second": trained.throughput}
            load_weights(self.model, weights)
            parameters = parameters_in_use(self.model.eval())
        with write_whole(self.output / "history.csv") as temporary:
            history.to_csv(temporary, index=False)
        used = device if trained is not None else None
        described = describe(self.run.training_fingerprint, self.run.seed, used)
        write_json(self.output / "provenance.json", {**described, **cost, "parameters": parameters})
