"""The `well` family: folders on disk, and a Hub on the loopback interface."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import torch

from symbench.errors import ConfigError, DataError
from symbench.files import sha256
from symbench.data.fields.grid_data import GridData
from symbench.data.fields.well import Well


def test_folder_is_linked_and_checked(turbulence, tmp_path):
    Well(dataset="decaying_turbulence", source=str(turbulence), splits=["train", "test"]).fetch(
        tmp_path
    )
    data = GridData(tmp_path)
    assert data.split("test").trajectories == 2
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert set(manifest["sha256"]) == {
        "train/decaying_turbulence_decay.hdf5",
        "test/decaying_turbulence_decay.hdf5",
    }


def test_first_trajectories_of_a_split(turbulence, tmp_path):
    parameters = {"splits": ["train", "test"], "trajectories": {"train": 3}}
    Well(dataset="decaying_turbulence", source=str(turbulence), **parameters).fetch(tmp_path)
    settings = SimpleNamespace(input_steps=4, parity=None)
    data = GridData.open(tmp_path, settings, seed=0)
    whole = GridData(turbulence)
    assert data.split("train").trajectories == 3 < whole.split("train").trajectories
    assert data.split("test").trajectories == whole.split("test").trajectories
    first = data.split("train").frames(2, 0, 5)
    assert torch.equal(first, whole.split("train").frames(2, 0, 5))


def test_folder_without_statistics(turbulence, tmp_path):
    (tmp_path / "source" / "train").mkdir(parents=True)
    with pytest.raises(DataError, match=r"stats\.yaml is missing"):
        Well(dataset="x", source=str(tmp_path / "source")).fetch(tmp_path / "data")
    assert not (tmp_path / "data" / "manifest.json").exists()


def test_unknown_split():
    with pytest.raises(ConfigError, match="choose among train, valid, test"):
        Well(dataset="x", splits=["validation"])


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub's protocol as a data set in The Well's layout needs."""

    folder = None
    damage = False
    commit = "0123456789abcdef0123456789abcdef01234567"

    def files(self):
        names = {"stats.yaml": self.folder / "stats.yaml"}
        for path in sorted(self.folder.glob("*/*.hdf5")):
            names[f"data/{path.parent.name}/{path.name}"] = path
        return names

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        path = self.path.split("?")[0]
        if path.startswith("/api/datasets/polymathic-ai/turbulence/tree/"):
            content = json.dumps(
                [
                    {
                        "type": "file",
                        "oid": "1" * 40,
                        "path": name,
                        "size": file.stat().st_size,
                        "lfs": {"oid": sha256(file), "size": file.stat().st_size, "pointerSize": 1},
                    }
                    for name, file in self.files().items()
                ]
            ).encode()
            self.send(content, {"Content-Type": "application/json"}, body)
            return
        prefix = "/datasets/polymathic-ai/turbulence/resolve/"
        name = path.removeprefix(prefix).split("/", 1)[-1]
        if not path.startswith(prefix) or name not in self.files():
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.files()[name].read_bytes()
        if self.damage and name.endswith(".hdf5"):
            content = content[:-1] + bytes([content[-1] ^ 1])
        headers = {"ETag": f'"{sha256(self.files()[name])}"', "X-Repo-Commit": self.commit}
        self.send(content, headers, body)

    def send(self, content, headers, body):
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(turbulence, monkeypatch):
    import huggingface_hub.constants

    handler = type("LocalHub", (Hub,), {"folder": turbulence})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    monkeypatch.setattr(
        huggingface_hub.constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        address + "/{repo_id}/resolve/{revision}/{filename}",
    )
    yield handler
    server.shutdown()
    server.server_close()


def test_download_from_a_hub(hub, tmp_path, capsys):
    task = Well(dataset="turbulence", splits=["test"])
    task.fetch(tmp_path)
    assert "2 files, 0.00 GB to fetch" in capsys.readouterr().out
    assert GridData(tmp_path).split("test").trajectories == 2
    task.fetch(tmp_path)


def test_damaged_download_is_removed(hub, tmp_path):
    hub.damage = True
    with pytest.raises(DataError, match="arrived damaged"):
        Well(dataset="turbulence", splits=["test"]).fetch(tmp_path)
    assert not list(tmp_path.glob("test/*.hdf5"))
    assert not (tmp_path / "manifest.json").exists()


def test_unknown_dataset_on_the_hub(hub, tmp_path):
    with pytest.raises(DataError, match="does not list polymathic-ai/nothing"):
        Well(dataset="nothing").fetch(tmp_path)
