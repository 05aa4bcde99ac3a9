"""Closed-loop prediction, and its two averages over a group.

Two operators that are easily confused (P7):

- stepwise: (Q f) after (Q f) ..., average each step and feed the average back. Exactly
  equivariant, one trajectory; no guarantee of a lower error beyond the first step.
- trajectory: Q (f after f ...), roll out every transformed start and average the frames. P2 to P4
  hold at every lead time, but where the dynamics is chaotic the mean of an ensemble is blurred.

Stepwise is `rollout` of an averaged model; both cost |G| times a plain rollout.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from symbench.symmetry.chunks import Chunk, Chunks, checked_chunk
from symbench.symmetry.reynolds import added, chosen_elements
from symbench.symmetry.symmetry import Elements, Symmetry


def rollout(
    model: Callable[[Tensor], Tensor], inputs: Tensor, steps: int, constant_channels: int = 0
) -> Iterator[Tensor]:
    """Yield `steps` predictions, each fed back as the newest frame of the history.

    Args:
        model: maps a history to the next frame.
        inputs: shape (batch, steps·channel + constant channel, *space), oldest frame first.
        steps: number of frames to predict.
        constant_channels: trailing channels of the input that stay as they are.

    Yields:
        Frames of shape (batch, channel, *space).

    """
    history_channels = inputs.shape[1] - constant_channels
    history, constants = inputs[:, :history_channels], inputs[:, history_channels:]
    for _ in range(steps):
        frame = model(torch.cat([history, constants], dim=1) if constant_channels else history)
        history = torch.cat([history[:, frame.shape[1] :], frame], dim=1)
        yield frame


def trajectory_average(
    model: Callable[[Tensor], Tensor],
    symmetry: Symmetry[Tensor],
    inputs: Tensor,
    steps: int,
    *,
    elements: Elements | None = None,
    constant_channels: int = 0,
    chunk: Chunk = 1,
) -> Tensor:
    """Mean over the group of whole rollouts, shape (step, batch, channel, *space).

    Args:
        model: maps a history to the next frame.
        symmetry: the group and its actions.
        inputs: as for `rollout`.
        steps: number of frames to predict.
        elements: indices of the elements, all of the group by default.
        constant_channels: as for `rollout`.
        chunk: how many elements are rolled out in one batch; see `orbit`.

    """
    indices = chosen_elements(symmetry.group, elements)
    chunks = Chunks(checked_chunk(chunk), inputs, len(indices))

    def with_parts_of(size: int) -> Tensor:
        parts = [indices[start : start + size] for start in range(0, len(indices), size)]
        return _trajectory_average(model, symmetry, inputs, steps, parts, constant_channels)

    return chunks.run(with_parts_of)


def _trajectory_average(
    model: Callable[[Tensor], Tensor],
    symmetry: Symmetry[Tensor],
    inputs: Tensor,
    steps: int,
    parts: Sequence[Elements],
    constant_channels: int,
) -> Tensor:
    total: list[Tensor | None] = [None] * steps
    for part in parts:
        moved = torch.cat([symmetry.act_on_input(g, inputs) for g in part])
        inverses = [symmetry.group.inverse(g) for g in part]
        for step, frame in enumerate(rollout(model, moved, steps, constant_channels)):
            pieces = frame.unflatten(0, (len(part), len(inputs)))
            for inverse, piece in zip(inverses, pieces, strict=True):
                pulled_back = symmetry.act_on_output(inverse, piece)
                total[step] = added(total[step], pulled_back)
    count = sum(len(part) for part in parts)
    means = [each.div_(count).to(frame.dtype) for each in total if each is not None]
    return torch.stack(means)
