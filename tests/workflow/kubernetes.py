"""The part of Kubernetes' interface that the profile uses, on loopback; pods are processes.

Volumes are the folders of their own paths. What a job asks for is kept, so that a test can look.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml


class Cluster:
    """Jobs by name, with their processes."""

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        """Set where pods write to, and what stands in for the image."""
        self.logs = logs
        self.environment = environment
        self.jobs: dict[str, Any] = {}
        self.requests = 0
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def create(self, job: dict[str, Any]) -> dict[str, Any]:
        """Start the container of a job."""
        name = job["metadata"]["name"]
        container = job["spec"]["template"]["spec"]["containers"][0]
        with (self.logs / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                container["command"],
                cwd=container["workingDir"],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.jobs[name] = job
        return job

    def read(self, name: str) -> dict[str, Any]:
        """A job with its status."""
        code = self.processes[name].poll()
        status = {"active": 1} if code is None else {"failed" if code else "succeeded": 1}
        return {**self.jobs[name], "status": status}

    def pods(self, selector: str) -> dict[str, Any]:
        """The pod of a job, which has its name."""
        name = selector.removeprefix("job-name=")
        state = {"terminated": {"reason": "Error", "exitCode": 137}}
        about = {"name": "symbench", "state": state, "image": "", "imageID": "", "ready": False}
        status = {"containerStatuses": [{**about, "restartCount": 0}]}
        pod = {"metadata": {"name": name}, "status": status}
        return {"kind": "PodList", "apiVersion": "v1", "items": [pod]}

    def delete(self, name: str) -> dict[str, Any]:
        """End a job, as a node that goes away does."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        return {"kind": "Status", "status": "Success"}


@contextmanager
def serve(cluster: Cluster, kubeconfig: Path) -> Iterator[None]:
    """Answer on loopback, and write the file that clients read the address from."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self._is_busy():
                return
            address = urlsplit(self.path)
            if address.path.endswith("/pods"):
                (selector,) = parse_qs(address.query)["labelSelector"]
                self._answer(cluster.pods(selector))
            elif address.path.endswith("/log"):
                name = address.path.split("/")[-2]
                self._write((cluster.logs / f"{name}.log").read_bytes(), "text/plain")
            else:
                self._answer(cluster.read(address.path.split("/")[-2]))

        def _is_busy(self) -> bool:
            """Each third request finds the interface busy, whatever it asks for."""
            cluster.requests += 1
            if cluster.requests % 3:
                return False
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return True

        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if content["metadata"]["name"] in cluster.jobs:
                self._answer({"kind": "Status", "reason": "AlreadyExists"}, 409)
                return
            if self._is_busy():
                # The answer is lost, and not what was asked for.
                cluster.create(content)
                return
            self._answer(cluster.create(content), 201)

        def do_DELETE(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(cluster.delete(self.path.split("?")[0].split("/")[-1]))

        def _answer(self, content: Any, code: int = 200) -> None:
            self._write(json.dumps(content).encode(), "application/json", code)

        def _write(self, body: bytes, kind: str, code: int = 200) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "loopback",
        "contexts": [{"name": "loopback", "context": {"cluster": "loopback", "user": "user"}}],
        "clusters": [
            {
                "name": "loopback",
                "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"},
            }
        ],
        "users": [{"name": "user", "user": {"token": "none"}}],
    }
    kubeconfig.write_text(yaml.safe_dump(content))
    try:
        yield
    finally:
        server.shutdown()
