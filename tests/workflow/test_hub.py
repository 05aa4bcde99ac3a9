"""Data in The Well's layout and published weights from a Hub on loopback, as at the paper size."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import xarray as xr
import yaml

from symbench.files import sha256
from symbench.models.fields.the_well import unet_classic
from symbench.models.weights import save_weights
from symbench.config.settings import TrainingSettings
from symbench.symmetry.grids.isometries import named_group
from symbench.training.treatments.treatment import Treatment
from symbench.data.fields.grid_data import GridData
from symbench.training.loop import Trainer
from tests.workflow.hub import COMMIT, Hub, serve

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TASK, MODEL = "published_turbulence", "unet_published"


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
    data = GridData(turbulence)
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


def symbench(address, tmp_path, command, *arguments, revision="main", vrmse=None):
    config = tmp_path / "mine.yaml"
    checkpoint = {"repository": "polymathic-ai/UNet-turbulence", "revision": "main"}
    if vrmse is not None:
        checkpoint["vrmse"] = vrmse
    task = {
        "dataset": "well",
        "group": "D4",
        "parameters": {"dataset": "turbulence", "revision": revision, "splits": ["test"]},
        "evaluation": {"samples_per_trajectory": None, "rollout_trajectories": 1},
    }
    model = {"architecture": "unet_classic", "checkpoints": {TASK: checkpoint}}
    content = {
        "tasks": {TASK: task},
        "models": {MODEL: model},
        "runs": [{"tasks": [TASK], "models": [MODEL]}],
    }
    config.write_text(yaml.safe_dump({"studies": {"group_averaging": content}}))
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        "HF_ENDPOINT": address,
        "HF_HOME": str(tmp_path / "hub_cache"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    names = ["--study", "group_averaging", *([] if command == "pin" else ["--task", TASK])]
    return subprocess.run(
        [BIN / "symbench", command, "--config", ROOT / "config" / "smoke.yaml", "--config", config]
        + names
        + [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        timeout=200,
        env=environment,
        check=False,
    )


def fetched(address, tmp_path, revision="main"):
    data = tmp_path / f"data_{revision}"
    result = symbench(address, tmp_path, "fetch", "--output", data, revision=revision)
    assert result.returncode == 0, result.stderr
    return data, result.stdout


CELL = ["--model", MODEL, "--treatment", "none", "--seed", 0]


def evaluate(address, tmp_path, data, **published):
    weights = tmp_path / "weights"
    if not weights.is_dir():
        result = symbench(
            address, tmp_path, "train", *CELL, "--data", data, "--output", weights, **published
        )
        assert result.returncode == 0, result.stderr
    output = tmp_path / "evaluations"
    shutil.rmtree(output, ignore_errors=True)
    options = ["--data", data, "--weights", weights / "weights.safetensors", "--output", output]
    return symbench(address, tmp_path, "evaluate", *CELL, *options, **published), output


def test_only_what_was_asked_for_comes_with_its_size_and_checksums(
    hub, address, turbulence, tmp_path
):
    data, said = fetched(address, tmp_path)
    assert "polymathic-ai/turbulence: 2 files," in said
    assert "GB to fetch" in said
    assert not (data / "train").exists()
    manifest = json.loads((data / "manifest.json").read_text())
    for name, checksum in manifest["sha256"].items():
        assert sha256(data / name) == sha256(turbulence / name) == checksum
    before = hub.sent
    fetched(address, tmp_path)
    # What is there is not sent again, but for the small statistics.
    assert hub.sent - before < 10_000


def test_a_download_that_was_cut_goes_on(hub, address, tmp_path):
    data = tmp_path / "data_large"
    published = next(
        (hub.root / "datasets/polymathic-ai/turbulence/large/data/test").glob("*.hdf5")
    )
    hub.cut = 0.5
    result = symbench(address, tmp_path, "fetch", "--output", data, revision="large")
    hub.cut = None
    assert not (data / "manifest.json").exists()
    assert not list(data.rglob("*.hdf5"))
    assert result.returncode == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("symbench:")]
    assert len(lines) == 1
    assert "The Hub does not give data/test/" in lines[0]
    before = hub.sent
    fetched(address, tmp_path, "large")
    assert 0 < hub.sent - before < 0.5 * published.stat().st_size
    assert sha256(data / "test" / published.name) == sha256(published)
    assert not list(data.rglob("*.partial"))


def test_a_revision_that_does_not_exist_is_one_sentence(address, tmp_path):
    result = symbench(address, tmp_path, "fetch", "--output", tmp_path / "data", revision="nowhere")
    assert result.returncode == 1
    assert "does not list polymathic-ai/turbulence at revision nowhere" in result.stderr
    assert "Traceback" not in result.stderr


def test_pins_are_the_commits_behind_revisions_and_are_used(hub, address, tmp_path):
    pins = tmp_path / "pins.yaml"
    result = symbench(address, tmp_path, "pin", "--output", pins)
    assert result.returncode == 0, result.stderr
    assert yaml.safe_load(pins.read_text())["studies"]["group_averaging"] == {
        "tasks": {TASK: {"parameters": {"revision": COMMIT}}},
        "models": {MODEL: {"checkpoints": {TASK: {"revision": COMMIT}}}},
    }
    dataset = hub.root / "datasets" / "polymathic-ai" / "turbulence"
    (dataset / COMMIT).symlink_to(dataset / "main")
    data = tmp_path / "data"
    result = symbench(address, tmp_path, "fetch", "--config", pins, "--output", data)
    assert result.returncode == 0, result.stderr
    assert f"@{COMMIT}" in json.loads((data / "manifest.json").read_text())["source"]
    result = symbench(address, tmp_path, "pin", "--output", pins, revision="nowhere")
    assert result.returncode == 1
    assert "does not know polymathic-ai/turbulence" in result.stderr


def test_the_raw_value_is_held_against_the_published_one(address, tmp_path):
    """Right data pass; another normalisation, revision or order of axes stops the evaluation."""
    data, _ = fetched(address, tmp_path)
    result, output = evaluate(address, tmp_path, data)
    assert result.returncode == 0, result.stderr
    plain = xr.load_dataset(output / "none" / "seed0.nc", engine="h5netcdf")
    published = float(plain.vrmse.mean())
    assert (output / "average" / "seed0.nc").is_file()
    result, _ = evaluate(address, tmp_path, data, vrmse=1.01 * published)
    assert result.returncode == 0, result.stderr
    for revision in ("rescaled", "old", "swapped"):
        data, _ = fetched(address, tmp_path, revision)
        result, output = evaluate(address, tmp_path, data, vrmse=published, revision=revision)
        assert result.returncode == 1, revision
        lines = [line for line in result.stderr.splitlines() if line.startswith("symbench:")]
        assert len(lines) == 1
        assert "has a raw VRMSE of" in lines[0]
        assert "nothing was averaged" in lines[0]
        assert "Traceback" not in result.stderr
        assert not list(output.rglob("*.nc"))
