"""How far a run is, from what it left until now: no question to the workflow that runs."""

from collections.abc import Iterator
from pathlib import Path

from symbench.config.read import Configuration
from symbench.costs import read_costs
from symbench.layout import TRAINED
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
    there = {name for name, files in _files(configuration) if all(map(Path.is_file, files))}
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


def _files(configuration: Configuration) -> Iterator[tuple[str, list[Path]]]:
    """The name of each training and evaluation, and what it leaves."""
    layout = configuration.layout
    for name, study in configuration.studies.items():
        for job, runs in trainings(study):
            trained = [(run, file) for run in runs for file in TRAINED]
            yield job, [layout.trained(file, name, *run.key, run.seed) for run, file in trained]
        for run in study.runs:
            files = [layout.evaluation(name, *run.key, e, run.seed) for e in run.evaluations]
            yield f"evaluate/{name}/{run}", files
