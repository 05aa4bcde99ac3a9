"""The table of each figure, against numbers that are computed directly."""

import numpy as np
import pandas as pd
import pytest

from symbench.config.run import SweepPoint
from symbench.figures import (
    circuits,
    cost,
    dimensions,
    eigengap,
    error_by_elements,
    error_by_parameters,
    error_by_time,
    frontier,
    gain,
    gain_by_subset,
    gain_by_sweep,
    generalisation,
    lead_time,
    link_auc,
    multipliers,
    panels,
    parity,
    plateaus,
    predicted_gain,
    robustness,
    spectra,
    sweeps,
    validation_loss,
    violation_by_irrep,
)
from symbench.figures.results import StudyResults
from symbench.files import write_whole
from tests.figures import studies


@pytest.fixture(scope="module")
def fields(tmp_path_factory) -> StudyResults:
    tasks = {"exact": studies.fields(), "broken": studies.fields(exact=False)}
    made = studies.study(tasks, treatments=["none", "augment"])
    return studies.results(made, tmp_path_factory.mktemp("fields"))


def only(table: pd.DataFrame, **names: object) -> pd.Series:
    """The one row with these values."""
    for key, value in names.items():
        table = table[table[key] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_gain_is_the_relative_change_of_the_score(fields):
    row = only(gain.table(fields), task="exact", model="first", treatment="augment")
    group = next(g for g in fields.groups if str(g) == "exact/first/augment")
    plain, averaged = (float(group.open(name).vrmse.mean()) for name in ("plain", "average"))
    assert row.percent == pytest.approx(100 * (averaged / plain - 1))
    assert row.symmetry == "exact"
    assert row.low <= row.percent <= row.high


def test_cost_is_over_the_plain_time(fields):
    row = only(cost.table(fields), task="broken", model="second", evaluation="average")
    group = next(g for g in fields.groups if str(g) == "broken/second/none")
    seconds = {n: float(group.open(n).seconds_per_sample.mean()) for n in ("plain", "average")}
    assert row.time_ratio == pytest.approx(seconds["average"] / seconds["plain"])
    assert row.score == pytest.approx(float(group.open("average").vrmse.mean()))


def test_the_frontier_is_what_nothing_as_cheap_is_better_than():
    costs = np.array([3.0, 1.0, 2.0, 1.0, 5.0, np.nan, 4.0])
    errors = np.array([0.5, 0.9, 1.0, 0.8, 0.4, 0.1, np.inf])
    assert frontier.frontier(costs, errors).tolist() == [3, 0, 4]
    assert frontier.frontier(costs[:0], errors[:0]).tolist() == []


def test_networks_without_a_price_are_not_dropped_without_a_word():
    """Such as those that nothing was trained of."""
    row = ["exact", "first", "none", 0, "plain", "vrmse", "lower", 1.0, 0.9, 1.1, np.nan, 1.0]
    figure = frontier.draw(pd.DataFrame([row], columns=frontier.COLUMNS))
    assert [text.get_text() for text in figure.texts] == ["1 value is not finite, and not shown."]


def test_prices_of_training_are_over_that_of_plain_training(tmp_path):
    made = studies.study({"exact": studies.fields()}, ["first"], ["none", "augment"])
    found = studies.results(made, tmp_path)
    for number, run in enumerate(made.runs, start=1):
        epochs = pd.DataFrame({"epoch": [0, 1], "valid_loss": 1.0, "seconds": [number, 1.0]})
        with write_whole(
            found.layout.trained("history.csv", made.name, *run.key, run.seed)
        ) as temporary:
            epochs.to_csv(temporary, index=False)
    table = frontier.table(found)
    assert len(table) == 4
    # Plain runs took 2 and 3 seconds, the others 4 and 5.
    assert set(table.training[table.treatment == "none"]) == {1.0}
    assert set(table.training[table.treatment == "augment"]) == {1.8}
    row = only(table, treatment="augment", evaluation="average")
    plain, other = found.groups
    seconds = [
        float(group.open(name).seconds_per_sample.mean())
        for group, name in ((other, "average"), (plain, "plain"))
    ]
    assert row.inference == pytest.approx(seconds[0] / seconds[1])
    assert row.score == pytest.approx(float(other.open("average").vrmse.mean()))


def test_shares_of_the_gain_follow_from_the_gram_matrix(fields):
    table = gain_by_subset.table(fields)
    group = fields.groups[0]
    gram = group.open("average").error_gram
    diagonal = float(gram.isel(element=0, element_b=0).mean())
    diagonal = (diagonal + float(gram.isel(element=1, element_b=1).mean())) / 2
    whole = float(gram.mean())
    mine = table[(table.task == "exact") & (table.model == "first") & (table.part == "subset")]
    assert list(mine.elements) == [1, 2]
    assert list(mine.nmse) == pytest.approx([diagonal, whole], rel=0.2)
    assert list(mine.share) == pytest.approx([0, 1])
    theory = table[(table.task == "exact") & (table.part == "theory")]
    assert list(theory.share) == [0, 1]


def test_lead_times_have_quartiles_over_trajectories_and_seeds(fields):
    table = lead_time.table(fields)
    row = only(table, task="exact", model="first", operator="averaged at the end", lead_time=2)
    values = fields.groups[0].open("average").rollout_vrmse
    values = values.sel(operator="trajectory", lead_time=2).values.ravel()
    assert [row.low, row["median"], row.high] == pytest.approx(
        list(np.quantile(values, [0.25, 0.5, 0.75]))
    )
    assert (row.diverged, row.of) == (0, 6)


def test_predicted_gain_is_of_exact_symmetries_alone(fields):
    table = predicted_gain.table(fields)
    assert set(table.task) == {"exact"}
    row = only(table, label="first")
    group = fields.groups[0]
    dataset = group.open("average")
    gram = dataset.error_gram
    measured = float(
        (gram.isel(element=0, element_b=0) - gram.mean(("element", "element_b"))).mean()
    )
    assert row.gain == pytest.approx(measured / 2)
    assert row.predicted == pytest.approx(float(dataset.orbit_variance.mean()) / 2)


def test_shares_of_irreps_are_of_the_error_over_the_orbit(tmp_path):
    mirror = studies.fields() | {"group": "flip_x"}
    fields = studies.results(studies.study({"mirror": mirror}, models=["first"]), tmp_path)
    mine = violation_by_irrep.table(fields)
    assert mine.share.sum() == pytest.approx(1)
    assert mine.elements.sum() == pytest.approx(1)
    gram = fields.groups[0].open("average").error_gram
    diagonal = np.diagonal(gram.values, axis1=-2, axis2=-1).mean()
    trivial = only(mine, irrep="trivial")
    assert trivial.share == pytest.approx(gram.values.mean() / diagonal)
    assert trivial.low < trivial.share < trivial.high


def test_spectra_leave_out_the_mean_of_the_field(fields):
    table = spectra.table(fields)
    mine = table[(table.task == "exact") & (table.series == "averaged each step")]
    group = next(g for g in fields.groups if str(g) == "exact/second/none")
    power = group.open("average").spectrum.sel(operator="stepwise", panel_lead=1).mean("seed")
    assert list(mine.wavenumber) == [1, 2, 3]
    assert list(mine.power) == pytest.approx(list(power.values[1:]))


def test_panels_hold_images_and_their_errors(fields):
    dataset = panels.table(fields)
    assert dataset["exact"].attrs == {"model": "second", "channel": "u"}
    images = dataset["exact"].isel(exact_lead=0)
    error = images.sel(image="plain") - images.sel(image="truth")
    np.testing.assert_allclose(images.sel(image="error, plain"), error)
    rms = float(dataset["exact_rms"].isel(exact_lead=0).sel(image="error, plain"))
    assert rms == pytest.approx(float(np.sqrt((error**2).mean())))


def test_error_by_time_has_a_row_for_each_evaluation(tmp_path):
    made = studies.study(treatments=["none", "augment"], evaluations=["plain", "average"])
    found = studies.results(made, tmp_path)
    row = only(error_by_time.table(found), label="second, augment", evaluation="average")
    group = next(g for g in found.groups if str(g) == "points/second/augment")
    dataset = group.open("average")
    assert row.milliseconds == pytest.approx(1e3 * float(dataset.seconds_per_sample.mean()))
    assert row.score == pytest.approx(float(dataset.mse.mean()))
    assert (row.metric, row.better, row.equivariance_error) == ("mse", "lower", 0)


def test_error_by_elements_has_one_row_of_what_is_not_averaged(tmp_path):
    models = {"averaged": {}, "once": {"evaluations": ["plain"]}}
    found = studies.results(studies.study(models=models), tmp_path)
    table = error_by_elements.table(found)
    averaged = found.groups[0].open("average").mse_by_elements.mean(("seed", "sample"))
    assert list(table[table.label == "averaged"].score) == pytest.approx(list(averaged.values))
    row = only(table, label="once")
    assert not row.averaged
    assert row.score == pytest.approx(float(found.groups[1].open("plain").mse.mean()))


def test_sweeps_join_tasks_that_differ_in_one_number(tmp_path):
    tasks = {"few": studies.points(), "many": studies.points()}
    points = {
        name: [SweepPoint("tasks", "training samples", value)]
        for name, value in (("few", 10.0), ("many", 20.0))
    }
    found = studies.results(studies.study(tasks, sweeps=points, evaluations=["plain"]), tmp_path)
    table = sweeps.table(found)
    assert list(table.value) == [10, 10, 20, 20]
    row = only(table, model="first", value=20)
    group = next(g for g in found.groups if str(g) == "many/first/none")
    assert row.score == pytest.approx(float(group.open("plain").mse.mean()))
    assert {group.task for group in found.full_groups} == {"many"}


def test_gains_along_a_sweep(tmp_path):
    """As the figure `gain` has them, on tasks of one sweep alone."""
    tasks = {"short": studies.fields(), "long": studies.fields(), "other": studies.fields()}
    points = {
        name: [SweepPoint("sizes", "training samples", value)]
        for name, value in (("short", 5.0), ("long", 60.0))
    }
    found = studies.results(studies.study(tasks, models=["first"], sweeps=points), tmp_path)
    table = gain_by_sweep.table(found)
    assert list(zip(table.task, table.value, strict=True)) == [("short", 5), ("long", 60)]
    gains = gain.table(found).set_index("task")
    for row in table.itertuples():
        same = gains.loc[row.task]
        assert (row.percent, row.low, row.high) == (same.percent, same.low, same.high)
    assert {group.task for group in found.full_groups} == {"long", "other"}


def test_robustness_and_generalisation_name_other_test_sets(tmp_path):
    scores = ["energy_mae", "force_mae"]
    tasks = {"surface": studies.points(scores=scores, test_sets=["train", "outside"])}
    found = studies.results(studies.study(tasks, models=["first"]), tmp_path)
    dataset = found.groups[0].open("plain")
    outside = float(dataset.energy_mae_outside.mean())
    assert only(robustness.table(found), test_set="outside").score == pytest.approx(outside)
    table = generalisation.table(found)
    assert only(table, metric="energy_mae", part="outside").score == pytest.approx(outside)
    test = only(table, metric="force_mae", part="test")
    assert test.score == pytest.approx(float(dataset.force_mae.mean()))


def test_links_have_a_row_for_each_trial(tmp_path):
    tasks = {"graph": studies.points(scores=["auc", "oracle_auc"])}
    found = studies.results(studies.study(tasks), tmp_path)
    row = only(link_auc.table(found), label="first", evaluation="plain", seed=1)
    dataset = found.groups[0].open("plain").sel(seed=1)
    assert row.auc == pytest.approx(float(dataset.auc.mean()))
    assert row.oracle_auc == pytest.approx(float(dataset.oracle_auc.mean()))


def test_dimensions_compare_times_with_the_sign_equivariant_network(tmp_path):
    tasks = {f"d{d}": studies.points(dimension=d) for d in (3, 6)}
    made = studies.study(tasks, models=["frames", "sign_equivariant"], evaluations=["plain"])
    found = studies.results(made, tmp_path)
    table = dimensions.table(found)
    seconds = {
        str(group): float(group.open("plain").seconds_per_sample.mean()) for group in found.groups
    }
    expected = seconds["d6/frames/none"] / seconds["d6/sign_equivariant/none"]
    assert only(table, model="frames", dimension=6).time_ratio == pytest.approx(expected)
    # Two epochs are too few for errors to say anything, and of which tasks is said.
    assert table.score.isna().all()
    table.loc[table.task == "d3", ["epochs", "score", "low", "high"]] = (9, 0.1, 0.05, 0.2)
    said = [text.get_text() for text in dimensions.draw(table).texts]
    assert "No errors are shown of what was not trained for 5 epochs: d6." in said


def test_eigengap_has_a_row_for_each_sample(tmp_path):
    tasks = {"points": studies.points(scores=["mse", "relative_gap"])}
    found = studies.results(studies.study(tasks), tmp_path)
    table = eigengap.table(found)
    gaps = found.groups[1].open("plain").relative_gap.isel(seed=0)
    assert list(table[table.model == "second"].relative_gap) == list(gaps.values)


def test_parity_has_true_and_predicted_values_in_ev(tmp_path):
    def change(dataset, run, evaluation):
        rng = np.random.default_rng(run.seed)
        for name in ("targets", "predictions"):
            dataset[name] = (("sample", "output"), rng.standard_normal((4, 2)))
        units = {"quantity": ("output", ["energy", "dipole"]), "unit": ("output", ["meV", "D"])}
        return dataset.assign_coords(units)

    found = studies.results(studies.study(models=["first"]), tmp_path, change)
    row = only(parity.table(found), seed=1, sample=3, quantity="energy")
    dataset = found.groups[0].open("plain").sel(seed=1)
    assert row.unit == "eV"
    assert row.predicted == pytest.approx(1e-3 * float(dataset.predictions[3, 0]))
    row = only(parity.table(found), seed=0, sample=2, quantity="dipole")
    assert row.true == pytest.approx(float(found.groups[0].open("plain").targets[0, 2, 1]))


def test_validation_loss_has_mean_and_range_over_seeds(tmp_path):
    found = studies.results(studies.study(models=["first"]), tmp_path)
    row = only(validation_loss.FIGURE.table(found), epoch=1)
    assert (row["mean"], row.low, row.high) == (0.375, 0.25, 0.5)


def test_architectures_are_joined_by_parameters(tmp_path):
    found = studies.results(studies.study(seeds=[0]), tmp_path)
    table = error_by_parameters.table(found)
    assert list(table.parameters) == [10, 11]
    assert list(table.number) == [0, 1]
    assert table.blocks.isna().all()


def test_circuits_stand_in_columns(tmp_path):
    found = studies.results(studies.study(), tmp_path)
    gates = pd.DataFrame(
        [("first", step, "CNOT", wires) for step, wires in enumerate(["0 1", "2 3", "1 2", "0 3"])],
        columns=["model", "step", "gate", "wires"],
    ).assign(architecture="a circuit", blocks=4, molecule="NH3", qubits=4)
    with write_whole(found.layout.further_table("made", "circuit_gates")) as temporary:
        gates.to_csv(temporary, index=False)
    table = circuits.table(found)
    assert list(table.column) == [0, 0, 1, 2]
    assert list(table.wires) == ["0 1", "2 3", "1 2", "0 3"]
    assert only(error_by_parameters.table(found), model="first").blocks == 4


def test_plateaus_show_the_statistics_of_circuits(tmp_path):
    found = studies.results(studies.study(), tmp_path)
    statistics = pd.DataFrame(
        [(f"{studies.HERE}:model_second", 1, 2, 0.5, 0.25)],
        columns=["architecture", "active", "qubits", "gradient_variance", "divergence"],
    )
    with write_whole(found.layout.further_table("made", "circuit_statistics")) as temporary:
        statistics.to_csv(temporary, index=False)
    row = only(plateaus.table(found), qubits=2)
    assert (row.number, row.gradient_variance, row.divergence) == (1, 0.5, 0.25)


def test_a_model_has_one_hue_and_labels_of_a_task_differ(tmp_path):
    made = studies.study(treatments=["augment", "none", "strict"])
    found = studies.results(made, tmp_path, compare=False)
    numbers = {str(group): found.label_number(group) for group in found.groups}
    assert numbers["points/first/augment"] == found.number("first") == 0
    assert numbers["points/second/augment"] == found.number("second") == 1
    assert len(set(numbers.values())) == 6


def test_multipliers_are_those_of_the_first_seed(tmp_path):
    found = studies.results(studies.study(models=["first"]), tmp_path)
    for run in found.study.runs:
        path = found.layout.trained("history.csv", "made", *run.key, run.seed)
        history = pd.read_csv(path)
        history["lambda:second"] = [0.1 + run.seed, 0.2]
        history["lambda:first"] = [0.3, 0.4]
        with write_whole(path) as temporary:
            history.to_csv(temporary, index=False)
    table = multipliers.table(found)
    assert list(table.layer) == ["second", "second", "first", "first"]
    assert list(table.value) == [0.1, 0.2, 0.3, 0.4]
    assert set(table.seed) == {0}
    assert set(table.quantity) == {"lambda"}
