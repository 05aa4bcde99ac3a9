"""What was run: the command, the machines, the packages, the time, and licences of data."""

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from symbench.config.read import CONFIG, Configuration
from symbench.costs import read_costs
from symbench.data.manifest import read_manifest
from symbench.errors import SymBenchError
from symbench.provenance import PACKAGES, describe

# What is told of a GPU beside its name.
_GPU = {"cuda": "CUDA", "driver": "driver"}


def what_was_run(configuration: Configuration) -> dict[str, str]:
    """Rows of a table, by title."""
    record = describe("report")
    packages = [f"{name} {_version(name)}" for name in PACKAGES]
    trained = list(_records_of_trainings(configuration))
    energy = sum(float(str(each["energy"])) for each in trained if "energy" in each)
    return {
        "size": configuration.size,
        "command": command(configuration),
        "commit": str(record["commit"]),
        "report made on": _machine(record),
        "trained on": _machines(trained),
        "python": str(record["python"]),
        "packages": ", ".join(packages),
        "time of all jobs": _time(configuration.layout.benchmarks),
        **({"energy of GPUs in trainings": f"{energy / 1e3:.1f} kJ"} if energy else {}),
        **({"left out": " ".join(configuration.left_out)} if configuration.left_out else {}),
    }


def command(configuration: Configuration, project: Path | None = None) -> str:
    """What makes this report in the folder of the project.

    Args:
        configuration: what was configured.
        project: the folder that files are named from, where they are inside; by default the
            working folder.

    """
    inside = (project or Path.cwd()).resolve()
    files = [_relative(path, inside) for path in configuration.files]
    size = None
    if files and Path(files[0]) == CONFIG / "sizes" / f"{configuration.size}.yaml":
        size = configuration.size
        files = files[1:]
    studies = " ".join(configuration.studies)
    if configuration.overrides:
        chosen = [*([f"size={size}"] if size else []), f"studies={studies}"]
        chosen.append(f"set={';'.join(configuration.overrides)}")
        given = ["--configfile", *files] if files else []
        return shlex.join(["snakemake", "--cores", "all", "--config", *chosen, *given])
    parts = {"SIZE": size or "", "STUDIES": studies, "CONFIG": " ".join(files)}
    chosen = [f"{key}={shlex.quote(value)}" for key, value in parts.items() if value]
    return " ".join(["make reproduce", *chosen])


def _relative(path: Path, folder: Path) -> str:
    found = path.resolve()
    return found.relative_to(folder).as_posix() if found.is_relative_to(folder) else str(found)


def licences(configuration: Configuration) -> list[dict[str, str]]:
    """Source and licence of the data of each task, as their manifests say."""
    names: dict[Path, list[str]] = {}
    for study in configuration.studies.values():
        for task in study.tasks.values():
            names.setdefault(configuration.data_folder(task), []).append(
                f"{study.name}/{task.name}"
            )
    rows = []
    for folder, tasks in names.items():
        try:
            manifest = read_manifest(folder)
        except SymBenchError as error:
            manifest = {"source": str(error), "licence": "not known"}
        said = {key: str(manifest.get(key, "not known")) for key in ("source", "licence")}
        rows.append({"tasks": ", ".join(tasks), **said})
    return rows


def _version(package: str) -> str:
    try:
        return version(package)
    except ImportError:
        return "not installed"


def _machine(record: dict[str, object]) -> str:
    told = [str(record[key]) for key in ("processor", "device") if key in record]
    told += [f"{name} {record[key]}" for key, name in _GPU.items() if key in record]
    told += [str(record["system"])] if "system" in record else []
    return ", ".join(dict.fromkeys([*told, f"{record.get('cores')} cores"]))


def _records_of_trainings(configuration: Configuration) -> Iterator[dict[str, object]]:
    for study in configuration.studies.values():
        for run in study.runs:
            path = configuration.layout.trained("provenance.json", study.name, *run.key, run.seed)
            if record := read_record(path):
                yield record


def _machines(records: Iterable[dict[str, object]]) -> str:
    """Machines of all trainings, by number of runs."""
    machines = Counter(map(_machine, records))
    return "; ".join(f"{name} ({count} runs)" for name, count in machines.items()) or "not known"


def read_record(path: Path) -> dict[str, object]:
    """What a JSON file of provenance says; empty where there is none that can be read."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _time(benchmarks: Path) -> str:
    try:
        seconds = sum(cost.seconds for cost in read_costs([benchmarks]).values())
    except SymBenchError:
        seconds = 0.0
    return f"{seconds / 60:.1f} minutes of job time" if seconds else "not recorded"
