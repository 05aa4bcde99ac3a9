"""Words of the answer: ways of imposing a symmetry, what each changed, and for which network."""

from dataclasses import dataclass
from functools import cached_property

from symbench.figures.results import PLAINLY

EVALUATED = {"plain": "", "average": "averaged at evaluation", "frame": "in frames at evaluation"}


@dataclass(frozen=True)
class Way:
    """One way of imposing a symmetry: at training, at evaluation, or both."""

    treatment: str
    evaluation: str

    def __str__(self) -> str:
        """Such as "augment, averaged at evaluation"."""
        parts = ("" if self.treatment == PLAINLY else self.treatment, EVALUATED[self.evaluation])
        return ", ".join(part for part in parts if part) or "plain"


@dataclass(frozen=True)
class Cell:
    """What one way changed for one network.

    Attributes:
        way: how the symmetry was imposed.
        change: of the score, relative to the plain network; below 0 is better where lower is.
        low: end of the interval of the change, which holds for all ways of this network at once.
        high: the other end.
        gain: by how much it is better, from -change or change.
        verdict: "pays", "harms", "nothing", or "open" where the interval leaves it open.
        training: time of training over that of the plain network; NaN where it is not known.
        inference: time of inference over that of the plain network.

    """

    way: Way
    change: float
    low: float
    high: float
    gain: float
    verdict: str
    training: float
    inference: float


@dataclass(frozen=True)
class Network:
    """A model on a task, with all that was tried for it.

    Attributes:
        study: name of the study.
        task: name of the task.
        kind: of the data, such as "fields".
        group: name of the group.
        exact: whether the symmetry is declared to hold.
        model: name of the model.
        metric: what it is judged by.
        plain: the score of the plain network.
        seeds: number of plain networks.
        cells: one for each way that was tried.
        reference: the reference tables that it is of; empty for a network of this run.

    """

    study: str
    task: str
    kind: str
    group: str
    exact: bool
    model: str
    metric: str
    plain: float
    seeds: int
    cells: tuple[Cell, ...]
    reference: str = ""

    def cell(self, way: Way) -> Cell | None:
        """What a way changed; None where it was not tried."""
        return next((cell for cell in self.cells if cell.way == way), None)

    @cached_property
    def best(self) -> Cell | None:
        """The way that gained most among those that pay; None where none does."""
        paying = [cell for cell in self.cells if cell.verdict == "pays"]
        return max(paying, key=lambda cell: cell.gain, default=None)
