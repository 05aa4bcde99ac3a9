"""What each job cost, recorded by itself: a look from outside misses the end, and short jobs."""

import math
import platform
import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from symbench.errors import ConfigError
from symbench.layout import BENCHMARK
from symbench.memory import PEAK

_COLUMNS = ("s", "cpu_time", "max_rss")


@dataclass(frozen=True)
class JobCost:
    """What a job cost, or all jobs together.

    Attributes:
        seconds: wall time.
        memory_mb: peak resident memory; that of a fork of the job server lacks pages of libraries
            that it did not touch, some 300 MB less than alone. 0 where it is not known.

    """

    seconds: float
    memory_mb: float


@contextmanager
def recorded(path: Path) -> Iterator[None]:
    """Write down what a job cost when it succeeds: seconds, of the processor too, and MB."""
    start, before = time.perf_counter(), _processor_seconds()
    yield
    seconds = time.perf_counter() - start
    unit = 1 if platform.system() == "Darwin" else 2**10
    children = unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    memory = max(PEAK.of_process(), children) / 2**20
    row = (f"{seconds:.4f}", f"{_processor_seconds() - before:.2f}", f"{memory:.2f}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\t".join(_COLUMNS) + "\n" + "\t".join(row) + "\n")


def _processor_seconds() -> float:
    """Of this process and of children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def read_costs(folders: Iterable[Path]) -> dict[str, JobCost]:
    """What was recorded, by the name of the job; of several folders the last that has one counts.

    Raises:
        ConfigError: for a folder that does not exist, and a file that is no such record.

    """
    costs = {}
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder} holds no benchmarks: it does not exist.")
        for path in sorted(folder.rglob(f"*{BENCHMARK}")):
            name = path.relative_to(folder).with_suffix("").as_posix()
            costs[name] = _read(path)
    return costs


def _read(path: Path) -> JobCost:
    try:
        names, values = (line.split("\t") for line in path.read_text().splitlines()[:2])
        row = dict(zip(names, values, strict=True))
        seconds, memory = (_number(row[name]) for name in ("s", "max_rss"))
    except (ValueError, KeyError):
        seconds = memory = math.nan
    if not math.isfinite(seconds):
        raise ConfigError(f"{path} is no record of what a job cost; remove it.")
    return JobCost(seconds, memory if math.isfinite(memory) else 0.0)


def _number(text: str) -> float:
    """Of a record; Snakemake's own write "-" for what they do not know."""
    return math.nan if text == "-" else float(text)
