"""Evaluations, read: what is there, whether it is what it should be, and estimates of it."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from symbench.config.schema import Selection
from symbench.errors import ConfigError, DataError
from symbench.evaluation.results import RunGroup, run_groups
from symbench.evaluation.rows import errors_of_prefixes, errors_of_subsets, metric_rows
from symbench.evaluation.violation import errors_by_irrep, subgroups_left, violation, whole_group
from symbench.files import write_whole
from symbench.layout import Layout
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.irreps import irreps
from tests.evaluation.vectors import VECTORS, a_study, evaluate, write_history


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "data", tmp_path / "results")


@pytest.fixture
def groups(layout):
    study = a_study()
    evaluate(study, layout)
    found, missing = run_groups(study, layout)
    assert not missing
    return {group.model: group for group in found}


def selected(group, **selection):
    return group.estimate(Selection.model_validate(selection))


def test_estimates_are_means_over_samples_and_seeds(groups):
    group = groups["network"]
    assert (group.task, group.treatment, group.seeds) == ("v", "none", (0, 1))
    assert (group.score.name, group.exact, str(group)) == ("mse", True, "v/network/none")
    plain, averaged = group.open("plain"), group.open("average")
    found = selected(group)
    assert found.value == pytest.approx(float(plain.mse.mean()), rel=1e-5)
    assert (found.seeds, found.samples) == (2, 12)
    low, high = found.interval()
    assert low < found.value < high
    for selection, values in (
        ({"evaluation": "average"}, averaged.mse),
        ({"evaluation": "orbit_mean"}, averaged.element_mse),
        ({"evaluation": "orbit_mean", "metric": "hit"}, averaged.element_hit),
        ({"metric": "mse_far"}, plain.mse_far),
        ({"metric": "sensitivity"}, plain.sensitivity),
    ):
        assert selected(group, **selection).value == pytest.approx(float(values.mean()), rel=1e-5)
    over = selected(group, metric="mse_far", over="mse")
    assert over.value == pytest.approx(float(plain.mse_far.mean() / plain.mse.mean()), rel=1e-5)
    assert selected(group, metric="seconds_per_epoch").value == pytest.approx(0.6)
    for nothing in ({"evaluation": "frame"}, {"horizon": "6:12"}, {"subgroup": "C2"}):
        assert selected(group, **nothing) is None
    assert selected(group, metric="gamma") is None
    with pytest.raises(ConfigError, match="'frame' of v/network/none is needed"):
        group.open("frame")


def test_a_number_of_each_network_is_estimated_over_networks(groups):
    plain = groups["network"].open("plain")
    expected = [
        np.corrcoef(plain.predictions.sel(seed=seed).values.ravel(), targets.values.ravel())[0, 1]
        for seed, targets in plain.targets.groupby("seed")
    ]
    found = selected(groups["network"], metric="correlation")
    assert found.value == pytest.approx(np.mean(expected))
    assert found.seeds == 2


def test_squared_errors_decompose(groups):
    errors = groups["network"].squared_errors()
    assert set(errors) == {"plain", "averaged", "orbit_variance", "orbit_distance"}
    assert errors["plain"].values.shape == (2, 12)
    plain = groups["network"].open("plain").mse.transpose("seed", "sample").values
    np.testing.assert_allclose(4 * errors["plain"].values, plain, rtol=1e-5)


def test_rows_hold_scores_orbits_and_cost_with_units(groups):
    table = pd.DataFrame(metric_rows(groups["network"]))
    assert table.value.notna().all()
    units = table.groupby("metric").unit.unique().map(list)
    assert units["mse"] == ["length squared"]
    assert units["orbit_variance"] == ["variance of the training targets"]
    assert units["seconds_per_epoch"] == ["s"]
    names = set(table.evaluation)
    assert {"plain", "average", "orbit_mean", "element(x,y)", "subset4"} <= names
    assert {"subgroup0_order1", "subgroup2_order4"} <= names
    kept = table[(table.metric == "nmse") & (table.seed == 0)].set_index("evaluation").value
    assert kept["subset4"] == pytest.approx(kept["subgroup2_order4"])
    assert kept["subset1"] > kept["subset2"] > kept["subset4"]
    # P5 is an identity: a half of four elements keeps two thirds of the gain.
    gains = kept["subset1"] - kept
    assert gains["subset2"] == pytest.approx(2 / 3 * gains["subset4"])
    assert not table.duplicated(["evaluation", "metric", "seed", "field", "lead_time"]).any()


def test_errors_of_prefixes_are_means_over_parts_of_the_gram_matrix():
    rng = np.random.default_rng(1)
    errors = rng.standard_normal((1, 3, 2, 5, 4))
    gram = np.einsum("...gx,...hx->...gh", errors, errors) / 4
    gram[0, 1, 0, 2, 3] = -np.inf
    found, means = errors_of_prefixes(gram, 3), errors_of_subsets(gram)
    assert found.shape == (1, 3, 2, 5, 5)
    order = np.random.default_rng(0).permutation(5)
    for count in range(1, 6):
        part = gram[..., order[:count, None], order[:count]].mean(axis=(-2, -1))
        np.testing.assert_allclose(found[0, [0, 2], :, 0, count - 1], part[0, [0, 2]], rtol=1e-12)
        subsets = [np.array(each) for each in combinations(range(5), count)]
        every = [gram[..., each[:, None], each].mean(axis=(-2, -1)) for each in subsets]
        expected = np.mean(every, axis=0)[0, [0, 2]]
        np.testing.assert_allclose(means[0, [0, 2], :, count - 1], expected, rtol=1e-12)
    # Each element stands first equally often.
    first = np.diagonal(gram, axis1=-2, axis2=-1).mean(-1)
    np.testing.assert_allclose(found[0, 0, :, :, 0].mean(-1), first[0, 0], rtol=1e-12)
    assert np.isposinf(found[0, 1, 0]).all()
    assert np.isposinf(means[0, 1, 0]).all()


def test_squared_errors_over_the_orbit_by_irrep(groups):
    """The trivial irrep has the error of the average, the others the orbit variance."""
    group = groups["network"]
    found = {irrep.name: blocks.values for irrep, blocks in errors_by_irrep(group)}
    assert list(found) == ["trivial", "1a", "2a"]
    errors = {name: blocks.values for name, blocks in group.squared_errors().items()}
    np.testing.assert_allclose(found["trivial"], errors["averaged"], rtol=1e-9)
    np.testing.assert_allclose(found["1a"] + found["2a"], errors["orbit_variance"], rtol=1e-9)
    # The bias (0.5, -0.25), moved back, is a vector; nothing else of the network is one.
    np.testing.assert_allclose(found["2a"], (0.5**2 + 0.25**2) / 2 / 4, rtol=1e-5)
    table = pd.DataFrame(metric_rows(group)).set_index(["evaluation", "metric", "seed"]).value
    assert table["irrep(2a)", "orbit_error", 0] == pytest.approx(found["2a"][0].mean())


def test_the_violation_has_an_interval_over_samples(groups):
    found = violation(groups["network"], "plain")
    low, high = found.interval("this network")
    assert low < found.value < high
    assert found.seeds == 2
    # Rounding of single precision, which an average over the whole group leaves.
    assert violation(groups["network"], "average").value < 1e-5
    assert violation(groups["network"], "frame") is None


def test_a_part_of_a_group_has_no_irreps(layout):
    study = a_study(evaluation={"batch_size": 5, "elements": 2})
    evaluate(study, layout)
    group = run_groups(study, layout)[0][0]
    assert whole_group(group) is None
    assert errors_by_irrep(group) == []


def test_subgroups_that_leave_a_part_are_named():
    group = named_group("D4", 2)
    left = {irrep.name: subgroups_left(irrep, group) for irrep in irreps(group)}
    # Mulliken's A2, B1, B2 and E.
    assert left["1a"] == "C4"
    assert left["1b"] == "flips"
    assert left["1c"] == "C2"
    assert left["2a"] == "flip_x, flip_y"


def test_runs_that_are_not_there_are_listed_and_left_out(layout):
    study = a_study()
    evaluate(study, layout, only="network/none/seed1")
    evaluate(study, layout, only="double")
    layout.evaluation("s", "v", "double", "none", "average", 0).unlink()
    found, missing = run_groups(study, layout)
    assert {group.model: group.seeds for group in found} == {"network": (1,), "double": (1,)}
    assert [str(run) for run in missing] == ["v/network/none/seed0", "v/double/none/seed0"]


def test_evaluations_with_other_settings_are_refused(layout):
    evaluate(a_study(), layout)
    others = a_study(evaluation={"batch_size": 6})
    found, missing = run_groups(others, layout)
    assert not found
    assert len(missing) == 4
    group = RunGroup(next(iter(others.groups.values())), layout)
    with pytest.raises(DataError, match=r"made with other settings \(or other code\)"):
        group.open("plain")


def test_damaged_evaluations_and_histories_are_refused(groups, layout):
    path = layout.trained("history.csv", "s", "v", "network", "none", 0)
    path.write_text("epoch\n0\n")
    with pytest.raises(DataError, match="damaged"):
        _ = groups["network"].history
    layout.evaluation("s", "v", "double", "none", "plain", 0).write_bytes(b"")
    with pytest.raises(DataError, match="damaged"):
        groups["double"].open("plain")


def test_test_sets_of_different_lengths_are_refused(layout):
    parameters = {"samples_of_seed": {"1": 9}}
    study = a_study(tasks={"v": {"dataset": VECTORS, "group": "C4", "parameters": parameters}})
    evaluate(study, layout)
    found, _ = run_groups(study, layout)
    with pytest.raises(DataError, match=r"12 test samples .* seed 0 and 9 for seed 1"):
        found[0].open("plain")


def test_whole_blocks_are_drawn(layout):
    parameters = {"blocks": 3}
    study = a_study(tasks={"v": {"dataset": VECTORS, "group": "C4", "parameters": parameters}})
    evaluate(study, layout)
    found, _ = run_groups(study, layout)
    estimate = selected(found[0])
    assert estimate.samples == 3
    assert estimate.value == pytest.approx(float(found[0].open("plain").mse.mean()), rel=1e-5)


def test_seeds_may_have_blocks_of_their_own(groups, layout):
    for run in groups["network"].runs[1:]:
        path = layout.evaluation("s", *run.key, "plain", run.seed)
        dataset = xr.load_dataset(path, engine="h5netcdf")
        shifted = dataset.assign_coords(block=dataset.block.roll(sample=5) + 100)
        with write_whole(path) as temporary:
            shifted.to_netcdf(temporary, engine="h5netcdf")
    assert selected(groups["network"]).samples == 12


def test_what_is_not_finite_stays_in_every_mean(layout):
    runs = [{"tasks": ["v"], "models": ["network"], "treatments": ["none"]}]
    models = {
        "network": {"architecture": "tests.evaluation.vectors:Network", "settings": {"beyond": 1.5}}
    }
    study = a_study(runs, models=models)
    evaluate(study, layout)
    (group,), _ = run_groups(study, layout)
    estimate = selected(group)
    assert np.isposinf(estimate.value)
    assert np.isnan(estimate.interval()).all()
    table = pd.DataFrame(metric_rows(group)).set_index(["evaluation", "metric", "seed"]).value
    assert np.isposinf(table["plain", "mse", 0])
    assert np.isposinf(table["average", "orbit_variance", 0])
    assert table["plain", "diverged", 0] > 0


def test_published_weights_have_no_history(groups, layout):
    for run in groups["network"].runs:
        write_history(layout, run, "epoch,train_loss,valid_loss\n")
    assert groups["network"].history.empty
    assert "gamma" not in groups["network"].multipliers
    assert groups["network"].gamma() is None
    assert not pd.DataFrame(metric_rows(groups["network"])).metric.eq("seconds_per_epoch").any()


def test_multipliers_are_opened_by_seed_epoch_and_layer(groups, layout):
    first = "epoch,valid_loss,gamma:late,gamma:early,lambda:late\n0,2,0.9,0.8,1\n"
    for run, rest in zip(groups["network"].runs, ("1,1,-0.2,0.1,2\n", ""), strict=True):
        write_history(layout, run, first + rest)
    gamma = groups["network"].multipliers.gamma
    assert gamma.layer.values.tolist() == ["late", "early"]
    assert gamma.sel(seed=0, epoch=1).values.tolist() == [-0.2, 0.1]
    assert gamma.sel(seed=1, epoch=1).isnull().all()
    multipliers = groups["network"].multipliers["lambda"]
    assert float(multipliers.sel(seed=0, epoch=1, layer="late")) == 2.0
    # A run is a unit, and its layers are not.
    estimate = groups["network"].gamma()
    assert estimate.value == pytest.approx(((0.2 + 0.1) / 2 + (0.9 + 0.8) / 2) / 2)
    assert (estimate.seeds, estimate.samples) == (2, 0)
    half = 12.7062 * (0.85 - 0.15) / 2
    assert estimate.interval() == pytest.approx((0.5 - half, 0.5 + half), rel=1e-4)


def test_gamma_is_held_against_the_path_without_data_late_in_training(groups, layout):
    first = "epoch,valid_loss,gamma:a,gamma:b,free_gamma\n0,2,1,1,1\n1,2,0.5,0.5,0.5\n"
    for run, late in zip(groups["network"].runs, ("0.2,0.2,0.4", "-0.1,0.3,-0.4"), strict=True):
        write_history(layout, run, f"{first}2,1,{late}\n3,1,{late}\n")
    group = groups["network"]
    assert selected(group, metric="free_gamma").value == pytest.approx(0.4)
    over = selected(group, metric="gamma_over_free_path")
    assert over.value == pytest.approx(-0.2)
    assert over.seeds == 2
    for run in group.runs:
        write_history(layout, run, "epoch,valid_loss,gamma:a\n0,2,1\n")
    del group.__dict__["history"]
    assert selected(group, metric="gamma_over_free_path") is None
