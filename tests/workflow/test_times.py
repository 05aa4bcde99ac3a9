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
    assert (times.calls >= 5).all()
    assert (times.seconds_per_sample > 0).all()
    assert times[KEYS].value_counts().eq(1).all()
    assert checkout.planned() >= AFTER
    assert not any(job.startswith(("train", "evaluate", "times")) for job in checkout.planned())
    result = checkout.snakemake()
    assert result.returncode == 0, result.stderr
    assert checkout.planned() == set()
    metrics = pd.read_csv(checkout.results("first/metrics.csv"))
    used = metrics[metrics.metric == "seconds_per_sample"].merge(times, on=KEYS)
    assert len(used) >= len(times)
    assert (used.value - used.seconds_per_sample).abs().max() < 1e-12
    # Of other settings they are those of other predictions.
    with write_whole(path) as temporary:
        times.assign(config="0").to_csv(temporary, index=False)
    assert checkout.snakemake().returncode == 0
    metrics = pd.read_csv(checkout.results("first/metrics.csv"))
    used = metrics[metrics.metric == "seconds_per_sample"].merge(times[:1], on=KEYS)
    assert (used.value != used.seconds_per_sample).all()
