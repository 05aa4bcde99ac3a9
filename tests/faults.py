r"""Pull the plug at random moments, again and again, and compare with a run that was left alone.

    python -m tests.faults --strikes 50 --output results/reference/faults
    python -m tests.faults --strikes 12 --fault "damaged artifact" --studies quantum --pause 14 \
        --output results/reference/faults

run the smoke size twice: once as it is (or takes the results of such a run, --whole), and once
with faults, starting the same command again whenever it has ended. Faults: SIGKILL to a training,
to any job, to Snakemake alone (its jobs go on), or to everything at once; SIGTERM to a training, as
a preemption does; a full disk; a damaged artifact. With --slurm the jobs run under Slurm (see
tests/slurm), and the faults are scancel with KILL and TERM, requeueing, and SIGKILL to Snakemake.

It fails unless weights and numbers are the same in both runs, no half-written file is left, and no
job that was done was done again, but one whose own artifact was damaged. After damage the workflow
runs in the stages of `make repair`. Needs Linux, and root for the small disk.
"""

import argparse
import base64
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import yaml
from safetensors.numpy import load_file

from symbench.files import recorded

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
# What differs between two runs of the same numbers.
MEASURED = "seconds|memory"
DISK = "600m"
# Stages that `make repair` runs one by one before all the rest.
REPAIR = ("fetch", "audit", "train")
SLURM = ("--profile", str(ROOT / "tests/slurm"), "--jobs", "6", "--latency-wait", "10")


class Workflow:
    """The workflow in a folder of its own; it can be started again and again."""

    def __init__(self, folder: Path, studies: str, slurm: bool, overlay: Path | None) -> None:
        """Choose where it runs, what, and how."""
        self.folder = folder
        self.config = [overlay or ROOT / "config/sizes/smoke.yaml"]
        self.command = [
            str(BIN / "snakemake"),
            *("--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)),
            *(
                "--workflow-profile",
                str(ROOT / "profiles" / ("slurm" if slurm else "default")),
            ),
            *(SLURM if slurm else ("--cores", "2")),
            *("--config", "size=smoke", *([f"studies={studies}"] if studies else [])),
            *(("--configfile", str(overlay)) if overlay else ()),
        ]
        content = yaml.safe_load(self.config[0].read_text())
        self.size = content.get("name") or content["size"]
        self.studies = studies.split()
        self.starts = 0
        self.stages: list[str] = []
        self.gone: list[str] = []
        self.left_running: set[Path] = set()

    def start(self) -> None:
        """Start it, as the leader of a group of processes."""
        if self.starts:
            # One that was killed leaves its lock.
            subprocess.run(
                [*self.command, "--unlock"], env=ENVIRONMENT, capture_output=True, check=True
            )
        self.starts += 1
        stage = ["--until", self.stages[0], "--", "all", *self.gone] if self.stages else []
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, *stage],
                env=ENVIRONMENT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ended(self) -> bool:
        """Whether it is not running."""
        return self.process.poll() is not None

    def jobs(self, command: str | None = None) -> list[int]:
        """Processes of jobs that run here."""
        return [pid for pid, words in self.calls().items() if command in (None, words[2])]

    def calls(self) -> dict[int, list[str]]:
        """Command lines of jobs that run here, by process."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().decode().split("\0")
                here = os.readlink(path / "cwd") == str(self.folder)
            except OSError:
                continue
            if here and len(words) > 2 and words[1].endswith("/symbench"):
                found[int(path.name)] = words
        return found

    def leave_jobs(self) -> None:
        """Remember what running jobs write: Snakemake is killed, and its successor starts them too.

        None of them was done, but two processes may now write the same artifact, one after the
        other.
        """
        self.left_running.update(map(self.job_of_call, self.calls().values()))

    def was_left_running(self, path: Path) -> bool:
        """Whether a job of a killed Snakemake may have written this artifact too."""
        return self.job_of(path) in self.left_running

    def done(self) -> dict[Path, int]:
        """Artifacts of jobs that Snakemake holds for done, with the time they were written."""
        notes = self.folder / ".snakemake"
        found = {}
        for path in self.artifacts():
            name = base64.urlsafe_b64encode(str(path.relative_to(self.folder)).encode()).decode()
            if (notes / "metadata" / name).is_file() and not (notes / "incomplete" / name).exists():
                found[path] = path.stat().st_mtime_ns
        return found

    def artifacts(self) -> list[Path]:
        """All files that were written whole, but states of trainings."""
        return [path for path in recorded(self.folder) if path.name != "state.pt"]

    def job_of(self, path: Path) -> Path:
        """The same for all files that one job writes."""
        path = path.relative_to(self.folder)
        if path.parts[0] == "data":
            return Path(*path.parts[:3])
        if "evaluations" in path.parts:
            return path.parents[1] / path.stem
        if {"figures", "audits", "tables"} & set(path.parts):
            return path.with_name(path.name.partition(".")[0])
        return path.parent

    def job_of_call(self, words: Sequence[str]) -> Path:
        """The same for the command line of a job."""
        command, *rest = words[2:]
        named = {key: value for key, value in itertools.pairwise(rest) if key.startswith("--")}
        if command == "fetch":
            return Path("data", named["--data"])
        results = Path("results", self.size)
        if command == "report":
            return results
        study = results / named["--study"]
        keys = [named.get(f"--{key}", "") for key in ("task", "model", "treatment")]
        seed = f"seed{named.get('--seed')}"
        return {
            "audit": study / "audits" / keys[0],
            "train": study.joinpath("models", *keys, seed),
            "evaluate": study.joinpath("evaluations", *keys, seed),
            "compare": study,
            "table": study / "tables" / rest[0],
            "figure": study / "figures" / rest[0],
        }[command]

    def symbench(self, *arguments: str) -> str:
        """Run a command on the config of this run."""
        files = [part for file in self.config for part in ("--config", str(file))]
        chosen = [part for name in self.studies for part in ("--study", name)]
        result = subprocess.run(
            [str(BIN / "symbench"), arguments[0], *files, *chosen, *arguments[1:]],
            cwd=self.folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        return result.stdout + result.stderr


def kill_one(workflow: Workflow, command: str | None, number: int) -> bool:
    """A signal to one job; false where none runs."""
    jobs = workflow.jobs(command)
    if jobs:
        os.kill(random.choice(jobs), number)
    return bool(jobs)


def kill_training(workflow: Workflow) -> bool:
    """Kill -9 a training."""
    return kill_one(workflow, "train", signal.SIGKILL)


def preempt_training(workflow: Workflow) -> bool:
    """SIGTERM to a training, which saves its state and ends."""
    return kill_one(workflow, "train", signal.SIGTERM)


def kill_job(workflow: Workflow) -> bool:
    """Kill -9 any job."""
    return kill_one(workflow, None, signal.SIGKILL)


def kill_snakemake(workflow: Workflow) -> bool:
    """Kill -9 Snakemake alone: what it started goes on."""
    os.kill(workflow.process.pid, signal.SIGKILL)
    workflow.process.wait()
    workflow.leave_jobs()
    return True


def kill_everything(workflow: Workflow) -> bool:
    """Kill -9 Snakemake and all jobs at once, as a power cut does."""
    os.killpg(workflow.process.pid, signal.SIGKILL)
    workflow.process.wait()
    for job in workflow.jobs():
        with suppress(ProcessLookupError):
            os.kill(job, signal.SIGKILL)
    return True


def fill_disk(workflow: Workflow) -> bool:
    """Leave no byte on the disk for some seconds."""
    filler = workflow.folder / "filler"
    try:
        with filler.open("wb", buffering=0) as stream:
            block = bytes(1 << 20)
            while True:
                stream.write(block)
    except OSError:
        time.sleep(random.uniform(4, 8))
    filler.unlink()
    return True


def damage_artifact(workflow: Workflow) -> bool:
    """Flip a bit of an artifact, or cut it, after killing everything; then look for damage."""
    finished = workflow.done()
    jobs = {workflow.job_of(path) for path in finished}
    done = sorted(path for path in workflow.artifacts() if workflow.job_of(path) in jobs)
    if not done:
        return False
    if not workflow.ended():
        kill_everything(workflow)
    path = random.choice(done)
    content = bytearray(path.read_bytes())
    if random.random() < 0.5:
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    else:
        del content[random.randrange(len(content)) :]
    times = path.stat()
    path.write_bytes(content)
    print(f"    damaged: {path.relative_to(workflow.folder)}")
    # Bits rot without a trace in the time of the file.
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    said = workflow.symbench("check-results", "--remove-damaged")
    # What Snakemake had started before it was killed alone may have written it anew by now.
    assert not path.is_file() or path.read_bytes() != bytes(content), f"{path}: {said}"
    workflow.stages = list(REPAIR)
    workflow.gone = [line for line in said.splitlines() if line.endswith("manifest.json")]
    return True


def slurm_jobs() -> list[str]:
    """Numbers of running jobs."""
    listed = subprocess.run(
        ["squeue", "--states", "R", "--noheader", "--format", "%A"],
        capture_output=True,
        text=True,
        check=True,
    )
    return listed.stdout.split()


def to_slurm_job(*command: str) -> bool:
    """A command of Slurm on a running job; false where none runs."""
    jobs = slurm_jobs()
    if jobs:
        subprocess.run([*command, random.choice(jobs)], capture_output=True, check=False)
    return bool(jobs)


def scancel_kill(workflow: Workflow) -> bool:
    """SIGKILL to all processes of a Slurm job."""
    return to_slurm_job("scancel", "--signal=KILL", "--full")


def scancel_term(workflow: Workflow) -> bool:
    """SIGTERM to all processes of a Slurm job."""
    return to_slurm_job("scancel", "--signal=TERM", "--full")


def requeue(workflow: Workflow) -> bool:
    """Preempt a Slurm job: SIGTERM, SIGKILL, and back to the queue."""
    return to_slurm_job("scontrol", "requeue")


HERE = {
    "SIGKILL to a training": kill_training,
    "SIGTERM to a training": preempt_training,
    "SIGKILL to any job": kill_job,
    "SIGKILL to Snakemake alone": kill_snakemake,
    "SIGKILL to everything": kill_everything,
    "full disk": fill_disk,
    "damaged artifact": damage_artifact,
}
UNDER_SLURM = {
    "SIGKILL to a Slurm job": scancel_kill,
    "SIGTERM to a Slurm job": scancel_term,
    "preemption with requeue": requeue,
    "SIGKILL to Snakemake, Slurm goes on": kill_snakemake,
}


@contextmanager
def small_disk() -> Iterator[Path]:
    """A disk of its own, small enough to be filled."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", folder], check=True)
        try:
            yield Path(folder).resolve()
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def differences(whole: Path, struck: Workflow) -> list[str]:
    """What differs from the results of a run that was left alone."""
    problems = []
    results = struck.folder / "results" / struck.size
    for path in sorted(results.rglob("weights.safetensors")):
        one, other = load_file(whole / path.relative_to(results)), load_file(path)
        if any((one[key] != other[key]).any() for key in one):
            problems.append(f"{path.relative_to(results)} has other weights")
    for path in sorted(results.glob("*/metrics.csv")):
        tables = [
            pd.read_csv(folder / path.relative_to(results), dtype={"lead_time": str})
            for folder in (whole, results)
        ]
        tables = [
            table[~table.metric.str.contains(MEASURED)].reset_index(drop=True) for table in tables
        ]
        if not tables[0].equals(tables[1]):
            problems.append(f"{path.relative_to(results)} differs")
    left = [path for path in struck.folder.rglob("*.partial") if ".snakemake" not in path.parts]
    return problems + [f"{path.relative_to(struck.folder)} is left" for path in left]


def strike_until_done(
    workflow: Workflow, faults: dict[str, Callable[[Workflow], bool]], strikes: int, pause: float
) -> tuple[Counter[str], list[str]]:
    """Start, strike, start again; returns the strikes that hit, and artifacts made twice."""
    waiting = [name for number, name in zip(range(strikes), list(faults) * strikes, strict=False)]
    random.shuffle(waiting)
    hit: Counter[str] = Counter()
    repeated: list[str] = []
    before: dict[Path, int] = {}
    outdated: set[Path] = set()
    workflow.start()
    while True:
        deadline = time.monotonic() + random.uniform(0.3, 1.7) * pause
        while time.monotonic() < deadline and not workflow.ended():
            time.sleep(0.1)
        if workflow.ended() and workflow.process.returncode == 0:
            if not workflow.stages:
                break
            del workflow.stages[0]
        now = workflow.done()
        for path in before.keys() & now.keys():
            if before[path] != now[path]:
                if workflow.was_left_running(path):
                    print(f"    {path} was written by a killed Snakemake's job too")
                elif path in outdated:
                    outdated.remove(path)
                else:
                    repeated.append(str(path))
        before = now
        if waiting and not workflow.ended():
            name = next((each for each in waiting if faults[each](workflow)), None)
            if name:
                waiting.remove(name)
                hit[name] += 1
                print(f"{sum(hit.values()):3d} {name}; {len(now)} artifacts", flush=True)
            # What was there and is no more was damaged, and is to be made again.
            gone = {workflow.job_of(path) for path in before if not path.is_file()}
            before = {path: at for path, at in before.items() if workflow.job_of(path) not in gone}
            if gone:
                outdated.update(path for path in before if is_derived(path))
        if workflow.ended():
            workflow.start()
    if waiting:
        print(f"all was done before {len(waiting)} more strikes: choose a shorter --pause")
    return hit, repeated


def is_derived(path: Path) -> bool:
    """Whether a file tells of evaluations, whose time of making is among their attributes."""
    return "figures" in path.parts or path.stem.split(".")[0] in ("metrics", "claims", "report")


def left_alone(folder: Path, studies: str) -> Path:
    """Run once without faults; returns the folder of results."""
    folder.mkdir()
    run = Workflow(folder, studies, slurm=False, overlay=None)
    start = time.monotonic()
    run.start()
    assert run.process.wait() == 0, folder.with_suffix(".log").read_text()[-2000:]
    print(f"left alone: {time.monotonic() - start:.0f} s", flush=True)
    return folder / "results" / run.size


def main() -> None:
    """Run, strike, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strikes", type=int, default=50)
    parser.add_argument("--studies", default="", help="all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=10.0, help="mean seconds between strikes")
    parser.add_argument("--slurm", action="store_true", help="a Slurm is running: use it")
    parser.add_argument(
        "--fault", action="append", choices=[*HERE, *UNDER_SLURM], help="only these; all by default"
    )
    parser.add_argument("--whole", type=Path, help="results of a run that was left alone")
    parser.add_argument("--output", type=Path, help="folder for the table")
    options = parser.parse_args()
    known = UNDER_SLURM if options.slurm else HERE
    faults = {name: known[name] for name in options.fault or known}
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as temporary, small_disk() as disk:
        if options.whole is None:
            options.whole = left_alone(Path(temporary).resolve() / "whole", options.studies)
        folder = disk / "struck"
        folder.mkdir()
        overlay = ROOT / "tests/slurm/overlay.yaml" if options.slurm else None
        struck = Workflow(folder, options.studies, options.slurm, overlay)
        hit, repeated = strike_until_done(struck, faults, options.strikes, options.pause)
        said = struck.symbench("check-results")
        print(said, end="")
        problems = [] if "0 failed" in said else [said.strip()]
        problems += differences(options.whole, struck) + [
            f"{path} was made twice" for path in repeated
        ]
    table = pd.DataFrame({"fault": list(faults), "strikes": [hit[name] for name in faults]})
    table.loc[len(table)] = ["losses", len(problems)]
    print(table.to_string(index=False), f"\n{struck.starts} starts; losses: {len(problems)}")
    for problem in problems:
        print(f"  {problem}")
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        name = "_".join(options.fault or ["slurm" if options.slurm else "local"]).replace(" ", "_")
        table.to_csv(options.output / f"{name}.csv", index=False)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
