"""What a figure may draw from: the tables and evaluations of one study."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from symbench.cells import CellFamily, GridFamily, SampleFamily, families
from symbench.config.schema import Place
from symbench.config.study import Study


@dataclass(frozen=True)
class StudyResults:
    """The results of one study at one size.

    Attributes:
        study: the study.
        directory: holds metrics.csv, claims.csv, evaluations/, models/ and audits/.

    """

    study: Study
    directory: Path

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """The tidy table of metrics."""
        return pd.read_csv(self.directory / "metrics.csv", dtype={"lead_time": str})

    @cached_property
    def claims(self) -> pd.DataFrame:
        """Claims with verdicts."""
        return pd.read_csv(self.directory / "claims.csv")

    @cached_property
    def families(self) -> list[CellFamily]:
        """All cell families with their evaluations."""
        return families(self.study, self.directory / "evaluations")

    @property
    def grid_families(self) -> list[GridFamily]:
        """Those of surrogates on a grid."""
        return [family for family in self.families if isinstance(family, GridFamily)]

    @property
    def sample_families(self) -> list[SampleFamily]:
        """Those of graphs, point clouds and eigenvectors."""
        return [family for family in self.families if isinstance(family, SampleFamily)]

    @property
    def full_families(self) -> list[SampleFamily]:
        """Those of samples but for tasks that another task of the run has more samples of."""
        most: dict[str, float] = {}
        places = [place for task in self.study.tasks for place in self.study.task(task).places]
        for place in places:
            most[place.curve] = max(place.value, most.get(place.curve, place.value))
        return [
            family
            for family in self.sample_families
            if all(place.value == most[place.curve] for place in self._sizes(family.task))
        ]

    def _sizes(self, task: str) -> list[Place]:
        places = self.study.task(task).places
        return [place for place in places if place.quantity == "training samples"]

    @cached_property
    def history(self) -> pd.DataFrame:
        """Training histories of all cells, with their coordinates."""
        return pd.concat(
            [
                family.history.assign(
                    task=family.task, model=family.model, treatment=family.treatment
                )
                for family in self.families
            ],
            ignore_index=True,
        )
