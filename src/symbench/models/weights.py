"""Reading and writing weights: safetensors only, nothing is unpickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from symbench.errors import CheckpointError
from symbench.files import refuse_damaged, write_whole
from symbench.hub import download


def save_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a state dict, whole or not at all."""
    with write_whole(path) as temporary:
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in state.items()}, temporary
        )


def load_weights(model: nn.Module, path: Path) -> None:
    """Load weights into a model.

    Raises:
        CheckpointError: if the file is missing, damaged, or of another shape than the model.
        DataError: if it is not what was written under its name.

    """
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
        if value.shape != own[key].shape:
            raise CheckpointError(
                f"{path} has {key} of shape {tuple(value.shape)}, the model has "
                f"{tuple(own[key].shape)}: another width, resolution or number of fields."
            )
    for key, value in state.items():
        own[key].data.copy_(value)


def tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers by name; unlike a state dict, tensors only."""
    return {key: value for key, value in model.state_dict().items() if isinstance(value, Tensor)}


def published_files(repository: str, revision: str | None = None) -> tuple[dict[str, Any], Path]:
    """Constructor arguments and weights of a checkpoint.

    Args:
        repository: a folder or Hub repository with config.json and model.safetensors, such as
            "polymathic-ai/UNetClassic-active_matter".
        revision: commit of the Hub repository.

    Raises:
        CheckpointError: if a folder lacks one of the two files.
        DataError: if the Hub does not give one.

    """
    names = ("config.json", "model.safetensors")
    folder = Path(repository)
    if folder.is_dir():
        paths = [folder / name for name in names]
        if not all(path.is_file() for path in paths):
            raise CheckpointError(f"{folder} lacks {' or '.join(names)}.")
    else:
        paths = [download(repository, name, revision=revision) for name in names]
    return json.loads(paths[0].read_text()), paths[1]
