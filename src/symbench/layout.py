"""Every path of a run: the only place that spells them.

Names of studies, tasks and the like may be patterns of the workflow, such as "{task}".
"""

from dataclasses import dataclass
from pathlib import Path

from symbench.errors import ConfigError

TRAINED = ("weights.safetensors", "history.csv", "provenance.json")
TRIED = TRAINED[1:]
# What says that a training failed beside others: by which settings, and how.
FAILED = "failed.json"
# What a network is published as.
PUBLISHED = ("config.json", "model.safetensors")
TABLES = ("metrics", "claims")
# The tables of all trials of a study, of times that were measured alone and, in reference tables,
# of what each way of imposing a symmetry changed.
TUNING = "tuning"
TIMES = "times"
NETWORKS = "networks"
IMAGES = ("png", "pdf")
# The name of a job that trains all seeds of a run group, in place of seed<number>.
SEEDS = "seeds"
# What Snakemake keeps of a job beside its log.
BENCHMARK = ".tsv"


@dataclass(frozen=True)
class Layout:
    """Paths below a folder of data and a folder of results.

    Attributes:
        data: holds data by what they are: <data set>/<fingerprint of its settings>/.
        results: holds the studies of one size.

    """

    data: Path
    results: Path

    def data_folder(self, dataset: str, fingerprint: str) -> Path:
        """Data of some settings; tasks that describe their data alike share the folder."""
        return self.data / dataset / fingerprint

    def manifest(self, dataset: str, fingerprint: str) -> Path:
        """What says that the data are complete."""
        return self.data_folder(dataset, fingerprint) / "manifest.json"

    def published(self, weights: str) -> Path:
        """Published weights, by the fingerprint of their repository: the files of `PUBLISHED`."""
        return self.data / "published_weights" / weights

    def published_files(self, weights: str) -> list[Path]:
        """The files of `PUBLISHED`."""
        return [self.published(weights) / name for name in PUBLISHED]

    def study(self, study: str) -> Path:
        """All results of a study."""
        return self.results / study

    def audit(self, study: str, task: str) -> Path:
        """The audit of a task's symmetry, a row for each element."""
        return self.study(study) / "audits" / f"{task}.csv"

    def audit_provenance(self, study: str, task: str) -> Path:
        """What the audit was made with."""
        return self.study(study) / "audits" / f"{task}.provenance.json"

    def run_folder(
        self, study: str, task: str, model: str, treatment: str, seed: str | int
    ) -> Path:
        """What a training leaves: the files of `TRAINED`, and its state while it goes on."""
        return self.study(study) / "models" / task / model / treatment / f"seed{seed}"

    def trained(
        self, name: str, study: str, task: str, model: str, treatment: str, seed: str | int
    ) -> Path:
        """One of `TRAINED`, or `FAILED`."""
        return self.run_folder(study, task, model, treatment, seed) / name

    def trials(self, study: str, task: str) -> Path:
        """What is tried for the arms of a task, a row for each trial."""
        return self.study(study) / "trials" / f"{task}.csv"

    def trial_folder(
        self, study: str, task: str, model: str, treatment: str, trial: str | int, seed: str | int
    ) -> Path:
        """What a trial leaves for one seed: its history and its provenance."""
        arm = self.study(study) / "trials" / task / model / treatment
        return arm / f"trial{trial}" / f"seed{seed}"

    def chosen(self, study: str) -> Path:
        """The overlay that sets what the trials of a study chose."""
        return self.study(study) / "tuning.yaml"

    def evaluation(
        self, study: str, task: str, model: str, treatment: str, evaluation: str, seed: str | int
    ) -> Path:
        """One evaluation of one run, NetCDF."""
        folder = self.study(study) / "evaluations" / task / model / treatment / evaluation
        return folder / f"seed{seed}.nc"

    def table(self, study: str, name: str) -> Path:
        """One of the `TABLES` of a study, or that of its tuning, its times or its networks."""
        return self.study(study) / f"{name}.csv"

    def further_table(self, study: str, name: str) -> Path:
        """A table that does not come from evaluations, for a figure to draw."""
        return self.study(study) / "tables" / f"{name}.csv"

    def further_table_provenance(self, study: str, name: str) -> Path:
        """What such a table was made with."""
        return self.study(study) / "tables" / f"{name}.provenance.json"

    def table_provenance(self, study: str, name: str) -> Path:
        """What the table was made with."""
        return self.study(study) / f"{name}.provenance.json"

    def figure(self, study: str, name: str, suffix: str = "png") -> Path:
        """A figure as an image."""
        return self.study(study) / "figures" / f"{name}.{suffix}"

    @property
    def reference(self) -> Path:
        """The reference tables of this size or overlay, where the project has them."""
        return self.results.parent / "reference" / self.results.name

    @property
    def report(self) -> Path:
        """The report of all studies."""
        return self.results / "report.html"

    def log(self, stage: str, *parts: str) -> Path:
        """The log of a job."""
        return self.results.joinpath("logs", stage, *parts[:-1], f"{parts[-1]}.log")

    @property
    def benchmarks(self) -> Path:
        """Time and memory of all jobs, by the name of the job."""
        return self.results / "benchmarks"

    def benchmark(self, stage: str, *parts: str) -> Path:
        """Time and memory of a job."""
        return self.benchmarks.joinpath(stage, *parts[:-1], f"{parts[-1]}{BENCHMARK}")


def from_home(path: str) -> Path:
    """A path in which ~ and ~name are folders of users; raises `ConfigError` if there is none."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = path.partition("/")[0]
        raise ConfigError(
            f"'{path}': there is no home folder '{user}': write the whole path."
        ) from None
