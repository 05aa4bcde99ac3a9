"""Reading and writing weights: safetensors only, nothing is unpickled."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from symbench.errors import CheckpointError
from symbench.files import refuse_damaged, write_whole
from symbench.layout import PUBLISHED
from symbench.models.homotopy import relaxations

# No width, depth or resolution of a published network is as large.
LARGEST_SETTING = 10_000


def save_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a state dict, whole or not at all."""
    with write_whole(path) as temporary:
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in state.items()}, temporary
        )


def load_weights(model: nn.Module, path: Path, *, ours: bool = True) -> None:
    """Load weights into a model.

    Args:
        model: whose weights are replaced.
        path: a file in safetensors.
        ours: whether `save_weights` wrote the file, so that its checksum is kept beside it;
            published weights have none.

    Raises:
        CheckpointError: if the file is missing, truncated, or for another model, or its values are
            not finite numbers of the model's kind.
        DataError: if it is ours, and not what was written under its name.

    """
    if ours:
        refuse_damaged(path)
    try:
        state = load_file(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist.") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is truncated or not in safetensors: {error}.") from None
    own = tensors(model)
    missing, extra = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    if missing or extra:
        raise CheckpointError(
            f"{path} is for another model: {len(missing)} tensors are missing "
            f"({', '.join(missing[:3])}), {len(extra)} unknown ({', '.join(extra[:3])})."
        )
    for key, value in state.items():
        check_tensor(path, key, value, own[key])
    for key, value in state.items():
        own[key].data.copy_(value)
    for relaxation in relaxations(model).values():
        relaxation.look_at_gamma()


def check_tensor(path: Path, key: str, value: Tensor, own: Tensor) -> None:
    """Raise `CheckpointError` unless a tensor of a file can replace one of the model.

    It needs the same shape, numbers of the same kind, and values that are finite.
    """
    if value.shape != own.shape:
        raise CheckpointError(
            f"{path} has {key} of shape {tuple(value.shape)}, the model has "
            f"{tuple(own.shape)}: another width, resolution or number of fields."
        )
    if _kind(value) != _kind(own):
        raise CheckpointError(f"{path} has {key} of {value.dtype}, the model has {own.dtype}.")
    # In double precision, which holds what the small floating types cannot be asked.
    wide = value if value.is_complex() else value.double()
    if not bool(torch.isfinite(wide).all()):
        raise CheckpointError(f"{path} has values in {key} that are not finite.")


def _kind(value: Tensor) -> str:
    """What may replace what: real numbers, complex ones, or exactly one other type."""
    if value.is_complex():
        return "complex"
    return "real" if value.is_floating_point() else str(value.dtype)


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers by name; unlike a state dict, tensors only."""
    return {key: value for key, value in model.state_dict().items() if isinstance(value, Tensor)}


def published_files(folder: Path) -> tuple[dict[str, object], Path]:
    """Constructor arguments and weights of a folder with config.json and model.safetensors.

    Raises:
        CheckpointError: if one of the two is not there, or config.json holds anything but keys and
            values of a size that networks have.

    """
    paths = [folder / name for name in PUBLISHED]
    if not all(path.is_file() for path in paths):
        raise CheckpointError(f"{folder} lacks {' or '.join(PUBLISHED)}.")
    return _read_settings(paths[0]), paths[1]


def _read_settings(path: Path) -> dict[str, object]:
    """What a config.json says; see `published_files`."""
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise CheckpointError(f"{path} must hold keys and values, not {content!r:.40}.")
        for key, value in content.items():
            _refuse_hostile(path, key, value)
    except (ValueError, OSError, RecursionError) as error:
        raise CheckpointError(f"{path} is no JSON that can be read: {error}.") from None
    return content


def _refuse_hostile(path: Path, key: str, value: object) -> None:
    """Refuse numbers that would take all memory of the machine, however deep they lie."""
    if isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            _refuse_hostile(path, key, each)
    elif isinstance(value, int | float) and not abs(value) <= LARGEST_SETTING:
        raise CheckpointError(
            f"{path}: {key} holds a number that no setting of a network is: give at most "
            f"{LARGEST_SETTING:,}."
        )
