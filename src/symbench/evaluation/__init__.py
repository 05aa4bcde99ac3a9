"""The one evaluation loop of each kind of data: `grid` (surrogates of PDEs) and `samples`."""

from importlib import import_module
from typing import Any, Protocol

import xarray as xr
from torch import nn

from symbench.config.settings import EvaluationSettings
from symbench.symmetry.symmetry import Symmetry

# By name, so that a job imports what its own data need and no more.
EVALUATORS = {"grid": "GridEvaluator", "samples": "SampleEvaluator"}


class Evaluator(Protocol):
    """What the evaluation of a trained model on the test split of some data offers."""

    def evaluate(self, evaluation: str) -> xr.Dataset:
        """One of "none", "average" and "frame", as a dataset with named dimensions."""


def evaluator(
    model: nn.Module, data: Any, symmetry: Symmetry, settings: EvaluationSettings
) -> Evaluator:
    """The evaluator for a trained model on the test split of some data."""
    module = import_module(f"symbench.evaluation.{data.kind}")
    chosen: Evaluator = getattr(module, EVALUATORS[data.kind])(model, data, symmetry, settings)
    return chosen
