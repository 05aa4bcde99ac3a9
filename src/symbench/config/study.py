"""A study at one size: its runs, each resolved once, and fingerprints of what follows from them."""

from dataclasses import dataclass, field
from functools import cached_property

from symbench.config import registry
from symbench.config.code import SHOWN, code_of
from symbench.config.run import Run, Task, fingerprint
from symbench.config.schema import FigureSettings, Resources, Stage, StudySettings, table_name
from symbench.errors import choose


@dataclass(frozen=True)
class Study:
    """A study at one size.

    Attributes:
        name: of the study.
        settings: all that the config says about it.
        runs: each once, in the order of the config.

    """

    name: str
    settings: StudySettings = field(repr=False)
    runs: tuple[Run, ...] = field(repr=False)

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """Tasks that some run uses, by name."""
        return {run.task.name: run.task for run in self.runs}

    @cached_property
    def groups(self) -> dict[tuple[str, str, str], tuple[Run, ...]]:
        """Run groups: the runs of all seeds by task, model and treatment."""
        found: dict[tuple[str, str, str], list[Run]] = {}
        for run in self.runs:
            found.setdefault(run.key, []).append(run)
        return {key: tuple(runs) for key, runs in found.items()}

    def task(self, name: str) -> Task:
        """A task by name; raises `ConfigError` if no run uses one of that name."""
        return self.tasks[choose(name, self.tasks, "task")]

    def run(self, task: str, model: str, treatment: str, seed: int) -> Run:
        """A run by its names; raises `ConfigError` that says which name the study does not have."""
        of_task = [run for run in self.runs if run.task.name == self.task(task).name]
        choose(model, {run.model for run in of_task}, "model")
        of_model = [run for run in of_task if run.model == model]
        choose(treatment, {run.treatment for run in of_model}, "treatment")
        alike = [run for run in of_model if run.treatment == treatment]
        seeds = {str(run.seed): run for run in alike}
        return seeds[choose(str(seed), seeds, "seed")]

    def resources(self, stage: Stage) -> Resources:
        """Resources of the jobs of a stage."""
        return self.settings.resources.get(stage, Resources())

    @cached_property
    def comparison_fingerprint(self) -> str:
        """Hash of all that decides metrics and claims."""
        modules = (
            "symbench.comparison",
            "symbench.verdicts",
            "symbench.statistics",
            "symbench.evaluation.results",
        )
        measures = {claim.measure for claim in self.settings.claims}
        own = [registry.module_of("measures", name) for name in sorted(measures)]
        return fingerprint(
            [
                [run.evaluation_fingerprint for run in self.runs],
                [claim.model_dump() for claim in self.settings.claims],
                code_of(*modules, *own),
            ]
        )

    @property
    def times_fingerprint(self) -> str:
        """Hash of all that decides the table of times that are measured alone."""
        timed = [run.evaluation_fingerprint for run in self.runs]
        return fingerprint([timed, code_of("symbench.times")])

    @property
    def tables(self) -> dict[str, str]:
        """The code of each further table, by its name."""
        return {table_name(path): path for path in self.settings.tables}

    def table_fingerprint(self, name: str) -> str:
        """Hash of all that decides a further table."""
        table = self.tables[choose(name, self.tables, "table")]
        modules = [registry.module_of("models", run.architecture) for run in self.runs]
        code = code_of(registry.module_of("tables", table), *sorted(set(modules)))
        about = {
            run.key: [
                run.task.settings.dataset,
                run.task.parameters,
                run.architecture,
                run.model_settings,
                run.method,
                run.treatment_settings,
            ]
            for run in self.runs
        }
        return fingerprint([registry.path_of("tables", table), list(about.items()), code])

    def figure(self, name: str) -> FigureSettings:
        """A figure by name; raises `ConfigError` if the study has none of that name."""
        figures = {figure.name: figure for figure in self.settings.figures}
        return figures[choose(name, figures, "figure")]

    def figure_fingerprint(self, name: str) -> str:
        """Hash of all that decides a figure; its caption does not."""
        drawn_by = self.figure(name).draw or name
        path = registry.path_of("figures", drawn_by)
        module = registry.module_of("figures", drawn_by)
        code = code_of(module, "symbench.figures.draw", followed=SHOWN)
        return fingerprint([self.comparison_fingerprint, path, code])

    @cached_property
    def report_fingerprint(self) -> str:
        """Hash of all that decides what the report says about the study."""
        texts = {"title", "paper", "question", "not_comparable", "published"}
        said = self.settings.model_dump(include=texts)
        figures = [figure.model_dump() for figure in self.settings.figures]
        code = code_of("symbench.report.build", "symbench.numbers", followed=SHOWN)
        return fingerprint([self.comparison_fingerprint, said, figures, code])
