"""What a config may name is listed, with what it is."""

from importlib.metadata import version

import pytest

from symbench.commands.names import CODE
from symbench.config import registry
from tests.workflow.checkout import ROOT, sentence


@pytest.mark.parametrize("kind", CODE)
def test_every_name_of_code_says_what_it_is(command, kind):
    result = command(ROOT, "list", kind)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == registry.names(kind)
    assert all(len(line.split()) > 2 for line in lines)


def test_tasks_claims_and_metrics_are_those_of_a_config(command):
    smoke = ("--config", ROOT / "config" / "sizes" / "smoke.yaml", "--study", "quantum")
    tasks = command(ROOT, "list", "tasks", *smoke).stdout.splitlines()
    assert ["quantum/LiH", "lithium_hydride,"] in [line.split()[:2] for line in tasks]
    assert "force_mae" in command(ROOT, "list", "metrics", *smoke).stdout
    # Of one name, but not of one unit.
    metrics = command(ROOT, "list", "metrics", *smoke[:2]).stdout.splitlines()
    [squares] = [line for line in metrics if line.split()[0] == "mse"]
    assert "field units squared, lower" in squares
    assert "length squared, lower" in squares
    claims = command(ROOT, "list", "claims", *smoke).stdout.splitlines()
    assert claims
    assert all(line.startswith("quantum/") for line in claims)
    assert "Did you mean 'models'?" in sentence(command(ROOT, "list", "model"))


def test_the_version_is_that_of_the_package(command):
    result = command(ROOT, "--version")
    assert (result.returncode, result.stdout) == (0, f"symbench {version('symbench')}\n")
