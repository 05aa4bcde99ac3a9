"""The data set `well`: folders on disk, and a Hub on the loopback interface."""

import json
import shutil
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h5py
import pytest
import torch

from symbench.data.dataset import TaskOptions
from symbench.data.fields.grid_data import FieldData
from symbench.data.fields.well import LICENCE, OTHER_LICENCE, Well
from symbench.data.manifest import check_data, unlike_manifest
from symbench.data.raw_files import RawFiles
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.files import sha256
from tests.conftest import fetched


def test_folder_is_linked_and_checked(turbulence, tmp_path):
    dataset = Well(dataset="turbulence", source=str(turbulence), splits=["train", "test"])
    fetched(dataset, tmp_path)
    data = FieldData(tmp_path)
    assert data.split("test").trajectories == 2
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["licence"] == OTHER_LICENCE
    assert set(manifest["files"]) == {
        "stats.yaml",
        "train/decaying_turbulence_decay.hdf5",
        "test/decaying_turbulence_decay.hdf5",
    }


@pytest.mark.tried("The Well's files", "own data, whose licence the config says", "right")
def test_the_licence_of_own_data_is_what_the_config_says(turbulence, tmp_path):
    dataset = Well(dataset="mine", source=str(turbulence), licence="ODbL-1.0")
    fetched(dataset, tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["licence"] == "ODbL-1.0"


@pytest.mark.tried("The Well's files", "a source file rewritten in place after fetch", "refused")
def test_a_source_that_is_rewritten_in_place_is_noticed(own, tmp_path):
    directory = fetched(Well(dataset="mine", source=str(own)), tmp_path / "data")
    source = own / "test" / "decaying_turbulence_decay.hdf5"
    before = source.stat()
    with h5py.File(source, "r+") as file:
        file["t0_fields/pressure"][...] *= 2
    assert source.stat().st_size == before.st_size
    with pytest.raises(DataError, match=r"test/decaying.* was changed after it was fetched"):
        check_data(directory, "fingerprint of a test")
    (own / "stats.yaml").write_text("mean: 0\n")
    assert set(unlike_manifest(directory)) == {
        directory / "stats.yaml",
        directory / "test" / source.name,
    }


def test_first_trajectories_of_a_split(turbulence, tmp_path):
    parameters = {"splits": ["train", "test"], "trajectories": {"train": 3}}
    dataset = Well(dataset="turbulence", source=str(turbulence), **parameters)
    data = dataset.open(fetched(dataset, tmp_path), TaskOptions(), seed=0)
    whole = FieldData(turbulence)
    assert data.split("train").trajectories == 3 < whole.split("train").trajectories
    assert data.split("test").trajectories == whole.split("test").trajectories
    first = data.split("train").frames(2, 0, 5)
    assert torch.equal(first, whole.split("train").frames(2, 0, 5))


def test_folder_without_statistics(turbulence, tmp_path):
    (tmp_path / "source" / "train").mkdir(parents=True)
    with pytest.raises(DataError, match=r"stats\.yaml is missing"):
        fetched(Well(dataset="x", source=str(tmp_path / "source")), tmp_path / "data")
    assert not (tmp_path / "data" / "manifest.json").exists()


@pytest.fixture
def own(turbulence, tmp_path):
    """A user's own folder, and what is in it."""
    folder = tmp_path / "own"
    shutil.copytree(turbulence, folder, ignore=shutil.ignore_patterns(".*", "manifest.json"))
    return folder


def contents(folder):
    """The bytes of each file of data that is no link."""
    files = [path for path in folder.rglob("*") if path.suffix in (".hdf5", ".yaml")]
    return {path: path.read_bytes() for path in files if not path.is_symlink()}


@pytest.mark.parametrize("below", [".", "data"])
@pytest.mark.parametrize("how", ["itself", "source is a link", "target is a link"])
def test_a_folder_that_is_its_own_source_is_left_as_it_is(own, tmp_path, how, below):
    if below != ".":
        (own / below).mkdir()
        for split in ("train", "valid", "test"):
            (own / split).rename(own / below / split)
    before = contents(own)
    assert len(before) == 4
    link = tmp_path / "link"
    link.symlink_to(own)
    source = link if how == "source is a link" else own
    target = link if how == "target is a link" else own
    fetched(Well(dataset="mine", source=str(source)), target)
    assert contents(own) == before
    assert not any(path.is_symlink() for path in own.rglob("*"))
    files = json.loads((own / "manifest.json").read_text())["files"]
    name = f"{below}/train/decaying_turbulence_decay.hdf5".removeprefix("./")
    assert name in files
    assert len(files) == 4
    assert FieldData(target).split("train").trajectories == 6


def test_a_folder_of_which_parts_are_its_own_source(own, tmp_path):
    """A target below the source, and one whose splits are links to those of the source."""
    (own / "data").mkdir()
    for split in ("train", "valid", "test"):
        (own / split).rename(own / "data" / split)
    before = contents(own)
    fetched(Well(dataset="mine", source=str(own)), own / "data")
    target = tmp_path / "target"
    target.mkdir()
    (target / "train").symlink_to(own / "data" / "train")
    fetched(Well(dataset="mine", source=str(own)), target)
    assert contents(own).items() >= before.items()
    assert not any(p.is_symlink() for p in own.rglob("*.hdf5"))
    assert FieldData(target).split("train").trajectories == 6


def test_a_file_at_the_place_of_a_link_is_never_replaced(own, tmp_path):
    dataset = Well(dataset="mine", source=str(own), splits=["test"])
    place = tmp_path / "data" / "test" / "decaying_turbulence_decay.hdf5"
    place.parent.mkdir(parents=True)
    place.write_text("precious")
    with pytest.raises(DataError, match=r"is a file of its own.*left as it is"):
        fetched(dataset, tmp_path / "data")
    assert place.read_text() == "precious"
    place.unlink()
    elsewhere = tmp_path / "elsewhere.hdf5"
    elsewhere.write_text("also precious")
    place.symlink_to(elsewhere)
    fetched(dataset, tmp_path / "data")
    assert place.resolve() == own / "test" / place.name
    assert elsewhere.read_text() == "also precious"


def test_nothing_is_linked_into_another_folder_of_the_user(own, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test").symlink_to(other)
    with pytest.raises(DataError, match="is a link to another folder"):
        fetched(Well(dataset="mine", source=str(own), splits=["test"]), tmp_path / "data")
    assert list(other.iterdir()) == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"splits": ["validation"]}, "split of The Well 'validation'; allowed: test, train"),
        ({"splits": "test"}, "splits of Well is 'test': .* list"),
        ({"splits": []}, r"splits of Well is \[\]"),
        ({"files_per_split": 0}, "files_per_split of Well is 0: .* equal to 1"),
        ({"files_per_split": True}, "files_per_split of Well is True"),
        ({"trajectories": {"tests": 1}}, "'tests'.*Did you mean 'test'"),
        ({"trajectories": {"test": 0}}, "trajectories.test of Well is 0"),
        ({"trajectories": 3}, "trajectories of Well is 3: .* dictionary"),
        ({"may_differ": ["boxes"]}, "difference between files 'boxes'.*Did you mean 'box'"),
        ({"licence": ""}, "licence of Well is ''"),
        ({"revision": 1234567}, "revision of Well is 1234567: .* string"),
        ({"source": ""}, "source of Well is ''"),
        ({"dataset": None}, "dataset of Well is None"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ConfigError, match=message):
        Well(**{"dataset": "x", **parameters})


def test_groups_of_the_plane_and_of_space():
    for name in ("D4", "O_h", "shifts(4)"):
        Well(dataset="x").check_group(name)
    with pytest.raises(SymmetryError, match="Unknown group 'D5'"):
        Well(dataset="x").check_group("D5")


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub's protocol as a data set in The Well's layout needs."""

    folder = None
    owner = "polymathic-ai"
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
        if path.startswith(f"/api/datasets/{self.owner}/turbulence/tree/"):
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
        prefix = f"/datasets/{self.owner}/turbulence/resolve/"
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
    fetched(task, tmp_path)
    assert "2 files, 0.00 GB to fetch" in capsys.readouterr().out
    assert FieldData(tmp_path).split("test").trajectories == 2
    assert json.loads((tmp_path / "manifest.json").read_text())["licence"] == LICENCE
    assert task.needs_network(RawFiles())
    assert task.download_size(RawFiles()) > 0
    fetched(task, tmp_path)


def test_a_hub_that_does_not_answer_is_given_up(monkeypatch):
    from huggingface_hub import constants

    from symbench import hub as client

    silent = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
    monkeypatch.setattr(client, "TIMEOUT", 0.05)
    # The client waits longer before each new attempt.
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with silent, pytest.raises(DataError, match=r"does not list polymathic-ai/x .*[Tt]ime"):
        Well(dataset="x").download_size(RawFiles())


def test_the_licence_of_another_owner_is_unknown(hub, tmp_path):
    hub.owner = "somebody"
    fetched(Well(dataset="turbulence", organisation="somebody", splits=["test"]), tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["licence"] == OTHER_LICENCE


def test_damaged_download_is_removed(hub, tmp_path):
    hub.damage = True
    with pytest.raises(DataError, match="arrived damaged"):
        fetched(Well(dataset="turbulence", splits=["test"]), tmp_path)
    assert not list(tmp_path.glob("test/*.hdf5"))
    assert not (tmp_path / "manifest.json").exists()


def test_unknown_dataset_on_the_hub(hub, tmp_path):
    with pytest.raises(DataError, match="does not list polymathic-ai/nothing"):
        Well(dataset="nothing").fetch(tmp_path, RawFiles())
