"""How far a run is, from what it left until now: no question to the workflow that runs."""

from collections.abc import Iterator

from symbench.artifacts import is_trained
from symbench.config.read import Configuration
from symbench.costs import read_costs
from symbench.evaluation.reading import is_evaluated
from symbench.plan import MINUTE, Job, jobs, trainings

STAGES = ("train", "evaluate")


def progress(configuration: Configuration, cores: int) -> str:
    """How many trainings and evaluations are there, and about how long the others will take.

    A job counts with its own record or that of another seed, else with the mean of its stage.

    Args:
        configuration: what runs.
        cores: that its jobs share.

    """
    folder = configuration.layout.benchmarks
    planned = jobs(configuration, read_costs([folder] if folder.is_dir() else []))
    there = set(_there(configuration))
    told, left, longest, known = [], 0.0, 0.0, True
    for stage in STAGES:
        of_stage = [job for job in planned if job.stage == stage]
        waiting = [job for job in of_stage if job.name not in there]
        recorded = [job.seconds for job in of_stage if job.recorded]
        told.append(f"{stage} {len(of_stage) - len(waiting)} of {len(of_stage)}")
        known = known and (bool(recorded) or not waiting)
        mean = sum(recorded) / max(len(recorded), 1)
        left += sum(job.resources.threads * _seconds(job, mean) for job in waiting)
        # Those of one stage run side by side, and no job on more cores than are its own.
        longest += max((_seconds(job, mean) for job in waiting), default=0.0)
    if not left and known:
        return f"{', '.join(told)}; all are there"
    minutes = max(left / cores, longest) / MINUTE
    time = f"about {minutes:.0f} minutes left on {cores} cores"
    return f"{', '.join(told)}; {time if known else 'how long it takes is not known yet'}"


def _seconds(job: Job, mean: float) -> float:
    return job.seconds if job.recorded else mean


def _there(configuration: Configuration) -> Iterator[str]:
    """Names of trainings and evaluations whose files are there, of these settings and this code."""
    layout = configuration.layout
    for name, study in configuration.studies.items():
        for job, runs in trainings(study):
            if all(is_trained(run, layout) for run in runs):
                yield job
        for run in study.runs:
            if is_evaluated(run, layout):
                yield f"evaluate/{name}/{run}"
