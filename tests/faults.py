"""Pull the plug at random moments, again and again, and compare with a run that was left alone.

    python -m tests.faults --kills 50 [--study sign_equivariant]

runs the smoke size of a study twice, in two folders: once as it is, and once while processes are
killed with SIGKILL (a job, or the whole workflow at once) or asked to end (SIGTERM to a training,
as a preemption does). Each time the workflow is started again. It prints a table, and fails
unless weights and numbers are the same, no half-written file is left, and nothing was done twice.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
KINDS = ("job", "workflow", "preemption")
# What differs between two runs of the same numbers.
MEASURED = ("seconds_per_sample", "seconds_per_epoch", "seconds_per_trajectory", "peak_memory")


def start(folder: Path, study: str) -> subprocess.Popen[bytes]:
    """Start the workflow in a folder, as the leader of a group of processes."""
    command = [
        str(BIN / "snakemake"),
        *("--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)),
        *("--workflow-profile", str(ROOT / "workflow/profiles/default"), "--cores", "2"),
        *("--config", "size=smoke", f"studies={study}"),
    ]
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    # A workflow that was killed leaves its lock.
    subprocess.run([*command, "--unlock"], env=environment, capture_output=True, check=True)
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )


def jobs_of(group: int) -> dict[int, str]:
    """Commands of symbench in a group of processes, by their number."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(path.name)) == group:
                words = (path / "cmdline").read_bytes().decode().split("\0")
                if len(words) > 2 and words[1].endswith("/symbench"):
                    found[int(path.name)] = words[2]
        except (ProcessLookupError, FileNotFoundError, PermissionError):
            continue
    return found


def strike(kind: str, group: int) -> bool:
    """One fault; false where there was nothing to hit."""
    try:
        if kind == "workflow":
            os.killpg(group, signal.SIGKILL)
            return True
        jobs = jobs_of(group)
        if kind == "preemption":
            jobs = {number: name for number, name in jobs.items() if name == "train"}
        if not jobs:
            return False
        os.kill(
            random.choice(sorted(jobs)), signal.SIGTERM if kind == "preemption" else signal.SIGKILL
        )
    except ProcessLookupError:
        return False
    return True


def finished(folder: Path) -> dict[Path, int]:
    """Artifacts that are there, with the time they were written."""
    patterns = ("**/weights.safetensors", "**/*.nc", "**/manifest.json")
    found = {path: path.stat().st_mtime_ns for each in patterns for path in folder.glob(each)}
    return found


def same(whole: Path, killed: Path, study: str) -> list[str]:
    """What differs between the results of two folders."""
    problems = []
    for path in (whole / "results").rglob("weights.safetensors"):
        name = path.relative_to(whole)
        one, other = load_file(path), load_file(killed / name)
        if any((one[key] != other[key]).any() for key in one):
            problems.append(f"{name} has other weights")
    tables = []
    for folder in (whole, killed):
        table = pd.read_csv(folder / "results" / "smoke" / study / "metrics.csv")
        tables.append(table[~table.metric.isin(MEASURED)].reset_index(drop=True))
    if not tables[0].equals(tables[1]):
        problems.append("metrics.csv differs")
    problems += [
        f"{path.relative_to(killed)} was left half-written"
        for path in killed.rglob("*.partial")
        if ".snakemake" not in path.parts
    ]
    return problems


def main() -> None:
    """Run, strike, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--study", default="sign_equivariant")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        whole, killed = Path(temporary, "whole"), Path(temporary, "killed")
        for folder in (whole, killed):
            folder.mkdir()
        before = time.monotonic()
        assert start(whole, options.study).wait() == 0, (whole / "log.txt").read_text()[-2000:]
        print(f"left alone: {time.monotonic() - before:.0f} s", flush=True)
        strikes: Counter[str] = Counter()
        repeated = 0
        kinds = [KINDS[number % len(KINDS)] for number in range(options.kills)]
        random.shuffle(kinds)
        problems: list[str] = []
        rounds = 1
        workflow = start(killed, options.study)
        while kinds:
            time.sleep(random.uniform(1.0, 9.0))
            done = finished(killed)
            if strike(kinds[-1], workflow.pid):
                strikes[kinds.pop()] += 1
            else:
                # Nothing of this kind runs now: try another kind next.
                kinds.insert(0, kinds.pop())
            time.sleep(0.5)
            code = workflow.poll()
            now = finished(killed)
            repeated += sum(now.get(path) != written for path, written in done.items())
            if code == 0:
                # All done before all strikes were: compare, and begin anew.
                problems += same(whole, killed, options.study)
                shutil.rmtree(killed)
                killed.mkdir()
                rounds += 1
            if code is not None:
                workflow = start(killed, options.study)
        for _ in range(3):
            if workflow.wait() == 0:
                break
            workflow = start(killed, options.study)
        assert workflow.wait() == 0, (killed / "log.txt").read_text()[-2000:]
        problems += same(whole, killed, options.study)
        print(f"{rounds} runs of the study under strikes")
    for kind in KINDS:
        print(f"{kind:12s} {strikes[kind]:4d} strikes")
    print(f"artifacts made twice: {repeated}; differences: {len(problems)}")
    for problem in problems:
        print(f"  {problem}")
    sys.exit(1 if problems or repeated else 0)


if __name__ == "__main__":
    main()
