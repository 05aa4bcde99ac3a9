"""A trained model of the user's own: its class, its arguments, its weights, and one try."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from symbench.config import registry
from symbench.data.batch import V
from symbench.data.dataset import Split
from symbench.data.fields.grid_data import FieldData, FieldSplit
from symbench.devices import chosen_device
from symbench.errors import CheckpointError, ConfigError, SymBenchError
from symbench.models.placing import placed
from symbench.models.weights import check_tensor, tensors
from symbench.symmetry.reynolds import WRAPPERS

# What training loops put before the names of weights, beside `WRAPPERS`.
_LOOPS = ("model.", "network.")


def own_model(
    name: str, settings: Mapping[str, object], weights: Path | None, data: FieldData
) -> nn.Module:
    """A model of the user with its weights.

    Args:
        name: `package.module:Name` of a class, a function that gives a module, or a module, also of
            the working folder; or a registered name.
        settings: arguments on top of what the data say, of which it is given those that it names.
        weights: safetensors, or a state dict that torch saved; None for a module that has its own.
        data: of fields.

    Raises:
        ConfigError: if there is no such model, or it does not take the settings, as a module does
            not take any, or has no weights.
        CheckpointError: if the weights are not those of the model.

    """
    registry.add_working_folder()
    factory = registry.resolve("models", name)
    if isinstance(factory, nn.Module):
        if settings:
            raise ConfigError(
                f"Model '{name}' is a module, which takes no arguments: leave {min(settings)} away."
            )
        model = factory
    elif callable(factory):
        model = _made(name, factory, settings, data)
        if weights is None and any(True for _ in model.parameters()):
            raise ConfigError(f"Model '{name}' has random weights: give those of its training.")
    else:
        raise ConfigError(f"Model '{name}' is no class, function or module.")
    if weights is not None:
        load_any_weights(model, weights)
    return model.eval()


def _made(
    name: str, factory: Callable[..., object], settings: Mapping[str, object], data: FieldData
) -> nn.Module:
    try:
        taken = inspect.signature(factory).parameters
        offered = {key: value for key, value in data.model_arguments().items() if key in taken}
        model = factory(**{**offered, **settings})
    # Code of the user.
    except Exception as error:
        raise ConfigError(f"Model '{name}' does not take these settings: {_said(error)}.") from None
    if not isinstance(model, nn.Module):
        raise ConfigError(f"Model '{name}' gives a {type(model).__name__}, which is no module.")
    return model


def load_any_weights(model: nn.Module, path: Path) -> None:
    """Load safetensors, or a state dict that torch saved; nothing in it is run.

    Names may stand below those of wrappers such as `nn.DataParallel`.

    Raises:
        CheckpointError: if the file cannot be read, is for another model, or holds values that are
            not finite, or numbers of another kind than the model's.

    """
    state = _read(path)
    own = tensors(model)
    for wrapper in (*WRAPPERS, *_LOOPS) * 2:
        if not own.keys() & state.keys():
            state = {key.removeprefix(wrapper): value for key, value in state.items()}
    try:
        for key, value in state.items():
            # Lazy modules take the shape of what is loaded.
            if key in own and isinstance(value, Tensor) and not is_lazy(own[key]):
                check_tensor(path, key, value, own[key])
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is for another model: {_said(error)}.") from None
    for key, value in tensors(model).items():
        if not bool(torch.isfinite(value).all()):
            raise CheckpointError(f"{path} has values in {key} that are not finite.")


def _read(path: Path) -> dict[str, Tensor]:
    """The state dict in a file, also where training loops put more beside it."""
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist.")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is truncated or not in safetensors: {error}.") from None
    except Exception:
        raise CheckpointError(
            f"{path} is damaged, or holds more than tensors: save model.state_dict()."
        ) from None
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        raise CheckpointError(f"{path} holds a {type(state).__name__} and no state dict.")
    return dict(state)


def check_model(model: nn.Module | Callable[[V], Tensor], split: Split[V]) -> nn.Module:
    """The model as a module, put into eval mode, after one try on the first samples of a split.

    Raises:
        SymBenchError: if it does not take the inputs, gives other shapes than the targets, or gives
            something else when it is called again.

    """
    if isinstance(model, type) or not callable(model):
        raise SymBenchError(f"The model is {model!r}: give a module or a function, not a class.")
    network = model if isinstance(model, nn.Module) else _Function(model)
    placed(network, chosen_device()).eval()
    batch = split.batch(split.samples[:2]).to(chosen_device())
    inputs: object = batch.inputs
    before = inputs.clone() if isinstance(inputs, Tensor) else None
    try:
        with torch.no_grad():
            first, second = network(batch.inputs), network(batch.inputs)
    except SymBenchError:
        raise
    # Code of the user.
    except Exception as error:
        raise SymBenchError(f"The model does not take the data: {_said(error)}.") from None
    if not isinstance(first, Tensor):
        raise SymBenchError(f"The model gives a {type(first).__name__}, and not one tensor.")
    if isinstance(split, FieldSplit) and first.shape != batch.targets.shape:
        raise SymBenchError(
            f"The model gives predictions of shape {tuple(first.shape)} for targets of shape "
            f"{tuple(batch.targets.shape)}."
        )
    if isinstance(inputs, Tensor) and before is not None and not torch.equal(before, inputs):
        raise SymBenchError("The model changes its input in place: give it one that does not.")
    if not bool(first.isfinite().all()):
        raise SymBenchError("The model gives values that are not finite.")
    if not torch.allclose(first, second, rtol=1e-4, atol=1e-6 * float(first.abs().max())):
        raise SymBenchError(
            "The model gives something else when it is called again: averaging would take its "
            "noise for a gain."
        )
    return network


class _Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *arguments: object) -> Tensor:
        return self.function(*arguments)


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
