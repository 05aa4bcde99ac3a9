"""Settings of single arms, and what is tried for them: equal budgets, and mistakes."""

import itertools
import random
from collections import Counter

import pytest

from symbench.config import tuning
from symbench.config.read import read_configuration
from symbench.config.tuning import trials, tuning_fingerprint
from tests.config.configs import CONFIG, assert_refused, overlay, read

ACE = "ace"
RATES = [0.0001, 0.001, 0.002, 0.005, 0.01, 0.02]
CANDIDATES = {
    "nbody/*/*": {"training": {"learning_rate": RATES}},
    "nbody/*/constrain*": {"treatment": {"gamma_rate": [1, 5, 20]}},
}
TUNING = {"seeds": [100, 101], "budget": 6, "candidates": CANDIDATES}


def tuned(**changes):
    """A study with a tuning that is changed in parts."""
    return {"tuning": {**TUNING, **changes}}


def tried(folder, **changes):
    """All trials of a study, and the study."""
    study = read(folder, tuned(**changes), ACE).study(ACE)
    return trials(study), study


def test_an_arm_lies_on_top_of_task_model_and_treatment(tmp_path):
    arms = {
        "nbody/segnn/constrain": {"training": {"learning_rate": 0.5}},
        "nbody/*/constrain*": {"treatment": {"gamma_rate": 3}, "training": {"learning_rate": 0.7}},
    }
    said = {"tasks": {"nbody": {"training": {"learning_rate": 0.1}}}, "arms": arms}
    study = read(tmp_path, said, ACE).study(ACE)
    run = study.run("nbody", "segnn", "constrain", 0)
    # The very name of an arm lies on top, wherever it stands.
    assert run.training.learning_rate == 0.5
    rates = read(tmp_path, None, ACE).study(ACE).settings.treatments["constrain"].settings
    assert run.treatment_settings == {**rates, "gamma_rate": 3}
    partially = study.run("nbody", "egnn_relaxed", "constrain_partially", 0)
    assert partially.training.learning_rate == 0.7
    assert study.run("nbody", "segnn", "strict", 0).training.learning_rate == 0.1


def test_an_arm_may_train_for_steps_in_place_of_epochs(tmp_path):
    said = {"arms": {"nbody/segnn/strict": {"training": {"steps": 9}}}}
    study = read(tmp_path, said, ACE).study(ACE)
    run = study.run("nbody", "segnn", "strict", 0)
    assert (run.training.epochs, run.training.steps) == (None, 9)
    both = {"arms": {"nbody/segnn/*": {"training": {"steps": 9, "epochs": 3}}}}
    key = "arms.nbody/segnn/*.training"
    assert_refused(tmp_path, both, key, "needs 'epochs' or 'steps'", ACE)


def test_all_arms_have_equally_many_trials_and_each_is_another(tmp_path):
    found, study = tried(tmp_path)
    arms = {key for key in study.groups if key[0] == "nbody"}
    assert Counter(trial.run.key for trial in found) == dict.fromkeys(arms, 6 * 2)
    assert {trial.run.seed for trial in found} == {100, 101}
    for arm in arms:
        points = {str(trial.settings): trial for trial in found if trial.run.key == arm}
        assert len(points) == 6
        # Of a grid of 18 each rate is tried once, and each rate of gamma twice.
        rates = Counter(trial.run.training.learning_rate for trial in points.values())
        assert rates == dict.fromkeys(RATES, 1)
        if arm[2].startswith("constrain"):
            gammas = Counter(
                trial.run.treatment_settings["gamma_rate"] for trial in points.values()
            )
            assert gammas == {1: 2, 5: 2, 20: 2}
    assert [trial.settings for trial in found] == [trial.settings for trial in tried(tmp_path)[0]]


def test_a_trial_is_the_run_that_a_user_would_get_with_its_settings(tmp_path):
    found, _ = tried(tmp_path)
    trial = next(each for each in found if each.run.treatment == "constrain" and each.number == 3)
    arm = {part: {key: value} for (part, key), value in trial.settings.items()}
    said = {"arms": {"/".join(trial.run.key): arm}, "seeds": [100], **tuned(seeds=[5])}
    said["tasks"] = {"nbody": {"training": {"test_every": None}}}
    run = read(tmp_path, said, ACE).study(ACE).run(*trial.run.key, 100)
    assert trial.run.training_fingerprint == run.training_fingerprint


def test_values_that_are_tried_together_fit_together(tmp_path):
    """Each was checked alone, and the workflow ended in a traceback."""
    grid = {"training": {"batch_size": [2, 50], "accumulate": [1, 4]}}
    words = (
        "accumulate is 4; give at most batch_size, which is 2: each part of a batch needs a "
        "sample; nbody/egnn_relaxed/none is tried with training.batch_size 2, "
        "training.accumulate 4."
    )
    said = tuned(budget=4, candidates={"nbody/*/*": grid})
    assert_refused(tmp_path, said, "tuning.candidates", words, ACE)
    grid["training"]["batch_size"] = [4, 50]
    assert tried(tmp_path, budget=4, candidates={"nbody/*/*": grid})


@pytest.mark.parametrize("sizes", [(6,), (6, 3), (4, 1, 5), (2, 3, 4, 5)])
def test_points_of_a_grid_are_drawn_as_from_the_list_of_all(sizes):
    """So that results of earlier tunings stay those of their config."""
    grid = list(itertools.product(*map(range, sizes)))
    everything = tuning._tried(sizes, len(grid))
    assert list(everything) == grid
    drawn = random.Random(0).sample(grid, len(grid))
    numbers = random.Random(0).sample(range(len(grid)), len(grid))
    assert [tuning._point(number, sizes) for number in numbers] == drawn
    assert tuning._tried(sizes, 1) == (drawn[0],)


def test_a_grid_of_billions_is_not_listed():
    points = tuning._tried((6,) * 12, 20)
    assert len(set(points)) == 20
    for values in zip(*points, strict=True):
        assert set(values) == set(range(6))


def test_trials_never_look_at_the_test_split(tmp_path):
    found, study = tried(tmp_path)
    assert study.run("nbody", "segnn", "strict", 0).training.test_every == 1
    assert {trial.run.training.test_every for trial in found} == {None}


def test_tuning_changes_no_run_and_its_fingerprint_follows_from_what_is_tried(tmp_path):
    plain = read_configuration(size="smoke", folder=CONFIG).study(ACE)
    _, study = tried(tmp_path)
    assert study.report_fingerprint == plain.report_fingerprint
    assert trials(plain) == []
    fingerprints = {tuning_fingerprint(tried(tmp_path, seeds=[seed])[1]) for seed in (7, 8, 7)}
    assert len(fingerprints) == 2


def test_published_weights_are_not_tuned(tmp_path):
    candidates = {"*/*/*": {"training": {"learning_rate": [0.1, 0.2]}}}
    said = {"tuning": {"seeds": [9], "budget": 2, "candidates": candidates}}
    study = read(tmp_path, said, "group_averaging", base="paper").study("group_averaging")
    assert any(run.checkpoint is not None for run in study.runs)
    found = trials(study)
    assert found
    assert all(trial.run.checkpoint is None for trial in found)


@pytest.mark.parametrize(
    ("said", "key", "words"),
    [
        (tuned(seeds=[100, 0]), "tuning.seeds", "0 is a seed of the study: choose by others"),
        (tuned(budget=0), "tuning.budget", "give at least 1 (value: 0)"),
        (tuned(budget=7), "tuning.budget", "has 6 combinations of candidates, fewer than the"),
        (tuned(candidates={}), "tuning.candidates", "give at least one"),
        (tuned(budgets=3), "tuning.budgets", "Did you mean 'budget'?"),
        (
            tuned(candidates={"nbody/segnn": {}}),
            "tuning.candidates.nbody/segnn",
            "write task/model/treatment, with * or ? for any (value: 'nbody/segnn')",
        ),
        (
            tuned(candidates={"nbdy/*/*": {}}),
            "tuning.candidates.nbdy/*/*",
            "Unknown task 'nbdy'; allowed: ",
        ),
        (
            tuned(candidates={"nbody/segn/*": {}}),
            "tuning.candidates.nbody/segn/*",
            "Did you mean 'segnn'?",
        ),
        ({"arms": {"*/*/constran": {}}}, "arms.*/*/constran", "Did you mean 'constrain'?"),
        (
            tuned(candidates={"nbody/*/*": {"training": {"learning_rat": [1]}}}),
            "tuning.candidates.nbody/*/*.training",
            "Did you mean 'learning_rate'?",
        ),
        (
            tuned(candidates={"nbody/*/*": {"training": {"epochs": [1, 2]}}}),
            "tuning.candidates.nbody/*/*.training",
            "Unknown training setting that is tuned 'epochs'",
        ),
        (
            tuned(candidates={"nbody/*/*": {"training": {"learning_rate": [0.1, -1]}}}),
            "tuning.candidates.nbody/*/*.training.learning_rate",
            "give more than 0 (value: -1), for nbody/egnn_relaxed/none.",
        ),
        (
            tuned(candidates={"nbody/*/*": {"treatment": {"gamma_rate": [1, 1]}}}),
            "tuning.candidates.nbody/*/*.treatment.gamma_rate",
            "1 is listed twice",
        ),
        (
            tuned(candidates={"nbody/segnn/*": CANDIDATES["nbody/*/*"]}),
            "tuning.candidates",
            "nbody/egnn_relaxed/none has none: arms of one task are compared",
        ),
    ],
)
def test_mistakes(tmp_path, said, key, words):
    assert_refused(tmp_path, said, key, words, ACE)


def test_seeds_for_which_there_are_no_data(tmp_path):
    """Link prediction has a graph of its own for each seed."""
    candidates = {"erdos_renyi/*/*": {"training": {"learning_rate": [0.1]}}}
    said = {"tuning": {"seeds": [100], "budget": 1, "candidates": candidates}}
    path = overlay(tmp_path, said, "sign_equivariant")
    assert path.is_file()
    assert_refused(tmp_path, said, "tuning.seeds", "leaves none for seed 100", "sign_equivariant")
