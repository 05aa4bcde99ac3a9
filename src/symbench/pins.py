"""Commits of all that a configuration takes from the Hub, as a file that overrides it."""

from pathlib import Path

from symbench.config.read import Configuration
from symbench.config.study import Study
from symbench.data.fields.well import Well
from symbench.hub import commit

MARK = "# Written by `symbench pin`: what the Hub had on that day."


def pins(configuration: Configuration) -> dict[str, object]:
    """The content of an overlay in which each revision is a commit.

    Raises:
        DataError: if the Hub does not answer, or does not know a repository or revision.

    """
    studies = {name: _pins_of(study) for name, study in configuration.studies.items()}
    base = {"base": configuration.size} if len(configuration.files) == 1 else {}
    return {**base, "studies": {name: pinned for name, pinned in studies.items() if pinned}}


def _pins_of(study: Study) -> dict[str, object]:
    tasks: dict[str, object] = {}
    for name, task in study.tasks.items():
        dataset = task.dataset
        if isinstance(dataset, Well) and dataset.source == "hub":
            revision = commit(dataset.repository, dataset.revision, kind="dataset")
            tasks[name] = {"parameters": {"revision": revision}}
    models: dict[str, dict[str, dict[str, object]]] = {}
    for run in study.runs:
        taken = run.checkpoint
        if taken is None or taken.repository is None or Path(taken.repository).is_dir():
            continue
        pinned = {"revision": commit(taken.repository, taken.revision, kind="model")}
        models.setdefault(run.model, {"checkpoints": {}})["checkpoints"][run.task.name] = pinned
    return {key: value for key, value in (("tasks", tasks), ("models", models)) if value}
