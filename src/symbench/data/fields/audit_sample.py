"""The frames of a data set of fields that its audit looks at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from symbench.data.fields.well_format import read_constants

if TYPE_CHECKING:
    from symbench.data.fields.grid_data import FieldSplit

# So many numbers of evenly spaced frames are audited, or so many trajectories if these have more.
NUMBERS = 2**26
TRAJECTORIES = 64
FRAMES = 3


def audit_sample(split: FieldSplit) -> Tensor:
    """A few evenly spaced frames in physical units, shape (trajectory, time, channel, *space).

    Constant fields, in the last channels, are the same in all frames of a trajectory.
    """
    data, steps = split.data, min(split.steps)
    picks = [int(step) for step in torch.linspace(0, steps - 1, min(FRAMES, steps))]
    channels = data.channels + data.constant_channels
    numbers = len(picks) * channels * math.prod(data.header.shape)
    chosen = range(min(split.trajectories, max(TRAJECTORIES, NUMBERS // numbers)))
    frames = [torch.cat([split.frames(t, k, k + 1) for k in picks]) for t in chosen]
    sample = data.normalizer.denormalize(torch.stack(frames).double(), channel_axis=2)
    if not data.constant_channels:
        return sample
    constants = np.stack([read_constants(*split.sources[t]) for t in chosen])
    repeated = torch.from_numpy(constants)[:, None].repeat_interleave(len(picks), dim=1)
    return torch.cat([sample, repeated], dim=2)
