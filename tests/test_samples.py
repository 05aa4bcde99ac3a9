"""Evaluation and claims of samples without a grid, against independent ways to get them."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from symbench import stages
from symbench.cells import SampleFamily, families
from symbench.comparison import compare_study
from symbench.errors import ConfigError, SymBenchError
from symbench.evaluation.samples import SampleEvaluator
from symbench.figures.results import StudyResults
from symbench.models.points.egnn import EGNN
from symbench.models.points.particles import GraphNeuralNetwork
from symbench.config.schema import Selection
from symbench.config.settings import EvaluationSettings
from symbench.statistics import PairedBootstrap, pooled, verdict
from symbench.config.study import read_configuration
from symbench.symmetry.frame_averaging import FrameAveraged
from symbench.symmetry.reynolds import average
from symbench.data.points.charged_particles import ChargedParticles, ParticleData

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("particles")
    ChargedParticles(
        trajectories={"train": 40, "valid": 8, "test": 14}, input_step=50, target_step=80
    ).fetch(directory)
    return directory


@pytest.fixture(scope="module")
def data(folder):
    return ParticleData(folder)


@pytest.mark.parametrize("evaluation", ["none", "average", "frame"])
def test_scores_are_those_of_the_model(data, evaluation):
    torch.manual_seed(0)
    model = GraphNeuralNetwork(3, 8, 2)
    symmetry = data.symmetry("O(3)")
    settings = EvaluationSettings(batch_size=5, elements=6)
    dataset = SampleEvaluator(model, data, symmetry, settings).evaluate(evaluation)
    direct = {
        "none": model,
        "average": average(model, symmetry, elements=6),
        "frame": FrameAveraged(model, symmetry),
    }[evaluation]
    split = data.split("test")
    batch = split.batch(split.samples)
    with torch.no_grad():
        expected = (direct(batch.inputs) - batch.targets).square().flatten(1).mean(dim=1)
    np.testing.assert_allclose(dataset.mse, expected, rtol=1e-4)
    exact = evaluation == "frame"
    assert (float(dataset.equivariance_error.median()) < 1e-4) == exact
    assert dataset.seconds_per_sample.sizes == {"call": 3}
    assert dataset.mse.attrs["units"] == "length squared"


def test_an_equivariant_model_has_no_error_and_gains_nothing(data):
    torch.manual_seed(0)
    evaluator = SampleEvaluator(
        EGNN(3, 8, 2), data, data.symmetry("O(3)"), EvaluationSettings(batch_size=5, elements=3)
    )
    plain, averaged = evaluator.evaluate("none"), evaluator.evaluate("average")
    assert float(plain.equivariance_error.max()) < 1e-4
    np.testing.assert_allclose(plain.mse, averaged.mse, rtol=1e-3)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    overlay = {
        "only_tasks": ["charged_3d"],
        "studies": {
            "sign_equivariant": {
                "models": {"gnn": {"settings": {"hidden": 8, "layers": 1}}},
                "runs": [
                    {
                        "tasks": ["charged_3d", "communities"],
                        "models": ["gnn", "sign_equivariant_particles"],
                        "seeds": [0, 1],
                    }
                ],
            }
        },
    }
    path = tmp_path_factory.mktemp("config") / "overlay.yaml"
    path.write_text(yaml.safe_dump(overlay))
    configuration = read_configuration([ROOT / "config" / "smoke.yaml", path])
    return configuration.study("sign_equivariant")


def test_only_tasks_leaves_out_all_others_and_models_are_shared(study):
    assert study.tasks == ["charged_3d"]
    assert study.settings.models["gnn"].architecture == "particle_graph_network"
    assert study.settings.models["gnn"].settings == {"hidden": 8, "layers": 1}
    assert study.evaluations("gnn") == ["none", "average", "frame"]
    assert study.evaluations("sign_equivariant_particles") == ["none"]


def test_training_evaluation_and_claims(study, folder, tmp_path):
    for cell in study.cells:
        trained = tmp_path / "models" / cell.family / f"seed{cell.seed}"
        stages.train(study, cell, folder, trained, threads=1)
        weights = trained / "weights.safetensors"
        evaluations = tmp_path / "evaluations" / cell.family
        stages.evaluate(study, cell, folder, weights, evaluations, threads=1)
    metrics, claims = tmp_path / "metrics.csv", tmp_path / "claims.csv"
    compare_study(study, tmp_path / "evaluations", metrics, claims)
    table = pd.read_csv(metrics)
    assert table.value.notna().all()
    assert {"mse", "equivariance_error", "seconds_per_sample", "seconds_per_epoch"} <= set(
        table.metric
    )
    judged = pd.read_csv(claims).set_index("claim")
    gain = judged.loc["averaging_helps_particles"]
    found = {family.model: family for family in families(study, tmp_path / "evaluations")}
    before, after = (found["gnn"].open(name).mse.values.mean() for name in ("none", "average"))
    assert gain.value == pytest.approx(after / before - 1)
    assert gain.low <= gain.value <= gain.high
    # Nothing to compare with: no verdict.
    for name in ("one_pass_as_good_as_frames", "equivariant_reaches_oracle"):
        assert judged.loc[name].verdict == "inconclusive"
        assert judged.loc[name].n == 0
    results = StudyResults(study, tmp_path)
    for figure in study.description.figures:
        module = import_module(f"symbench.figures.{figure.name}")
        module.draw(results).savefig(tmp_path / f"{figure.name}.png")
    with pytest.raises(ConfigError, match="'average' of charged_3d/sign_equivariant_particles"):
        found["sign_equivariant_particles"].open("average")
    assert found["gnn"].estimate(Selection(metric="auc")) is None


def test_multipliers_are_opened_by_seed_epoch_and_layer(study, tmp_path):
    rows = {"epoch": [0, 1], "valid_loss": [2.0, 1.0]}
    first = {
        **rows,
        "gamma:late": [0.9, -0.2],
        "gamma:early": [0.8, 0.1],
        "lambda:late": [1.0, 2.0],
    }
    stopped = {name: values[:1] for name, values in first.items()}
    for seed, history in enumerate((first, stopped)):
        folder = tmp_path / "models/t/m/constrain" / f"seed{seed}"
        folder.mkdir(parents=True)
        pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    family = SampleFamily(study, "t", "m", "constrain", (0, 1), tmp_path / "evaluations")
    gamma = family.multipliers.gamma
    assert gamma.layer.values.tolist() == ["late", "early"]
    assert gamma.sel(seed=0, epoch=1).values.tolist() == [-0.2, 0.1]
    assert gamma.sel(seed=1, epoch=1).isnull().all()
    assert float(family.multipliers["lambda"].sel(seed=0, epoch=1, layer="late")) == 2.0
    assert family.gamma().value == pytest.approx((0.2 + 0.1 + 0.9 + 0.8) / 4)


def test_one_value_gives_no_verdict():
    alone = PairedBootstrap(1, 1).mean(np.array([[0.3]]))
    assert verdict(alone.interval, below=1.0, above=0.0) == "inconclusive"
    several = PairedBootstrap(2, 3).mean(np.full((2, 3), 0.5))
    together = pooled([alone, several])
    assert together.value == pytest.approx(0.4)
    assert verdict(together.interval, below=1.0, above=0.0) == "inconclusive"


def test_a_group_that_does_not_fit_is_refused_before_training(study, folder, tmp_path):
    task = study.settings.tasks["charged_3d"].model_copy(update={"group": "O(4)"})
    settings = study.settings.model_copy(update={"tasks": {"charged_3d": task}})
    wrong = type(study)(study.name, study.description, settings)
    with pytest.raises(SymBenchError, match=r"O\(4\)"):
        stages.train(wrong, wrong.cells[0], folder, tmp_path / "x", threads=1)
