"""The plan of a run: jobs as the workflow has them, records, limits, schedules."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbench.config.read import read_configuration
from symbench.config.schema import Resources
from symbench.costs import read_costs
from symbench.errors import ConfigError
from symbench.layout import SEEDS
from symbench.plan import Job, folder_size, jobs, simulate, summary

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def configuration():
    return read_configuration(size="smoke", folder=ROOT / "config")


def record(folder, name, seconds, memory):
    path = folder / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:0:1\t{memory}\n")


def job(name, needs=(), seconds=1.0, **resources):
    return Job(name, tuple(needs), Resources(**resources), seconds, 100.0, True)


def test_every_run_is_trained_and_evaluated_after_its_audit(configuration):
    planned = {found.name: found for found in jobs(configuration, {})}
    runs = [run for study in configuration.studies.values() for run in study.runs]
    assert sum(name.startswith("train/") for name in planned) == len(runs)
    for run in runs:
        place, task = f"{run.study}/{run}", run.task
        assert planned[f"evaluate/{place}"].needs == (f"train/{place}",)
        assert planned[f"train/{place}"].needs == (f"audit/{run.study}/{task.name}",)
        fetched = f"fetch/{task.dataset_folder}/{task.data_fingerprint}"
        assert planned[f"audit/{run.study}/{task.name}"].needs == (fetched,)
        assert planned[f"evaluate/{place}"].name in planned[f"compare/{run.study}"].needs
    assert all(need in planned for found in planned.values() for need in found.needs)
    assert len(planned) == len(jobs(configuration, {}))


def test_seeds_that_are_trained_together_are_one_job():
    keys = ["studies.ace.resources.train.seeds_together=true", "studies.ace.seeds=[0, 1]"]
    configuration = read_configuration(size="smoke", folder=ROOT / "config", overrides=keys)
    key, runs = next(iter(configuration.study("ace").groups.items()))
    assert len(runs) == 2
    planned = {found.name: found for found in jobs(configuration, {})}
    (job,) = (name for name in planned if name.startswith("/".join(("train", "ace", *key, ""))))
    assert all(planned[f"evaluate/ace/{run}"].needs == (job,) for run in runs)
    assert configuration.layout.benchmark(*job.split("/")).stem == SEEDS


def test_names_of_jobs_are_those_of_their_benchmarks(configuration):
    """What the workflow records is found again."""
    layout = configuration.layout
    run = configuration.study("quantum").runs[0]
    names = {
        layout.benchmark("fetch", run.task.dataset_folder, run.task.data_fingerprint),
        layout.benchmark("audit", run.study, run.task.name),
        layout.benchmark("train", run.study, *run.key, f"seed{run.seed}"),
        layout.benchmark("compare", run.study),
        layout.benchmark("table", run.study, "circuit_gates"),
    }
    planned = {found.name for found in jobs(configuration, {})}
    assert {
        path.relative_to(layout.benchmarks).with_suffix("").as_posix() for path in names
    } <= planned


def test_the_report_waits_for_every_study(tmp_path):
    """For those without figures too."""
    path = tmp_path / "mine.yaml"
    path.write_text("base: smoke\nstudies: {quantum: {figures: []}}")
    planned = {job.name: job for job in jobs(read_configuration([path]), {})}
    assert planned["report/report"].needs == ("compare/quantum",)


def test_records_of_one_seed_serve_the_others_and_limits_the_rest(configuration, tmp_path):
    run = configuration.study("quantum").runs[0]
    fetched = f"fetch/{run.task.dataset_folder}/{run.task.data_fingerprint}"
    record(tmp_path, fetched, 90.0, 700.0)
    group = f"train/quantum/{'/'.join(run.key)}"
    record(tmp_path, f"{group}/seed7", 60.0, 1500.0)
    record(tmp_path, f"{group}/seed8", 120.0, 900.0)
    planned = {job.name: job for job in jobs(configuration, read_costs([tmp_path]))}
    assert planned[fetched].seconds == 90.0
    trained = planned[f"{group}/seed{run.seed}"]
    assert (trained.seconds, trained.memory_mb, trained.recorded) == (120.0, 1500.0, True)
    other = planned["report/report"]
    assert not other.recorded
    assert other.seconds == 60 * Resources().runtime
    # Of its own record no other one is looked at.
    record(tmp_path, f"{group}/seed{run.seed}", 30.0, 100.0)
    planned = {job.name: job for job in jobs(configuration, read_costs([tmp_path]))}
    assert planned[f"{group}/seed{run.seed}"].seconds == 30.0


def test_benchmarks_that_are_none(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        read_costs([tmp_path / "nowhere"])
    assert read_costs([tmp_path]) == {}
    # The memory of a job that was over before it was looked at.
    record(tmp_path, "fetch/a", 0.3, "-")
    assert read_costs([tmp_path])["fetch/a"].memory_mb == 0.0
    path = tmp_path / "report.tsv"
    for text in (
        "",
        "\n",
        "s\tmax_rss\n",
        *(f"s\tmax_rss\n{s}\t2\n" for s in ("-", "inf", "long")),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=f"{path} is no record of what a job cost"):
            read_costs([tmp_path])
    path.write_text("seconds\tmax_rss\n1\t2\n")
    with pytest.raises(ConfigError, match="is no record of what a job cost"):
        read_costs([tmp_path])


def test_later_folders_go_before_earlier_ones(tmp_path):
    for folder, seconds in (("a", 1.0), ("b", 2.0)):
        record(tmp_path / folder, "train/x/seed0", seconds, 10.0)
    both = [tmp_path / "a", tmp_path / "b"]
    assert read_costs(both)["train/x/seed0"].seconds == 2.0
    assert read_costs(both[::-1])["train/x/seed0"].seconds == 1.0


def test_the_size_of_a_folder_counts_files_once(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "below" / "file")
    assert folder_size(tmp_path) == 5
    assert folder_size(tmp_path / "nowhere") == 0


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
