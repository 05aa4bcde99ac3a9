"""Sweeps: tasks that differ in one number, written as one."""

import pytest

from symbench.config.run import SweepPoint
from symbench.config.sweeps import with_sweeps
from tests.config.configs import assert_refused, read

PARTICLES = {
    "dataset": "charged_particles",
    "group": "O(3)",
    "exact": False,
    "parameters": {
        "dimension": 3,
        "gravity": 0.0,
        "trajectories": {"train": 40, "valid": 10, "test": 20},
        "input_step": 300,
        "target_step": 400,
    },
    "training": {"test_every": 7},
}


def swept(sweep, **more):
    """Tasks and points of a sweep over particles."""
    tasks = {"p": {**PARTICLES, "sweep": sweep}, **more}
    content, points = with_sweeps({"tasks": tasks})
    return content["tasks"], points


def test_names_and_values():
    tasks, points = swept({"gravity": [0, 0.25, 1.0, -2, -0.5, 1e-07, 123456789]})
    made = {name: task["parameters"]["gravity"] for name, task in tasks.items() if name != "p"}
    assert made == {
        "p_gravity_0_25": 0.25,
        "p_gravity_1": 1.0,
        "p_gravity_minus_2": -2,
        "p_gravity_minus_0_5": -0.5,
        "p_gravity_1eminus_07": 1e-07,
        "p_gravity_123456789": 123456789,
    }
    assert tasks["p"]["parameters"]["gravity"] == 0.0
    assert points["p"] == [SweepPoint("p_gravity", "gravity", 0.0)]
    made = SweepPoint("p_gravity", "gravity", -2.0, own=False, made_from="p")
    assert points["p_gravity_minus_2"] == [made]
    # All else is that of the task, but for the sweep.
    assert {**tasks["p_gravity_1"], "parameters": None} == {**PARTICLES, "parameters": None}


def test_training_samples_stand_for_whatever_holds_them(tmp_path):
    tasks, points = swept({"training_samples": [40, 20], "gravity": [0.0, 1.0]})
    trajectories = tasks["p_training_samples_20"]["parameters"]["trajectories"]
    assert trajectories == {"train": 20, "valid": 10, "test": 20}
    assert tasks["p_gravity_1"]["parameters"]["trajectories"]["train"] == 40
    assert [point.sweep for point in points["p"]] == ["p_training_samples", "p_gravity"]
    assert points["p_training_samples_20"][0].quantity == "training samples"
    study = read(tmp_path, None, "quantum").study("quantum")
    assert study.task("LiH_training_samples_5").parameters["training_samples"] == 5


def test_a_task_of_the_name_lies_on_top():
    own = {"training": {"batch_size": 5}, "parameters": {"target_step": 500}}
    tasks, _ = swept({"gravity": [0.0, 1.0]}, p_gravity_1=own)
    made = tasks["p_gravity_1"]
    assert made["training"] == {"test_every": 7, "batch_size": 5}
    assert (made["parameters"]["gravity"], made["parameters"]["target_step"]) == (1.0, 500)
    assert made["dataset"] == "charged_particles"


@pytest.mark.parametrize(
    ("sweep", "name", "own", "place", "found"),
    [
        (
            {"training_samples": [40, 20]},
            "p_training_samples_20",
            {"parameters": {"trajectories": {"train": 30}}},
            "parameters.trajectories.train",
            30,
        ),
        (
            {"gravity": [1.0]},
            "p_gravity_1",
            {"parameters": {"gravity": 2}},
            "parameters.gravity",
            2,
        ),
        ({"epochs": [5]}, "p_epochs_5", {"training": {"steps": 9}}, "training.epochs", "nothing"),
        ({"epochs": [5]}, "p_epochs_5", {"training": {"epochs": 6}}, "training.epochs", 6),
    ],
)
def test_a_point_has_the_value_of_the_sweep(tmp_path, sweep, name, own, place, found):
    """Otherwise figures would draw it where it is not."""
    swept_task = {**PARTICLES, "training": {"epochs": 20}, "sweep": sweep}
    said = {"tasks": {"p": swept_task, name: own}}
    (key,), (*_, value) = sweep, *sweep.values()
    words = f"it is a point of the sweep p.sweep.{key} at {value}, and has {found} here"
    assert_refused(tmp_path, said, f"tasks.{name}.{place}", words, study="ace")


def test_a_task_without_the_own_value_has_no_point(tmp_path):
    tasks, points = swept({"gravity": [0.5]})
    assert set(tasks) == {"p", "p_gravity_0_5"}
    assert set(points) == {"p_gravity_0_5"}


def test_made_tasks_are_like_any_other(tmp_path):
    said = {
        "tasks": {"p": {**PARTICLES, "sweep": {"gravity": [0.0, 1.0], "training_samples": [20]}}},
        "runs": [{"tasks": ["p*"], "models": ["segnn"], "treatments": ["strict"]}],
        "models": {"segnn": {"per_task": {"p_gravity_*": {"hidden": 4}}}},
    }
    study = read(tmp_path, said, "ace").study("ace")
    assert list(study.tasks) == ["p", "p_gravity_1", "p_training_samples_20"]
    assert len({task.data_fingerprint for task in study.tasks.values()}) == 3
    assert len({run.training_fingerprint for run in study.runs}) == 3
    assert study.run("p_gravity_1", "segnn", "strict", 0).model_settings["hidden"] == 4
    assert study.task("p_gravity_1").parameters["gravity"] == 1.0
    # One that is written by hand has the same data.
    by_hand = {**PARTICLES, "parameters": {**PARTICLES["parameters"], "gravity": 1}}
    run = {"tasks": ["h"], "models": ["segnn"], "treatments": ["strict"]}
    other = read(tmp_path, {"tasks": {"h": by_hand}, "runs": [run]}, "ace").study("ace")
    assert other.task("h").data_fingerprint == study.task("p_gravity_1").data_fingerprint


def test_made_tasks_have_the_settings_of_the_one_they_are_made_from(tmp_path):
    """A sweep differs in one number alone, but for what is said of the name of a point."""
    said = {
        "tasks": {"p": {**PARTICLES, "sweep": {"training_samples": [20, 10]}}},
        "models": {"segnn": {"per_task": {"p": {"layers": 3, "hidden": 8}, "*": {"hidden": 5}}}},
        "treatments": {
            "constrain": {
                "per_task": {
                    "p_*_10": {"gamma_rate": 2},
                    "p*": {"dual_rate": 0.5},
                    "p": {"dual_rate": 0.001, "gamma_rate": 7},
                }
            }
        },
        "arms": {
            "p/segnn/constrain": {"training": {"learning_rate": 0.5, "weight_decay": 0.25}},
            "p*/segnn/*": {"training": {"learning_rate": 0.125}},
            "p_training_samples_10/segnn/constrain": {"training": {"weight_decay": 0.75}},
        },
        "runs": [{"tasks": ["p*"], "models": ["segnn"], "treatments": ["constrain"]}],
    }
    study = read(tmp_path, said, "ace").study("ace")
    runs = {run.task.name: run for run in study.runs}
    assert {name: run.model_settings["hidden"] for name, run in runs.items()} == dict.fromkeys(
        ("p", "p_training_samples_20", "p_training_samples_10"), 5
    )
    found = {
        name.removeprefix("p_training_samples_"): (
            run.model_settings["layers"],
            run.treatment_settings["dual_rate"],
            run.treatment_settings["gamma_rate"],
            run.training.learning_rate,
            run.training.weight_decay,
        )
        for name, run in runs.items()
    }
    assert found == {
        "p": (3, 0.001, 7, 0.5, 0.25),
        "20": (3, 0.001, 7, 0.5, 0.25),
        "10": (3, 0.001, 2, 0.5, 0.75),
    }


@pytest.mark.parametrize(
    ("sweep", "key", "words"),
    [
        ({"gravty": [1.0]}, ".gravty", "Unknown parameter of the task 'gravty'; allowed: dimensi"),
        ({"gravty": [1.0]}, ".gravty", "Did you mean 'gravity'?"),
        # Of the data set, and not said by the task.
        ({"particles": [5]}, ".particles", "Unknown parameter of the task 'particles'"),
        ({"gravity": ["strong"]}, ".gravity.0", "give a number (value: 'strong')"),
        ({"gravity": [True]}, ".gravity.0", "give a number (value: true)"),
        ({"gravity": [None]}, ".gravity.0", "give a number (value: null)"),
        ({"gravity": [[1.0]]}, ".gravity.0", "give a number"),
        ({"gravity": [float("inf")]}, ".gravity.0", "give a finite number (value: inf)"),
        ({"gravity": [float("nan")]}, ".gravity.0", "give a finite number (value: nan)"),
        ({"gravity": [10**400]}, ".gravity.0", "give"),
        ({"gravity": [1e300]}, ".gravity.0", "give less than"),
        ({"gravity": []}, ".gravity", "give at least one"),
        ({"gravity": 1.0}, ".gravity", "give a list (value: 1.0)"),
        ({"gravity": [1.0, 1]}, ".gravity", "1 is listed twice"),
        ([1.0], "", "give keys and values (value: [1.0])"),
        ({"gravity": [0.1234567890123, 0.12345678901231]}, ".gravity", "another task is called p_"),
        # The task itself is refused, so is what is made of it.
        ({"training_samples": [0]}, "", ""),
    ],
)
def test_sweeps_that_are_refused(tmp_path, sweep, key, words):
    said = {
        "tasks": {"p": {**PARTICLES, "sweep": sweep}},
        "runs": [{"tasks": ["p*"], "models": ["segnn"]}],
    }
    if words:
        assert_refused(tmp_path, said, f"tasks.p.sweep{key}", words, study="ace")
    else:
        key = "tasks.p_training_samples_0.parameters"
        assert_refused(tmp_path, said, key, "train", study="ace")


@pytest.mark.parametrize("length", ["epochs", "steps"])
def test_the_length_of_training_is_swept(tmp_path, length):
    """All lengths read the same data."""
    task = {**PARTICLES, "training": {length: 20}, "sweep": {length: [5, 20, 60]}}
    run = {"tasks": ["p*"], "models": ["segnn"]}
    study = read(tmp_path, {"tasks": {"p": task}, "runs": [run]}, "ace").study("ace")
    names = ["p", f"p_{length}_5", f"p_{length}_60"]
    assert sorted(study.tasks) == names
    runs = {each.task.name: each for each in study.runs}
    assert [getattr(runs[name].training, length) for name in names] == [20, 5, 60]
    assert len({runs[name].task.data_fingerprint for name in names}) == 1
    quantity = f"{length} of training"
    assert [study.task(name).sweeps[0].quantity for name in names] == [quantity] * 3


def test_the_length_of_training_is_that_of_the_sweep(tmp_path):
    """Where an arm or a model says another, points would be drawn where they are not."""
    task = {**PARTICLES, "training": {"epochs": 20}, "sweep": {"epochs": [5, 20]}}
    said = {
        "tasks": {"p": task},
        "arms": {"p*/segnn/none": {"training": {"epochs": 7}}},
        "runs": [{"tasks": ["p*"], "models": ["segnn"]}],
    }
    words = "is trained for epochs 7, but the sweep of its task says"
    assert_refused(tmp_path, said, "arms.p*/segnn/none.training", words, study="ace")
    del task["training"], said["arms"]
    words = "say the task's own 'training: {epochs: …}'"
    assert_refused(tmp_path, said, "tasks.p.sweep.epochs", words, study="ace")


def test_two_sweeps_that_make_one_name(tmp_path):
    task = {**PARTICLES, "parameters": {**PARTICLES["parameters"], "field": 0.0}}
    named = {
        "p": {**task, "sweep": {"gravity": [3.0]}},
        "p_gravity": {**task, "sweep": {"field": [3.0]}},
    }
    content, _ = with_sweeps({"tasks": named})
    assert {"p_gravity_3", "p_gravity_field_3"} <= set(content["tasks"])
    tasks = {
        "p": {**PARTICLES, "parameters": {"a_b": 0, "b": 0}, "sweep": {"a_b": [3]}},
        "p_a": {**PARTICLES, "parameters": {"a_b": 0, "b": 0}, "sweep": {"b": [3]}},
    }
    words = "another task is called p_a_b_3 too"
    assert_refused(tmp_path, {"tasks": tasks}, "tasks.p_a.sweep.b", words, study="ace")


def test_a_sweep_of_a_data_set_that_is_not_there(tmp_path):
    words = "Unknown dataset 'charged'; allowed: "
    said = {"tasks": {"p": {"dataset": "charged", "sweep": {"training_samples": [3]}}}}
    assert_refused(tmp_path, said, "tasks.p.sweep.training_samples", words, study="ace")
