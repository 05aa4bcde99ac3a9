"""Checks of claims: names of tasks, models and treatments, metrics, measures."""

from collections.abc import Sequence

from symbench.config import registry
from symbench.config.datasets import build_dataset
from symbench.config.patterns import Everywhere, matches, matching
from symbench.config.schema import Claim, Selection
from symbench.config.study import Study
from symbench.errors import ConfigError, SymBenchError, choose
from symbench.evaluation.scores import metrics_of, own_metric


def check_claim(claim: Claim, study: Study, everywhere: Everywhere) -> None:
    """Check names, metrics and the measure of a claim; what this size lacks is no mistake."""
    registry.check("measures", claim.measure)
    where = {
        key: value if isinstance(value, list) else [str(value)]
        for key, value in claim.where.items()
        if key != "exact"
    }
    named: list[tuple[str, str]] = [
        (f"{key}s", name) for key, patterns in where.items() for name in patterns
    ]
    for selection in (claim.of, claim.against):
        for key in ("task", "model", "treatment"):
            name = getattr(selection, key, None)
            if isinstance(name, str):
                named.append((f"{key}s", name))
    for what, pattern in named:
        here = {run.task.name for run in study.runs} if what == "tasks" else set[str]()
        if not any(matches(name, [pattern]) for name in here):
            matching(pattern, everywhere(what), what.removesuffix("s"))
    for selection in (claim.of, claim.against):
        if selection is not None:
            _check_selection(claim, selection, study, where.get("task"))


def _check_selection(
    claim: Claim, selection: Selection, study: Study, patterns: Sequence[str] | None
) -> None:
    if selection.task is not None:
        patterns = [selection.task]
    tasks = [
        task for task in study.tasks.values() if patterns is None or matches(task.name, patterns)
    ]
    if not tasks:
        return
    for metric in filter(None, (selection.metric, selection.over)):
        known = {
            task.name: metrics_of(task.dataset, tuple(map(own_metric, task.settings.metrics)))
            for task in tasks
        }
        lacking = [name for name, metrics in known.items() if metric not in metrics]
        # Of tasks that a claim does not name, some may lack what it is about.
        everywhere = len(lacking) == len(tasks) and not _known_elsewhere(metric, study)
        if lacking and (everywhere if patterns is None else True):
            choose(metric, known[lacking[0]], f"metric of {lacking[0]}")
    for task in tasks:
        if selection.subgroup is not None:
            task.dataset.check_group(selection.subgroup)
        beyond = selection.horizon != "1" or selection.subgroup is not None
        if beyond and not task.dataset.has_trajectories and patterns is not None:
            raise ConfigError(
                f"horizon and subgroup make no sense for {task.name}: it is no field."
            )


def _known_elsewhere(metric: str, study: Study) -> bool:
    """Whether a task of the study that has no run here has a metric."""
    for settings in study.settings.tasks.values():
        try:
            dataset, _ = build_dataset(settings)
        except SymBenchError:
            # What a size does not use it need not say in full.
            continue
        if metric in metrics_of(dataset, tuple(map(own_metric, settings.metrics))):
            return True
    return False
