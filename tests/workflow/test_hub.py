"""Data in The Well's layout and published weights from a Hub on loopback, as at the paper size."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import h5py
import huggingface_hub.constants
import numpy as np
import pytest
import torch
import xarray as xr
import yaml

from symbench.config.read import read_configuration
from symbench.config.settings import TrainingSettings
from symbench.data.fields.grid_data import FieldData
from symbench.files import sha256
from symbench.models.fields.the_well import unet_classic
from symbench.models.weights import save_weights
from symbench.symmetry.grids.isometries import named_group
from symbench.training.loop import Trainer
from symbench.training.treatments.treatment import Treatment
from tests.workflow.checkout import BIN, ROOT, sentence
from tests.workflow.hub import COMMIT, Hub, serve

STUDY, TASK, MODEL = "group_averaging", "published_turbulence", "unet_published"
NAMES = ["--study", STUDY, "--task", TASK, "--model", MODEL, "--treatment", "none", "--seed", "0"]


@pytest.fixture(scope="module")
def hub(turbulence, tmp_path_factory):
    """The simulated data and a network, published under three revisions of the data."""
    root = tmp_path_factory.mktemp("hub")
    dataset = root / "datasets" / "polymathic-ai" / "turbulence"
    for revision in ("main", "old", "swapped", "rescaled"):
        folder = dataset / revision
        for split in ("train", "valid", "test"):
            shutil.copytree(turbulence / split, folder / "data" / split)
        shutil.copy(turbulence / "stats.yaml", folder)
    # Parts of 10 MB are kept when a line is cut: one revision has a file of more.
    shutil.copytree(dataset / "main", dataset / "large")
    with h5py.File(next((dataset / "large" / "data" / "test").glob("*.hdf5")), "r+") as file:
        file["padding"] = np.random.default_rng(0).integers(0, 256, 40_000_000, dtype=np.uint8)
    with h5py.File(next((dataset / "old" / "data" / "test").glob("*.hdf5")), "r+") as file:
        for group in ("t0_fields", "t1_fields"):
            for field in file[group].values():
                # Another simulation: a third of it is something else.
                noise = np.random.default_rng(0).normal(size=field.shape)
                field[...] = field[...] + 0.3 * field[...].std() * noise
    with h5py.File(next((dataset / "swapped" / "data" / "test").glob("*.hdf5")), "r+") as file:
        for group in ("t0_fields", "t1_fields"):
            for field in file[group].values():
                field[...] = np.swapaxes(field[...], 2, 3)
    path = dataset / "rescaled" / "stats.yaml"
    statistics = yaml.safe_load(path.read_text())
    for name, value in statistics["std"].items():
        statistics["std"][name] = (3 * np.asarray(value)).tolist()
    path.write_text(yaml.safe_dump(statistics))
    with h5py.File(next((turbulence / "test").glob("*.hdf5"))) as file:
        size = file["t1_fields"]["velocity"].shape[2]
    weights = root / "models" / "polymathic-ai" / "UNet-turbulence" / "main"
    weights.mkdir(parents=True)
    arguments = {
        "dim_in": 12,
        "dim_out": 3,
        "n_spatial_dims": 2,
        "spatial_resolution": [size, size],
        "init_features": 4,
    }
    torch.manual_seed(0)
    data = FieldData(turbulence)
    trainer = Trainer(
        unet_classic(**arguments),
        data.split("train"),
        data.split("valid"),
        Treatment(data.symmetry(named_group("D4", 2))),
        TrainingSettings(epochs=25, batch_size=4, learning_rate=0.02),
        seed=0,
        state_path=root / "state.pt",
    )
    (weights / "config.json").write_text(json.dumps(arguments))
    save_weights(weights / "model.safetensors", trainer.run().weights)
    return Hub(root)


@pytest.fixture(scope="module")
def address(hub):
    with serve(hub) as found:
        yield found


class Run:
    """One published network on published data, in folders of its own."""

    def __init__(self, folder: Path, command) -> None:
        self.folder = folder
        self.command = command

    def __call__(self, command, *arguments, **published):
        """A command of ours, within the process of the tests."""
        return self.command(ROOT, *self.words(command, *arguments, **published))

    def words(self, command, *arguments, revision="main", vrmse=None) -> list[str]:
        """A command on the config that is written for it."""
        checkpoint = {"repository": "polymathic-ai/UNet-turbulence", "revision": "main"}
        if vrmse is not None:
            checkpoint["scores"] = {"vrmse": vrmse}
        task = {
            "dataset": "well",
            "group": "D4",
            "parameters": {"dataset": "turbulence", "revision": revision, "splits": ["test"]},
            "evaluation": {"samples_per_trajectory": None, "rollout_trajectories": 1},
        }
        study = {
            "tasks": {TASK: task},
            "models": {MODEL: {"architecture": "unet_classic", "checkpoints": {TASK: checkpoint}}},
            "runs": [{"tasks": [TASK], "models": [MODEL]}],
        }
        content = {
            "base": "smoke",
            "data": str(self.folder / "data"),
            "results": str(self.folder / "results"),
            "studies": {STUDY: study},
        }
        config = self.folder / "mine.yaml"
        config.write_text(yaml.safe_dump(content))
        names = {
            **{each: [] for each in ("pin", "downloads", "fetch-weights")},
            **dict.fromkeys(("fetch", "audit"), NAMES[:4]),
        }.get(command, NAMES)
        return [command, "--config", str(config), *names, *map(str, arguments)]

    @property
    def weights(self) -> str:
        """The fingerprint of the published weights, once the config is written."""
        (found,) = read_configuration([self.folder / "mine.yaml"]).published
        return found

    def data(self) -> set[Path]:
        """All folders of data that there are."""
        return {path.parent for path in self.folder.glob("data/well/*/manifest.json")}

    def fetched(self, revision="main", *arguments) -> tuple[Path, str]:
        """The folder of the data of a revision, and what was said."""
        before = self.data()
        result = self("fetch", *arguments, revision=revision)
        assert result.returncode == 0, result.stderr
        return next(iter(self.data() - before or self.data())), result.stdout

    @property
    def outputs(self) -> Path:
        """The folder of the evaluations."""
        return self.folder / "results/smoke" / STUDY / "evaluations" / TASK / MODEL / "none"

    def evaluated(self, **published) -> subprocess.CompletedProcess[str]:
        """Take the published weights, and evaluate them."""
        self.words("train", **published)
        assert self("fetch-weights", self.weights, **published).returncode == 0
        result = self("train", **published)
        assert result.returncode == 0, result.stderr
        shutil.rmtree(self.outputs, ignore_errors=True)
        return self("evaluate", **published)


@pytest.fixture
def run(address, tmp_path, command, monkeypatch):
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return Run(tmp_path, command)


def test_only_what_was_asked_for_comes_with_its_size_and_checksums(hub, turbulence, run):
    data, said = run.fetched()
    assert "polymathic-ai/turbulence: 2 files," in said
    assert "GB to fetch" in said
    assert not (data / "train").exists()
    files = json.loads((data / "manifest.json").read_text())["files"]
    assert len(files) == 2
    for name, about in files.items():
        assert sha256(data / name) == sha256(turbulence / name) == about["sha256"]
    before = hub.sent
    run.fetched()
    # What is there is not sent again, but for the small statistics.
    assert hub.sent - before < 10_000


def test_a_download_that_was_cut_goes_on(hub, run):
    published = next(
        (hub.root / "datasets/polymathic-ai/turbulence/large/data/test").glob("*.hdf5")
    )
    hub.cut = 0.5
    result = run("fetch", revision="large")
    hub.cut = None
    assert not run.data()
    assert not list(run.folder.rglob("*.hdf5"))
    assert "The Hub does not give data/test/" in sentence(result)
    before = hub.sent
    data, _ = run.fetched("large")
    assert 0 < hub.sent - before < 0.5 * published.stat().st_size
    assert sha256(data / "test" / published.name) == sha256(published)
    assert not list(data.rglob("*.partial"))


def test_a_revision_that_does_not_exist_is_one_sentence(run, address):
    """Started as a user does, with the address in the environment."""
    result = subprocess.run(
        [BIN / "symbench", *run.words("fetch", revision="nowhere")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
            "HF_ENDPOINT": address,
            "HF_HOME": str(run.folder / "hub_cache"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        },
        check=False,
    )
    said = sentence(result)
    assert "does not list polymathic-ai/turbulence at revision nowhere" in said


def test_pins_are_the_commits_behind_revisions_and_are_used(hub, run):
    pins = run.folder / "pins.yaml"
    result = run("pin", "--output", pins)
    assert result.returncode == 0, result.stderr
    assert yaml.safe_load(pins.read_text())["studies"][STUDY] == {
        "tasks": {TASK: {"parameters": {"revision": COMMIT}}},
        "models": {MODEL: {"checkpoints": {TASK: {"revision": COMMIT}}}},
    }
    dataset = hub.root / "datasets" / "polymathic-ai" / "turbulence"
    (dataset / COMMIT).symlink_to(dataset / "main")
    data, _ = run.fetched("main", "--config", pins)
    assert f"@{COMMIT}" in json.loads((data / "manifest.json").read_text())["source"]
    assert "does not know polymathic-ai/turbulence" in sentence(
        run("pin", "--output", pins, revision="nowhere")
    )


def test_pins_of_a_size_lie_upon_it(run):
    """So that the file alone is enough for CONFIG."""
    pins = run.folder / "pins.yaml"
    size = ROOT / "config" / "sizes" / "smoke.yaml"
    assert run.command(ROOT, "pin", "--config", size, "--output", pins).returncode == 0
    assert yaml.safe_load(pins.read_text()) == {"base": "smoke", "studies": {}}


def test_the_raw_value_is_held_against_the_published_one(run):
    """Right data pass; another normalisation, revision or order of axes stops the evaluation."""
    run.fetched()
    result = run.evaluated()
    assert result.returncode == 0, result.stderr
    plain = xr.load_dataset(run.outputs / "plain" / "seed0.nc", engine="h5netcdf")
    published = float(plain.vrmse.mean())
    assert (run.outputs / "average" / "seed0.nc").is_file()
    result = run.evaluated(vrmse=1.01 * published)
    assert result.returncode == 0, result.stderr
    for revision in ("rescaled", "old", "swapped"):
        run.fetched(revision)
        said = sentence(run.evaluated(vrmse=published, revision=revision))
        assert "has a raw vrmse of" in said
        assert "nothing was averaged" in said
        assert not list(run.outputs.rglob("*.nc"))


def test_weights_that_were_not_downloaded_are_asked_for_in_a_sentence(run):
    run.fetched()
    said = sentence(run("train"))
    assert f"symbench fetch-weights {run.weights}" in said
    assert "make download" in said


def test_more_than_the_limit_is_not_downloaded(hub, run):
    before = hub.sent
    everything = run("downloads")
    assert everything.returncode == 0, everything.stderr
    names = [line.split(": ")[0] for line in everything.stdout.splitlines()]
    assert len(names) == 3
    assert names[0].startswith("download of well/")
    assert names[1] == "download of polymathic-ai/UNet-turbulence"
    assert "limit_gb is 1e-06" in sentence(run("downloads", "--limit-gb", "1e-6"))
    assert run("downloads", "--limit-gb", "1").returncode == 0
    # Sizes are asked for, and nothing else.
    assert hub.sent == before
    run.fetched()
    again = run("downloads").stdout.splitlines()
    assert [line.split(": ")[0] for line in again] == [names[1], names[2]]


def test_a_run_needs_no_network_after_its_downloads(address, run):
    run.words("train")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
        "HF_HOME": str(run.folder / "hub_cache"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
    }
    snakemake = [BIN / "snakemake", "--cores", "2", "--configfile", run.folder / "mine.yaml"]
    snakemake += ["--directory", run.folder, "--snakefile", ROOT / "Snakefile"]

    def ran(endpoint: str, *targets: str) -> None:
        done = subprocess.run(
            [*map(str, snakemake), *targets],
            cwd=run.folder,
            env={**environment, "HF_ENDPOINT": endpoint},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    ran(address, "--", "downloads")
    assert run.data()
    shutil.rmtree(run.folder / "hub_cache", ignore_errors=True)
    # Nobody listens there.
    ran("http://127.0.0.1:9")
    assert (run.folder / "results" / "smoke" / "report.html").is_file()
    assert (run.outputs / "average" / "seed0.nc").is_file()
