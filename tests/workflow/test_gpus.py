"""Jobs of one machine share its GPUs; those of a cluster ask for what their config says."""

import re

import pytest

from symbench.devices import DEVICE, JOBS
from tests.test_devices import driver
from tests.workflow.checkout import BIN, jobs


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """The environment of a machine with so many cards, or rather with their driver."""
    for name in (DEVICE, JOBS, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)

    def make(cards: int) -> dict[str, str]:
        return {"PATH": f"{driver(tmp_path / 'driver', cards)}:{BIN}:/usr/bin:/bin"}

    return make


def asked(result) -> dict[str, str]:
    """GPUs that the jobs of a dry run ask for, by rule; and how trainings start."""
    assert jobs(result)
    said = result.stdout + result.stderr
    found = {}
    for block in re.split(r"\nrule ", said)[1:]:
        gpus = re.search(r"\bgpu=(\d+)", block)
        found[re.match(r"[a-z]+", block)[0]] = gpus[1] if gpus else "none"
    found["processes"] = (re.search(r"--nproc-per-node (\d+)", said) or [None, "1"])[1]
    return found


def test_jobs_ask_for_gpus_where_the_machine_has_them(unfinished, machine):
    none = asked(unfinished.snakemake("--dry-run", **machine(0)))
    assert (none["train"], none["evaluate"], none["audit"]) == ("0", "0", "none")
    two = asked(unfinished.snakemake("--dry-run", **machine(2)))
    assert (two["train"], two["evaluate"], two["audit"]) == ("1", "1", "none")
    assert two["processes"] == "1"


def test_a_job_has_no_more_gpus_than_the_machine(unfinished, machine):
    several = "set=studies.first.resources={train: {gpus: 4}}"
    environment = machine(3) | {JOBS: "2"}
    found = asked(
        unfinished.snakemake(
            "--dry-run", "--config", several, "studies=first", "--resources", "gpu=6", **environment
        )
    )
    # All places of three cards.
    assert (found["train"], found["processes"], found["evaluate"]) == ("6", "3", "1")


def test_a_cluster_gives_what_the_config_asks_for(unfinished, machine):
    several = "set=studies.first.resources={train: {gpus: 2}}"
    words = ("--workflow-profile", "profiles/slurm", "--config", several, "studies=first")
    command = ("snakemake", "--dry-run", *words)
    found = asked(unfinished.run(*command, **machine(1)))
    assert (found["train"], found["processes"], found["evaluate"]) == ("2", "2", "0")


def test_no_more_jobs_run_at_once_than_there_are_places(checkout, machine):
    checkout.results("report.html").unlink()
    result = checkout.snakemake(**machine(2), **{JOBS: "3"})
    assert result.returncode == 0, result.stderr
    assert re.search(r"Provided resources: gpu=\D*6\b", result.stdout + result.stderr)
