"""From data to claims by the stages: what training and evaluation leave is what is compared."""

import json
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest
import torch
import xarray as xr
import yaml
from safetensors.torch import save_file

from symbench.comparison import compare_study
from symbench.config.read import read_configuration
from symbench.config.schema import Selection
from symbench.data.fields.grid_data import FieldData
from symbench.devices import chosen_device
from symbench.errors import ConfigError, DataError, DeviceMemoryError
from symbench.evaluation.results import run_groups
from symbench.models.points.particles import GraphNeuralNetwork
from symbench.models.weights import load_weights
from symbench.provenance import describe_device
from symbench.stages.audit import audit_task
from symbench.stages.data import fetch_data
from symbench.stages.evaluate import evaluate_run
from symbench.stages.networks import build_model
from symbench.stages.train import train_runs
from tests.evaluation.test_fields import Network
from tests.here import here

SIZES = Path(__file__).parents[2] / "config" / "sizes"


def configured(tmp_path, study, content):
    overlay = tmp_path / "mine.yaml"
    folders = {"data": str(tmp_path / "data"), "results": str(tmp_path / "results")}
    overlay.write_text(yaml.safe_dump({**folders, "studies": {study: content}}))
    return read_configuration([SIZES / "smoke.yaml", overlay])


def made(configuration, study, only=""):
    """Run all stages up to evaluation."""
    for task in configuration.study(study).tasks.values():
        fetch_data(configuration, task)
        audit_task(configuration, task)
    for run in configuration.study(study).runs:
        if only in str(run):
            train_runs(configuration, [run], threads=1)
            evaluate_run(configuration, run, threads=1)


def compared(configuration, study):
    layout = configuration.layout
    compare_study(configuration.study(study), layout)
    metrics = pd.read_csv(layout.table(study, "metrics"), dtype={"lead_time": str})
    claims = pd.read_csv(layout.table(study, "claims"), keep_default_na=False)
    return metrics, claims.set_index(["claim", "case"])


def attributes(configuration, run):
    """Of the plain evaluation of a run."""
    path = configuration.layout.evaluation(run.study, *run.key, "plain", run.seed)
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        return dataset.attrs


class NeedsTwo(GraphNeuralNetwork):
    """A network of particles with batch norm over samples."""

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension, hidden=4, layers=1)
        self.norm = torch.nn.BatchNorm1d(1)

    def forward(self, inputs):
        return (
            super().forward(inputs) * self.norm(inputs.charges.mean(dim=1, keepdim=True))[:, None]
        )


class Looks(GraphNeuralNetwork):
    """A network that remembers the precision of products, and may run out of memory."""

    full = False
    seen: ClassVar[set[bool]] = set()

    def forward(self, inputs):
        if self.full:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.seen.add(torch.backends.cudnn.allow_tf32)
        return super().forward(inputs)


def test_an_evaluation_has_a_precision_and_may_need_too_much_memory(tmp_path, monkeypatch):
    content = {
        "models": {"mine": {"architecture": f"{__name__}:Looks"}},
        "evaluation": {"precision": "tf32", "batch_size": 5},
        "evaluations": ["plain"],
        "runs": [{"tasks": ["charged_3d"], "models": ["mine"], "seeds": [0]}],
    }
    configuration = configured(tmp_path, "sign_equivariant", content)
    made(configuration, "sign_equivariant")
    assert Looks.seen == {False, True}
    assert torch.backends.cudnn.allow_tf32
    monkeypatch.setattr(Looks, "full", True)
    (run,) = configuration.study("sign_equivariant").runs
    words = r"evaluation \(plain\) of 5 samples did not fit .* smaller batch_size of"
    with pytest.raises(DeviceMemoryError, match=words):
        evaluate_run(configuration, run, threads=1)


@pytest.mark.tried("points, graphs and shapes", "batches in parts of one sample", "refused")
def test_parts_of_one_sample_are_refused_before_training(tmp_path):
    content = {
        "models": {"mine": {"architecture": f"{__name__}:NeedsTwo"}},
        "training": {"batch_size": 2, "accumulate": 2},
        "runs": [{"tasks": ["charged_3d"], "models": ["mine"]}],
    }
    configuration = configured(tmp_path, "sign_equivariant", content)
    with pytest.raises(ConfigError, match="batch norm cannot train on single samples"):
        made(configuration, "sign_equivariant")


def test_fields_from_training_to_claims(tmp_path):
    content = {
        "models": {"mine": {"architecture": "tests.evaluation.test_fields:Network"}},
        "training": {"epochs": 1, "samples_per_epoch": 8, "validation_samples": 2},
        "evaluation": {"samples_per_trajectory": 2, "rollout_steps": 6},
        "runs": [
            {
                "tasks": ["decaying_turbulence"],
                "models": ["mine"],
                "treatments": ["none", "augment", "canonicalise"],
            }
        ],
        "treatments": {"canonicalise": {"evaluations": ["plain", "average"]}},
    }
    configuration = configured(tmp_path, "group_averaging", content)
    made(configuration, "group_averaging", only="seed0")
    table, judged = compared(configuration, "group_averaging")
    assert table.value.notna().all()
    # What is evaluated is the network as its treatment has wrapped it.
    wrapped = judged.loc["wrapped_networks_are_equivariant"]
    assert list(wrapped.verdict) == ["passed", "passed"]
    chosen = table.query("treatment == 'none' and metric == 'nmse'").set_index("evaluation").value
    assert chosen["subset8"] == pytest.approx(chosen["subgroup9_order8"])
    assert chosen["subset1"] > chosen["subset4"] > chosen["subset8"]
    assert chosen["subgroup0_order1"] > chosen["subgroup9_order8"]
    jensen = judged.loc["averaged_at_most_orbit_mean"]
    assert (jensen.verdict == "passed").all()
    assert len(jensen) == 4


def test_particles_from_training_to_claims(tmp_path):
    content = {
        "models": {"gnn": {"settings": {"hidden": 8, "layers": 1}}},
        "runs": [{"tasks": ["charged_3d"], "models": ["gnn"], "seeds": [0, 1]}],
    }
    configuration = configured(tmp_path, "sign_equivariant", content)
    made(configuration, "sign_equivariant")
    table, judged = compared(configuration, "sign_equivariant")
    assert table.value.notna().all()
    assert {"mse", "equivariance_error", "seconds_per_sample", "seconds_per_epoch"} <= set(
        table.metric
    )
    study = configuration.study("sign_equivariant")
    (group,), missing = run_groups(study, configuration.layout)
    assert not missing
    before, after = (group.open(name).mse.values.mean() for name in ("plain", "average"))
    gain = judged.loc["averaging_helps_particles", ""]
    assert float(gain.value) == pytest.approx(after / before - 1, rel=1e-5)
    assert float(gain.low) <= float(gain.value) <= float(gain.high)
    device = describe_device(chosen_device())["device"]
    said = attributes(configuration, study.runs[0])
    assert (said["device"], said["trained_on"]) == (device, device)
    # Nothing to compare with.
    assert judged.loc["one_pass_as_good_as_frames", ""].verdict == "not run"
    assert group.estimate(Selection(metric="auc")) is None
    # Weights of other settings are not compared with these.
    more = configured(tmp_path, "sign_equivariant", {**content, "evaluation": {"elements": 3}})
    with pytest.raises(DataError, match="other settings"):
        compared(more, "sign_equivariant")


def test_published_weights_are_evaluated_without_training(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    # The config looks whether the files are there; the data say what the network is.
    for name in ("config.json", "model.safetensors"):
        (folder / name).touch()
    content = {
        "models": {
            "mine": {
                "architecture": "tests.evaluation.test_fields:Network",
                "checkpoints": {"decaying_turbulence": {"repository": str(folder)}},
            }
        },
        "evaluations": ["plain"],
        "evaluation": {"samples_per_trajectory": 1, "rollout_trajectories": 0},
        "runs": [{"tasks": ["decaying_turbulence"], "models": ["mine"]}],
    }
    configuration = configured(tmp_path, "group_averaging", content)
    study = configuration.study("group_averaging")
    (run,) = study.runs
    assert run.seed == 0
    fetch_data(configuration, run.task)
    data = FieldData(configuration.data_folder(run.task))
    torch.manual_seed(3)
    arguments = {**data.model_arguments(), "width": 9}
    theirs = Network(**arguments)
    save_file(theirs.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(arguments))
    configuration = configured(tmp_path, "group_averaging", content)
    (run,) = configuration.study("group_averaging").runs
    audit_task(configuration, run.task)
    train_runs(configuration, [run], threads=1)
    evaluate_run(configuration, run, threads=1)
    model, _ = build_model(run, data, data.symmetry("D4"), folder)
    weights = configuration.layout.trained("weights.safetensors", run.study, *run.key, run.seed)
    load_weights(model, weights)
    inputs = here(torch.randn(1, 12, 32, 32))
    assert torch.equal(here(model)(inputs), here(theirs)(inputs))
    assert attributes(configuration, run)["trained_on"] == "not trained here"
    table, _ = compared(configuration, "group_averaging")
    assert set(table.evaluation) == {"plain"}
    assert "seconds_per_epoch" not in set(table.metric)
