"""Commits of all that a configuration takes from the Hub, as a file that overrides it."""

from pathlib import Path
from typing import Any

from symbench.config.study import Configuration, Study
from symbench.data.fields.well import Well
from symbench.hub import commit
from symbench.stages import build_task


def pins(configuration: Configuration) -> dict[str, Any]:
    """The content of an overlay in which each revision is a commit.

    Raises:
        DataError: if the Hub does not answer, or does not know a repository or revision.

    """
    studies = {name: _pins_of(study) for name, study in configuration.studies.items()}
    return {"studies": {name: pinned for name, pinned in studies.items() if pinned}}


def _pins_of(study: Study) -> dict[str, Any]:
    tasks, models = {}, {}
    for name in study.tasks:
        task = build_task(study, name)
        if isinstance(task, Well) and task.source == "hub":
            revision = commit(task.repository, task.revision, kind="dataset")
            tasks[name] = {"parameters": {"revision": revision}}
    for name, model in study.settings.models.items():
        checkpoints = {
            task: {"revision": commit(checkpoint.repository, checkpoint.revision, kind="model")}
            for task, checkpoint in model.checkpoints.items()
            if task in study.tasks and not Path(checkpoint.repository).is_dir()
        }
        if checkpoints:
            models[name] = {"checkpoints": checkpoints}
    return {key: value for key, value in (("tasks", tasks), ("models", models)) if value}
