"""The affine map of each component of some fields, from the statistics of the training data."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from symbench.data.fields.well_format import read_statistics
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import Normalizer

# Standard deviations that are smaller than this part of the mean are round-off.
_ROUND_OFF = 1e-12


def read_normalizer(
    path: Path, fields: Sequence[Field], dimension: int
) -> tuple[Normalizer, frozenset[str]]:
    """The map by means and standard deviations of a stats.yaml, and which fields are constant.

    What is constant over the training data has no standard deviation to divide by: a component
    takes that of its field, a field its own size, or 1 if it is zero. So the map scales as the
    data do.

    Raises:
        DataError: as `read_statistics`.

    """
    mean, std = (read_statistics(path, fields, key, dimension) for key in ("mean", "std"))
    scaled: list[float] = []
    constant = []
    for field in fields:
        own = slice(len(scaled), len(scaled) + field.channels(dimension))
        sizes = np.abs(mean[own])
        varies = np.array(std[own]) > _ROUND_OFF * sizes
        common = float(np.sqrt(np.mean(np.square(std[own]))))
        if not varies.any():
            constant.append(field.name)
            common = float(sizes.max()) or 1.0
        scaled += np.where(varies, std[own], common).tolist()
    return Normalizer(mean, tuple(scaled)), frozenset(constant)
