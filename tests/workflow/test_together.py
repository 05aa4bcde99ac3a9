"""All seeds of a run group in one job: what it trains, what it keeps, and what is alike."""

import json
import re

import pytest

from symbench.files import sha256
from symbench.layout import FAILED, SEEDS
from tests.workflow.checkout import sentence
from tests.workflow.test_redoing import AFTER

JOB = f"train_first_particles_gnn_none_{SEEDS}_1_2 first/particles/gnn/none"
TOGETHER = "studies.first.resources.train.seeds_together=true"
THREE = f"set={TOGETHER};studies.first.seeds=[0, 1, 2]"

# A network that breaks for the seed that a variable names, in training or before.
OWN = """
import os
import torch
from symbench.models.points.particles import GraphNeuralNetwork

class Network(GraphNeuralNetwork):
    def __init__(self, dimension: int, hidden: int = 8, layers: int = 1) -> None:
        super().__init__(dimension, hidden=hidden, layers=layers)
        self.fails = os.environ.get("FAILS") == str(torch.initial_seed())
        if os.environ.get("UNMADE") == str(torch.initial_seed()):
            raise ValueError("it was not made")

    def forward(self, inputs):
        return super().forward(inputs) * (torch.nan if self.fails and self.training else 1.0)
"""


def evaluations(*seeds):
    return {f"evaluate first/particles/gnn/none/{seed}" for seed in seeds}


def test_that_seeds_are_trained_together_changes_no_result(checkout):
    assert checkout.planned("--config", f"set={TOGETHER}") == set()


def test_seeds_that_are_added_are_one_job_and_others_are_kept(checkout):
    """One that is added to them is alone."""
    expected = {JOB, *AFTER, *evaluations(1, 2)}
    assert checkout.planned("--config", THREE) == expected
    two = THREE.replace(", 2]", "]")
    assert checkout.planned("--config", two) == {
        "train first/particles/gnn/none/1",
        *AFTER,
        *evaluations(1),
    }


@pytest.fixture
def trained(checkout):
    """The job was run by Snakemake."""
    targets = [checkout.trained(seed=seed) / "weights.safetensors" for seed in (1, 2)]
    names = [path.relative_to(checkout.folder) for path in targets]
    result = checkout.snakemake("--config", THREE, "--", *names)
    assert result.returncode == 0, result.stderr
    return checkout, targets


def test_the_job_trains_what_single_jobs_train(trained):
    checkout, targets = trained
    found = [sha256(path) for path in targets]
    record = json.loads(targets[0].with_name("provenance.json").read_text())
    assert record["trained_together"] == 2
    assert not list(checkout.results().rglob("state.pt"))
    assert checkout.planned("--config", THREE) == {*AFTER, *evaluations(1, 2)}
    alone = THREE.replace("true", "false")
    assert checkout.planned("--config", alone) == {*AFTER, *evaluations(1, 2)}
    targets[0].unlink()
    (name,) = (path.relative_to(checkout.folder) for path in targets[:1])
    assert checkout.snakemake("--config", alone, "--", name).returncode == 0
    assert [sha256(path) for path in targets] == found


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("FAILS", "The training loss became nan"),
        ("UNMADE", r"Model 'gnn' \(own:Network\) does not take these settings: it was not made"),
    ],
)
def test_a_seed_that_fails_is_named_and_left_to_a_job_of_its_own(checkout, variable, expected):
    """The results of the others are there, and their states, for a workflow that removes them."""
    (checkout.folder / "own.py").write_text(OWN)
    keys = (
        TOGETHER,
        "studies.first.seeds=[1, 2, 3]",
        "studies.first.models.gnn.architecture=own:Network",
    )
    options = [f"--set={key}" for key in keys]
    names = ["--study=first", "--task=particles", "--model=gnn", "--treatment=none"]
    seeds = ["--seed=1", "--seed=2", "--seed=3"]
    said = sentence(checkout.symbench("train", *options, *names, *seeds, **{variable: "2"}))
    assert re.search(f"particles/gnn/none/seed2: {expected}", said)
    for seed in (1, 3):
        folder = checkout.trained(seed=seed)
        assert (folder / "weights.safetensors").is_file()
        assert (folder / "state.pt").is_file()
    assert (checkout.trained(seed=2) / FAILED).is_file()
    for seed in (1, 3):
        (checkout.trained(seed=seed) / "weights.safetensors").unlink()
    planned = checkout.planned("--config", f"set={';'.join(keys)}")
    assert {job for job in planned if job.startswith("train")} == {
        JOB.replace("_1_2", "_1_3"),
        "train first/particles/gnn/none/2",
    }
    assert checkout.symbench("train", *options, *names, "--seed=2").returncode == 0
    assert not (checkout.trained(seed=2) / FAILED).is_file()
