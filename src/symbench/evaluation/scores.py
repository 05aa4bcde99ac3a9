"""The registry of metrics: for each its name, unit and direction, and which tasks have it.

A task has the scores of its data set, the same on each further test set, those that its config
adds as `package.module:Name`, and what every evaluation measures. Needs no torch.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from symbench.config import registry
from symbench.data.dataset import Dataset, Score
from symbench.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from symbench.data.batch import Batch, ModelInputs

# What every evaluation or training measures; NaN of networks that have no such thing.
COMMON = (
    Score("equivariance_error"),
    Score("seconds_per_sample", "s"),
    Score("seconds_per_epoch", "s"),
    Score("sensitivity"),
    Score("correlation", better="higher"),
    Score("gamma"),
    Score("free_gamma"),
    Score("gamma_over_free_path"),
)
# What tables have of a quantity whose mean squared error and spread are scores.
MADE = ("rmse", "r_squared")
# What tables have of orbits and rollouts.
BESIDE = (
    "mse",
    "nmse",
    "orbit_variance",
    "orbit_distance",
    "orbit_error",
    "seconds_per_trajectory",
    "peak_memory",
)


@dataclass(frozen=True)
class Metric:
    """A score of yours: what a task names under `metrics`.

    Attributes:
        name: in tables and claims.
        function: from predictions and a batch to one value for each sample, shape (sample,).
        unit: of its values.
        better: whether lower or higher values are better.

    """

    name: str
    function: "Callable[[Tensor, Batch[ModelInputs]], Tensor]"
    unit: str = "1"
    better: Literal["lower", "higher"] = "lower"

    @property
    def score(self) -> Score:
        """What the registry holds."""
        return Score(self.name, self.unit, self.better)


def own_metric(path: str) -> Metric:
    """The `Metric` at `package.module:Name`; raises `ConfigError` if there is none."""
    found = registry.imported(path)
    if not isinstance(found, Metric):
        raise ConfigError(f"'{path}' is no symbench.evaluation.scores.Metric.")
    return found


def metrics_of(dataset: Dataset, own: tuple[Metric, ...] = ()) -> dict[str, Score]:
    """All metrics that a claim about a task may name."""
    scores = [*dataset.scores, *(metric.score for metric in own)]
    beyond = [
        Score(f"{score.name}_{name}", score.unit, score.better)
        for name in dataset.test_sets
        for score in scores
    ]
    return {score.name: score for score in (*scores, *beyond, *COMMON)}


def tabled(scores: Collection[str]) -> set[str]:
    """All metrics that the tables of a task may have: its scores, and what is made from them."""
    spreads = [name.partition("_spread") for name in scores if "_spread" in name]
    return {
        *scores,
        *(f"{name}_median" for name in scores),
        *(f"{quantity}_{made}{rest}" for quantity, _, rest in spreads for made in MADE),
        *BESIDE,
    }


def unit_of(quantity: str, registry: Mapping[str, Score]) -> str:
    """The unit of a predicted quantity: that of its absolute error, where there is such a score."""
    scores = (registry.get(name) for name in (f"{quantity}_mae", "mae"))
    return next((score.unit for score in scores if score is not None), "unit of the data")
