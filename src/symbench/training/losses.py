"""The losses of the steps of an epoch, which stay on the device until somebody reads them."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class StepLoss:
    """What a step lost.

    Attributes:
        step: its number.
        parts: the loss of each part of its batch, and the share of the batch that the part is.

    """

    step: int
    parts: tuple[tuple[float, float], ...]

    @property
    def total(self) -> float:
        """The loss of the whole batch."""
        total = 0.0
        for loss, share in self.parts:
            total += share * loss
        return total


class Losses:
    """Collects the losses of steps: to read a number is to wait for the device."""

    def __init__(self, steps: int, parts: int, device: torch.device) -> None:
        """Make room for some steps between two readings.

        Args:
            steps: the most that are not read.
            parts: of a batch, at most.
            device: where losses are computed.

        """
        # Double precision holds any loss as it is.
        self._values = torch.zeros(steps, parts, dtype=torch.float64, device=device)
        self._unread: list[tuple[int, list[float]]] = []

    def begin(self, step: int) -> None:
        """What is added next is of this step."""
        self._unread.append((step, []))

    def add(self, loss: Tensor, share: float) -> None:
        """Keep the loss of a part of a batch, a scalar; its share of the batch is 1 for all."""
        shares = self._unread[-1][1]
        self._values[len(self._unread) - 1, len(shares)].copy_(loss.detach())
        shares.append(share)

    def read(self) -> list[StepLoss]:
        """All that was added since the last reading."""
        values = self._values[: len(self._unread)].tolist()
        found = [
            StepLoss(step, tuple(zip(row, shares, strict=False)))
            for row, (step, shares) in zip(values, self._unread, strict=True)
        ]
        self._unread = []
        return found
