from pathlib import Path

import yaml

from symbench.artifacts import expected
from symbench.config.study import (
    Cell,
    config_file,
    evaluation_paths,
    evaluation_sets,
    read_configuration,
    training_paths,
)

# --config size=… studies=… choose; --configfile adds files that override parts of the size's.
CONFIG_FILES = [
    config_file(config.get("size", "laptop"), Path(workflow.basedir, "config")),
    *(Path(file) for file in workflow.configfiles),
]
CHOSEN = config["studies"].split() if isinstance(config.get("studies"), str) else None
CONFIGURATION = read_configuration(CONFIG_FILES, CHOSEN)
validate(
    yaml.safe_load(CONFIG_FILES[0].read_text()),
    Path(workflow.basedir, "config/schema.yaml"),
)

DATA = f"{CONFIGURATION.data}/{CONFIGURATION.size}"
RESULTS = f"{CONFIGURATION.results}/{CONFIGURATION.size}"
CONFIG_ARGUMENTS = " ".join(f"--config {file}" for file in CONFIG_FILES)


wildcard_constraints:
    study="[a-z_0-9]+",
    task="[A-Za-z_0-9]+",
    model="[A-Za-z_0-9]+",
    treatment="[A-Za-z_0-9]+",
    seed=r"\d+",
    figure="[a-z_]+",


def study_of(wildcards):
    return CONFIGURATION.study(wildcards.study)


def cell_of(wildcards):
    return Cell(
        wildcards.study,
        wildcards.task,
        wildcards.model,
        wildcards.treatment,
        int(wildcards.seed),
    )


def resource(stage, name, study=None):
    """A resource of a stage, as the config of the rule's study gives it; more on each retry."""

    def get(wildcards, attempt=1):
        chosen = study or (
            study_of(wildcards)
            if hasattr(wildcards, "study")
            else CONFIGURATION.tasks[wildcards.task]
        )
        amount = getattr(chosen.resources(stage), name)
        return amount * attempt if name in ("mem_mb", "runtime") else amount

    return get


def launcher(study):
    """How to start training: torchrun where a job has several GPUs."""
    gpus = study.resources("train").gpus
    if gpus < 2:
        return "symbench"
    return f"torchrun --standalone --nproc-per-node {gpus} --no-python symbench"
