"""The types of the config: what a size file, an overlay and the file of a study may hold.

config/README.md explains every key; it is made from the descriptions here.
"""

from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from symbench.config.settings import EvaluationSettings, Strict, TrainingOptions

Evaluation = Literal["plain", "average", "frame"]
Stage = Literal["fetch", "audit", "train", "evaluate", "compare"]
Settings = dict[str, JsonValue]
# What texts may hold, in the words of messages.
NAME, PATTERN, FOLDER = r"^[A-Za-z0-9_]+$", r"^[A-Za-z0-9_*?\[\]]+$", r"^[^{}$`\"\\\x00-\x1f]+$"
ARM = r"^[A-Za-z0-9_*?\[\]]+(/[A-Za-z0-9_*?\[\]]+){2}$"
SHA256 = r"^[0-9a-f]{64}$"
WORDS = {
    NAME: "give letters, digits and underscores",
    PATTERN: "give letters, digits and underscores, and * or ? for any",
    ARM: "write task/model/treatment, with * or ? for any",
    SHA256: "give 64 hexadecimal digits",
    FOLDER: "give the path of a folder, without braces, quotes, $, ` and \\",
}
# Names are parts of paths and of the workflow's patterns.
Name = Annotated[str, Field(pattern=NAME, max_length=100)]
# A name, or a pattern of names such as nbody_*.
Pattern = Annotated[str, Field(pattern=PATTERN)]
# The names of an arm, or patterns of names, such as nbody/segnn/constrain*.
ArmPattern = Annotated[str, Field(pattern=ARM)]
# A registered name, or `package.module:Name`.
Registered = Annotated[str, Field(min_length=1)]
# A folder: the workflow takes { and } for its own, and shells of clusters the others.
Folder = Annotated[str, Field(pattern=FOLDER)]

# Numbers that a name can be made of.
LARGEST = 10**15
Bounds = Field(gt=-LARGEST, lt=LARGEST)
Number = Annotated[float, Bounds] | Annotated[int, Bounds]

Item = TypeVar("Item")


def _once(values: list[Item]) -> list[Item]:
    twice = [value for number, value in enumerate(values) if value in values[:number]]
    if twice:
        raise ValueError(f"{twice[0]!r} is listed twice")
    return values


Seeds = Annotated[
    list[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=1), AfterValidator(_once)
]
Evaluations = Annotated[list[Evaluation], Field(min_length=1), AfterValidator(_once)]


class TaskSettings(Strict):
    """One task: where its data come from and which symmetry it is said to have."""

    dataset: Registered = Field(description="a simulator, a download, or raw files at hand")
    group: str = Field(description="what dynamics and data should be invariant under")
    exact: bool = Field(True, description="false studies a symmetry that the audit finds broken")
    parameters: Settings = Field({}, description="of the data set; its class documents them")
    parity: dict[str, Literal[-1, 1]] = Field(
        {}, description="axial fields, -1 each; The Well's schema does not know parity"
    )
    input_steps: int = Field(4, ge=1, description="frames that a model sees, for fields")
    metrics: Annotated[list[Registered], AfterValidator(_once)] = Field(
        [], description="further scores of test samples, as `package.module:Name`"
    )
    sweep: dict[Name, Annotated[list[Number], Field(min_length=1), AfterValidator(_once)]] = Field(
        {},
        description="tasks that differ in one number: `training_samples`, `epochs`, `steps`, or a"
        " parameter of the data set; each value makes a task <name>_<key>_<value>, but for the"
        " task's own",
    )
    training: TrainingOptions = Field(
        TrainingOptions(), description="on top of that of study and model"
    )
    evaluation: EvaluationSettings = Field(
        EvaluationSettings(), description="on top of that of the study"
    )
    evaluations: Evaluations | None = Field(
        None, description="of models and treatments without a list of their own"
    )


class Checkpoint(Strict):
    """Published weights of a task: they are evaluated and not trained."""

    repository: str | None = Field(
        None,
        description="a Hub repository or a folder with config.json and model.safetensors; the "
        "model's by default",
    )
    revision: str | None = Field(None, description="commit of the repository")
    file: str | None = Field(
        None, description="a raw file in safetensors with the weights alone, in place of both"
    )
    sha256: str | None = Field(None, pattern=SHA256, description="checksum of that file")
    scores: dict[str, float] = Field(
        {}, description="published scores by metric; other raw values stop the evaluation"
    )
    tolerance: float = Field(0.02, gt=0, description="relative, of those")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.file is not None and (self.repository or self.revision):
            raise ValueError("weights come from a 'file' or from a 'repository', not from both")
        if (self.file is None) != (self.sha256 is None):
            raise ValueError("'file' and 'sha256' go together")
        return self


class ModelSettings(Strict):
    """One model: its architecture and settings, or the published weights that it takes."""

    architecture: Registered = Field(description="its code")
    settings: Settings = Field({}, description="keyword arguments of the architecture")
    per_task: dict[Pattern, Settings] = Field({}, description="on top of them, by task")
    training: TrainingOptions = Field(TrainingOptions(), description="on top of the study's")
    evaluations: Evaluations | None = Field(
        None,
        description="of the treatment or study by default; an equivariant model gains nothing by "
        "averaging",
    )
    repository: str | None = Field(
        None, description="of its checkpoints; {task} stands for the name of the task"
    )
    checkpoints: dict[Name, Checkpoint] = Field({}, description="published weights, by task")


class TreatmentSettings(Strict):
    """A training treatment with settings of its own."""

    method: Registered = Field(description="its code")
    settings: Settings = Field({}, description="keyword arguments of the method")
    per_task: dict[Pattern, Settings] = Field({}, description="on top of them, by task")
    evaluations: Evaluations | None = Field(
        None,
        description="of models without a list of their own; what is strict gains nothing by more",
    )


class ArmSettings(Strict):
    """What single arms (task, model and treatment) say, on top of all else."""

    training: TrainingOptions = Field(
        TrainingOptions(), description="on top of that of study, model and task"
    )
    treatment: Settings = Field({}, description="keyword arguments of the method, on top of others")


Candidates = Annotated[list[JsonValue], Field(min_length=1), AfterValidator(_once)]


class ArmCandidates(Strict):
    """Values that are tried for an arm."""

    training: dict[Name, Candidates] = Field({}, description="by training setting")
    treatment: dict[Name, Candidates] = Field({}, description="by keyword argument of the method")


class Tuning(Strict):
    """How settings are chosen on validation data: each arm has as many trials as the others."""

    seeds: Seeds = Field(description="each trial is trained for each; no run of the study has them")
    budget: int = Field(ge=1, description="trials of each arm: combinations of its candidates")
    candidates: dict[ArmPattern, ArmCandidates] = Field(
        min_length=1, description="by arm; of patterns that fit one arm, the last is on top"
    )


class RunBlock(Strict):
    """A product of tasks, models, training treatments and seeds."""

    tasks: Annotated[list[Pattern], Field(min_length=1)]
    models: Annotated[list[Pattern], Field(min_length=1)]
    treatments: Annotated[list[Name], Field(min_length=1)] = Field(["none"])
    seeds: Seeds | None = Field(None, description="of the study by default")


class Resources(Strict):
    """What one job of a stage may use, for schedulers."""

    threads: int = Field(1, ge=1)
    mem_mb: int = Field(2000, ge=1)
    runtime: int = Field(60, ge=1, description="minutes")
    gpus: int = Field(0, ge=0)
    gpu_model: str | None = Field(None, description="of the GPUs, as the cluster names it: 'a100'")
    partition: str | None = Field(None, description="of a Slurm cluster; its default without one")
    constraint: str | None = Field(None, description="on the nodes of a Slurm cluster, as 'a100'")
    seeds_together: bool = Field(
        False, description="of trainings: whether one job trains all seeds of a run group at once"
    )

    @model_validator(mode="after")
    def _on_one_gpu(self) -> Self:
        if self.seeds_together and self.gpus > 1:
            raise ValueError(f"seeds that are trained together share one GPU, not {self.gpus}")
        return self


# The networks at hand, with test samples drawn; or networks trained so, with seeds drawn as well.
Population = Literal["this network", "networks trained so"]


class Selection(Strict):
    """Which numbers of which evaluation a claim is about."""

    evaluation: Literal["plain", "orbit_mean", "average", "frame"] = "plain"
    metric: str = Field("", description="a score of the task; the one it is judged by, by default")
    over: str | None = Field(None, description="a metric of the same evaluation to divide by")
    task: Name | None = Field(None, description="of the case itself by default")
    model: Name | None = Field(None, description="of the case itself by default")
    treatment: Name | None = Field(None, description="of the case itself by default")
    subgroup: str | None = Field(
        None, description="average over this part of the group, for fields"
    )
    horizon: Literal["1", "6:12", "13:30"] = Field("1", description="lead times, for fields")
    operator: Literal["stepwise", "trajectory"] = Field("stepwise", description="of rollouts")


class Expectation(Strict):
    """What the claim expects of the interval: below, above or within bounds."""

    below: float | None = None
    above: float | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.below is None and self.above is None:
            raise ValueError("an expectation needs 'below' or 'above', or both")
        if self.below is not None and self.above is not None and self.above >= self.below:
            raise ValueError(f"nothing lies above {self.above} and below {self.below}")
        return self


class Need(Expectation):
    """What must hold of a case before it is judged: a network that is not trained shows nothing."""

    of: Selection = Field(description="the number, by its value alone")
    why: str = Field(description="what is said where it does not hold")


class Claim(Strict):
    """A sentence of the paper, of theory or of ours, as a comparison between runs."""

    name: Name
    statement: str
    origin: Literal["paper", "theory", "ours"] = Field(
        description="whose sentence it is; only one of the paper can be reproduced"
    )
    source: str = Field(description="where the sentence stands, and whether it was seen there")
    paper_value: str = ""
    measure: Registered = Field(description="value, difference, relative_change, ...")
    of: Selection | None = None
    against: Selection | None = None
    where: dict[
        Literal["exact", "task", "model", "treatment"],
        Pattern | Annotated[list[Pattern], Field(min_length=1)] | bool,
    ] = Field({}, description="the cases: names or patterns, and whether their symmetry is exact")
    pick: Literal["every", "lowest"] = "every"
    about: Population | None = Field(
        None, description="the population, where it is not the one that follows from the arms"
    )
    expect: Expectation
    unmet: Literal["contradicted", "inconclusive"] = "contradicted"
    needs: list[Need] = Field([], description="what a case must meet, or it is inconclusive")
    check: bool = Field(
        False,
        description="theory leaves no doubt: it passes or fails, and counts among no verdicts",
    )
    unit: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        compared = ("difference", "relative_change", "difference_of_changes")
        if self.measure in ("value", *compared) and not self.of:
            raise ValueError(f"measure {self.measure} needs 'of'")
        if self.measure in compared and not self.against:
            raise ValueError(f"measure {self.measure} needs 'against'")
        return self

    @field_validator("where")
    @classmethod
    def _names_but_exact(cls, where: dict[str, object]) -> dict[str, object]:
        if any(isinstance(value, bool) != (key == "exact") for key, value in where.items()):
            raise ValueError("'exact' is true or false, all others are names or patterns")
        return where

    @property
    def population(self) -> Population:
        """Whether it compares weights of one training, or networks that were trained so.

        Two evaluations of the same weights are about this network; samples are drawn, not seeds.
        A check is about the networks at hand. A score that a network has but one of for all
        samples, such as an AUC, needs `about`: no samples are drawn for it.
        """
        if self.about is not None:
            return self.about
        if self.check:
            return "this network"
        if self.of is None:
            return "this network"
        if self.against is None:
            return "networks trained so"
        names = ("task", "model", "treatment")
        same = all(getattr(self.of, key) == getattr(self.against, key) for key in names)
        evaluated_otherwise = self.of.evaluation != self.against.evaluation
        if same and evaluated_otherwise and self.measure != "difference_of_changes":
            return "this network"
        return "networks trained so"


class Published(Strict):
    """A number of a paper, which stands beside ours in the report."""

    task: Pattern = Field(description="of ours")
    model: Pattern = Field(description="of ours")
    treatment: Name = Field("none", description="of ours")
    metric: str = Field("", description="a score of the task; the one it is judged by, by default")
    value: str = Field(description="as the paper gives it, in our unit")
    parameters: int | None = Field(None, ge=1, description="of the paper's network")
    source: str = Field(description="where it stands")
    differs: str = Field("", description="what differs between the paper's training and ours")

    def stands_beside(self, key: tuple[str, str, str]) -> bool:
        """Whether it is about a task, model and treatment of ours."""
        return all(map(fnmatchcase, key, (self.task, self.model, self.treatment)))


class FigureSettings(Strict):
    """One figure: what draws it, and its caption."""

    name: Name
    draw: Registered | None = Field(None, description="its code; the name by default")
    caption: str


def table_name(path: str) -> str:
    """The name of a further table, as a part of a path."""
    return path.rpartition(":")[2].replace(".", "_")


Named = TypeVar("Named", Claim, FigureSettings)


def _named_once(values: list[Named]) -> list[Named]:
    _once([value.name for value in values])
    return values


def _tables_once(values: list[str]) -> list[str]:
    _once([table_name(value) for value in values])
    return values


class StudySettings(Strict):
    """One study at one size: its file, with what size and overlays say on top."""

    title: str
    paper: str = Field("", description="what it reproduces; empty for a question of one's own")
    question: str
    not_comparable: list[str] = Field([], description="what cannot be held against the paper, why")
    reference_metrics: list[str] = Field(
        [], description="metrics of the tables in results/reference; all by default"
    )
    seeds: Seeds
    evaluations: Evaluations = Field(["plain", "average"])
    tasks: dict[Name, TaskSettings] = Field(min_length=1)
    models: dict[Name, ModelSettings] = Field(min_length=1)
    treatments: dict[Name, TreatmentSettings] = Field(
        {}, description="those with settings; the others go by the name of their method"
    )
    training: TrainingOptions
    evaluation: EvaluationSettings
    runs: list[RunBlock] = Field(min_length=1)
    arms: dict[ArmPattern, ArmSettings] = Field(
        {}, description="settings of single arms on top of all others, by task/model/treatment"
    )
    tuning: Tuning | None = Field(None, description="what `make tune` tries, and how often")
    claims: Annotated[list[Claim], AfterValidator(_named_once)] = Field([])
    published: list[Published] = Field([], description="numbers of papers beside ours")
    figures: Annotated[list[FigureSettings], AfterValidator(_named_once)] = Field([])
    tables: Annotated[list[Registered], AfterValidator(_tables_once)] = Field(
        [], description="further tables that figures draw, beside metrics and claims"
    )
    resources: dict[Stage, Resources] = Field({}, description="of jobs, by stage")
    optional: bool = Field(
        False,
        description="left out, with a sentence, where raw files are not at hand that it needs and "
        "that are not downloaded",
    )

    @field_validator("resources")
    @classmethod
    def _only_trainings_together(cls, resources: dict[str, Resources]) -> dict[str, Resources]:
        if other := [key for key in resources if key != "train" and resources[key].seeds_together]:
            raise ValueError(f"'seeds_together' is of the stage 'train' alone, not of '{other[0]}'")
        return resources


class Configured(Strict):
    """All that size file, overlays and studies say together."""

    size: Name
    name: Name | None = Field(None, description="folder of results; the size by default")
    base: str | None = Field(
        None, description="of an overlay: the size, or the other overlay, that it lies upon"
    )
    data: Folder = Field("data", description="folder of all data")
    results: Folder = Field("results", description="folder of all results")
    raw_files: list[Folder] = Field(
        [], description="folders where raw files are looked for before they are downloaded"
    )
    scratch: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="folder of a node, such as $TMPDIR, that data are copied to once"
    )
    limit_gb: float | None = Field(
        None, gt=0, description="`make download` refuses to bring more than so many gigabytes"
    )
    only_tasks: Annotated[list[Pattern], Field(min_length=1)] | None = Field(
        None, description="leave out the runs of all others"
    )
    studies: dict[Name, StudySettings] = Field(min_length=1)
