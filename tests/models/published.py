"""Weights and inputs that any code can be given, and values that public code made of them.

The values in `tests/fixtures/published_values.json` were made by running the public code
outside of this project on the same weights, inputs and one step of gradient descent.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from tests.here import here

FIXTURES = Path(__file__).parents[1] / "fixtures"
VALUES, TABLE = FIXTURES / "published_values.json", FIXTURES / "published_networks.csv"


def numbers(*shape: int, first: int = 0) -> Tensor:
    """Sines of whole numbers, in double precision, on the processor."""
    count = torch.Size(shape).numel()
    return torch.arange(first + 1, first + 1 + count, dtype=torch.float64).sin().reshape(shape)


def fill(model: nn.Module) -> nn.Module:
    """The model in double precision, with weights of the size that new ones have."""
    first = 0
    for parameter in model.double().parameters():
        if not parameter.ndim:
            continue
        values = numbers(*parameter.shape, first=first)
        wide = parameter.ndim > 1
        parameter.data = values / parameter.shape[-1] ** 0.5 if wide else 0.5 + 0.1 * values
        first += parameter.numel()
    return here(model)


def forward_and_step(
    model: nn.Module, predict: Callable[[], Tensor], loss: Callable[[Tensor], Tensor], rate: float
) -> list[Tensor]:
    """Predictions in training, before and after one step of gradient descent."""
    before = predict()
    loss(before).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= rate * parameter.grad
        return [before.detach(), predict()]


def assert_published(network: str, predictions: Sequence[Tensor]) -> None:
    """Assert that predictions are those of the public code to 1e-6."""
    published = json.loads(VALUES.read_text())[network]
    for name, prediction in zip(("forward", "after_step"), predictions, strict=True):
        expected = torch.tensor(published[name], dtype=torch.float64)
        torch.testing.assert_close(prediction.flatten().cpu(), expected, rtol=1e-6, atol=1e-6)
