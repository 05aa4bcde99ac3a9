import os
import shlex
import sys
from pathlib import Path

from symbench import devices, job_server
from symbench.artifacts import expected, trained_together
from symbench.config.read import read_configuration
from symbench.config.registry import add_working_folder
from symbench.config.tuning import trials, tuning_fingerprint
from symbench.data.raw_files import RawFiles
from symbench.errors import choose
from symbench.layout import SEEDS, TABLES, TIMES, TRAINED, TRIED, TUNING
from symbench.project import config_folder

# Jobs find the commands of this environment, whether it is activated or not.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
)

add_working_folder()

# --config size=… studies="…" set=… container=…; --configfile takes size files and overlays.
CHOSEN = workflow.config_settings.config
for key in CHOSEN:
    choose(key, ["container", "set", "size", "studies"], "key of --config")


def contents(path):
    """The text of a file; empty where there is none."""
    return path.read_text() if path.is_file() else ""


def text(value):
    """A value of --config as it was given, if it was: Snakemake takes '3' for a number."""
    return None if value is None else str(value)


def words(value, separator=None):
    """A list of a list, or of text with separators."""
    if isinstance(value, list):
        return [str(word) for word in value]
    return [] if value is None else str(value).split(separator)


CONFIGURATION = read_configuration(
    [Path(file) for file in workflow.configfiles],
    words(CHOSEN.get("studies")),
    size=text(CHOSEN.get("size")),
    overrides=words(CHOSEN.get("set"), ";"),
    folder=config_folder(Path(workflow.basedir)),
)
for sentence in CONFIGURATION.left_out:
    print(sentence, file=sys.stderr)
LAYOUT = CONFIGURATION.layout
# Options of commands, for the shell of each job. They are no parameters of rules, because where the
# files of the config lie changes no result.
CONFIG_OPTIONS = shlex.join(
    [
        *(f"--config={path}" for path in CONFIGURATION.files),
        *(f"--set={text}" for text in CONFIGURATION.overrides),
    ]
)
STUDY_OPTIONS = shlex.join([f"--study={name}" for name in CONFIGURATION.studies])
shell.prefix("config=({CONFIG_OPTIONS}); studies=({STUDY_OPTIONS}); ")
# A run by the names in its path.
RUN = ("{study}", "{task}", "{model}", "{treatment}", "{seed}")


wildcard_constraints:
    dataset="[A-Za-z0-9_]+",
    data="[0-9a-f]+",
    weights="[0-9a-f]+",
    study="[A-Za-z0-9_]+",
    task="[A-Za-z0-9_]+",
    model="[A-Za-z0-9_]+",
    treatment="[A-Za-z0-9_]+",
    seed=r"\d+",
    trial=r"\d+",
    figure="[A-Za-z0-9_]+",
    table="[A-Za-z0-9_]+",


def study_of(wildcards):
    return CONFIGURATION.study(wildcards.study)


def task_of(wildcards):
    """The task of a rule, or one whose data are asked for."""
    if "data" in wildcards.keys():
        return CONFIGURATION.data[wildcards.dataset, wildcards.data]
    return study_of(wildcards).task(wildcards.task)


def run_of(wildcards):
    names = [wildcards[key] for key in ("task", "model", "treatment")]
    return study_of(wildcards).run(*names, int(wildcards.seed))


def group_of(wildcards):
    """The first run of a run group."""
    names = tuple(wildcards[key] for key in ("task", "model", "treatment"))
    return study_of(wildcards).groups[names][0]


def manifest_of(wildcards):
    task = task_of(wildcards)
    return str(LAYOUT.manifest(task.dataset_folder, task.data_fingerprint))


def published_of(wildcards):
    """Published weights of a run that come from the Hub."""
    weights = run_of(wildcards).published
    return list(map(str, LAYOUT.published_files(weights))) if weights else []


def resource(stage, name, study=None):
    """A resource of a stage, as the config of the rule's study gives it; more on each retry."""

    def get(wildcards, attempt=1):
        chosen = study or CONFIGURATION.study(
            wildcards.study if "study" in wildcards.keys() else task_of(wildcards).study
        )
        amount = getattr(chosen.resources(stage), name)
        return amount * attempt if name in ("mem_mb", "runtime") else amount

    return get


# What picks nodes of a cluster: as Snakemake calls it, and as the config does.
NODES = {"slurm_partition": "partition", "constraint": "constraint"}


def or_default(said, name):
    """A resource as the config says it, or else as Snakemake's default resources do."""
    default = workflow.resource_settings._parsed_default_resources.get(name)

    def get(wildcards, **job):
        chosen = said(wildcards)
        return default.evaluate(wildcards, **job).value if chosen is None else chosen

    return get


def job_resources(stage, study=None, most_gpus=None):
    """Resources of the jobs of a stage; those that train or evaluate may have GPUs.

    The stage compare has the figures and the report too.
    """
    chosen = {name: resource(stage, name, study) for name in ("mem_mb", "runtime")}
    picked = NODES
    if stage in ("train", "evaluate"):
        chosen["gpu"] = gpu(stage, study, most_gpus)
        picked = {**NODES, "gpu_model": "gpu_model"}
    for name, called in picked.items():
        chosen[name] = or_default(resource(stage, called, study), name)
    return chosen


def together(name, *stages):
    """The group of short jobs that follow each other on a cluster, if all are for the same nodes.

    They share a submission; Snakemake would end a run for different nodes within one.
    """
    wanted = {
        tuple(getattr(study.resources(stage), each) for each in NODES.values())
        for study in CONFIGURATION.studies.values()
        for stage in stages
    }
    on_cluster = workflow.resource_settings.nodes is not None
    return name if on_cluster and len(wanted) == 1 else None


DATA_GROUP = together("data", "fetch", "audit")
REPORT_GROUP = together("report", "compare")


# GPUs that jobs of this machine share; on a cluster each job has those that the config asks for.
GPUS = 0
if workflow.is_main_process and workflow.resource_settings.nodes is None:
    GPUS = devices.count_gpus()
PLACES = devices.jobs_per_gpu()
if GPUS and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", GPUS * PLACES)


def gpus_of(stage, study, most=None):
    """GPUs of a job: on this machine one at least where it has any, and no more than it has."""
    asked = study.resources(stage).gpus
    there = min(max(asked, 1), GPUS) if GPUS else asked
    return there if most is None else min(there, most)


def gpu(stage, study=None, most=None):
    """The resource `gpu` of a rule: GPUs on a cluster, places on those of this machine."""

    def get(wildcards):
        count = gpus_of(stage, study or study_of(wildcards), most)
        return count * PLACES if GPUS and count > 1 else count

    return get


def launcher(wildcards):
    """How to start training: torchrun where a job has several GPUs.

    It is a resource and no parameter of the rule, because it changes no result.
    """
    gpus = gpus_of("train", study_of(wildcards))
    if gpus < 2:
        return "symbench"
    return f"torchrun --standalone --nproc-per-node {gpus} --no-python symbench"


def overwrite_as(rule, stage):
    """Let --set-resources <stage>:… and --set-threads <stage>=… be for a rule of the stage too."""
    settings = workflow.resource_settings
    for overwritten in (
        settings._parsed_overwrite_resources,
        settings._parsed_overwrite_threads,
    ):
        if stage in overwritten:
            overwritten.setdefault(rule, overwritten[stage])
