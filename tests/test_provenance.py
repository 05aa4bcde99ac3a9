"""Where results come from: this package's own commit, whatever surrounds the process."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from symbench import provenance
from symbench.memory import PEAK
from tests.nvml import install_pynvml, pretend_card


def git(folder: Path, *arguments: str) -> str:
    author = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    command = ["git", *author, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """A repository of somebody else, and the process is started in it."""

    def make(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        git(folder, "init", "--quiet")
        (folder / "README").write_text(name)
        git(folder, "add", "README")
        git(folder, "commit", "--quiet", "--message", "start")
        return folder

    return make


@pytest.fixture
def checkout(repository, monkeypatch):
    """The package, tracked in a repository of its own."""
    folder = repository("own")
    package = folder / "src" / "symbench"
    package.mkdir(parents=True)
    shutil.copy(provenance.__file__, package)
    git(folder, "add", "src")
    git(folder, "commit", "--quiet", "--message", "code")
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    return folder


def commit() -> object:
    return provenance.describe("f")["commit"]


def test_the_commit_is_that_of_the_package(checkout, repository, monkeypatch):
    other = repository("other")
    monkeypatch.chdir(other)
    own = git(checkout, "rev-parse", "--short=12", "HEAD")
    assert own != git(other, "rev-parse", "--short=12", "HEAD")
    assert commit() == own
    (checkout / "src/symbench/provenance.py").write_text("changed")
    assert commit() == f"{own}-dirty"


def test_variables_of_a_hook_do_not_lead_to_another_repository(checkout, repository, monkeypatch):
    other = repository("other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    found = commit()
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name)
    assert found == git(checkout, "rev-parse", "--short=12", "HEAD")


def test_a_package_installed_within_a_repository_is_not_of_it(repository, monkeypatch):
    """As in an environment that lies in somebody's project, tracked or not."""
    other = repository("other")
    package = other / ".venv" / "symbench"
    package.mkdir(parents=True)
    shutil.copy(provenance.__file__, package)
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    monkeypatch.chdir(other)
    assert commit() == "unknown"


def test_a_package_in_no_repository_and_a_machine_without_git(checkout, tmp_path, monkeypatch):
    assert commit() != "unknown"
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    assert commit() == "unknown"
    monkeypatch.undo()
    monkeypatch.setattr(provenance, "__file__", str(empty / "provenance.py"))
    assert commit() == "unknown"


def test_a_missing_package_ends_nothing(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("torch", "a-package-of-nobody"))
    packages = provenance.describe("f")["packages"]
    assert packages["torch"] == torch.__version__.partition("+")[0]
    assert packages["a-package-of-nobody"] == "not installed"


def test_the_processor_is_the_device_unless_another_is_given():
    assert provenance.describe("f")["device"] == "cpu"
    record = provenance.describe("f", device=torch.device("cpu"))
    assert record["device"] == "cpu"
    assert not {"driver", "cuda", "device_memory", "energy"} & set(record)


def test_a_card_is_named_with_its_driver_memory_and_energy(monkeypatch, tmp_path):
    install_pynvml(monkeypatch, tmp_path)
    card = pretend_card(monkeypatch)
    record = provenance.describe("f", device=card)
    assert (record["device"], record["driver"], record["cuda"], record["device_memory"]) == (
        "NVIDIA H200",
        "580.65.06",
        "13.0",
        150_000_000_000,
    )
    assert json.loads(json.dumps(record)) == record
    with provenance.measure(card) as spent:
        pass
    assert spent.measured() == {
        "seconds": spent.seconds,
        "peak_memory": 3_000_000_000,
        "energy": 2500.0,
    }


@pytest.mark.parametrize(
    "broken",
    ["package", "nvmlInit", "nvmlSystemGetDriverVersion", "nvmlDeviceGetTotalEnergyConsumption"],
)
def test_what_nvml_does_not_tell_is_left_out_and_ends_nothing(monkeypatch, tmp_path, broken):
    if broken == "package":
        monkeypatch.setitem(sys.modules, "pynvml", None)
    else:
        install_pynvml(monkeypatch, tmp_path, broken)
    card = pretend_card(monkeypatch)
    record = provenance.describe("f", device=card)
    with provenance.measure(card) as spent:
        pass
    assert ("driver" in record) == (broken == "nvmlDeviceGetTotalEnergyConsumption")
    assert ("energy" in spent.measured()) == (broken == "nvmlSystemGetDriverVersion")
    assert spent.measured()["peak_memory"] == 3_000_000_000


def test_on_the_processor_no_energy_is_measured(monkeypatch, tmp_path):
    install_pynvml(monkeypatch, tmp_path)
    with provenance.measure() as spent:
        pass
    assert set(spent.measured()) == {"seconds", "peak_memory"}


def test_provenance_alone_needs_no_torch():
    code = (
        "import sys; from symbench.provenance import describe; "
        "print(describe('f')['device'], 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said.split() == ["cpu", "False"]


def test_the_record_is_json_with_the_seed_where_there_is_one():
    record = provenance.describe("f", seed=3)
    assert json.loads(json.dumps(record)) == record
    assert record["config"] == "f"
    assert record["seed"] == 3
    assert "seed" not in provenance.describe("f")


def test_memory_and_time_of_a_block_are_measured():
    with provenance.measure() as little:
        pass
    with provenance.measure() as much:
        block = torch.ones(25_000_000)
        assert block.sum() > 0
    assert much.peak_memory - little.peak_memory > 50_000_000
    assert PEAK.of_process() >= much.peak_memory
    assert much.seconds > little.seconds > 0
