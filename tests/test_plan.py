"""The plan of a run: jobs as the workflow has them, records, limits, schedules."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbench.errors import ConfigError
from symbench.plan import Job, jobs, read_benchmarks, simulate, summary
from symbench.config.schema import Resources
from symbench.config.study import evaluation_paths, read_configuration

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def configuration():
    return read_configuration([ROOT / "config" / "smoke.yaml"])


def record(folder, name, seconds, memory):
    path = folder / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:0:1\t{memory}\n")


def job(name, needs=(), seconds=1.0, **resources):
    return Job(name, tuple(needs), Resources(**resources), seconds, 100.0, True)


def test_every_cell_is_trained_and_evaluated_after_its_audit(configuration):
    planned = {found.name: found for found in jobs(configuration, {})}
    cells = [cell for study in configuration.studies.values() for cell in study.cells]
    assert sum(name.startswith("train/") for name in planned) == len(cells)
    for cell in cells:
        place = f"{cell.study}/{cell.family}/seed{cell.seed}"
        assert planned[f"evaluate/{place}"].needs == (f"train/{place}",)
        assert planned[f"train/{place}"].needs == (f"audit/{cell.study}/{cell.task}",)
    evaluated = {
        path.rsplit("/", 2)[0] for path in evaluation_paths(configuration.study("quantum"))
    }
    assert evaluated <= {
        name.removeprefix("evaluate/quantum/").rsplit("/", 1)[0] for name in planned
    }
    assert all(need in planned for found in planned.values() for need in found.needs)


def test_records_of_one_seed_serve_the_others_and_limits_the_rest(configuration, tmp_path):
    record(tmp_path, "fetch/NH3", 90.0, 700.0)
    cell = configuration.study("quantum").cells[0]
    record(tmp_path, f"train/quantum/{cell.family}/seed7", 60.0, 1500.0)
    record(tmp_path, f"train/quantum/{cell.family}/seed8", 120.0, 900.0)
    planned = {f.name: f for f in jobs(configuration, read_benchmarks([tmp_path]))}
    assert planned["fetch/NH3"].seconds == 90.0
    trained = planned[f"train/quantum/{cell.family}/seed{cell.seed}"]
    assert (trained.seconds, trained.memory_mb, trained.recorded) == (120.0, 1500.0, True)
    other = planned["report"]
    assert not other.recorded
    assert other.seconds == 60 * Resources().runtime
    with pytest.raises(ConfigError, match="does not exist"):
        read_benchmarks([tmp_path / "nowhere"])


def test_summary_counts_hours():
    planned = [
        job("train/a", seconds=3600.0, gpus=2, threads=4),
        job("train/b", seconds=1800.0, gpus=1),
        job("report", seconds=36.0),
    ]
    table = summary(planned).set_index("stage")
    assert table.loc["train", "GPU hours"] == pytest.approx(2.5)
    assert table.loc["train", "core hours"] == pytest.approx(4.5)
    assert table.loc["all", "job hours"] == pytest.approx(1.51)
    assert table.loc["all", "jobs"] == 3


def test_a_schedule_by_hand():
    """a, then b and c beside each other, then d."""
    planned = [job("a"), job("b", ["a"], 3.0), job("c", ["a"], 2.0), job("d", ["b", "c"])]
    run = simulate(planned, 2)
    assert run.seconds == run.critical_seconds == 5.0
    assert run.critical_path == ("a", "b", "d")
    assert run.idle_share == pytest.approx(1 - 7 / 10)
    assert simulate(planned, 1).seconds == 7.0
    with pytest.raises(ConfigError, match="at least one"):
        simulate(planned, 0)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_no_schedule_beats_its_bounds_and_none_is_twice_as_long(seed, nodes):
    """Graham's bound: at most (2 - 1/n) times the best."""
    rng = random.Random(seed)
    names = [str(i) for i in range(rng.randint(1, 12))]
    planned = [
        job(name, [n for n in names[:i] if rng.random() < 0.3], rng.uniform(0.1, 2))
        for i, name in enumerate(names)
    ]
    run = simulate(planned, nodes)
    bound = max(run.critical_seconds, sum(j.seconds for j in planned) / nodes)
    assert bound - 1e-9 <= run.seconds <= (2 - 1 / nodes) * bound + 1e-9
    assert -1e-9 <= run.idle_share < 1
