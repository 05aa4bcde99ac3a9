"""The examples of docs/extending.md, run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import torch
import yaml

from symbench import Field, symmetrize
from symbench.config.study import read_configuration

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"```(python|yaml)\n(.*?)```", TEXT, flags=re.DOTALL)


def blocks(language, containing):
    return next(body for kind, body in BLOCKS if kind == language and containing in body)


def test_own_model_goes_through_the_workflow(tmp_path):
    (tmp_path / "my_models.py").write_text(blocks("python", "class TwoLayers"))
    config = tmp_path / "mine.yaml"
    content = yaml.safe_load(blocks("yaml", "two_layers"))
    study = content["studies"]["group_averaging"]
    study["seeds"] = [0]
    content |= {"data": str(tmp_path / "data"), "results": str(tmp_path / "results")}
    config.write_text(yaml.safe_dump(content))
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path),
    }
    command = [
        binaries / "snakemake",
        "--cores",
        "1",
        "--configfile",
        config,
        "--config",
        "size=smoke",
        "studies=group_averaging",
    ]
    command += ["--directory", tmp_path, "--snakefile", ROOT / "Snakefile", "--until", "compare"]
    result = subprocess.run(
        list(map(str, command)),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    claims = tmp_path / "results" / "smoke" / "group_averaging" / "claims.csv"
    assert "averaging_lowers_vrmse[decaying_turbulence,two_layers]" in claims.read_text()


def test_own_data_and_checkpoints_are_valid_config(tmp_path):
    for part in ("my_flow", "checkpoints"):
        content = yaml.safe_load(blocks("yaml", part))
        if part == "checkpoints":
            content["tasks"] = {"active_matter": {"dataset": "well", "group": "D4"}}
        path = tmp_path / f"{part}.yaml"
        path.write_text(yaml.safe_dump({"studies": {"group_averaging": content}}))
        read_configuration([ROOT / "config" / "smoke.yaml", path])


def test_two_lines():
    network = torch.nn.Conv2d(3, 3, 3, padding=1)
    model = symmetrize(network, group="D4", fields=[Field("pressure"), Field("velocity", order=1)])
    assert model(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)
    for text in (TEXT, (ROOT / "README.md").read_text()):
        assert 'symmetrize(model, group="D4", fields=[Field("pressure")' in text


def test_own_layer_becomes_a_homotopy():
    names = {"nn": torch.nn, "my_equivariant_layer": torch.nn.Identity()}
    exec(blocks("python", "import Homotopy"), names)
    values = torch.randn(3, 64)
    layer = names["layer"]
    torch.testing.assert_close(layer(values), values + layer.free(values))


def test_own_treatment_with_settings(tmp_path):
    content = yaml.safe_load(blocks("yaml", "slow_constrain"))
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"studies": {"ace": content}}))
    study = read_configuration([ROOT / "config" / "smoke.yaml", path]).study("ace")
    assert study.treatment("slow_constrain").method == "constrain"
    assert study.treatment_settings("nbody", "slow_constrain") == {"dual_rate": 0.0001}
    assert study.treatment_settings("nbody", "augment") == {}
