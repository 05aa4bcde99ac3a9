"""Submit, watch and delete the Jobs of Kubernetes that jobs of the workflow run in.

Snakemake's own plugin for Kubernetes takes it that nothing is shared, and copies what rules name.
What they do not name (data beside a manifest, the state of a training that goes on after a kill)
would be lost. So its plugin `cluster-generic` calls this, and all stays on one volume.

    pods.py submit SCRIPT | status JOB | cancel JOB... | logs JOB
"""

import os
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes
import yaml
from kubernetes.client.rest import ApiException
from snakemake.utils import read_job_properties
from urllib3.exceptions import HTTPError

SITE = yaml.safe_load(
    Path(os.environ.get("SYMBENCH_SITE", Path(__file__).with_name("site.yaml"))).read_text()
)
DAY = 24 * 60 * 60
# Of the pods of jobs that failed; beside what Snakemake keeps itself.
LOGS = Path(".snakemake", "kubernetes_logs")
# An interface that is busy or away is asked again after so many seconds.
PAUSES = (1, 2, 4, 8, 16, 32, 64)
BUSY = (429, 500, 502, 503, 504)


def job(script: str) -> dict[str, Any]:
    """The Job that runs a script in this folder, with the resources of its rule."""
    properties = read_job_properties(script)
    resources = properties["resources"]
    limits = {"cpu": str(properties["threads"]), "memory": f"{resources['mem_mb']}M"}
    if resources.get("gpu"):
        limits[SITE["gpu"]] = str(resources["gpu"])
    container = {
        "name": "symbench",
        "image": SITE["image"],
        "command": ["sh", str(Path(script).resolve())],
        "workingDir": str(Path.cwd()),
        "resources": {"limits": limits, "requests": limits},
        "env": [{"name": key, "value": str(value)} for key, value in SITE["environment"].items()],
        "envFrom": [{"secretRef": {"name": name}} for name in SITE["secrets"]],
        "securityContext": {"allowPrivilegeEscalation": False},
        "volumeMounts": [{"name": "volume", "mountPath": SITE["mount"]}],
    }
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "containers": [container],
        "serviceAccountName": SITE["service_account"],
        "imagePullSecrets": [{"name": name} for name in SITE["image_pull_secrets"]],
        "tolerations": SITE["tolerations"],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": SITE["user"],
            "runAsGroup": SITE["group"],
        },
        # Of a pod it counts from when it has a node: to wait for one is no run time.
        "activeDeadlineSeconds": 60 * int(resources["runtime"]),
        "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": SITE["claim"]}}],
    }
    labels = {
        "node.kubernetes.io/instance-type": resources.get("constraint"),
        SITE["gpu_model_label"]: resources.get("gpu_model"),
    }
    pod["nodeSelector"] = {label: value for label, value in labels.items() if value}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"symbench-{uuid.uuid4()}", "labels": {"app": "symbench"}},
        "spec": {
            "backoffLimit": 0,  # Snakemake tries again, with more memory and time
            "ttlSecondsAfterFinished": DAY,
            "template": {"metadata": {"labels": {"app": "symbench"}}, "spec": pod},
        },
    }


def status(found: Any) -> str:
    """What Snakemake wants to hear."""
    if found.status.succeeded:
        return "success"
    return "failed" if found.status.failed else "running"


def patiently(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What a call of the interface returns, which may be busy or away for two minutes."""
    for pause in (*PAUSES, None):
        try:
            return call(*arguments, **named)
        except (ApiException, HTTPError) as error:
            if pause is None or getattr(error, "status", BUSY[0]) not in BUSY:
                raise
            time.sleep(pause)
    raise AssertionError


def submit(batch: Any, script: str) -> str:
    """Make the Job of a script, and return its name."""
    wanted = job(script)
    try:
        patiently(batch.create_namespaced_job, SITE["namespace"], wanted)
    except ApiException as error:
        # It was made by a call whose answer was lost: its name is of this call alone.
        if error.status != 409:
            raise
    return str(wanted["metadata"]["name"])


def logs(name: str) -> str:
    """What the pods of a Job have written, and why they ended; empty once they are gone."""
    core = kubernetes.client.CoreV1Api()
    said = []
    pods = patiently(core.list_namespaced_pod, SITE["namespace"], label_selector=f"job-name={name}")
    for pod in pods.items:
        for container in pod.status.container_statuses or []:
            if container.state and container.state.terminated:
                said.append(f"{pod.metadata.name}: {container.state.terminated.reason}")
        try:
            read = core.read_namespaced_pod_log
            said.append(patiently(read, pod.metadata.name, SITE["namespace"]))
        except ApiException as error:
            said.append(f"{pod.metadata.name}: no log ({error.reason})")
    return "\n".join(said)


def keep_logs(name: str) -> None:
    """Keep the logs of a Job that failed, if they can be had."""
    try:
        said = logs(name)
    except (ApiException, HTTPError) as error:
        said = f"no logs: {error}"
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / f"{name}.log").write_text(said)


def main(command: str, *names: str) -> None:
    """Do what Snakemake asks for."""
    kubernetes.config.load_config()
    batch = kubernetes.client.BatchV1Api()
    namespace = SITE["namespace"]
    if command == "submit":
        print(submit(batch, names[0]))
        return
    for name in names:
        try:
            if command == "logs":
                print(logs(name))
            elif command == "status":
                found = status(patiently(batch.read_namespaced_job_status, name, namespace))
                if found == "failed":
                    keep_logs(name)
                print(found)
            else:
                delete = batch.delete_namespaced_job
                patiently(delete, name, namespace, propagation_policy="Background")
        except ApiException as error:
            if error.status != 404:
                raise
            # Somebody has deleted it.
            if command == "status":
                print("failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
