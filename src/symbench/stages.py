"""What the commands for data, audit, training and evaluation do, from a run to its files."""

import inspect
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
import xarray as xr
from torch import nn

from symbench.arithmetic import tf32
from symbench.config import registry
from symbench.config.read import Configuration
from symbench.config.run import Run, Task
from symbench.config.schema import Checkpoint
from symbench.config.study import Study
from symbench.data.batch import ModelInputs
from symbench.data.dataset import Data
from symbench.data.manifest import check_data, write_manifest
from symbench.data.raw_files import RawFiles
from symbench.devices import chosen_device
from symbench.errors import CheckpointError, ConfigError, SymBenchError, choose
from symbench.evaluation.floor import vrmse_of_the_well
from symbench.evaluation.measure import Measurement
from symbench.evaluation.scores import own_metric
from symbench.files import copy_near, refuse_damaged, remove, sha256, write_json, write_whole
from symbench.layout import FAILED
from symbench.memory import keep_freed_memory
from symbench.models.homotopy import parameters_in_use
from symbench.models.settings import check_settings
from symbench.models.uncompiled import check_compilable
from symbench.models.weights import load_weights, published_files, save_weights
from symbench.provenance import describe, measure
from symbench.symmetry.audit import refuse_broken, undecided
from symbench.symmetry.symmetry import Symmetry
from symbench.training.cuda import device_of
from symbench.training.failures import is_too_small_for_batch_norm, told_in_a_sentence
from symbench.training.loop import Trained, Trainer
from symbench.training.together import train_together
from symbench.training.treatments.treatment import Treatment


def fetch(configuration: Configuration, task: Task, threads: int = 1) -> None:
    """Simulate or download the data of a task; the manifest comes last."""
    directory = configuration.data_folder(task)
    directory.mkdir(parents=True, exist_ok=True)
    manifest = task.dataset.fetch(directory, RawFiles(configuration.raw_files), threads)
    write_manifest(directory, manifest, task.settings.dataset, task.data_fingerprint)


def fetch_published(configuration: Configuration, weights: str) -> None:
    """Download the published weights of a fingerprint; raises `DataError` if there are none."""
    from symbench.hub import download

    taken = configuration.published[choose(weights, configuration.published, "published weights")]
    for target in configuration.layout.published_files(weights):
        path = download(str(taken.repository), target.name, revision=taken.revision)
        with write_whole(target) as temporary:
            shutil.copyfile(path, temporary)


def open_data(configuration: Configuration, task: Task, seed: int = 0) -> Data[ModelInputs]:
    """The data of a task for a seed, checked against their manifest and the config."""
    directory = configuration.data_folder(task)
    check_data(directory, task.data_fingerprint)
    near = copy_near(directory, configuration.scratch)
    return task.dataset.open(near, task.options, seed)


def audit(configuration: Configuration, task: Task) -> None:
    """Audit the declared symmetry of a task, and refuse here what no training could use.

    Writes one row per element, and warns of what too few samples leave undecided. The networks and
    treatments of all runs of the task are built once, so that settings that they do not take are
    found before anything is trained.

    Raises:
        AuditError: if the symmetry is declared exact and fails.
        SymBenchError: for settings that do not fit data, model or treatment.

    """
    settings = task.settings
    data = open_data(configuration, task)
    audits = data.audit(settings.group, task.dataset)
    if settings.exact:
        refuse_broken(task.name, settings.group, audits)
    if open_question := undecided(task.name, settings.group, audits):
        warnings.warn(open_question, stacklevel=2)
    symmetry = data.symmetry(settings.group, settings.exact)
    study = configuration.study(task.study)
    for runs in study.groups.values():
        if runs[0].task.name == task.name:
            check_run(runs[0], data, symmetry)
    table = pd.DataFrame([{**vars(element), "passed": element.passed} for element in audits])
    layout = configuration.layout
    with write_whole(layout.audit(task.study, task.name)) as temporary:
        table.to_csv(temporary, index=False)
    record = {**describe(task.audit_fingerprint), "undecided": open_question}
    write_json(layout.audit_provenance(task.study, task.name), record)


def check_run(run: Run, data: Data[ModelInputs], symmetry: Symmetry[ModelInputs]) -> None:
    """Raise `SymBenchError` if the settings of a run do not fit data, model or treatment."""
    try:
        if run.checkpoint is None:
            model, _ = build_model(run, data, symmetry)
            if parameters_in_use(model):
                if run.training.compiled:
                    check_compilable(model)
                _check_parts(run, data, model)
                build_treatment(run, symmetry).attach(model)
        Measurement.check(data, symmetry, run.evaluation, run.evaluations)
    except SymBenchError as error:
        raise type(error)(f"{run}: {error}") from None


def _check_parts(run: Run, data: Data[ModelInputs], model: nn.Module) -> None:
    """Raise `ConfigError` if batches are trained in parts of one sample, too few for the model."""
    split = data.split("train")
    if min(run.training.batch_size, len(split.samples)) // run.training.accumulate > 1:
        return
    try:
        model.train()(split.batch(split.samples[:1]).inputs)
    except (ValueError, RuntimeError) as error:
        if not is_too_small_for_batch_norm(error):
            raise
        raise ConfigError(
            "batch norm cannot train on single samples: raise batch_size or lower accumulate."
        ) from None


def build_model(
    run: Run,
    data: Data[ModelInputs],
    symmetry: Symmetry[ModelInputs],
    published: Path | None = None,
) -> tuple[nn.Module, Path | None]:
    """The network of a run, initialised from its seed, and its published weights if any.

    Args:
        run: of the network.
        data: that it is for.
        symmetry: of its task.
        published: the folder of its published weights, with the settings of the network.

    An architecture with a parameter `symmetry` is given the symmetry of the task. What is trained
    here is wrapped as its treatment says; published weights are of the network alone.

    Raises:
        ConfigError: if architecture or treatment do not take their settings.

    """
    factory = registry.resolve("models", run.architecture)
    if not callable(factory):
        raise ConfigError(f"Model '{run.architecture}' is no class or function.")
    check_settings(factory, run.model_settings)
    arguments: dict[str, object] = {**data.model_arguments(), **run.model_settings}
    if "symmetry" in inspect.signature(factory).parameters:
        arguments["symmetry"] = symmetry
    weights = None
    if published is not None:
        settings, weights = published_files(published)
        arguments |= _published_arguments(settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        model = _made(run, factory, arguments)
        if run.checkpoint is None:
            model = build_treatment(run, symmetry).wrap(model)
    return model, weights


def _made(run: Run, factory: Callable[..., object], arguments: dict[str, object]) -> nn.Module:
    try:
        model = factory(**arguments)
    except (TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise ConfigError(
            f"Model '{run.model}' ({run.architecture}) does not take these settings: "
            f"{' '.join(str(error).split())}."
        ) from None
    if not isinstance(model, nn.Module):
        raise ConfigError(f"Model '{run.model}' ({run.architecture}) is no torch.nn.Module.")
    # Biases may be missing, where no output is a scalar.
    if empty := [key for key, each in model.named_parameters() if each.ndim > 1 > each.numel()]:
        raise ConfigError(f"Model '{run.model}': {empty[0]} has no entries, as by a width of 0.")
    return model


def build_treatment(run: Run, symmetry: Symmetry[ModelInputs]) -> Treatment[ModelInputs]:
    """The training treatment of a run; raises `ConfigError` for settings that it does not take."""
    method = registry.resolve("treatments", run.method)
    if not (isinstance(method, type) and issubclass(method, Treatment)):
        raise ConfigError(f"'{run.method}' is no symbench treatment.")
    check_settings(method, run.treatment_settings)
    try:
        return method(symmetry, **run.treatment_settings)
    except TypeError as error:
        raise ConfigError(
            f"Treatment '{run.treatment}' ({run.method}) does not take these settings: {error}."
        ) from None


def _published_arguments(published: dict[str, object]) -> dict[str, object]:
    """Constructor arguments of a published config.json in our names."""
    arguments = {key: value for key, value in published.items() if not key.startswith("modes")}
    if "modes1" in published:
        arguments["modes"] = published["modes1"]
    if isinstance(resolution := arguments.get("spatial_resolution"), list):
        arguments["spatial_resolution"] = tuple(resolution)
    return arguments


def train(
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
    trainings = [_Training.of(configuration, run, output) for run in runs]
    device = chosen_device() if any(training.trains for training in trainings) else None
    with torch.random.fork_rng(devices=[]), measure(device) as spent:
        with _room_for_networks(device, f"{trainings[0].run}"):
            trainers = {
                number: training.trainer(str(training.run) if several else "")
                for number, training in enumerate(trainings)
                if training.trains
            }
        outcomes = dict(zip(trainers, train_together([*trainers.values()]), strict=True))
    errors = {number: each for number, each in outcomes.items() if isinstance(each, SymBenchError)}
    if any(trainer.rank for trainer in trainers.values()) and not errors:
        return
    cost = spent.measured()
    if several:
        # What is of all of them is shared out alike: their steps took turns.
        for name in {"seconds", "energy"} & set(cost):
            cost[name] /= len(trainers)
        cost["trained_together"] = len(trainers)
    for number, training in enumerate(trainings):
        outcome = outcomes.get(number)
        if not isinstance(outcome, SymBenchError):
            training.write(outcome, cost, device)
        elif several:
            noted = {"config": training.run.training_fingerprint, "error": str(outcome)}
            write_json(training.output / FAILED, noted)
    for number, error in errors.items():
        raise type(error)(f"{trainings[number].run}: {error}") if several else error
    for training in trainings:
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
    def of(cls, configuration: Configuration, run: Run, output: Path | None) -> "_Training":
        """Open the data of a run, and build its network."""
        data = open_data(configuration, run.task, run.seed)
        settings = run.task.settings
        symmetry = data.symmetry(settings.group, settings.exact)
        model, published = build_model(run, data, symmetry, _published_folder(configuration, run))
        if run.checkpoint is not None and run.checkpoint.file is not None:
            published = _raw_weights(configuration, run.checkpoint)
        folder = configuration.layout.run_folder(run.study, *run.key, run.seed)
        return cls(run, data, symmetry, model, published, output or folder)

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
            together = spent.get("trained_together", 1)
            history = trained.history.assign(seconds=trained.history.seconds / together)
            cost = {**spent, "samples_per_second": together * trained.throughput}
            load_weights(self.model, weights)
            parameters = parameters_in_use(self.model.eval())
        with write_whole(self.output / "history.csv") as temporary:
            history.to_csv(temporary, index=False)
        used = device if trained is not None else None
        described = describe(self.run.training_fingerprint, self.run.seed, used)
        write_json(self.output / "provenance.json", {**described, **cost, "parameters": parameters})


def _published_folder(configuration: Configuration, run: Run) -> Path | None:
    """Where published weights of a run lie: of the user, or downloaded before; None without any.

    Raises:
        CheckpointError: if they were not downloaded.
        DataError: if what was downloaded is damaged.

    """
    if run.checkpoint is None or run.checkpoint.repository is None:
        return None
    if run.published is None:
        return Path(run.checkpoint.repository)
    folder = configuration.layout.published(run.published)
    if not folder.is_dir():
        raise CheckpointError(
            f"{run}: {run.checkpoint.repository} is not in {folder}: "
            f"`symbench fetch-weights {run.published}` downloads it, or `make download` all."
        )
    for path in configuration.layout.published_files(run.published):
        refuse_damaged(path)
    return folder


def _raw_weights(configuration: Configuration, checkpoint: Checkpoint) -> Path:
    """A raw file of weights; raises `CheckpointError` if it is not the one that is meant."""
    path = RawFiles(configuration.raw_files).need(
        str(checkpoint.file), "published weights are kept in formats that may run any code"
    )
    if sha256(path) != checkpoint.sha256:
        raise CheckpointError(f"{path} has another checksum than the config says: {sha256(path)}.")
    return path


def _room_for_networks(device: torch.device | None, run: str) -> AbstractContextManager[None]:
    """One sentence where the memory of a device is too small for what is not yet at work."""
    if device is None:
        return nullcontext()
    needed = f"{run}: networks, optimisers and their states"
    return told_in_a_sentence(device_of(device), needed, "smaller networks, or fewer jobs at once")


@contextmanager
def evaluated_as_set(run: Run, evaluation: str, device: torch.device) -> Iterator[None]:
    """The precision of an evaluation, and one sentence where memory is too small for it."""
    chunk = run.evaluation.chunk
    chosen = run.task.dataset.has_trajectories and chunk not in (1, "auto")
    folded = f" and {chunk} group elements at once" if chosen else ""
    needed = f"{run}: evaluation ({evaluation}) of {run.evaluation.batch_size} samples{folded}"
    mended_by = f"a smaller batch_size{' or chunk' if chosen else ''} of the evaluation"
    precision = tf32(run.evaluation.precision == "tf32")
    with precision, told_in_a_sentence(device_of(device), needed, mended_by):
        yield


def evaluate(configuration: Configuration, run: Run, threads: int) -> None:
    """Evaluate a run and write one NetCDF file per evaluation."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    layout = configuration.layout
    model, data, symmetry = trained_model(configuration, run)
    metrics = [own_metric(path) for path in run.task.settings.metrics]
    with _room_for_networks(chosen_device(), f"{run}"):
        measurement = Measurement(model, data, symmetry, run.evaluation, run.task.dataset, metrics)
    parameters = parameters_in_use(model.eval())
    trained_on = _trained_on(layout.run_folder(run.study, *run.key, run.seed))
    for evaluation in run.evaluations:
        with (
            evaluated_as_set(run, evaluation, measurement.device),
            measure(measurement.device) as spent,
        ):
            dataset = measurement.run(evaluation)
        if evaluation == "plain":
            _refuse_other_than_published(run, dataset)
        record = describe(run.evaluation_fingerprint, run.seed, measurement.device)
        dataset.attrs |= {
            **{
                key: json.dumps(value) if isinstance(value, dict) else value
                for key, value in record.items()
            },
            "study": run.study,
            "task": run.task.name,
            "model": run.model,
            "treatment": run.treatment,
            "evaluation": evaluation,
            "trained_on": trained_on,
            "parameters": parameters,
            **spent.measured(),
        }
        path = layout.evaluation(run.study, *run.key, evaluation, run.seed)
        with write_whole(path) as temporary:
            dataset.to_netcdf(temporary, engine="h5netcdf")


def trained_model(
    configuration: Configuration, run: Run
) -> tuple[nn.Module, Data[ModelInputs], Symmetry[ModelInputs]]:
    """The network of a run with the weights of its training, its data and its symmetry.

    Raises:
        CheckpointError: if it was not trained, or with other settings or code.

    """
    data = open_data(configuration, run.task, run.seed)
    settings = run.task.settings
    symmetry = data.symmetry(settings.group, settings.exact)
    model, _ = build_model(run, data, symmetry, _published_folder(configuration, run))
    folder = configuration.layout.run_folder(run.study, *run.key, run.seed)
    _refuse_other_training(folder, run)
    load_weights(model, folder / "weights.safetensors")
    return model, data, symmetry


def _refuse_other_training(folder: Path, run: Run) -> None:
    """Raise `CheckpointError` if weights are not those that the config describes."""
    path = folder / "provenance.json"
    refuse_damaged(path)
    recorded = json.loads(path.read_text()).get("config") if path.is_file() else None
    if recorded != run.training_fingerprint:
        raise CheckpointError(
            f"{folder / 'weights.safetensors'} was trained with other settings or other code than "
            f"the config describes (recorded {recorded}, wanted {run.training_fingerprint}): train "
            "it again."
        )


def _trained_on(folder: Path) -> str:
    """The device that a training ran on, as its provenance says."""
    record = json.loads((folder / "provenance.json").read_text())
    return str(record["device"]) if "seconds" in record else "not trained here"


def _refuse_other_than_published(run: Run, plain: xr.Dataset) -> None:
    """Stop before anything is averaged if published weights do not give their published error.

    Raises:
        CheckpointError: if a score is farther from the published one than the tolerance.

    """
    checkpoint = run.checkpoint
    if checkpoint is None:
        return
    for metric, published in checkpoint.scores.items():
        found = plain[choose(metric, map(str, plain), "metric")]
        if metric == "vrmse" and "mse" in plain:
            found = vrmse_of_the_well(plain)
        raw = float(found.mean(skipna=False))
        if not abs(raw - published) <= checkpoint.tolerance * abs(published):
            raise CheckpointError(
                f"{checkpoint.file or checkpoint.repository} has a raw {metric} of {raw:.4g} on "
                f"{run.task.name}, published is {published:.4g} (within {checkpoint.tolerance:.0%})"
                ": look for another normalisation (stats.yaml), another revision of the data, or "
                "swapped axes or fields; nothing was averaged."
            )


def table(configuration: Configuration, study: Study, name: str) -> None:
    """Make a table that figures of a study draw, and that does not come from evaluations."""
    path = study.tables[choose(name, study.tables, "table")]
    make = registry.resolve("tables", path)
    made = make(study) if callable(make) else None
    if not isinstance(made, pd.DataFrame):
        raise ConfigError(f"Table '{path}' is no function that returns a pandas DataFrame.")
    with write_whole(configuration.layout.further_table(study.name, name)) as temporary:
        made.to_csv(temporary, index=False)
