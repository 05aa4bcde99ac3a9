"""Times that are measured alone: who measures them, and who uses them."""

import pandas as pd

from symbench.files import write_whole
from tests.workflow.test_redoing import AFTER

KEYS = ["task", "model", "treatment", "evaluation"]


def test_times_are_measured_when_they_are_asked_for_and_then_used(checkout):
    """They end with the metrics and all that follows, and nothing else is done again."""
    assert checkout.planned() == set()
    assert checkout.planned("--", "timed") == {"times first", "times second", "timed"}
    result = checkout.snakemake("--", "timed")
    assert result.returncode == 0, result.stderr
    path = checkout.results("first/times.csv")
    times = pd.read_csv(path)
    assert (times.seconds_per_sample > 0).all()
    assert times[KEYS].value_counts().eq(5).all()
    means = times.groupby(KEYS).seconds_per_sample.mean().reset_index()
    assert checkout.planned() >= AFTER
    assert not any(job.startswith(("train", "evaluate", "times")) for job in checkout.planned())
    result = checkout.snakemake()
    assert result.returncode == 0, result.stderr
    assert checkout.planned() == set()
    metrics = pd.read_csv(checkout.results("first/metrics.csv"))
    used = metrics[metrics.metric == "seconds_per_sample"].merge(means, on=KEYS)
    assert len(used) == len(means)
    assert (used.value - used.seconds_per_sample).abs().max() < 1e-12
    # One that is of other settings, or lacks, and none is used.
    with write_whole(path) as temporary:
        times[5:].to_csv(temporary, index=False)
    assert checkout.snakemake().returncode == 0
    metrics = pd.read_csv(checkout.results("first/metrics.csv"))
    used = metrics[metrics.metric == "seconds_per_sample"].merge(means, on=KEYS)
    assert (used.value != used.seconds_per_sample).all()


def test_the_workflow_is_read_where_a_scheduler_counts_the_cores(checkout):
    """Profiles of clusters say how many jobs there are, and no number of cores."""
    result = checkout.run("snakemake", "--workflow-profile", "profiles/slurm", "--", "no_target")
    assert result.returncode == 1
    assert "MissingRuleException" in result.stdout + result.stderr
