"""Nodes of a cluster: as the config picks them, or else the default resources of a profile."""

import re

import pytest

SLURM = ("--workflow-profile", "profiles/slurm")
CONFIG = "profiles/slurm/config.yaml"


@pytest.fixture
def site(unfinished, tmp_path):
    """A checkout at a site that has said its partition where the profile asks for it."""
    made = unfinished.copy(tmp_path / "copy")
    said = "slurm_partition: usual\n  constraint: new\n  gpu_model: h100"
    made.edit(CONFIG, ("# slurm_partition: yours", said))
    return made


def dry_run(checkout, *resources):
    """What a dry run says with some resources of the study."""
    chosen = [f"studies.first.resources.{text}" for text in resources]
    config = ("--config", "studies=first", f"set={';'.join(chosen)}")
    result = checkout.run("snakemake", *SLURM, "--dry-run", *config)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def asked(checkout, *resources):
    """Partitions and constraints by rule, and the groups, of a dry run."""
    said = dry_run(checkout, *resources)
    jobs = re.findall(
        r"^ *rule (\w+):\n(?:    .*\n)*?.* slurm_partition=(\w+), constraint=(\w+)",
        said,
        flags=re.MULTILINE,
    )
    found = {rule: tuple(nodes) for rule, *nodes in jobs}
    return found, set(re.findall(r"Group job (\w+)", said))


def test_the_default_of_a_site_is_that_of_every_job(site):
    found, groups = asked(site)
    stages = {"fetch", "audit", "train", "evaluate_0_first_none", "compare", "figure", "report"}
    assert stages <= set(found)
    assert set(found.values()) == {("usual", "new")}
    assert groups == {"data", "report"}


def test_what_the_config_says_is_before_the_default(site):
    """Snakemake ends a run that has two partitions in a group: those are submitted one by one."""
    found, groups = asked(site, "fetch.partition=transfer", "audit.constraint=old")
    assert found["fetch"] == ("transfer", "new")
    assert found["audit"] == ("usual", "old")
    assert found["train"] == found["compare"] == ("usual", "new")
    assert groups == {"report"}
    found, groups = asked(site, "fetch.partition=big", "audit.partition=big", "compare.partition=x")
    assert {found[rule] for rule in ("compare", "figure", "report")} == {("x", "new")}
    assert groups == {"data", "report"}


def test_the_model_of_gpus_is_that_of_the_config_or_else_the_default(site):
    said = dry_run(site, "train.gpus=1", "train.gpu_model=a100")
    models = dict(re.findall(r"rule (\w+):\n(?:    .*\n)*?.*gpu_model=(\w+)", said))
    assert (models["train"], models["evaluate_0_first_none"]) == ("a100", "h100")
