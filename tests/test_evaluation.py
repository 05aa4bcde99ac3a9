"""Evaluation and comparison: each number against an independent way to get it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from symbench import stages
from symbench.cells import families
from symbench.comparison import CLAIM_COLUMNS, METRIC_COLUMNS, compare_study
from symbench.evaluation.grid import GridEvaluator
from symbench.evaluation.metrics import vrmse
from symbench.config.settings import EvaluationSettings
from symbench.config.study import Cell, read_configuration
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.reynolds import average
from symbench.symmetry.grids.rollouts import rollout
from symbench.data.fields.grid_data import GridData

ROOT = Path(__file__).parents[1]


class Network(nn.Module):
    def __init__(self, dim_in, dim_out, n_spatial_dims, spatial_resolution, width=6):
        super().__init__()
        self.first = nn.Conv2d(dim_in, width, 3, padding=1)
        self.position = nn.Parameter(0.3 * torch.randn(1, width, *spatial_resolution))
        self.last = nn.Conv2d(width, dim_out, 1)

    def forward(self, values):
        return self.last(torch.tanh(self.first(values) + self.position))


@pytest.fixture(scope="module")
def evaluator(turbulence):
    data = GridData(turbulence)
    torch.manual_seed(0)
    model = Network(**data.model_arguments())
    settings = EvaluationSettings(samples_per_trajectory=3, rollout_steps=6, chunk=3)
    return GridEvaluator(model, data, data.symmetry(named_group("D4", 2)), settings)


def test_one_step_scores_are_those_of_the_averaged_model(evaluator):
    averaged = average(evaluator.model, evaluator.symmetry)
    batch = evaluator.split.batch(evaluator.samples)
    normalizer = evaluator.data.normalizer
    target = normalizer.denormalize(batch.targets)
    datasets = {name: evaluator.evaluate(name) for name in ("none", "average")}
    with torch.inference_mode():
        for name, model in (("none", evaluator.model), ("average", averaged)):
            expected = vrmse(normalizer.denormalize(model(batch.inputs)), target)
            np.testing.assert_allclose(datasets[name].vrmse, expected, rtol=1e-5)


def test_gram_matrix_gives_every_subset_and_the_decomposition(evaluator):
    dataset = evaluator.evaluate("average")
    gram = dataset.error_gram
    np.testing.assert_allclose(gram.mean(("element", "element_b")), dataset.mse, rtol=1e-4)
    diagonal = np.sqrt(
        np.diagonal(gram.values, axis1=2, axis2=3) / dataset.variance.values[..., None]
    )
    elements = dataset.element_vrmse.transpose("sample", "channel", "element")
    np.testing.assert_allclose(diagonal, elements, rtol=1e-4)
    orbit_mean = np.diagonal(gram.values, axis1=2, axis2=3).mean(axis=2)
    np.testing.assert_allclose(orbit_mean, dataset.mse + dataset.orbit_variance, rtol=1e-4)
    rotations = [
        0,
        *(i for i, e in enumerate(evaluator.symmetry.group.elements) if i and e.determinant == 1),
    ]
    batch = evaluator.split.batch(evaluator.samples)
    normalizer = evaluator.data.normalizer
    with torch.inference_mode():
        subset = average(evaluator.model, evaluator.symmetry, elements=rotations)(batch.inputs)
    squared = (normalizer.denormalize(subset) - normalizer.denormalize(batch.targets)) ** 2
    from_gram = gram.isel(element=rotations, element_b=rotations).mean(("element", "element_b"))
    np.testing.assert_allclose(from_gram, squared.mean(dim=(2, 3)), rtol=1e-4)


def test_rollouts_start_at_the_start_and_feed_back(evaluator):
    dataset = evaluator.evaluate("average")
    inputs = evaluator.split.inputs([0, 1])
    averaged = average(evaluator.model, evaluator.symmetry)
    normalizer = evaluator.data.normalizer
    with torch.inference_mode():
        frames = torch.stack(list(rollout(averaged, inputs, 6)))
    for step, frame in enumerate(frames):
        truth = torch.stack([evaluator.split.frames(t, 4 + step, 5 + step)[0] for t in (0, 1)])
        expected = vrmse(normalizer.denormalize(frame), normalizer.denormalize(truth))
        got = dataset.rollout_vrmse.sel(operator="stepwise", lead_time=step + 1)
        np.testing.assert_allclose(got, expected, rtol=1e-4)
    first = dataset.rollout_vrmse.sel(lead_time=1)
    np.testing.assert_allclose(
        first.sel(operator="stepwise"), first.sel(operator="trajectory"), rtol=1e-4
    )


def test_datasets_name_dimensions_and_units(evaluator):
    dataset = evaluator.evaluate("frame")
    assert dataset.vrmse.dims == ("sample", "channel")
    assert list(dataset.channel.values) == ["pressure", "velocity_x", "velocity_y"]
    assert dataset.lead_time.attrs["units"].startswith("frames of 0.2")
    assert dataset.rollout_seconds.attrs["units"] == "s per trajectory"
    assert float(dataset.rollout_peak_memory.min()) > 0


@pytest.fixture
def study(tmp_path):
    overlay = tmp_path / "mine.yaml"
    content = {
        "models": {"mine": {"architecture": f"{__name__}:Network"}},
        "tasks": {"decaying_turbulence": {"group": "D4"}},
        "training": {"epochs": 1, "samples_per_epoch": 8, "validation_samples": 2},
        "evaluation": {"samples_per_trajectory": 2, "rollout_steps": 6},
        "runs": [
            {
                "tasks": ["decaying_turbulence"],
                "models": ["mine"],
                "treatments": ["none", "augment"],
            }
        ],
    }
    overlay.write_text(yaml.safe_dump({"studies": {"group_averaging": content}}))
    return read_configuration([ROOT / "config" / "smoke.yaml", overlay]).study("group_averaging")


def test_from_training_to_claims(study, turbulence, tmp_path):
    for cell in study.cells:
        folder = tmp_path / "models" / cell.family / f"seed{cell.seed}"
        stages.train(study, cell, turbulence, folder, threads=1)
        assert sorted(path.name for path in folder.glob("[!.]*")) == [
            "history.csv",
            "provenance.json",
            "weights.safetensors",
        ]
        evaluations = tmp_path / "evaluations" / cell.family
        weights = folder / "weights.safetensors"
        stages.evaluate(study, cell, turbulence, weights, evaluations, threads=1)
    metrics, claims = tmp_path / "metrics.csv", tmp_path / "claims.csv"
    compare_study(study, tmp_path / "evaluations", metrics, claims)
    table = pd.read_csv(metrics, dtype={"lead_time": str})
    assert list(table.columns) == METRIC_COLUMNS
    assert table.value.notna().all()
    chosen = table.query("treatment == 'none' and seed == 0 and metric == 'nmse'")
    chosen = chosen.set_index("evaluation").value
    trivial, whole = chosen["subgroup0_order1"], chosen["subgroup9_order8"]
    assert chosen["subset8"] == pytest.approx(whole)
    assert chosen["subset1"] > chosen["subset4"] > chosen["subset8"]
    assert trivial > whole
    judged = pd.read_csv(claims)
    assert list(judged.columns) == CLAIM_COLUMNS
    jensen = judged[judged.claim.str.startswith("averaged_at_most_orbit_mean")]
    assert (jensen.verdict == "reproduced").all()
    assert len(jensen) == 3
    found = families(study, tmp_path / "evaluations")
    errors = found[0].squared_errors()
    assert errors["forecast"].shape == (2, 2)


def test_published_weights_are_evaluated_without_training(study, turbulence, tmp_path):
    data = GridData(turbulence)
    folder = tmp_path / "published"
    folder.mkdir()
    torch.manual_seed(3)
    theirs = Network(**data.model_arguments(), width=9)
    save_file(theirs.state_dict(), folder / "model.safetensors")
    arguments = {**data.model_arguments(), "width": 9}
    (folder / "config.json").write_text(json.dumps(arguments))
    model = study.settings.models["mine"].model_copy(
        update={"checkpoints": {"decaying_turbulence": _checkpoint(folder)}}
    )
    settings = study.settings.model_copy(update={"models": {"mine": model}})
    published = type(study)(study.name, study.description, settings)
    cell = Cell(study.name, "decaying_turbulence", "mine", "none", 0)
    assert [c.seed for c in published.cells if c.treatment == "none"] == [0]
    stages.train(published, cell, turbulence, tmp_path / "out", threads=1)
    model, _ = stages.build_model(published, cell, data, data.symmetry("D4"))
    from symbench.models.weights import load_weights

    load_weights(model, tmp_path / "out" / "weights.safetensors")
    inputs = torch.randn(1, 12, 16, 16)
    assert torch.equal(model(inputs), theirs(inputs))


def _checkpoint(folder):
    from symbench.config.schema import Checkpoint

    return Checkpoint(repository=str(folder))
