"""The loss of a network as it is, over many samples."""

import math
from collections.abc import Callable
from contextlib import closing

import numpy as np
import torch
from torch import nn

from symbench.data.batch import Batch, V
from symbench.data.dataset import Split
from symbench.training.device import Device
from symbench.training.feeder import prepared


@torch.no_grad()
def mean_loss(
    model: nn.Module,
    split: Split[V],
    samples: np.ndarray,
    batch_size: int,
    device: Device,
) -> float:
    """The mean of the validation loss over samples.

    Args:
        model: in evaluation mode.
        split: of the samples.
        samples: some of its rows.
        batch_size: samples in one call of the model, at most.
        device: of the model.

    """

    def uploaded(rows: np.ndarray) -> Callable[[], Batch[V]]:
        return device.upload(split.batch(rows))

    parts = in_parts(samples, batch_size)
    losses = []
    with closing(prepared(uploaded, parts, device.ahead)) as following:
        for take in following:
            batch = take()
            losses.append(split.validation_loss(model(batch.inputs).float(), batch))
    total = 0.0
    for loss, rows in zip(torch.stack(losses).tolist(), parts, strict=True):
        total += loss * len(rows)
    return total / len(samples)


def in_parts(samples: np.ndarray, size: int) -> list[np.ndarray]:
    """Rows of samples in parts of about the same size, at most so large."""
    return np.array_split(samples, math.ceil(len(samples) / size))
