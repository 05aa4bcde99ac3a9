"""Submit, watch and delete the Jobs of Kubernetes that jobs of the workflow run in.

Snakemake's own plugin for Kubernetes takes it that nothing is shared, and copies what rules name.
What they do not name (data beside a manifest, the state of a training that goes on after a kill)
would be lost. So its plugin `cluster-generic` calls this, and all stays on one volume.

    pods.py submit SCRIPT | status JOB | cancel JOB...
"""

import os
import sys
import uuid
from pathlib import Path
from typing import Any

import kubernetes
import yaml
from kubernetes.client.rest import ApiException
from snakemake.utils import read_job_properties

SITE = yaml.safe_load(
    Path(os.environ.get("SYMBENCH_SITE", Path(__file__).with_name("site.yaml"))).read_text()
)
DAY = 24 * 60 * 60


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
        "volumeMounts": [{"name": "volume", "mountPath": SITE["mount"]}],
    }
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": SITE["claim"]}}],
    }
    if resources.get("constraint"):
        pod["nodeSelector"] = {"node.kubernetes.io/instance-type": resources["constraint"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"symbench-{uuid.uuid4()}", "labels": {"app": "symbench"}},
        "spec": {
            "backoffLimit": 0,  # Snakemake tries again, with more memory and time
            "activeDeadlineSeconds": 60 * int(resources["runtime"]),
            "ttlSecondsAfterFinished": DAY,
            "template": {"metadata": {"labels": {"app": "symbench"}}, "spec": pod},
        },
    }


def status(found: Any) -> str:
    """What Snakemake wants to hear."""
    if found.status.succeeded:
        return "success"
    return "failed" if found.status.failed else "running"


def main(command: str, *names: str) -> None:
    """Do what Snakemake asks for."""
    kubernetes.config.load_config()
    batch = kubernetes.client.BatchV1Api()
    namespace = SITE["namespace"]
    if command == "submit":
        print(batch.create_namespaced_job(namespace, job(names[0])).metadata.name)
        return
    for name in names:
        try:
            if command == "status":
                print(status(batch.read_namespaced_job_status(name, namespace)))
            else:
                batch.delete_namespaced_job(name, namespace, propagation_policy="Background")
        except ApiException as error:
            if error.status != 404:
                raise
            # Somebody has deleted it.
            if command == "status":
                print("failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
