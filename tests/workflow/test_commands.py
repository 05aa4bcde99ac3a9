"""Commands and workflow as a user starts them: good runs, and one sentence for each bad input."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from symbench.config.read import read_configuration
from symbench.data.manifest import Manifest, write_manifest
from symbench.files import write_whole
from symbench.models.fields.the_well import unet_classic
from tests.workflow.checkout import BIN, ROOT, Checkout, sentence

STUDY = "group_averaging"
TURBULENCE = "decaying_turbulence"


class Run:
    """The smoke size of a study with folders of its own, and a command on one of its tasks."""

    def __init__(self, folder: Path, command) -> None:
        self.folder = folder
        self.command = command

    def overlay(self, **content) -> None:
        """Lay something upon the study."""
        (self.folder / "mine.yaml").write_text(
            yaml.safe_dump({"base": "smoke", "studies": {STUDY: content}})
        )

    @property
    def options(self) -> list[str]:
        """Those of every command."""
        folders = [f"--set={name}={self.folder / name}" for name in ("data", "results")]
        own = self.folder / "mine.yaml"
        size = own if own.is_file() else ROOT / "config" / "sizes" / "smoke.yaml"
        return [f"--config={size}", *folders]

    def place(self, source: Path, task: str = TURBULENCE, damage=lambda folder: None) -> Path:
        """Put data where those of a task belong, as if they had been fetched; damaged first."""
        configuration = read_configuration(
            [ROOT / "config" / "sizes" / "smoke.yaml"],
            [STUDY],
            overrides=[f"data={self.folder / 'data'}"],
        )
        chosen = configuration.study(STUDY).task(task)
        folder = configuration.data_folder(chosen)
        for path in source.rglob("[!.]*"):
            if path.is_file() and path.name != "manifest.json":
                target = folder / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
        damage(folder)
        files = tuple(path for path in folder.rglob("[!.]*") if path.is_file())
        manifest = Manifest("a test", "none", {}, files)
        write_manifest(folder, manifest, task, chosen.data_fingerprint)
        return folder

    def names(self, **names) -> list[str]:
        """A run of the study."""
        chosen = {
            "study": STUDY,
            "task": TURBULENCE,
            "model": "fno",
            "treatment": "none",
            "seed": 0,
        }
        return [f"--{key}={value}" for key, value in {**chosen, **names}.items()]

    def __call__(self, stage: str, *words, **names):
        """Start a command."""
        named = self.names(**names)[: 2 if stage in ("fetch", "audit") else 5]
        return self.command(ROOT, stage, *self.options, *named, *words)

    @property
    def weights(self) -> Path:
        """Those of the first run."""
        folder = self.folder / "results" / "smoke" / STUDY / "models" / TURBULENCE
        return folder / "fno" / "none" / "seed0" / "weights.safetensors"


def silent(**settings):
    """A network whose source does not say what it takes."""
    return unet_classic(**settings)


@pytest.fixture
def run(tmp_path, command):
    return Run(tmp_path, command)


def test_dry_run_of_the_paper_size_touches_no_network():
    planned = Checkout(ROOT).planned("--nolock", "--config", "size=paper")
    assert any(job.startswith("fetch well/") for job in planned)
    assert any(job.startswith("evaluate group_averaging/active_matter/") for job in planned)


def test_group_that_the_audit_refuses(kolmogorov, run):
    run.overlay(tasks={"kolmogorov_flow": {"exact": True}})
    run.place(kolmogorov, "kolmogorov_flow")
    result = run("audit", task="kolmogorov_flow")
    assert "D4 is not a symmetry of kolmogorov_flow: under (" in sentence(result)
    assert not (run.folder / "results").exists()


def test_swap_on_a_grid_that_is_not_square(turbulence, run):
    def stretch(folder: Path) -> None:
        for path in folder.rglob("*.hdf5"):
            with h5py.File(path, "a") as file:
                file["dimensions/y"][...] = 3 * file["dimensions/y"][...]

    run.place(turbulence, damage=stretch)
    said = sentence(run("audit"))
    assert "swaps axes" in said
    assert "not a symmetry of the box" in said


def cut(folder: Path) -> None:
    path = next((folder / "train").glob("*.hdf5"))
    path.write_bytes(path.read_bytes()[:4000])


def without_statistics(folder: Path) -> None:
    (folder / "stats.yaml").unlink()


def with_nan(folder: Path) -> None:
    with h5py.File(next((folder / "train").glob("*.hdf5")), "a") as file:
        file["t0_fields/pressure"][0, 0] = np.nan


def with_a_foreign_file(folder: Path) -> None:
    (folder / "valid" / "z.hdf5").write_bytes(b"no HDF5")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "is truncated, damaged or no HDF5 file"),
        (without_statistics, "stats.yaml is missing"),
        (with_nan, "holds values that are not finite"),
        (with_a_foreign_file, "z.hdf5 is truncated, damaged or no HDF5 file"),
    ],
)
def test_data_that_came_damaged(turbulence, run, damage, message):
    """Before any training where it can be seen; their manifest says that they came so."""
    run.place(turbulence, damage=damage)
    assert message in sentence(run("train"))
    assert not run.weights.exists()


def test_settings_that_a_model_does_not_take(turbulence, run):
    """Of code that does not say what it takes they are found by the audit, before any training."""
    own = "tests.workflow.test_commands:silent"
    run.overlay(models={"fno": {"architecture": own, "settings": {"depth": 3}}})
    run.place(turbulence)
    said = sentence(run("audit"))
    assert f"Model 'fno' ({own}) does not take these settings" in said


def test_parameters_that_a_data_set_does_not_take(run):
    run.overlay(tasks={"gray_scott": {"parameters": {"resolutoin": 16}}})
    said = sentence(run("fetch", task="gray_scott"))
    assert "resolutoin" in said
    assert "resolution" in said


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("study", "gravity", "Unknown study 'gravity'; allowed: ace, group_averaging"),
        ("task", "gray_scot", "Did you mean 'gray_scott'?"),
        ("model", "unet", "Unknown model 'unet'; allowed: fno, unet_classic"),
        ("treatment", "mixup", "Unknown treatment 'mixup'; allowed: augment, none"),
        ("seed", 7, "Unknown seed '7'; allowed: 0, 1"),
    ],
)
def test_unknown_names(run, option, value, message):
    assert message in sentence(run("train", **{option: value}))


def test_data_by_their_folder(run):
    """As the rule names them."""
    said = sentence(run.command(ROOT, "fetch", *run.options, "--data", "gray_scott/0000"))
    assert "Unknown folder of data 'gray_scott/0000'; allowed: " in said
    said = sentence(run.command(ROOT, "fetch", *run.options))
    assert "fetch needs --study and --task, or --data" in said


def test_weights_of_another_width(turbulence, run):
    run.place(turbulence)
    assert run("train").returncode == 0
    run.overlay(models={"fno": {"settings": {"hidden_channels": 6}}})
    assert "was trained with other settings or other code" in sentence(run("evaluate"))
    assert not list(run.folder.rglob("*.nc"))


def test_killed_training_resumes_to_the_same_weights(turbulence, run, tmp_path):
    """kill -9 in the middle, then the same command again."""
    training = {"epochs": 8, "samples_per_epoch": 48, "save_every": 2}
    run.overlay(training=training)
    run.place(turbulence)
    assert run("train").returncode == 0
    whole = run.weights.rename(tmp_path / "whole")
    words = [str(BIN / "symbench"), "train", *run.options, *run.names()]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    state = run.weights.with_name("state.pt")
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state.exists()
    assert not run.weights.exists()
    assert run("train").returncode == 0
    assert whole.read_bytes() == run.weights.read_bytes()
    assert not state.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_full_disk_leaves_no_half_written_artifact(tmp_path):
    """A file system of 64 KiB, where one can be mounted; else a limit on the size of files."""
    target = tmp_path / "artifact.bin"
    code = (
        "import resource, signal; from pathlib import Path;"
        "from symbench.files import write_whole;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536));"
        f"cm = write_whole(Path({str(target)!r}));"
        "path = cm.__enter__();\n"
        "try:\n    path.write_bytes(bytes(10**6))\n"
        "except OSError as error:\n    cm.__exit__(type(error), error, None) or print(error.errno)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "File too large" in result.stderr or result.stdout.strip() == "27"
    assert list(tmp_path.iterdir()) == []


def test_failed_block_keeps_the_old_artifact(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def write_half() -> None:
        with write_whole(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.glob("[!.]*")) == [target]


def test_the_plan_finds_what_every_job_recorded(symbench):
    """Under the names of the plan, and not only where its tests write records themselves."""
    told = symbench("plan").stdout
    assert "no benchmark" not in told
    (everything,) = (line.split() for line in told.splitlines() if line.split()[:1] == ["all"])
    assert everything[1] == everything[2]
