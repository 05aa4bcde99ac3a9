"""Where VRMSE is not The Well's: targets without variance, and its floor on small variances."""

import warnings

import numpy as np
import xarray as xr

from symbench.data.fields.metrics import FLOOR_OF_THE_WELL

# The floor is spoken of where it lowers a score by more than this part.
_TOLD = 0.01


def vrmse_of_the_well(dataset: xr.Dataset) -> xr.DataArray:
    """VRMSE as The Well's own function has it, from an evaluation with `vrmse` and `mse`.

    The variance of the target, which is mse / vrmse², has 1e-7 added to it, in squared units of
    each channel. Dimensions (sample, channel).
    """
    variance = (dataset.mse / dataset.vrmse**2).fillna(0)
    return np.sqrt(dataset.mse / (variance + FLOOR_OF_THE_WELL))


def mark_floor(dataset: xr.Dataset) -> xr.Dataset:
    """The evaluation, and where it says other than The Well's, as attributes and warnings.

    Attributes: `constant_targets` and `below_the_floor_of_the_well`, channels and in how many of
    the samples; neither where there is no such sample.
    """
    constant = dataset.vrmse.isnull()
    lowered = (vrmse_of_the_well(dataset) < (1 - _TOLD) * dataset.vrmse) & ~constant
    found = {"constant_targets": constant, "below_the_floor_of_the_well": lowered}
    told = {
        "constant_targets": "Targets are constant in space in {}: they have no VRMSE, and are left "
        "out of its means.",
        "below_the_floor_of_the_well": "The Well's VRMSE, which adds 1e-7 to each variance "
        f"whatever its unit, would be lower by more than {_TOLD:.0%} in {{}}; ours adds nothing.",
    }
    for name, where in found.items():
        counts = where.sum("sample")
        channels = [
            f"{channel} ({int(count)} of {where.sizes['sample']} samples)"
            for channel, count in zip(dataset.channel.values, counts.values, strict=True)
            if count
        ]
        if channels:
            text = ", ".join(channels)
            warnings.warn(told[name].format(text), stacklevel=2)
            dataset = dataset.assign_attrs({name: text})
    return dataset
