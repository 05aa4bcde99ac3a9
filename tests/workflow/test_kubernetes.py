"""The profile for Kubernetes, against its interface on loopback: pods are processes here."""

import subprocess
import time

import yaml

from tests.workflow.checkout import BIN, ROOT, Checkout
from tests.workflow.kubernetes import Cluster, serve


def test_a_study_runs_in_pods_on_one_volume(tmp_path):
    """One training is lost with its node, and starts again with more memory."""
    checkout = Checkout.make(tmp_path / "check out")
    overlay = checkout.write(
        "mine.yaml",
        {
            "base": "laptop",
            "studies": {"second": {"resources": {"train": {"gpus": 1, "mem_mb": 3000}}}},
        },
    )
    site = tmp_path / "site.yaml"
    settings = yaml.safe_load((ROOT / "profiles/kubernetes/site.yaml").read_text())
    site.write_text(yaml.safe_dump({**settings, "mount": str(tmp_path)}))
    environment = checkout.environment | {
        "SYMBENCH_SITE": str(site),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
    }
    cluster = Cluster(tmp_path, environment)
    command = [
        str(BIN / "snakemake"),
        *("--workflow-profile", "profiles/kubernetes"),
        *("--seconds-between-status-checks", "1", "--latency-wait", "5", "--jobs", "2"),
        *("--configfile", str(overlay)),
    ]
    with serve(cluster, tmp_path / "kubeconfig"), (tmp_path / "log").open("w") as log:
        run = subprocess.Popen(
            command, cwd=checkout.folder, env=environment, stdout=log, stderr=log
        )
        deadline = time.monotonic() + 600
        lost: list[str] = []
        while run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
            if not lost and (lost := [name for name, job in cluster.jobs.items() if gpus(job)]):
                cluster.delete(lost[0])
        run.kill()
    assert run.returncode == 0, (tmp_path / "log").read_text()[-3000:]
    assert checkout.results("report.html").is_file()
    assert not list(tmp_path.rglob("hacked*"))
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
