"""The types of the config: what a size file and a study's file may hold."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from symbench.config.settings import EvaluationSettings, TrainingSettings

Evaluation = Literal["none", "average", "frame"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]


class Strict(BaseModel):
    """A model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(Strict):
    """Where a task stands on a curve of tasks that differ in one number."""

    curve: Name
    quantity: str = Field(description="what differs, such as 'training samples'")
    value: float


class TaskSettings(Strict):
    """One task: where its data come from and which symmetry it is said to have."""

    family: str
    group: str
    exact: bool = True
    parameters: dict[str, Any] = {}
    parity: dict[str, Literal[-1, 1]] = {}
    input_steps: int = Field(4, ge=1)
    places: list[Place] = []
    training: dict[str, Any] = {}
    evaluation: dict[str, Any] = {}


class Checkpoint(Strict):
    """Published weights: a Hub repository or a folder with config.json and model.safetensors."""

    repository: str
    revision: str | None = None
    vrmse: float | None = Field(
        None, gt=0, description="published one-step VRMSE; another raw value stops the evaluation"
    )
    tolerance: float = Field(0.02, gt=0, description="relative, of that")


class ModelSettings(Strict):
    """One model: its architecture and settings, or the published weights that it takes."""

    architecture: str
    settings: dict[str, Any] = {}
    per_task: dict[str, dict[str, Any]] = {}
    training: dict[str, Any] = {}
    evaluations: list[Evaluation] | None = Field(
        None,
        min_length=1,
        description="of the treatment or study by default; an equivariant model gains nothing by "
        "averaging",
    )
    checkpoints: dict[str, Checkpoint] = {}


class TreatmentSettings(Strict):
    """A training treatment with settings of its own."""

    method: str
    settings: dict[str, Any] = {}
    per_task: dict[str, dict[str, Any]] = {}
    evaluations: list[Evaluation] | None = Field(
        None,
        min_length=1,
        description="of models without a list of their own; what is strict gains nothing by more",
    )


class CellBlock(Strict):
    """A product of tasks, models and training treatments."""

    tasks: list[Name]
    models: list[Name]
    treatments: list[Name] = ["none"]
    seeds: list[int] | None = None


class Resources(Strict):
    """What one job may use, for schedulers."""

    threads: int = Field(1, ge=1)
    mem_mb: int = Field(2000, ge=1)
    runtime: int = Field(60, ge=1, description="minutes")
    gpus: int = Field(0, ge=0)
    partition: str | None = Field(None, description="of a Slurm cluster; its default without one")
    constraint: str | None = Field(None, description="on the nodes of a Slurm cluster, as 'a100'")


class StudySize(Strict):
    """What one size file says about one study."""

    seeds: list[int] = Field(min_length=1)
    evaluations: list[Evaluation] = ["none", "average"]
    tasks: dict[Name, TaskSettings]
    models: dict[Name, ModelSettings] = Field(
        {}, description="on top of those that the file of the study shares among sizes"
    )
    treatments: dict[Name, TreatmentSettings] = Field(
        {}, description="those with settings; the others go by the name of their method"
    )
    training: TrainingSettings
    evaluation: EvaluationSettings
    cells: list[CellBlock]
    resources: dict[Literal["fetch", "audit", "train", "evaluate", "compare"], Resources] = {}


class Selection(Strict):
    """Which numbers of which evaluation a claim is about."""

    evaluation: Literal["none", "orbit_mean", "average", "frame"] = "none"
    metric: str = "vrmse"
    over: str | None = Field(None, description="a metric of the same evaluation to divide by")
    task: Name | None = Field(None, description="of the case itself by default")
    model: Name | None = Field(None, description="of the case itself by default")
    treatment: Name | None = Field(None, description="of the case itself by default")
    subgroup: str | None = None
    horizon: Literal["1", "6:12", "13:30"] = "1"
    operator: Literal["stepwise", "trajectory"] = "stepwise"


class Expectation(Strict):
    """What the claim expects of the interval: below, above or within bounds."""

    below: float | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> "Expectation":
        if self.below is None and self.above is None:
            raise ValueError("an expectation needs 'below' or 'above', or both")
        return self


class Claim(Strict):
    """A sentence of the paper as a comparison between cells."""

    name: Name
    statement: str
    source: str = Field(description="where the sentence stands, and whether it was seen there")
    paper_value: str = ""
    measure: Literal[
        "value",
        "difference",
        "relative_change",
        "difference_of_changes",
        "predicted_over_measured_gain",
        "largest_excess",
        "share_refused",
    ]
    of: Selection | None = None
    against: Selection | None = None
    where: dict[Literal["exact", "task", "model", "treatment"], bool | str | list[str]] = {}
    pick: Literal["every", "lowest"] = "every"
    expect: Expectation
    unmet: Literal["contradicted", "inconclusive"] = "contradicted"
    unit: str = ""

    @model_validator(mode="after")
    def _complete(self) -> "Claim":
        compared = ("difference", "relative_change", "difference_of_changes")
        if self.measure in ("value", *compared) and not self.of:
            raise ValueError(f"measure {self.measure} needs 'of'")
        if self.measure in compared and not self.against:
            raise ValueError(f"measure {self.measure} needs 'against'")
        return self


class FigureSettings(Strict):
    """One figure: the module that draws it, and its caption."""

    name: Name
    caption: str


class StudyDescription(Strict):
    """What the file of a study says: the paper, its claims, the figures."""

    title: str
    paper: str
    question: str
    not_comparable: list[str] = []
    reference_metrics: list[str] = Field(description="metrics of the tables in results/reference")
    claims: list[Claim]
    figures: list[FigureSettings]


class SizeFile(Strict):
    """A size file."""

    size: Name
    data: str = "data"
    cache: list[str] = Field(
        [], description="folders where original files are looked for before they are downloaded"
    )
    results: str = "results"
    scratch: str | None = Field(
        None, description="folder of a node, such as $TMPDIR, that data are copied to once"
    )
    only_tasks: list[Name] | None = Field(
        None, description="leave out all other tasks; for an overlay"
    )
    studies: dict[Name, StudySize] = Field(min_length=1)
