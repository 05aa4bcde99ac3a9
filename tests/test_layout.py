"""Paths of a run: each has its own, and each can be found again from its pattern."""

import itertools
from pathlib import Path

from symbench.layout import IMAGES, TABLES, TRAINED, TRIED, TUNING, Layout

LAYOUT = Layout(Path("data"), Path("results/size"))
# Names that are the same, or contain each other, at different places.
NAMES = ("a", "a_b", "b", "models")


def all_paths(layout, names=NAMES):
    """Every path that the layout spells, for all combinations of some names."""
    for first, second in itertools.product(names, repeat=2):
        yield layout.manifest(first, second)
        yield layout.audit(first, second)
        yield layout.audit_provenance(first, second)
        yield layout.further_table(first, second)
        yield layout.further_table_provenance(first, second)
        yield layout.trials(first, second)
        for suffix in IMAGES:
            yield layout.figure(first, second, suffix)
        for parts in itertools.product(names, repeat=2):
            run = (first, second, *parts)
            for name in TRAINED:
                yield layout.trained(name, *run, 0)
            for name in TRIED:
                yield layout.trial_folder(*run, 1, 0) / name
            for evaluation in ("plain", "average"):
                yield layout.evaluation(*run, evaluation, 0)
            yield layout.log("train", *run, "0")
            yield layout.benchmark("train", *run, "0")
        yield layout.log("audit", first, second)
        yield layout.benchmark("audit", first, second)
    for name in names:
        yield layout.chosen(name)
        for table in (*TABLES, TUNING):
            yield layout.table(name, table)
            yield layout.table_provenance(name, table)
    yield layout.report


def test_no_two_things_have_one_path():
    paths = list(all_paths(LAYOUT))
    assert len(paths) == len(set(paths)) > 1900
    # And no file lies where another one needs a folder.
    files = set(paths)
    assert not any(parent in files for path in paths for parent in path.parents)


def test_all_paths_lie_below_the_two_folders_and_move_with_them():
    moved = Layout(Path("/elsewhere/my data"), Path("/there"))
    for path, other in zip(all_paths(LAYOUT), all_paths(moved), strict=True):
        below = LAYOUT.data if path.is_relative_to(LAYOUT.data) else LAYOUT.results
        after = moved.data if below == LAYOUT.data else moved.results
        assert other.relative_to(after) == path.relative_to(below)
        assert not other.is_absolute() or other.is_relative_to(after)


def test_names_may_be_patterns_of_the_workflow():
    """A pattern, filled in, is the path of the names."""
    keys = ("study", "task", "model", "treatment")
    run = dict(zip(keys, ("s", "t", "m", "r"), strict=True))
    pattern = LAYOUT.evaluation(*(f"{{{key}}}" for key in keys), "plain", "{seed}")
    filled = LAYOUT.evaluation(*run.values(), "plain", 3)
    assert str(pattern).format(**run, seed=3) == str(filled)
    assert filled.name == "seed3.nc"
    pattern = LAYOUT.log("train", *(f"{{{key}}}" for key in keys), "{seed}")
    assert str(pattern).format(**run, seed=3) == str(LAYOUT.log("train", *run.values(), "3"))


def test_a_run_is_told_by_its_folders():
    assert LAYOUT.run_folder("s", "t", "m", "r", 12) == Path("results/size/s/models/t/m/r/seed12")
    assert LAYOUT.run_folder("s", "t", "m", "r", 1) != LAYOUT.run_folder("s", "t", "m", "r", 12)
    assert LAYOUT.benchmark("report", "report") == Path("results/size/benchmarks/report/report.tsv")
