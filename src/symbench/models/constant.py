"""Numbers that a network computes with and does not learn."""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn


class Constant(nn.Module):
    """Numbers of the type, and on the device, of the module that they are part of.

    They are no part of its weights, and a module that was in single precision for a while has all
    their digits again in double precision, as no buffer would.

    Attributes:
        values: the numbers.

    """

    values: Tensor

    def __init__(self, exact: Tensor) -> None:
        """Take the numbers, in double precision."""
        super().__init__()
        self.exact = exact
        like = exact.to(torch.get_default_dtype())
        self.register_buffer("values", like, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        self.values.copy_(self.exact)
        return self

    def forward(self) -> Tensor:
        """The numbers."""
        return self.values
