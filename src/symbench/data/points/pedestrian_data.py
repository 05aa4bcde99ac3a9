"""Windows of pedestrians, opened: batches, scores, symmetries and audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from symbench.data.arrays import Array, read_arrays
from symbench.data.batch import Batch, Inputs
from symbench.data.dataset import Data, Dataset, Split
from symbench.data.points.pedestrians import ORDERS
from symbench.data.points.point_audit import audit_matrices
from symbench.errors import DataError
from symbench.symmetry.audit import ElementAudit
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.points.actions import rotate, rotate_tensors
from symbench.symmetry.points.orders import Orders, order_of
from symbench.symmetry.randomisation import in_blocks, randomisation_test
from symbench.symmetry.symmetry import Element, Symmetry

SEEN, PREDICTED = 8, 12
SAMPLES = 20
# Blocks of one window would share people with both neighbours: errors of neighbouring blocks had
# correlations of 0.3.
_WINDOWS_OF_A_BLOCK = 3


def read_windows(paths: Sequence[Path]) -> dict[str, Array]:
    """All windows of some recordings with at least two pedestrians throughout.

    Returns:
        `positions` in metres, shape (pedestrian of a window, frame, axis); `window`, the number of
        the window of each; `block`, a number for each stretch of frames that windows begin in,
        since neighbouring windows share frames: `_WINDOWS_OF_A_BLOCK` windows long, so that few
        windows share any with the next block.

    Raises:
        DataError: for a file that holds no rows of frame, pedestrian, x and y.

    """
    length = SEEN + PREDICTED
    of_block = _WINDOWS_OF_A_BLOCK * length
    positions: list[Array] = []
    windows: list[int] = []
    blocks: list[int] = []
    found = 0
    first_block = 0
    for path in paths:
        rows = _read(path)
        frames = np.unique(rows[:, 0])
        of_frame = {frame: rows[rows[:, 0] == frame] for frame in frames}
        for start in range(len(frames) - length + 1):
            seen = np.concatenate([of_frame[frame] for frame in frames[start : start + length]])
            names, counts = np.unique(seen[:, 1], return_counts=True)
            throughout = names[counts == length]
            if len(throughout) < 2:
                continue
            for name in throughout:
                # Rounded as in the public code.
                positions.append(np.round(seen[seen[:, 1] == name, 2:], 4))
            windows += [found] * len(throughout)
            blocks += [first_block + start // of_block] * len(throughout)
            found += 1
        first_block += len(frames) // of_block + 1
    if not found:
        raise DataError(
            f"{', '.join(map(str, paths))}: no window of {length} frames has two pedestrians."
        )
    return {
        "positions": np.stack(positions),
        "window": np.array(windows),
        "block": np.array(blocks),
    }


def _read(path: Path) -> Array:
    try:
        rows = np.loadtxt(path, ndmin=2)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is no table of numbers: {error}.") from None
    if rows.shape[1:] != (4,) or not np.isfinite(rows).all():
        raise DataError(f"{path} must hold frame, pedestrian, x and y in each row, all finite.")
    if len(np.unique(rows[:, :2], axis=0)) < len(rows):
        raise DataError(f"{path} has a pedestrian twice in one frame.")
    return rows[np.argsort(rows[:, 0], kind="stable")]


@dataclass(frozen=True)
class PedestrianInputs(Inputs):
    """All pedestrians of some windows, and those who are asked for.

    Attributes:
        displacements: from frame to frame, the first is zero; shape (pedestrian, frame, axis).
        window: the window of each, ascending, shape (pedestrian,).
        chosen: those who are predicted, shape (chosen,).

    """

    displacements: Tensor
    window: Tensor
    chosen: Tensor


class PedestrianData(Data[PedestrianInputs]):
    """Validation and test windows of one scene."""

    def __init__(self, directory: Path) -> None:
        """Open a folder."""
        needed = ("positions", "window", "block")
        self._splits = {
            name: PedestrianSplit(read_arrays(directory / f"{name}.hdf5", needed))
            for name in ("valid", "test")
        }

    def split(self, name: str) -> "PedestrianSplit":
        """Valid or test; raises `DataError` for train, since nothing is trained."""
        if name not in self._splits:
            raise DataError("Pedestrians have no training data here: networks are published ones.")
        return self._splits[name]

    def test_sets(self) -> Mapping[str, "PedestrianSplit"]:
        """The validation split."""
        return {"valid": self._splits["valid"]}

    def model_arguments(self) -> dict[str, object]:
        """Nothing: the published networks fix all."""
        return {}

    def symmetry(self, group: str, exact: bool = True) -> Symmetry[PedestrianInputs]:
        """A group of the square on all displacements, or orders of those in a window."""
        if group == ORDERS:
            return Symmetry(Orders(), _reorder, _same, exact)
        chosen = named_group(group, 2)
        matrices = torch.tensor(np.stack([element.matrix for element in chosen.elements])).double()

        def act(element: Element, inputs: PedestrianInputs) -> PedestrianInputs:
            return replace(inputs, displacements=rotate(matrices[element], inputs.displacements))

        return Symmetry(
            chosen, act, lambda element, outputs: _rotate_outputs(matrices[element], outputs), exact
        )

    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Audit the law of what is seen in validation windows, block by block."""
        valid = self._splits["valid"]
        if group == ORDERS:
            return _audit_orders(valid)
        first, second = valid.moments()

        def moved(matrices: Sequence[Array]) -> dict[str, Array]:
            return {
                "mean displacements": np.stack([first @ q.T for q in matrices]),
                "their products": np.stack([q @ second @ q.T for q in matrices]),
            }

        return audit_matrices(named_group(group, 2), moved, valid.independent)


def _rotate_outputs(matrix: Tensor, outputs: Tensor) -> Tensor:
    """Turn means as vectors and covariances as tensors, shape (chosen, frame, 5)."""
    mean, (xx, xy, yy) = outputs[..., :2], outputs[..., 2:].unbind(dim=-1)
    covariance = torch.stack([torch.stack([xx, xy], -1), torch.stack([xy, yy], -1)], -1)
    turned = rotate_tensors(matrix, covariance)
    parts = [turned[..., 0, 0], turned[..., 0, 1], turned[..., 1, 1]]
    return torch.cat([rotate(matrix, mean), torch.stack(parts, dim=-1)], dim=-1)


def _reorder(element: Element, inputs: PedestrianInputs) -> PedestrianInputs:
    """Put the pedestrians of each window into another order; the chosen stay the same people."""
    seed, sign = torch.as_tensor(element).tolist()
    counts = torch.unique_consecutive(inputs.window, return_counts=True)[1]
    starts = counts.cumsum(0) - counts
    orders = [
        start + order_of(seed, sign, count)
        for start, count in zip(starts.tolist(), counts.tolist(), strict=True)
    ]
    order = torch.cat(orders).to(inputs.window.device)
    return replace(
        inputs,
        displacements=inputs.displacements[order],
        chosen=order.argsort()[inputs.chosen],
    )


def _same(element: Element, outputs: Tensor) -> Tensor:
    """Outputs follow the chosen people, whatever their order."""
    return outputs


class PedestrianSplit(Split[PedestrianInputs]):
    """All pedestrians of all windows of one split."""

    quantities = ("position",)

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        """Take positions, windows and blocks; see `read_windows`."""
        positions = torch.tensor(arrays["positions"])
        steps = positions.diff(dim=1).float()
        self.seen = torch.cat([torch.zeros_like(steps[:, :1]), steps[:, : SEEN - 1]], dim=1)
        self.targets = steps[:, SEEN - 1 :]
        self.window = torch.tensor(arrays["window"])
        self._blocks = arrays["block"]

    @property
    def samples(self) -> Array:
        """The pedestrian of each sample, shape (sample, 1)."""
        return np.arange(len(self.window))[:, None]

    @property
    def blocks(self) -> Array:
        """The stretch of frames that the window of each sample begins in."""
        return self._blocks

    def batch(
        self, rows: Array, generator: torch.Generator | None = None
    ) -> Batch[PedestrianInputs]:
        """Some pedestrians, with all who share their windows."""
        wanted = torch.from_numpy(rows[:, 0])
        present = torch.isin(self.window, self.window[wanted]).nonzero()[:, 0]
        inputs = PedestrianInputs(
            self.seen[present], self.window[present], torch.searchsorted(present, wanted)
        )
        return Batch(inputs, self.targets[wanted], len(rows))

    def loss(self, prediction: Tensor, batch: Batch[PedestrianInputs]) -> Tensor:
        """Mean squared error of the positions."""
        difference = _positions(prediction) - _positions(batch.targets)
        return nn.functional.mse_loss(difference, torch.zeros_like(difference))

    def scores(self, prediction: Tensor, batch: Batch[PedestrianInputs]) -> dict[str, Tensor]:
        """Displacement errors in m, mean over frames and in the last, shape (sample,)."""
        truth = _positions(batch.targets)
        distances = (_positions(prediction) - truth).norm(dim=-1)
        sampled = (_drawn(prediction).cumsum(dim=-2) - truth).norm(dim=-1)
        return {
            "ade": distances.mean(dim=-1),
            "fde": distances[:, -1],
            "ade_best_of_20": sampled.mean(dim=-1).amin(dim=0),
            "fde_best_of_20": sampled[..., -1].amin(dim=0),
        }

    def values_of(self, outputs: Tensor, batch: Batch[PedestrianInputs]) -> dict[str, Tensor]:
        """Mean positions since the last seen one in m, shape (sample, frame · axis)."""
        return {"position": _positions(outputs).flatten(1)}

    @property
    def independent(self) -> int:
        """Number of blocks."""
        return len(np.unique(self._blocks))

    def moments(self) -> tuple[Array, Array]:
        """Mean displacement and its second moments in each block: (block, axis), (block, axis²)."""
        steps = self.seen[:, 1:].double().numpy()
        of_row = [steps.mean(axis=1), np.einsum("nta,ntb->nab", steps, steps) / steps.shape[1]]
        first, second = (_means(values, self._blocks) for values in of_row)
        return first, second

    def ranks(self) -> Array:
        """Mean distance walked by place in the window, in order and reversed.

        Shape (power, block, feature): the product of a pedestrian's place, between -1 and 1, with
        the displacement and its square.
        """
        counts = torch.unique_consecutive(self.window, return_counts=True)[1].numpy()
        place = np.concatenate([np.linspace(-1, 1, count) for count in counts])[:, None]
        steps = self.seen[:, 1:].double().numpy()
        of_row = np.concatenate([steps.mean(axis=1), (steps**2).mean(axis=1)], axis=1)
        features = _means(place * of_row, self._blocks)
        features /= np.sqrt((features**2).mean(axis=0)) + np.finfo(float).tiny
        return np.stack([features, -features])


def _means(values: Array, blocks: Array) -> Array:
    """Means over the rows of each block, shape (block, ...)."""
    found, index = np.unique(blocks, return_inverse=True)
    sums = np.zeros((len(found), *values.shape[1:]))
    np.add.at(sums, index, values)
    return sums / np.bincount(index).reshape(-1, *[1] * (values.ndim - 1))


def _positions(outputs: Tensor) -> Tensor:
    """Positions relative to the last one that was seen, shape (sample, frame, axis)."""
    return outputs[..., :2].cumsum(dim=-2)


def _drawn(outputs: Tensor) -> Tensor:
    """Displacements drawn from the predicted distribution, shape (draw, sample, frame, axis)."""
    generator = torch.Generator().manual_seed(len(outputs))
    noise = torch.randn((SAMPLES, *outputs.shape[:-1], 2), generator=generator).to(outputs)
    xx, xy, yy = outputs[..., 2:].unbind(dim=-1)
    deviation = xx.sqrt()
    slope = xy / deviation
    rest = (yy - slope.square()).clamp(min=0).sqrt()
    drawn = torch.stack(
        [deviation * noise[..., 0], slope * noise[..., 0] + rest * noise[..., 1]], dim=-1
    )
    return outputs[..., :2] + drawn


def _audit_orders(split: PedestrianSplit) -> list[ElementAudit]:
    """Audit the law under the reversed order: does place in the window go with displacements?"""
    ranks = in_blocks(split.ranks())
    law = randomisation_test([("displacements by place", ranks)], split.independent, 1, seed=0)
    return [ElementAudit.judged("reversed", float("nan"), law, 1)]
