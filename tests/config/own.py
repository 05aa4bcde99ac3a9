"""Code of a user: what `package.module:Name` in the configs of these tests stands for."""

from typing import ClassVar

from pydantic import field_validator

from symbench.data.dataset import Dataset, Score
from symbench.data.fields.gray_scott import GrayScott
from symbench.evaluation.scores import Metric
from symbench.symmetry.grids.isometries import named_group


class Own(Dataset):
    """A data set of points in a line."""

    kind: ClassVar[str] = "points"
    count: int = 3
    noise: float = 0.5

    @field_validator("count")
    @classmethod
    def _some(cls, count):
        if count < 1:
            raise ValueError("there must be points")
        return count

    def fetch(self, directory, raw_files, threads=1):
        raise NotImplementedError

    def open(self, directory, options, seed):
        raise NotImplementedError

    @property
    def scores(self):
        return (Score("distance", "m"),)

    def check_group(self, name):
        pass


class Careless(Own):
    """It divides before it looks."""

    def __init__(self, **parameters):
        super().__init__(**{**parameters, "count": 6 // len(parameters["of"])})


class Wide(GrayScott):
    """A simulation with one more parameter."""

    width: float = 1.0

    class Inner(GrayScott):
        """A class inside another one."""


METRIC = Metric("shortness", lambda prediction, batch: prediction, "m")
# Names and directions that would be misread.
TWICE = Metric("gamma", lambda prediction, batch: prediction)
UNDIRECTED = Metric("shortness", lambda prediction, batch: prediction, "m", "smaller")
GROUP = named_group("C4", 2)


def anything(*_: object) -> None:
    """A model, a treatment, a measure, a table, a figure."""


circuit_gates = anything
