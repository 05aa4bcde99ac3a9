"""The one evaluation loop of each kind of data: `grid` (surrogates of PDEs) and `samples`."""

from typing import Any

from torch import nn

from symbench.evaluation.grid import GridEvaluator
from symbench.evaluation.samples import SampleEvaluator
from symbench.settings import EvaluationSettings
from symbench.symmetry.reynolds import Symmetry

EVALUATORS: dict[str, Any] = {"grid": GridEvaluator, "samples": SampleEvaluator}


def evaluator(
    model: nn.Module, data: Any, symmetry: Symmetry, settings: EvaluationSettings
) -> GridEvaluator | SampleEvaluator:
    """The evaluator for a trained model on the test split of some data."""
    chosen: GridEvaluator | SampleEvaluator = EVALUATORS[data.kind](model, data, symmetry, settings)
    return chosen
