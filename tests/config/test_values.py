"""Values of the config: types, bounds, closed choices, lists, names."""

import pytest

from symbench.config.read import read_configuration
from symbench.errors import ConfigError
from tests.config.configs import CLAIM, FIELDS, TASK, assert_refused, claim, overlay, read, refusal

INFINITE = float("inf")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        *((key, 0, "give at least 1 (value: 0)") for key in ("epochs", "steps", "batch_size")),
        *((key, 0, "give at least 1 (value: 0)") for key in ("save_every", "accumulate")),
        *((key, 0, "give at least 1 (value: 0)") for key in ("patience", "test_every")),
        *((key, 0, "give at least 1") for key in ("samples_per_epoch", "validation_samples")),
        ("learning_rate", 0, "give more than 0 (value: 0)"),
        ("learning_rate", -0.1, "give more than 0 (value: -0.1)"),
        ("first_phase_learning_rate", 0, "give more than 0"),
        ("learning_rate", INFINITE, "give a finite number (value: inf)"),
        ("learning_rate", float("nan"), "give a finite number (value: nan)"),
        ("weight_decay", -1, "give at least 0"),
        ("warm_up_epochs", -1, "give at least 0"),
        ("first_phase_epochs", -1, "give at least 0"),
        ("epochs", "many", "give a whole number (value: 'many')"),
        ("epochs", "3", "give a whole number (value: '3')"),
        ("epochs", 1.5, "give a whole number (value: 1.5)"),
        ("epochs", True, "give a whole number (value: true)"),
        ("epochs", [3], "give a whole number (value: [3])"),
        ("learning_rate", True, "give a number (value: true)"),
        ("weight_decay", None, "give a number (value: null)"),
        ("precision", "fp16", "should be 'float32', 'tf32' or 'bfloat16' (value: 'fp16')"),
        ("precision", True, "should be 'float32', 'tf32' or 'bfloat16' (value: true)"),
        ("compiled", "no", "give true or false (value: 'no')"),
        ("schedule", "linear", "should be 'cosine', 'constant' or 'steps' (value: 'linear')"),
        ("schedule", None, "should be 'cosine', 'constant' or 'steps' (value: null)"),
        ("optimizer", "adam", "should be 'adamw' or 'sgd' (value: 'adam')"),
        ("lr", 1, "unknown key; allowed here: accumulate, batch_size"),
        ("epoch", 3, "Did you mean 'epochs'?"),
    ],
)
def test_training_of_a_study_a_model_and_a_task(tmp_path, key, value, words):
    for place in ("", "models.fno.", f"tasks.{TASK}."):
        said: object = {"training": {key: value}}
        for part in reversed(place.split(".")[:-1]):
            said = {part: said}
        assert_refused(tmp_path, said, f"{place}training.{key}", words)


def test_training_lasts_for_epochs_or_for_steps(tmp_path):
    both = {"epochs": 3, "steps": 4}
    words = "needs 'epochs' or 'steps', one of them, for fno on decaying_turbulence"
    assert_refused(tmp_path, {"training": both}, "training", words)
    assert_refused(tmp_path, {"training": {"epochs": None}}, "training", words)
    assert_refused(tmp_path, {"models": {"fno": {"training": both}}}, "models.fno.training", words)
    said = {"tasks": {"decaying_turbulence": {"training": both}}}
    assert_refused(tmp_path, said, "tasks.decaying_turbulence.training", words)
    assert_refused(
        tmp_path, {"training": {"learning_rate": None}}, "training.learning_rate", "give a number"
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"accumulate": 100}, "accumulate is 100; give at most batch_size"),
        ({"epochs": 3, "first_phase_epochs": 4}, "first_phase_epochs is 4; give at most epochs"),
    ],
)
def test_settings_of_a_training_fit_together(tmp_path, said, words):
    assert_refused(tmp_path, {"training": said}, "training", words)


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "+1e-03", ".1e-2", "1.e-3", "0.001", "1.0e-3"])
def test_numbers_that_yaml_takes_for_text(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "base: smoke\nstudies:\n  group_averaging:\n"
        f"    tasks: {{gray_scott: {{training: {{learning_rate: {text}}}}}}}\n"
        f"    models: {{fno: {{settings: {{spatial_resolution: {text}}}}}}}\n"
    )
    from symbench.config.read import read_configuration

    study = read_configuration([path]).study(FIELDS)
    run = study.run(TASK, "tfno", "none", 0)
    assert run.training.learning_rate == 0.001
    # Nor do settings of models of no plain type get text.
    assert study.settings.models["fno"].settings["spatial_resolution"] == 0.001


@pytest.mark.parametrize(
    ("said", "key", "words"),
    [
        ({"seeds": []}, "seeds", "give at least one"),
        ({"seeds": [-1]}, "seeds.0", "give at least 0 (value: -1)"),
        ({"seeds": [0, 0]}, "seeds", "0 is listed twice"),
        ({"seeds": [True]}, "seeds.0", "give a whole number (value: true)"),
        ({"seeds": ["0"]}, "seeds.0", "give a whole number (value: '0')"),
        ({"seeds": [1.0]}, "seeds.0", "give a whole number (value: 1.0)"),
        ({"seeds": [2**32]}, "seeds.0", "give less than 4294967296"),
        ({"seeds": 0}, "seeds", "give a list (value: 0)"),
        ({"seeds": None}, "seeds", "give a list (value: null)"),
        ({"evaluations": ["plain", "plain"]}, "evaluations", "'plain' is listed twice"),
        ({"evaluations": ["none"]}, "evaluations.0", "should be 'plain', 'average' or 'frame'"),
        ({"evaluations": []}, "evaluations", "give at least one"),
        (
            {"models": {"fno": {"evaluations": ["frame", "frame"]}}},
            "models.fno.evaluations",
            "'frame' is listed twice",
        ),
        (
            {"treatments": {"augment": {"method": "augment", "evaluations": ["plane"]}}},
            "treatments.augment.evaluations.0",
            "(value: 'plane')",
        ),
        ({"evaluation": {"elements": 0}}, "evaluation.elements", "give at least 1"),
        ({"evaluation": {"rollouts": 1}}, "evaluation.rollouts", "Did you mean 'rollout_"),
        ({"tasks": {TASK: {"groop": "D4"}}}, "tasks.gray_scott.groop", "Did you mean 'group'?"),
        ({"tasks": {TASK: {"exact": "perhaps"}}}, "tasks.gray_scott.exact", "give true or false"),
        ({"tasks": {TASK: {"group": 4}}}, "tasks.gray_scott.group", "give text"),
        ({"tasks": {TASK: {"input_steps": 0}}}, "tasks.gray_scott.input_steps", "at least 1"),
        (
            {"tasks": {TASK: {"parity": {"A": 2}}}},
            "tasks.gray_scott.parity.A",
            "should be -1 or 1 (value: 2)",
        ),
        (
            {"tasks": {TASK: {"metrics": ["os:a", "os:a"]}}},
            "tasks.gray_scott.metrics",
            "'os:a' is listed twice",
        ),
        ({"tasks": [TASK]}, "tasks", "give keys and values (value: ['gray_scott'])"),
        ({"tasks": {TASK: [1]}}, "tasks.gray_scott", "give keys and values (value: [1])"),
        ({"training": [1]}, "training", "give keys and values"),
        ({"resources": {"trian": {}}}, "resources.trian", "'fetch', 'audit', 'train', 'evaluate'"),
        ({"resources": {"train": {"thread": 2}}}, "resources.train.thread", "mean 'threads'?"),
        ({"resources": {"train": {"threads": 0}}}, "resources.train.threads", "at least 1"),
        ({"resources": {"train": {"mem_mb": "3GB"}}}, "resources.train.mem_mb", "whole number"),
        ({"runs": []}, "runs", "give at least one"),
        ({"runs": [{}]}, "runs.0.tasks", "is missing"),
        ({"runs": [None]}, "runs.0", "give keys and values (value: null)"),
        ({"runs": [{"tasks": [TASK], "models": []}]}, "runs.0.models", "give at least one"),
        ({"runs": [{"tasks": TASK, "models": ["fno"]}]}, "runs.0.tasks", "give a list"),
        ({"figures": ["gain"]}, "figures.0", "give keys and values (value: 'gain')"),
        ({"figures": [{"name": "gain"}]}, "figures.0.caption", "is missing"),
        ([], "", "give keys and values (value: [])"),
        (False, "", "give keys and values (value: false)"),
    ],
)
def test_values_of_a_study(tmp_path, said, key, words):
    assert_refused(tmp_path, said, key, words)


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"origin": "us"}, "origin", "should be 'paper', 'theory' or 'ours' (value: 'us')"),
        ({"name": None}, "name", "is missing"),
        ({"name": "two words"}, "name", "give letters, digits and underscores"),
        ({"expect": {}}, "expect", "an expectation needs 'below' or 'above', or both"),
        ({"expect": {"below": 0, "above": 0}}, "expect", "nothing lies above 0.0 and below 0.0"),
        ({"expect": {"below": "zero"}}, "expect.below", "give a number (value: 'zero')"),
        ({"expect": {"below": True}}, "expect.below", "give a number (value: true)"),
        ({"expect": {"below": INFINITE}}, "expect.below", "give a finite number"),
        ({"of": None}, "", "measure value needs 'of'"),
        ({"measure": "difference"}, "", "measure difference needs 'against'"),
        ({"of": {"horizon": "2:3"}}, "of.horizon", "should be '1', '6:12' or '13:30'"),
        ({"of": {"metrics": "mse"}}, "of.metrics", "Did you mean 'metric'?"),
        ({"of": {"evaluation": "none"}}, "of.evaluation", "(value: 'none')"),
        ({"where": {"tsk": "x"}}, "where.tsk", "should be 'exact', 'task', 'model' or 'treatment'"),
        ({"where": {"task": True}}, "where", "'exact' is true or false, all others are names"),
        ({"where": {"exact": "yes"}}, "where", "'exact' is true or false, all others are names"),
        ({"where": {"task": []}}, "where.task", "give at least one"),
        ({"where": {"task": "a b"}}, "where.task", "and * or ? for any (value: 'a b')"),
        ({"pick": "highest"}, "pick", "should be 'every' or 'lowest'"),
        ({"unmet": "refuted"}, "unmet", "should be 'contradicted' or 'inconclusive'"),
    ],
)
def test_values_of_a_claim(tmp_path, changes, key, words):
    assert_refused(tmp_path, claim(**changes), f"claims.0{'.' if key else ''}{key}", words)


def test_two_of_one_name(tmp_path):
    """W9: the report showed the verdict of the first twice."""
    other = {**CLAIM, "expect": {"above": 0}}
    assert_refused(tmp_path, {"claims": [CLAIM, other]}, "claims", "'ours' is listed twice")
    figures = [{"name": "gain", "caption": "one"}, {"name": "gain", "caption": "other"}]
    assert_refused(tmp_path, {"figures": figures}, "figures", "'gain' is listed twice")
    # Of two modules, and still one file.
    tables = ["circuit_gates", "tests.config.own:circuit_gates"]
    assert_refused(tmp_path, {"tables": tables}, "tables", "'circuit_gates' is listed twice")


BAD_NAMES = ["a b", "a/b", "..", "a.b", "a-b", "é", "*", "", "a\nb", "trailing\n", "{task}", "$a"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_no_pattern_of_the_workflow_matches(tmp_path, name):
    words = "give letters, digits and underscores (value: "
    for what, content in (
        ("tasks", {"dataset": "gray_scott", "group": "D4"}),
        ("models", {"architecture": "fno"}),
        ("treatments", {"method": "none"}),
    ):
        shown = " ".join(f"{what}.{name}".split())
        assert_refused(tmp_path, {what: {name: content}}, shown, words)
    figure = {"name": name, "draw": "gain", "caption": "x"}
    assert_refused(tmp_path, {"figures": [figure]}, "figures.0.name", words)
    assert_refused(tmp_path, claim(name=name), "claims.0.name", words)
    path = overlay(tmp_path, {}, name="named.yaml")
    path.write_text(path.read_text().replace("base: smoke", f"base: smoke\nname: {name!r}"))
    if "\n" not in name:
        assert f"{path}: key 'name': {words}" in refusal(path)


def test_names_that_are_too_long_for_a_file(tmp_path):
    said = {"models": {"m" * 101: {"architecture": "fno"}}}
    assert_refused(tmp_path, said, f"models.{'m' * 101}", "at most 100 characters")


@pytest.mark.parametrize(
    ("top", "words"),
    [
        ({"studeis": {}}, "key 'studeis': unknown key; allowed here: base, data, limit_gb"),
        ({"studeis": {}}, "Did you mean 'studies'?"),
        ({"rawfiles": []}, "Did you mean 'raw_files'?"),
        ({"data": ""}, "key 'data': give the path of a folder, without braces, quotes"),
        ({"results": ""}, "key 'results': give the path of a folder"),
        ({"data": None}, "key 'data': give text"),
        ({"results": 3}, "key 'results': give text"),
        ({"results": "out{put}"}, "(value: 'out{put}')"),
        ({"results": "out$(touch x)"}, "(value: 'out$(touch x)')"),
        ({"data": "a\x00b"}, "key 'data': give the path of a folder"),
        ({"results": "a\nb"}, "key 'results': give the path of a folder"),
        ({"results": "~nosuchuser/x"}, "key 'results': '~nosuchuser/x': there is no home folder"),
        ({"data": "~nosuchuser"}, "key 'data': '~nosuchuser': there is no home folder '~nosuchu"),
        ({"raw_files": ["a", "~nosuchuser/x"]}, "key 'raw_files': '~nosuchuser/x': there is no"),
        ({"raw_files": "x"}, "key 'raw_files': give a list (value: 'x')"),
        ({"raw_files": [""]}, "key 'raw_files.0': give the path of a folder"),
        ({"scratch": ""}, "key 'scratch': give at least one character"),
        ({"only_tasks": []}, "key 'only_tasks': give at least one"),
        ({"only_tasks": TASK}, "key 'only_tasks': give a list"),
        ({"only_tasks": ["grey_scott"]}, "key 'only_tasks.0': Unknown task 'grey_scott'; allowed"),
        ({"only_tasks": ["grey_scott"]}, "Did you mean 'gray_scott'?"),
        ({"only_tasks": [TASK, "zz*"]}, "key 'only_tasks.1': Unknown task 'zz*'"),
        # A task of the paper size, without a run here.
        ({"only_tasks": ["MHD_64"]}, "key 'only_tasks': no run of group_averaging is left"),
        ({"studies": {"group_avg": {}}}, "key 'studies.group_avg': Unknown study 'group_avg'"),
        ({"studies": {"group_avg": {}}}, "Did you mean 'group_averaging'?"),
        ({"studies": ["ace"]}, "key 'studies': give keys and values (value: ['ace'])"),
        ({"studies": "ace"}, "key 'studies': give keys and values (value: 'ace')"),
    ],
)
def test_keys_of_the_top(tmp_path, top, words):
    path = overlay(tmp_path, {}, **top)
    message = refusal(path)
    assert message.startswith(f"{path}: ")
    assert words in message


def test_only_tasks_may_name_tasks_of_several_studies(tmp_path):
    studies = {FIELDS: {}, "ace": {}}
    configuration = read(tmp_path, {}, studies=studies, only_tasks=[TASK, "nbody"])
    assert {run.task.name for s in configuration.studies.values() for run in s.runs} == {
        TASK,
        "nbody",
    }


def test_a_job_of_one_study_takes_only_tasks_of_all(tmp_path):
    """Also of those that a single key adds; files of other studies may have mistakes."""
    path = overlay(tmp_path, {}, studies={FIELDS: {}, "ace": {}}, only_tasks=[TASK, "nbody"])
    for study, task in ((FIELDS, TASK), ("ace", "nbody")):
        assert set(read_configuration([path], [study]).study(study).tasks) == {task}
    mine = f"studies.{FIELDS}.tasks.mine={{dataset: gray_scott, group: p4m}}"
    only = "only_tasks=[mine, nbody]"
    assert read_configuration([path], ["ace"], overrides=[mine, only]).study("ace").tasks
    with pytest.raises(ConfigError, match="Unknown task 'mine'"):
        read_configuration([path], ["ace"], overrides=[only])


def test_the_home_of_a_user_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    layout = read(tmp_path, {}, data="~/data", results="~/a folder; touch x").layout
    assert layout.data == tmp_path / "data"
    assert layout.results == tmp_path / "a folder; touch x" / "smoke"


def test_seeds_are_trained_together_on_one_gpu_and_nothing_else_is(tmp_path):
    assert read(tmp_path, {"resources": {"train": {"seeds_together": True, "gpus": 1}}})
    two = {"train": {"seeds_together": True, "gpus": 2}}
    assert_refused(tmp_path, {"resources": two}, "resources.train", "share one GPU, not 2")
    other = {"evaluate": {"seeds_together": True}}
    assert_refused(tmp_path, {"resources": other}, "resources", "of the stage 'train' alone")
