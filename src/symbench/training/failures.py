"""What is known when training cannot go on, in one sentence each."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from symbench.data.batch import Batch, Inputs, ModelInputs, V
from symbench.errors import DeviceMemoryError, DivergedError, TrainingError
from symbench.training.device import Device


def not_finite(what: str, batches: Iterable[Batch[V]]) -> TrainingError:
    """The error for a loss that is not finite; it tells bad data from a training that diverged.

    Args:
        what: the beginning of the sentence: which loss, and when.
        batches: the batches that the loss is of.

    """
    for batch in batches:
        for name, part in (("inputs", batch.inputs), ("targets", batch.targets)):
            if not _is_finite(part):
                return TrainingError(
                    f"{what} because {name} of a batch are not finite: look at the data, no "
                    "setting of the training mends them."
                )
    return DivergedError(
        f"{what} though inputs and targets are finite; if the loss grew before, lower the learning "
        "rate."
    )


def _is_finite(values: ModelInputs) -> bool:
    """Whether all numbers of inputs or targets are finite."""
    parts = vars(values).values() if isinstance(values, Inputs) else [values]
    return all(bool(_numbers(part).isfinite().all()) for part in parts if isinstance(part, Tensor))


def _numbers(values: Tensor) -> Tensor:
    """The numbers that a tensor holds, of a sparse one those that are not left out."""
    if values.layout == torch.strided:
        return values
    return values.to_sparse_coo().coalesce().values()


@contextmanager
def told_in_a_sentence(device: Device, needed: str, mended_by: str) -> Iterator[None]:
    """Tell in one sentence what torch says of a device that cannot do what it should.

    Args:
        device: that computes.
        needed: what needs its memory.
        mended_by: settings that need less.

    Raises:
        DeviceMemoryError: if its memory is too small.
        TrainingError: if it has no deterministic algorithm where one is wanted.

    """
    try:
        yield
    except torch.OutOfMemoryError:
        free, total = device.memory()
        raise DeviceMemoryError(
            f"{needed} did not fit into the memory of {device.device}, of whose {total / 1e9:.1f} "
            f"GB {free / 1e9:.1f} GB are free: choose {mended_by}."
        ) from None
    except RuntimeError as error:
        if "does not have a deterministic implementation" not in str(error):
            raise
        said = str(error).partition(",")[0]
        raise TrainingError(f"{said}: leave out 'deterministic'.") from None


def is_too_small_for_batch_norm(error: Exception) -> bool:
    """Whether torch refuses to train batch norm on one value for each channel."""
    return "more than 1 value per channel" in str(error)
