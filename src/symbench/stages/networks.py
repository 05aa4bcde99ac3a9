"""Networks and treatments of runs: built, with published weights, and as they were trained."""

import inspect
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import nn

from symbench.config import registry
from symbench.config.read import Configuration
from symbench.config.run import Run
from symbench.config.schema import Checkpoint
from symbench.data.batch import ModelInputs
from symbench.data.dataset import Data
from symbench.data.raw_files import RawFiles
from symbench.errors import CheckpointError, ConfigError
from symbench.files import refuse_damaged, sha256
from symbench.models.settings import check_settings
from symbench.models.weights import load_weights, published_files
from symbench.stages.data import open_data
from symbench.symmetry.symmetry import Symmetry
from symbench.training.cuda import device_of
from symbench.training.failures import told_in_a_sentence
from symbench.training.treatments.treatment import Treatment


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


def raw_weights(configuration: Configuration, checkpoint: Checkpoint) -> Path:
    """A raw file of weights; raises `CheckpointError` if it is not the one that is meant."""
    path = RawFiles(configuration.raw_files).need(
        str(checkpoint.file), "published weights are kept in formats that may run any code"
    )
    if sha256(path) != checkpoint.sha256:
        raise CheckpointError(f"{path} has another checksum than the config says: {sha256(path)}.")
    return path


def initial_model(
    configuration: Configuration, run: Run
) -> tuple[nn.Module, Path | None, Data[ModelInputs], Symmetry[ModelInputs]]:
    """The network of a run as `build_model` makes it, on the data and the symmetry of its task.

    Returns:
        The network, its published weights if any, its data and its symmetry.

    """
    data = open_data(configuration, run.task, run.seed)
    settings = run.task.settings
    symmetry = data.symmetry(settings.group, settings.exact)
    model, weights = build_model(run, data, symmetry, _published_folder(configuration, run))
    return model, weights, data, symmetry


def trained_model(
    configuration: Configuration, run: Run
) -> tuple[nn.Module, Data[ModelInputs], Symmetry[ModelInputs]]:
    """The network of a run with the weights of its training, its data and its symmetry.

    Raises:
        CheckpointError: if it was not trained, or with other settings or code.

    """
    model, _, data, symmetry = initial_model(configuration, run)
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


def room_for_networks(device: torch.device | None, run: str) -> AbstractContextManager[None]:
    """One sentence where the memory of a device is too small for what is not yet at work."""
    if device is None:
        return nullcontext()
    needed = f"{run}: networks, optimisers and their states"
    return told_in_a_sentence(device_of(device), needed, "smaller networks, or fewer jobs at once")
