"""Checks of claims: names of tasks, models and treatments, metrics, measures."""

from collections.abc import Mapping, Sequence

from symbench.config import registry
from symbench.config.datasets import build_dataset
from symbench.config.mistakes import MisplacedError, at
from symbench.config.patterns import Everywhere, matches, matching
from symbench.config.schema import Claim, Published, Selection
from symbench.config.study import Study
from symbench.data.dataset import Dataset
from symbench.errors import SymBenchError, choose
from symbench.evaluation.scores import Metric, metrics_of, own_metric, tabled


def check_claim(claim: Claim, study: Study, everywhere: Everywhere) -> None:
    """Check names, metrics and the measure of a claim; what this size lacks is no mistake.

    Raises:
        ConfigError: for the first mistake found.

    """
    with at("measure"):
        registry.check("measures", claim.measure)
    patterns: dict[str, list[str]] = {}
    for key, value in claim.where.items():
        if key != "exact":
            patterns[key] = value if isinstance(value, list) else [str(value)]
            with at("where", key):
                for pattern in patterns[key]:
                    _check_name(key, pattern, study, everywhere)
    selections: list[tuple[tuple[str, ...], Selection | None]] = [
        (("of",), claim.of),
        (("against",), claim.against),
        *((("needs", str(number), "of"), need.of) for number, need in enumerate(claim.needs)),
    ]
    for where, selection in selections:
        if selection is None:
            continue
        named = {
            "task": selection.task,
            "model": selection.model,
            "treatment": selection.treatment,
        }
        with at(*where):
            for what, name in named.items():
                if name is not None:
                    with at(what):
                        _check_name(what, name, study, everywhere)
            tasks = [selection.task] if selection.task is not None else patterns.get("task")
            _check_selection(selection, tasks, study)


def check_published(published: Published, study: Study, everywhere: Everywhere) -> None:
    """Check the names and the metric of a number of a paper.

    Raises:
        ConfigError: for the first mistake found.

    """
    named = {"task": published.task, "model": published.model, "treatment": published.treatment}
    for what, name in named.items():
        with at(what):
            _check_name(what, name, study, everywhere)
    _check_selection(Selection(metric=published.metric), [published.task], study)


def check_reference_metrics(study: Study) -> None:
    """Check that some task of the study has each metric of its reference tables.

    Raises:
        ConfigError: for the first that none has, with the nearest name.

    """
    datasets = _datasets(None, study)
    if len(datasets) < len(study.settings.tasks):
        # A task that this size does not describe in full may have it.
        return
    known = tabled({name for described in datasets.values() for name in metrics_of(*described)})
    for number, metric in enumerate(study.settings.reference_metrics):
        with at(str(number)):
            choose(metric, known, "metric")


def _check_name(key: str, pattern: str, study: Study, everywhere: Everywhere) -> None:
    settings = study.settings
    here: Mapping[str, Mapping[str, object]] = {
        "task": settings.tasks,
        "model": settings.models,
        "treatment": settings.treatments,
    }
    if not any(matches(name, [pattern]) for name in here[key]):
        matching(pattern, everywhere(f"{key}s"), key)


def _check_selection(selection: Selection, patterns: Sequence[str] | None, study: Study) -> None:
    """Check metrics, and what only trajectories have, on all tasks that a claim may be about.

    Of tasks that it names each must have them; if it names none, one of them must.
    """
    datasets = _datasets(patterns, study)
    if not datasets:
        return
    known = {name: metrics_of(*described) for name, described in datasets.items()}
    for key, metric in (("metric", selection.metric), ("over", selection.over)):
        lacking = [name for name, metrics in known.items() if metric and metric not in metrics]
        if metric and lacking and (patterns is not None or len(lacking) == len(known)):
            with at(key):
                what = f"metric of {lacking[0]}" if patterns is not None else "metric"
                allowed = (
                    known[lacking[0]] if patterns is not None else set().union(*known.values())
                )
                choose(metric, allowed, what)
    key = "subgroup" if selection.subgroup is not None else "horizon"
    if selection.subgroup is None and selection.horizon == "1":
        return
    rolled = {name: each for name, (each, _) in datasets.items() if each.has_trajectories}
    without = [name for name in datasets if name not in rolled]
    if without and (patterns is not None or not rolled):
        raise MisplacedError(
            [key], f"it makes sense for trajectories of fields alone, and {without[0]} has none."
        )
    if selection.subgroup is not None:
        for dataset in rolled.values():
            with at("subgroup"):
                dataset.check_group(selection.subgroup)


Described = tuple[Dataset, tuple[Metric, ...]]


def _datasets(patterns: Sequence[str] | None, study: Study) -> dict[str, Described]:
    """Data set and further metrics of the tasks of some patterns, or of all that the study has.

    Tasks without runs at this size count too, but for those that it does not describe in full.
    """
    found: dict[str, Described] = {}
    for name, settings in study.settings.tasks.items():
        if patterns is not None and not matches(name, patterns):
            continue
        if name in study.tasks:
            dataset = study.tasks[name].dataset
        else:
            try:
                dataset, _ = build_dataset(settings)
            except SymBenchError:
                continue
        found[name] = (dataset, tuple(map(own_metric, settings.metrics)))
    return found
