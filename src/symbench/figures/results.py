"""What a figure may draw from: the tables and evaluations of one study."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from symbench.config.run import Run
from symbench.config.schema import Selection
from symbench.config.study import Study
from symbench.config.sweeps import LENGTHS
from symbench.errors import DataError
from symbench.evaluation.results import RunGroup, run_groups
from symbench.figures.style import HUES
from symbench.files import refuse_damaged
from symbench.layout import Layout
from symbench.statistics import relative_change

# The treatment that leaves a training as it is.
PLAINLY = "none"
# What a sweep may raise until there is no more of it: what is drawn once has the most of it.
AMOUNTS = ("training samples", *LENGTHS.values())
TEXTS = (
    "task",
    "model",
    "treatment",
    "field",
    "lead_time",
    "case",
    "unit",
    "paper_value",
    "wires",
    "note",
)


@dataclass(frozen=True)
class StudyResults:
    """The results of one study at one size.

    Attributes:
        study: the study.
        layout: where its results are.

    """

    study: Study
    layout: Layout

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """The tidy table of metrics."""
        return self._read(self.layout.table(self.study.name, "metrics"))

    @cached_property
    def claims(self) -> pd.DataFrame:
        """Claims with verdicts; the overall row of a claim has an empty case."""
        return self._read(self.layout.table(self.study.name, "claims"))

    def further_table(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        """A further table of the study; empty with these columns where the study has none."""
        path = self.layout.further_table(self.study.name, name)
        return self._read(path) if path.is_file() else pd.DataFrame(columns=list(columns))

    def _read(self, path: Path) -> pd.DataFrame:
        """A table; raises `DataError` if it is not there or damaged."""
        if not path.is_file():
            raise DataError(f"{path} is not there: compare the study first.")
        refuse_damaged(path)
        return read_table(path)

    @cached_property
    def _found(self) -> tuple[list[RunGroup], list[Run]]:
        return run_groups(self.study, self.layout)

    @property
    def groups(self) -> list[RunGroup]:
        """All run groups with evaluations, in the order of the config."""
        return self._found[0]

    @property
    def missing(self) -> list[Run]:
        """Runs without their evaluations."""
        return self._found[1]

    @property
    def plainly_trained(self) -> list[RunGroup]:
        """Those whose training was left as it is."""
        return [group for group in self.groups if group.treatment == PLAINLY]

    @property
    def full_groups(self) -> list[RunGroup]:
        """All but those that were run on another task of their sweep with more, or for longer."""
        points = [
            (group, [p for p in self.study.task(group.task).sweeps if p.quantity in AMOUNTS])
            for group in self.groups
        ]
        most: dict[tuple[str, str, str], float] = {}
        for group, of_group in points:
            for point in of_group:
                key = (point.sweep, group.model, group.treatment)
                most[key] = max(point.value, most.get(key, point.value))
        return [
            group
            for group, of_group in points
            if all(
                point.value == most[point.sweep, group.model, group.treatment] for point in of_group
            )
        ]

    def value(self, group: RunGroup, evaluation: str, metric: str) -> float:
        """A metric as the mean over seeds of what the table of metrics says; NaN without any."""
        values = self.per_seed(group, evaluation, metric)
        return float(np.mean(values)) if len(values) else float("nan")

    def per_seed(self, group: RunGroup, evaluation: str, metric: str) -> np.ndarray:
        """A metric of one step, mean over fields: a value for each seed."""
        rows = self.rows(group)
        chosen = (rows.evaluation == evaluation) & (rows.metric == metric)
        return rows[chosen & (rows.field == "mean") & (rows.lead_time == "1")].value.to_numpy()

    def rows(self, group: RunGroup) -> pd.DataFrame:
        """The metrics of a run group."""
        names = (group.task, group.model, group.treatment)
        return self._by_group.get(names, self.metrics.iloc[:0])

    @cached_property
    def _by_group(self) -> dict[tuple[str, str, str], pd.DataFrame]:
        grouped = self.metrics.groupby(["task", "model", "treatment"], sort=False)
        return {(str(a), str(b), str(c)): rows for (a, b, c), rows in grouped}

    @cached_property
    def models(self) -> list[str]:
        """Models of the study, in the order of the config."""
        return list(dict.fromkeys(run.model for run in self.study.runs))

    @cached_property
    def treatments(self) -> list[str]:
        """Treatments of the study."""
        return sorted({run.treatment for run in self.study.runs})

    def number(self, model: str) -> int:
        """Number of a model in the study, which is its hue in every figure."""
        return self.models.index(model)

    @cached_property
    def architecture_numbers(self) -> dict[str, int]:
        """Number of the first model of each architecture."""
        numbers: dict[str, int] = {}
        for run in self.study.runs:
            numbers.setdefault(run.architecture, self.number(run.model))
        return numbers

    def label_number(self, group: RunGroup) -> int:
        """Number of a model and its treatment, where a figure shows several treatments.

        The first treatment of a model has the hue of the model; others have the next hue that no
        other label of one of their tasks has, as long as there is one.
        """
        return self._label_numbers[group.model, group.treatment]

    @cached_property
    def _label_numbers(self) -> dict[tuple[str, str], int]:
        tasks: dict[tuple[str, str], set[str]] = {}
        for task, model, treatment in self.study.groups:
            tasks.setdefault((model, treatment), set()).add(task)
        numbers: dict[tuple[str, str], int] = {}
        for model, treatment in tasks:
            if not any(model == named for named, _ in numbers):
                numbers[model, treatment] = self.number(model)
        hues = len(HUES)
        for label in tasks:
            if label not in numbers:
                taken = {n % hues for other, n in numbers.items() if tasks[other] & tasks[label]}
                own = self.number(label[0])
                free = (n for n in range(own, own + hues) if n % hues not in taken)
                numbers[label] = next(free, own + hues)
        return numbers


def read_table(path: Path) -> pd.DataFrame:
    """A table of results: names are texts even where they look like numbers, or like none."""
    found = pd.read_csv(
        path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=[""]
    )
    return found.fillna({name: "" for name in TEXTS if name in found})


def label(group: RunGroup) -> str:
    """Model, and how it was trained unless plainly."""
    if group.treatment == PLAINLY:
        return group.model
    return f"{group.model}, {group.treatment}"


def score(evaluation: str = "plain", metric: str = "") -> Selection:
    """What a claim would select: the score that a task is judged by, or another metric."""
    return Selection.model_validate({"evaluation": evaluation, "metric": metric})


def change_by_averaging(group: RunGroup) -> tuple[float, float, float] | None:
    """Change of the score from the plain to the averaged network in percent, and its interval.

    The interval is for these networks. None where either was not evaluated.
    """
    plain, averaged = (group.estimate(score(name)) for name in ("plain", "average"))
    if plain is None or averaged is None:
        return None
    change = relative_change(averaged, plain)
    low, high = change.interval("this network")
    return 100 * change.value, 100 * low, 100 * high


def estimated(
    group: RunGroup, evaluation: str = "plain", metric: str = ""
) -> tuple[float, float, float]:
    """Value of a metric, by default the score, and its interval for networks trained so.

    NaN where it was not evaluated; one seed has no interval.
    """
    estimate = group.estimate(score(evaluation, metric))
    if estimate is None:
        return (float("nan"),) * 3
    return (estimate.value, *estimate.interval())
