"""What a configuration would cost, from recorded benchmarks, before anything is submitted."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import pandas as pd

from symbench.config.read import Configuration
from symbench.config.run import Run
from symbench.config.schema import Resources
from symbench.config.study import Study
from symbench.costs import JobCost
from symbench.errors import ConfigError
from symbench.layout import SEEDS

MINUTE = 60.0
HOUR = 3600.0


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    Attributes:
        name: unique, such as "train/ace/nbody/segnn/none/seed0".
        needs: names of the jobs before it.
        resources: what it asks for.
        seconds: as recorded, or else its limit.
        memory_mb: likewise.
        recorded: whether a benchmark of it was found.

    """

    name: str
    needs: tuple[str, ...]
    resources: Resources
    seconds: float
    memory_mb: float
    recorded: bool

    @property
    def stage(self) -> str:
        """The command behind it."""
        return self.name.split("/")[0]


def jobs(configuration: Configuration, records: Mapping[str, JobCost]) -> list[Job]:
    """All jobs of a configuration, each after those that it needs."""
    # The other seeds of a run take as long.
    by_group: dict[str, list[JobCost]] = {}
    for name, record in records.items():
        by_group.setdefault(name.rsplit("/seed", 1)[0], []).append(record)
    found: list[Job] = []

    def add(name: str, needs: Sequence[str], resources: Resources) -> str:
        known = records.get(name)
        alike = [known] if known else by_group.get(name.rsplit("/seed", 1)[0], [])
        seconds = max((record.seconds for record in alike), default=resources.runtime * MINUTE)
        memory = max((record.memory_mb for record in alike), default=float(resources.mem_mb))
        found.append(Job(name, tuple(needs), resources, seconds, memory, bool(alike)))
        return name

    fetched = {
        key: add("/".join(("fetch", *key)), (), task.resources.get("fetch", Resources()))
        for key, task in configuration.data.items()
    }
    drawn = []
    for study in configuration.studies.values():
        audited = {}
        for name, task in study.tasks.items():
            data = fetched[task.dataset_folder, task.data_fingerprint]
            audited[name] = add(f"audit/{study.name}/{name}", [data], study.resources("audit"))
        evaluated = []
        training = study.resources("train")
        for name, runs in trainings(study):
            add(name, [audited[runs[0].task.name]], training)
            evaluated += [
                add(f"evaluate/{study.name}/{run}", [name], study.resources("evaluate"))
                for run in runs
            ]
        compared = add(f"compare/{study.name}", evaluated, study.resources("compare"))
        made = [add(f"table/{study.name}/{name}", [], Resources()) for name in study.tables]
        drawn.append(compared)
        drawn += [
            add(f"figure/{study.name}/{figure.name}", [compared, *made], Resources())
            for figure in study.settings.figures
        ]
    add("report/report", drawn, Resources())
    return found


def trainings(study: Study) -> Iterator[tuple[str, tuple[Run, ...]]]:
    """The jobs that train a study, each with its runs: one, or all seeds of a run group."""
    together = study.resources("train").seeds_together
    for key, runs in study.groups.items():
        if together and len(runs) > 1:
            yield "/".join(("train", study.name, *key, SEEDS)), runs
        else:
            yield from ((f"train/{study.name}/{run}", (run,)) for run in runs)


def summary(planned: Sequence[Job]) -> pd.DataFrame:
    """A row a stage: jobs, how many were recorded, job hours, GPU hours, largest memory."""
    rows = [
        {
            "stage": job.stage,
            "jobs": 1,
            "recorded": int(job.recorded),
            "job hours": job.seconds / HOUR,
            "GPU hours": job.resources.gpus * job.seconds / HOUR,
            "core hours": job.resources.threads * job.seconds / HOUR,
            "memory (GB)": job.memory_mb / 1e3,
        }
        for job in planned
    ]
    table = pd.DataFrame(rows).groupby("stage", sort=False)
    total = table.sum()
    total["memory (GB)"] = table["memory (GB)"].max()
    everything = total.sum()
    everything["memory (GB)"] = total["memory (GB)"].max()
    total.loc["all"] = everything
    return total.astype({"jobs": int, "recorded": int}).reset_index()


@dataclass(frozen=True)
class Schedule:
    """A simulated run.

    Attributes:
        seconds: from the first start to the last end.
        critical_path: the chain of jobs that no number of nodes can shorten.
        critical_seconds: how long it takes.
        idle_share: share of the time of all nodes in which they wait.

    """

    seconds: float
    critical_path: tuple[str, ...]
    critical_seconds: float
    idle_share: float


def simulate(planned: Sequence[Job], nodes: int) -> Schedule:
    """Run the jobs on so many nodes, one at a time on each, those with most behind them first.

    Raises:
        ConfigError: for less than one node.

    """
    if nodes < 1:
        raise ConfigError(f"nodes={nodes}: a schedule needs at least one.")
    graph = nx.DiGraph()
    seconds = {job.name: job.seconds for job in planned}
    graph.add_nodes_from(seconds)
    graph.add_edges_from((need, job.name) for job in planned for need in job.needs)
    order = list(nx.topological_sort(graph))
    behind: dict[str, float] = {}
    for name in reversed(order):
        after = max((behind[following] for following in graph.successors(name)), default=0.0)
        behind[name] = seconds[name] + after
    path = [max(order, key=lambda name: behind[name])]
    while following := list(graph.successors(path[-1])):
        path.append(max(following, key=lambda name: behind[name]))
    waiting = {name: graph.in_degree(name) for name in order}
    ready = [(-behind[name], name) for name in order if not waiting[name]]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < nodes:
            _, name = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[name], name))
        now, done = heapq.heappop(running)
        for following in graph.successors(done):
            waiting[following] -= 1
            if not waiting[following]:
                heapq.heappush(ready, (-behind[following], following))
    busy = sum(seconds.values())
    idle = 1 - busy / (nodes * now) if now else 0.0
    return Schedule(now, tuple(path), behind[path[0]], idle)


def folder_size(folder: Path) -> int:
    """Bytes of the regular files below a folder; links count where they point from."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files)
