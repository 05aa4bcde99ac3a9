"""The profile for Kubernetes, against its interface on loopback: pods are processes here."""

import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tests.workflow.kubernetes import Cluster, serve

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def test_a_study_runs_in_pods_on_one_volume(tmp_path):
    """One training is lost with its node, and starts again with more memory."""
    overlay, site = tmp_path / "mine.yaml", tmp_path / "site.yaml"
    study = {
        "resources": {"train": {"gpus": 1, "mem_mb": 3000}},
        "runs": [{"tasks": ["charged_6d"], "models": ["sign_equivariant_particles"]}],
    }
    content = {
        "data": str(tmp_path / "data"),
        "results": str(tmp_path / "results"),
        "studies": {"sign_equivariant": study},
    }
    overlay.write_text(yaml.safe_dump(content))
    settings = yaml.safe_load((ROOT / "profiles/kubernetes/site.yaml").read_text())
    site.write_text(yaml.safe_dump({**settings, "mount": str(tmp_path)}))
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "SYMBENCH_SITE": str(site),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
    }
    cluster = Cluster(tmp_path, environment)
    command = [
        str(BIN / "snakemake"),
        *("--workflow-profile", "profiles/kubernetes"),
        *("--seconds-between-status-checks", "1", "--latency-wait", "5", "--jobs", "2"),
        *("--configfile", str(overlay), "--nolock"),
        *("--config", "size=smoke", "studies=sign_equivariant"),
    ]
    with serve(cluster, tmp_path / "kubeconfig"), (tmp_path / "log").open("w") as log:
        run = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 600
        lost: list[str] = []
        while run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
            if not lost and (lost := [name for name, job in cluster.jobs.items() if gpus(job)]):
                cluster.delete(lost[0])
        run.kill()
    assert run.returncode == 0, (tmp_path / "log").read_text()[-3000:]
    assert (tmp_path / "results" / "smoke" / "report.html").is_file()
    trainings = [container(job) for job in cluster.jobs.values() if gpus(job)]
    memory = [training["resources"]["requests"]["memory"] for training in trainings]
    assert memory == ["3000M", "6000M"]
    assert all(
        container(job)["volumeMounts"][0]["mountPath"] == str(tmp_path)
        for job in cluster.jobs.values()
    )


def container(job):
    return job["spec"]["template"]["spec"]["containers"][0]


def gpus(job):
    return container(job)["resources"]["limits"].get("nvidia.com/gpu") == "1"
