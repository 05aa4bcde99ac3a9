"""What is tried for each arm (task, model and treatment) before settings are chosen for it.

Every arm that is tuned has as many trials as the others. A trial is one combination of the arm's
candidates, trained as a run is, once for each seed of the tuning. Where an arm has more
combinations than trials, a fixed random part of them is tried.
"""

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from pydantic import JsonValue, ValidationError

from symbench.config import registry
from symbench.config.arguments import check_arguments
from symbench.config.code import code_of
from symbench.config.mistakes import MisplacedError, at, said
from symbench.config.patterns import Everywhere, matches, matching
from symbench.config.run import Run, fingerprint
from symbench.config.schema import StudySettings, Tuning
from symbench.config.settings import TrainingSettings
from symbench.config.study import Study
from symbench.errors import ConfigError, choose

# How long a trial trains, and what it is judged by, is the same for all trials of a task.
FIXED = frozenset(
    {"epochs", "steps", "samples_per_epoch", "validation_samples", "patience", "test_every"}
)
# Points of a grid that those which are tried are chosen from.
CONSIDERED = 2000
Arm = tuple[str, str, str]
# A setting by "training" or "treatment" and its key.
Setting = tuple[str, str]


@dataclass(frozen=True)
class Trial:
    """One combination of candidates for one arm, with one seed.

    Attributes:
        number: of the combination, from 0.
        settings: what is tried.
        run: the training, with all settings resolved.

    """

    number: int
    settings: Mapping[Setting, JsonValue]
    run: Run


def trials(study: Study) -> list[Trial]:
    """All trials of a study; none if nothing is tuned. Test data are never looked at."""
    tuning = study.settings.tuning
    if tuning is None:
        return []
    found = []
    for arm, grid in _tuned(study, tuning).items():
        for number, chosen in enumerate(_combinations(grid, tuning.budget)):
            run = _with(study.groups[arm][0], chosen)
            found += [Trial(number, chosen, replace(run, seed=seed)) for seed in tuning.seeds]
    return found


def _with(run: Run, chosen: Mapping[Setting, JsonValue]) -> Run:
    """A run with other settings, and without looks at the test split."""
    parts: dict[str, dict[str, JsonValue]] = {"training": {}, "treatment": {}}
    for (part, key), value in chosen.items():
        parts[part][key] = value
    training = {**run.training.model_dump(exclude_unset=True), **parts["training"]}
    return replace(
        run,
        training=TrainingSettings.model_validate({**training, "test_every": None}),
        treatment_settings={**run.treatment_settings, **parts["treatment"]},
    )


Grid = dict[Setting, tuple[str, list[JsonValue]]]


def _combinations(grid: Grid, budget: int) -> list[dict[Setting, JsonValue]]:
    """What is tried of a grid of candidates: a value for each setting, so many times."""
    values = [each for _, each in grid.values()]
    return [
        {name: each[index] for name, each, index in zip(grid, values, point, strict=True)}
        for point in _tried(tuple(map(len, values)), budget)
    ]


@cache
def _tried(sizes: tuple[int, ...], budget: int) -> tuple[tuple[int, ...], ...]:
    """So many points of a grid of these sizes, each value about as often as the others.

    Which ones is random, but the same for all arms whose candidates are as many. Of a large grid
    they are chosen among a random part, which takes no longer than a small grid.
    """
    count = math.prod(sizes)
    drawn = random.Random(0).sample(range(count), min(count, max(budget, CONSIDERED)))
    order = dict.fromkeys(_point(number, sizes) for number in drawn)
    used: Counter[tuple[int, int]] = Counter()
    chosen = []
    for _ in range(budget):
        point = min(order, key=lambda each: sum(used[value] for value in enumerate(each)))
        del order[point]
        used.update(enumerate(point))
        chosen.append(point)
    return tuple(sorted(chosen))


def _point(number: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """A point of a grid by its number: the last index counts fastest."""
    point = []
    for size in reversed(sizes):
        number, index = divmod(number, size)
        point.append(index)
    return tuple(reversed(point))


def _tuned(study: Study, tuning: Tuning) -> dict[Arm, Grid]:
    """Candidates of each arm that has some, by setting, with the pattern that gives them."""
    grids = {}
    for arm, runs in study.groups.items():
        grid: Grid = {}
        for pattern, candidates in tuning.candidates.items():
            if matches("/".join(arm), [pattern]):
                for part in ("training", "treatment"):
                    for key, values in getattr(candidates, part).items():
                        grid[part, key] = (pattern, values)
        # Published weights are not trained.
        if grid and runs[0].checkpoint is None:
            grids[arm] = grid
    return grids


def tuning_fingerprint(study: Study) -> str:
    """Hash of all that decides what is chosen."""
    tried = [trial.run.training_fingerprint for trial in trials(study)]
    return fingerprint([tried, code_of("symbench.tuning")])


def check_arms(patterns: Iterable[str], settings: StudySettings, everywhere: Everywhere) -> None:
    """Refuse patterns of arms that name a task, model or treatment that the study never has."""
    here: dict[str, Iterable[str]] = {
        "task": settings.tasks,
        "model": settings.models,
        "treatment": {*settings.treatments, *registry.names("treatments")},
    }
    for pattern in patterns:
        for (what, names), part in zip(here.items(), pattern.split("/"), strict=True):
            if not any(matches(name, [part]) for name in names):
                with at(pattern):
                    matching(part, everywhere(f"{what}s"), what)


def check_tuning(study: Study, everywhere: Everywhere) -> None:
    """Check seeds, candidates and budget of all arms before anything is tried.

    Raises:
        ConfigError: for the first mistake found.

    """
    tuning = study.settings.tuning
    if tuning is None:
        return
    tunable = TrainingSettings.model_fields.keys() - FIXED
    with at("candidates"):
        check_arms(tuning.candidates, study.settings, everywhere)
        for pattern, candidates in tuning.candidates.items():
            with at(pattern, "training"):
                for key in candidates.training:
                    choose(key, tunable, "training setting that is tuned")
    grids = _tuned(study, tuning)
    with at("seeds"):
        _check_seeds(tuning.seeds, study, {arm[0] for arm in grids})
    tasks = {arm[0]: "/".join(arm) for arm in grids}
    for arm, runs in study.groups.items():
        if arm in grids:
            _check_grid(arm, grids[arm], tuning.budget, runs[0])
        elif arm[0] in tasks and runs[0].checkpoint is None:
            raise MisplacedError(
                ["candidates"],
                f"{tasks[arm[0]]} has candidates and {'/'.join(arm)} has none: arms of one task "
                "are compared, so all of them are tuned or none.",
            )


def _check_seeds(seeds: Sequence[int], study: Study, tasks: Iterable[str]) -> None:
    blocks = [block.seeds or [] for block in study.settings.runs]
    taken = {*study.settings.seeds, *itertools.chain(*blocks)}
    for seed in seeds:
        if seed in taken:
            raise ConfigError(f"{seed} is a seed of the study: choose by others than you report.")
        for task in tasks:
            study.tasks[task].dataset.check_seed(seed)


def _check_grid(arm: Arm, grid: Grid, budget: int, run: Run) -> None:
    name = "/".join(arm)
    for (part, key), (pattern, values) in grid.items():
        for value in values if part == "treatment" else ():
            with at("candidates", pattern, part):
                check_arguments("treatments", run.method, {key: value})
        for value in values if part == "training" else ():
            try:
                _with(run, {(part, key): value})
            except ValidationError as error:
                place = ["candidates", pattern, part, key]
                problem = said(error.errors()[0]).removesuffix(".")
                raise MisplacedError(place, f"{problem}, for {name}.") from None
    count = math.prod(len(values) for _, values in grid.values())
    if count < budget:
        raise MisplacedError(
            ["budget"],
            f"{name} has {count} combinations of candidates, fewer than the budget of {budget} "
            "trials: give it more candidates, or all arms a smaller budget.",
        )
    # Values that are allowed alone may not fit together.
    for chosen in _combinations(grid, budget):
        try:
            _with(run, chosen)
        except ValidationError as error:
            together = ", ".join(f"{'.'.join(setting)} {chosen[setting]}" for setting in chosen)
            problem = said(error.errors()[0]).removesuffix(".")
            raise MisplacedError(
                ["candidates"], f"{problem}; {name} is tried with {together}."
            ) from None
