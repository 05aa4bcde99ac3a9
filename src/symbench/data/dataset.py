"""What a data set offers: the contract between data and everything that uses them.

A data set is described by a `Dataset`: a class that `dataset:` in the config names and that is
built from the task's `parameters`, its fields. It makes the files (`fetch`) and opens them (`open`)
as `Data`, whose splits (`Split`) give batches, losses and scores. Abstract methods each data set
must answer; the others have the default that suits most.

A module that defines a `Dataset` must be imported in milliseconds: the whole config is checked
through it before any job starts. What needs torch, JAX or PySCF is imported inside `fetch` and
`open`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from symbench.data.parameters import SPLITS as SPLITS
from symbench.data.parameters import first_problem
from symbench.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from symbench.data.batch import Batch, ModelInputs
    from symbench.data.manifest import Manifest
    from symbench.data.raw_files import RawFiles
    from symbench.symmetry.audit import ElementAudit
    from symbench.symmetry.groups import Elements
    from symbench.symmetry.symmetry import Symmetry

    V = TypeVar("V", bound=ModelInputs)
else:
    V = TypeVar("V")

Kind = Literal["fields", "points", "molecules", "graphs"]


@dataclass(frozen=True)
class Score:
    """A number that each test sample has.

    Attributes:
        name: such as "mse"; the name in tables and claims.
        unit: of its values.
        better: whether lower or higher values are better.

    """

    name: str
    unit: str = "1"
    better: Literal["lower", "higher"] = "lower"

    @property
    def worst(self) -> float:
        """The value of a prediction that is not finite."""
        return float("inf") if self.better == "lower" else float("-inf")


@dataclass(frozen=True)
class TaskOptions:
    """What a task says beside the parameters of its data set; read when the data are opened.

    Attributes:
        input_steps: frames that a model sees, for fields.
        parity: axial fields, -1 each, by name; for fields.

    """

    input_steps: int = 4
    parity: Mapping[str, int] | None = None


class Dataset(BaseModel, ABC):
    """Where the data of a task come from: a simulator, a download, raw files at hand.

    The task's `parameters` are the fields of the subclass; `symbench.data.parameters` has types
    with bounds. What they refuse, and a `ValueError` of a validator, is a `ConfigError`: nothing
    but the config is needed to find it.

    Class attributes:
        kind: which models, groups and settings suit the data.
        has_trajectories: whether samples are steps of trajectories on a grid: the settings of
            rollouts make sense.
        training_samples: the parameter that holds the number of training samples, for sweeps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    kind: ClassVar[Kind]
    has_trajectories: ClassVar[bool] = False
    training_samples: ClassVar[str] = "samples.train"

    def __init__(self, **parameters: object) -> None:
        """Check the parameters; raises `ConfigError` for the first that makes no sense."""
        try:
            super().__init__(**parameters)
        except ValidationError as error:
            raise ConfigError(first_problem(error, type(self))) from None

    @abstractmethod
    def fetch(self, directory: Path, raw_files: RawFiles, threads: int = 1) -> Manifest:
        """Make or download all files of the data set, and say what they are.

        The directory exists and is this data set's own; so many processes or threads may be used.
        """

    @abstractmethod
    def open(self, directory: Path, options: TaskOptions, seed: int) -> Data[Any]:
        """Open the files for one seed; raises `DataError` if they are not what they should be."""

    @property
    @abstractmethod
    def scores(self) -> tuple[Score, ...]:
        """The scores of test samples; the task is judged by the first."""

    @property
    def raw_files_needed(self) -> tuple[str, ...]:
        """Names of raw files without which nothing can be fetched; none by default."""
        return ()

    def urls(self, raw_files: RawFiles) -> Mapping[str, str]:
        """Addresses of raw files that `fetch` downloads where they are not at hand, by name."""
        return {}

    def needs_network(self, raw_files: RawFiles) -> bool:
        """Whether `fetch` downloads anything."""
        return any(raw_files.find(name) is None for name in self.urls(raw_files))

    def download_size(self, raw_files: RawFiles) -> int | None:
        """Bytes that `fetch` would bring, as its servers say; None where one says nothing."""
        return raw_files.download_size(self.urls(raw_files))

    @property
    def test_sets(self) -> tuple[str, ...]:
        """Names of further test sets, beside the test split; their scores are `<score>_<name>`."""
        return ()

    @abstractmethod
    def check_group(self, name: str) -> None:
        """Raise `SymmetryError` if no group of this name acts on such data."""

    def check_seed(self, seed: int) -> None:
        """Raise `ConfigError` if there are no data for a seed; all seeds share them by default."""
        return

    def dynamics_errors(self, group: str, elements: Elements) -> list[float] | None:
        """Relative differences between the solution of the moved start and the moved solution.

        One number for each of some elements of a group, given as indices or arrays; None where
        nothing can be solved again, as for most data.
        """
        return None


class Data(ABC, Generic[V]):
    """The data of one task for one seed, opened."""

    @abstractmethod
    def split(self, name: str) -> Split[V]:
        """One of train, valid, test."""

    def test_sets(self) -> Mapping[str, Split[V]]:
        """Further test sets by name: beyond the law of the training data, or corrupted."""
        return {}

    @abstractmethod
    def model_arguments(self) -> dict[str, object]:
        """What the constructors of models want to know about the data, by name of the argument."""

    @abstractmethod
    def symmetry(self, group: str, exact: bool = True) -> Symmetry[V]:
        """The symmetry of the map from inputs to targets.

        Raises `SymmetryError` if the group does not act on these data.
        """

    @abstractmethod
    def audit(self, group: str, dataset: Dataset) -> list[ElementAudit]:
        """Decide for each element whether it is a symmetry of the dynamics and of the law."""


class Split(ABC, Generic[V]):
    """Samples of one split: rows that name them, batches, losses and scores.

    Attributes:
        quantities: names of what is predicted, in whose units squared errors make sense; see
            `values_of`. Data with quantities get the analysis of orbits: error by element, subsets,
            predicted gain.

    """

    quantities: tuple[str, ...] = ()

    @property
    @abstractmethod
    def samples(self) -> np.ndarray:
        """All samples, one row of integers each, shape (sample, coordinate)."""

    @property
    def blocks(self) -> np.ndarray:
        """The independent unit of each sample, shape (sample,); each is its own by default.

        Samples of one trajectory are alike: intervals draw whole trajectories.
        """
        return np.arange(len(self.samples))

    @abstractmethod
    def batch(self, rows: np.ndarray, generator: torch.Generator | None = None) -> Batch[V]:
        """The samples of some rows; what is drawn anew in each epoch comes from the generator."""

    @abstractmethod
    def loss(self, prediction: Tensor, batch: Batch[V]) -> Tensor:
        """The training loss, a scalar."""

    def first_phase_loss(self, prediction: Tensor, batch: Batch[V]) -> Tensor:
        """The loss of the first phase, where the training settings have one; a scalar."""
        return self.loss(prediction, batch)

    def validation_loss(self, prediction: Tensor, batch: Batch[V]) -> Tensor:
        """What chooses the best weights: a scalar, lower is better."""
        return self.loss(prediction, batch)

    @abstractmethod
    def scores(self, prediction: Tensor, batch: Batch[V]) -> dict[str, Tensor]:
        """The scores of the data set by name, shape (sample,) or (sample, channel)."""

    def values_of(self, outputs: Tensor, batch: Batch[V]) -> dict[str, Tensor]:
        """Predictions or targets in physical units by quantity, each of shape (sample, component).

        The analysis of orbits averages these values. Where they are not linear in the outputs, as
        probabilities are not in logits, it speaks of averaged values and not of averaged outputs.
        """
        return {}

    def values_in_parts(
        self, outputs: Tensor, batch: Batch[V], most: int
    ) -> Iterator[dict[str, Tensor]]:
        """`values_of`, some components of each quantity after the other, to bound memory.

        Args:
            outputs: predictions or targets.
            batch: what they belong to.
            most: how many numbers of the outputs a part is made from, where they can be parted.

        """
        yield self.values_of(outputs, batch)

    def variance_of_targets(self, batch: Batch[V]) -> dict[str, Tensor]:
        """Denominators of normalised squared errors by quantity, each of shape (sample,).

        Empty where errors are given in the units of the quantity.
        """
        return {}

    @property
    def scales(self) -> dict[str, float]:
        """Typical squared size of each quantity over the training data, 1 by default.

        It makes squared errors of several quantities comparable without labels; it must not change
        when the group acts, so components of one vector share theirs.
        """
        return dict.fromkeys(self.quantities, 1.0)

    def disturbed(self, batch: Batch[V], generator: torch.Generator) -> tuple[V, float] | None:
        """Inputs after a small random change, and its size (RMS); None where no change is small."""
        return None
