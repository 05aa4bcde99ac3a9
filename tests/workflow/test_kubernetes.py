"""The profile for Kubernetes, against its interface on loopback: pods are processes here."""

import subprocess
import time

import yaml

from tests.workflow.checkout import BIN, ROOT, Checkout
from tests.workflow.kubernetes import Cluster, serve


def test_a_study_runs_in_pods_on_one_volume(tmp_path):
    """One training is lost with its node, and starts again with more memory.

    Each third call finds the interface busy, and is repeated.
    """
    checkout = Checkout.make(tmp_path / "check out")
    overlay = checkout.write(
        "mine.yaml",
        {
            "base": "laptop",
            "studies": {
                "second": {"resources": {"train": {"gpus": 1, "gpu_model": "a100", "mem_mb": 3000}}}
            },
        },
    )
    site = tmp_path / "site.yaml"
    settings = yaml.safe_load((ROOT / "profiles/kubernetes/site.yaml").read_text())
    toleration = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    changed = {"mount": str(tmp_path), "secrets": ["token"], "tolerations": [toleration]}
    site.write_text(yaml.safe_dump({**settings, **changed}))
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
    for job in cluster.jobs.values():
        wanted = {"nvidia.com/gpu.product": "a100"} if gpus(job) else {}
        assert job["spec"]["template"]["spec"]["nodeSelector"] == wanted
        assert container(job)["volumeMounts"][0]["mountPath"] == str(tmp_path)
        assert container(job)["env"] == [{"name": "HOME", "value": "/tmp"}]
        assert container(job)["envFrom"] == [{"secretRef": {"name": "token"}}]
        pod = job["spec"]["template"]["spec"]
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
        }
        assert pod["tolerations"] == [toleration]
        # Time without a node does not count: the limit is the pod's and not the Job's.
        assert pod["activeDeadlineSeconds"] > 0
        assert "activeDeadlineSeconds" not in job["spec"]
    (kept,) = (checkout.folder / ".snakemake" / "kubernetes_logs").glob("*.log")
    assert kept.stem == lost[0]
    assert kept.read_text().startswith(f"{lost[0]}: Error")


def container(job):
    return job["spec"]["template"]["spec"]["containers"][0]


def gpus(job):
    return container(job)["resources"]["limits"].get("nvidia.com/gpu") == "1"
