"""Names that the config allows, as the workflow takes them, and the jobs that it makes of them."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

from symbench.config.read import read_configuration
from symbench.plan import jobs
from tests.config.configs import CONFIG, FIELDS, ROOT

BIN = Path(sys.executable).parent
# Rules of the workflow by the stage that their jobs are of; those of evaluations come in groups.
STAGE = re.compile(r"^(fetch|audit|train|evaluate|compare|table|figure|report)(?:_\w+)?\s+(\d+)$")


def named_oddly(folder):
    """A size in a folder of its own: digits, capitals and underscores everywhere."""
    shutil.copytree(CONFIG / "studies", folder / "studies")
    shutil.move(folder / "studies" / f"{FIELDS}.yaml", folder / "studies" / "Study_2A.yaml")
    parameters = {
        "trajectories": {"train": 2, "valid": 1, "test": 1},
        "resolution": 16,
        "frames": 12,
        "frame_interval": 1.0,
        "steps_per_frame": 2,
    }
    study = {
        "seeds": [0, 12],
        "evaluations": ["plain"],
        "tasks": {
            "2D_Flow": {
                "dataset": "gray_scott",
                "group": "D4",
                "parameters": parameters,
                "sweep": {"frame_interval": [0.5, 1.0]},
            },
            "own": {"dataset": "tests.config.own:Wide.Inner", "group": "D4"},
        },
        "models": {"_FNO_3": {"architecture": "fno"}},
        "treatments": {"aug": {"method": "augment"}, "aug_none": {"method": "none"}},
        "training": {"epochs": 1, "batch_size": 2, "learning_rate": 0.1},
        "evaluation": {"rollout_trajectories": 0},
        "runs": [
            {"tasks": ["2D_*"], "models": ["_FNO_?"], "treatments": ["aug", "aug_none"]},
            {"tasks": ["own"], "models": ["_FNO_3"], "seeds": [4294967295]},
        ],
        "claims": [],
        "figures": [{"name": "Fig_1A", "draw": "gain", "caption": "x"}],
        "tables": ["tests.config.own:Wide.Inner"],
    }
    study["tasks"]["own"]["parameters"] = parameters
    (folder / "sizes").mkdir()
    path = folder / "sizes" / "any name.yaml"
    path.write_text(yaml.safe_dump({"size": "Size_3B", "studies": {"Study_2A": study}}))
    return path


def test_a_dry_run_with_odd_names(tmp_path):
    """All of them are found again in the paths of the workflow: its jobs are those of the plan."""
    path = named_oddly(tmp_path / "a place" / "config")
    configuration = read_configuration([path])
    planned = Counter(job.stage for job in jobs(configuration, {}))
    assert planned["train"] == 9
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    snakemake = [BIN / "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    result = subprocess.run(
        [*snakemake, "-n", "--cores", "1", "--configfile", path],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    statistics = result.stdout.split("Job stats:")[-1]
    found: Counter[str] = Counter()
    for line in statistics.splitlines():
        if match := STAGE.match(line.strip()):
            found[match[1]] += int(match[2])
    evaluated = found.pop("evaluate")
    assert 0 < evaluated <= planned.pop("evaluate")
    assert found == planned
    for name in ("Study_2A", "2D_Flow_frame_interval_0_5", "_FNO_3", "aug_none", "Fig_1A"):
        assert name in result.stdout
    assert "Wide_Inner" in result.stdout
    assert not (tmp_path / "results").exists()
