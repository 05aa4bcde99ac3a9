"""A trained model of the user's own: its class, its arguments, its weights."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from symbench.config import registry
from symbench.data.fields.grid_data import FieldData
from symbench.errors import CheckpointError, ConfigError
from symbench.models.weights import load_weights, tensors


def own_model(
    name: str, settings: Mapping[str, object], weights: Path | None, data: FieldData
) -> nn.Module:
    """A model of the user with its weights.

    Args:
        name: `package.module:Name` of a class or function that gives a module, or a registered one.
        settings: arguments on top of what the data say, of which it is given those that it takes.
        weights: safetensors, or a state dict that torch saved; None keeps those it is made with.
        data: of fields.

    Raises:
        ConfigError: if there is no such model, or it does not take the settings.
        CheckpointError: if the weights are not those of the model.

    """
    factory = registry.resolve("models", name)
    if isinstance(factory, nn.Module):
        model = factory
    elif callable(factory):
        model = _made(name, factory, settings, data)
    else:
        raise ConfigError(f"Model '{name}' is no class, function or module.")
    if weights is not None:
        load_any_weights(model, weights)
    return model.eval()


def _made(
    name: str, factory: Callable[..., object], settings: Mapping[str, object], data: FieldData
) -> nn.Module:
    taken = inspect.signature(factory).parameters
    if any(each.kind == inspect.Parameter.VAR_KEYWORD for each in taken.values()):
        offered = data.model_arguments()
    else:
        offered = {key: value for key, value in data.model_arguments().items() if key in taken}
    try:
        model = factory(**{**offered, **settings})
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"Model '{name}' does not take these settings: {' '.join(str(error).split())}."
        ) from None
    if not isinstance(model, nn.Module):
        raise ConfigError(f"Model '{name}' gives a {type(model).__name__}, which is no module.")
    return model


def load_any_weights(model: nn.Module, path: Path) -> None:
    """Load safetensors, or a state dict that torch saved; nothing in it is run.

    Raises:
        CheckpointError: if the file cannot be read or is for another model.

    """
    if path.suffix == ".safetensors":
        load_weights(model, path, ours=False)
        return
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist.") from None
    except Exception as error:
        raise CheckpointError(
            f"{path} holds more than tensors, or is damaged: {str(error).splitlines()[0]} Save "
            "model.state_dict()."
        ) from None
    # What training loops put beside it.
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path} holds a {type(state).__name__} and no state dict.")
    for wrapper in ("module.", "_orig_mod."):
        if not set(tensors(model)) & set(state):
            state = {key.removeprefix(wrapper): value for key, value in state.items()}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} is for another model: {' '.join(str(error).split())}"
        ) from None
