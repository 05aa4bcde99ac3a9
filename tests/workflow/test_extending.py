"""The examples of docs/extending.md, run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from symbench import Field, symmetrize
from symbench.config.read import Configuration, read_configuration
from symbench.data.dataset import TaskOptions
from symbench.data.raw_files import RawFiles

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"```(python|yaml)\n(.*?)```", TEXT, flags=re.DOTALL)
# The files that the text names, by something that each alone holds.
FILES = {
    "my_data.py": "class Oscillators(",
    "my_models.py": "class TwoLayers(",
    "my_groups.py": "DIAGONALS = ",
    "my_treatment.py": "class Noise(",
    "my_metric.py": "METRIC = ",
    "my_measure.py": "def decibels(",
    "my_figure.py": "FIGURE = ",
    "flow.yaml": "my_flow:",
    "oscillators.yaml": "my_data:Oscillators",
    "two_layers.yaml": "my_models:TwoLayers",
    "checkpoints.yaml": "checkpoints:",
    "group.yaml": "my_groups:DIAGONALS",
    "treatment.yaml": "my_treatment:Noise",
    "metric.yaml": "my_metric:METRIC",
    "measure.yaml": "my_measure:decibels",
    "figure.yaml": "my_figure:FIGURE",
}
MODULES = [name.removesuffix(".py") for name in FILES if name.endswith(".py")]


def block(language: str, containing: str) -> str:
    (body,) = {body for kind, body in BLOCKS if kind == language and containing in body}
    return body


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A folder with all files of the text, on Python's path."""
    for name, containing in FILES.items():
        language = "python" if name.endswith(".py") else "yaml"
        (tmp_path / name).write_text(block(language, containing))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for module in MODULES:
        sys.modules.pop(module, None)


def read(written: Path, *names: str) -> Configuration:
    return read_configuration([written / name for name in names], folder=ROOT / "config")


def run(written: Path, until: str, *names: str) -> None:
    """The command of the text, in the folder that holds its files."""
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    command = [binaries / "snakemake", "--cores", "2", "--snakefile", ROOT / "Snakefile"]
    command += ["--configfile", *names, "--until", until]
    done = subprocess.run(
        list(map(str, command)),
        cwd=written,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_own_data_treatment_metric_measure_and_figure_go_through_the_workflow(written):
    names = ["treatment.yaml", "metric.yaml", "measure.yaml", "figure.yaml"]
    run(written, "figure", *names)
    (manifest,) = (written / "data" / "Oscillators").glob("*/manifest.json")
    assert manifest.is_file()
    results = written / "results" / "oscillators" / "sign_equivariant"
    metrics = pd.read_csv(results / "metrics.csv", dtype={"lead_time": str})
    assert set(metrics.treatment) == {"none", "noise"}
    own = metrics[(metrics.metric == "radius_error") & (metrics.evaluation == "average")]
    assert len(own)
    assert np.isfinite(own.value).all()
    assert set(own.unit) == {"length"}
    claims = pd.read_csv(results / "claims.csv").set_index("claim")
    claim = claims.loc["averaging_in_decibels"].iloc[0]
    assert np.isfinite([claim.value, claim.low, claim.high]).all()
    assert claim.verdict in ("supported", "inconclusive", "contradicted")
    assert (results / "figures" / "error_of_treatments.png").stat().st_size
    drawn = pd.read_csv(results / "figures" / "error_of_treatments.csv")
    assert set(drawn.metric) == {"mse"}


def test_own_model_and_group_go_through_the_workflow(written):
    run(written, "compare", "group.yaml")
    results = written / "results" / "two_layers" / "group_averaging"
    audit = pd.read_csv(results / "audits" / "decaying_turbulence.csv")
    assert list(audit.element) == ["x,y", "y,x", "-y,-x", "-x,-y"]
    claims = pd.read_csv(results / "claims.csv")
    assert "decaying_turbulence,two_layers" in set(claims.case)


def test_own_data_set_is_exactly_symmetric_and_needs_no_torch_to_be_named(written):
    code = "import sys, my_data; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=written, check=True)
    task = read(written, "oscillators.yaml").study("sign_equivariant").task("oscillators")
    folder = written / "files"
    folder.mkdir()
    task.dataset.fetch(folder, RawFiles())
    data = task.dataset.open(folder, TaskOptions(), seed=0)
    audits = data.audit("O(2)", task.dataset)
    assert all(element.passed and element.dynamics_error < 1e-12 for element in audits)


def test_own_data_and_checkpoints_are_valid_config(written):
    # Both add to what a study has, and say so by naming a task or a model alone.
    flow = read(written, "flow.yaml").study("group_averaging").settings.tasks["my_flow"]
    assert (flow.dataset, flow.parity) == ("well", {"vorticity": -1})
    model = read(written, "checkpoints.yaml").study("group_averaging").settings.models
    assert model["unet_classic"].checkpoints["active_matter"].revision == "main"


def test_own_treatment_with_settings(written):
    study = read(written, "treatment.yaml").study("sign_equivariant")
    noise = study.run("oscillators", "my_perceptron", "noise", 0)
    assert (noise.method, noise.treatment_settings) == ("my_treatment:Noise", {"size": 0.05})


def test_own_layer_becomes_a_homotopy():
    names = {"nn": torch.nn, "my_equivariant_layer": torch.nn.Identity()}
    exec(block("python", "import Homotopy"), names)
    values = torch.randn(3, 64)
    layer = names["layer"]
    torch.testing.assert_close(layer(values), values + layer.free(values))


def test_two_lines():
    network = torch.nn.Conv2d(3, 3, 3, padding=1)
    model = symmetrize(network, group="D4", fields=[Field("pressure"), Field("velocity", order=1)])
    assert model(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)
    for text in (TEXT, (ROOT / "README.md").read_text()):
        assert 'symmetrize(model, group="D4", fields=[Field("pressure")' in text


def test_the_text_says_that_a_config_is_code():
    assert "A config is code" in TEXT
