"""`package.module:Name` works for all kinds of code, and is one sentence where it does not."""

import sys

import pytest

from symbench.config import registry
from symbench.errors import ConfigError
from tests.config.configs import FIELDS, RUN, TASK, assert_refused, claim, read

OWN = "tests.config.own"


def test_every_kind_is_accepted(tmp_path):
    said = {
        "tasks": {
            "mine": {
                "dataset": f"{OWN}:Own",
                "group": "whatever the data set takes",
                "parameters": {"count": 5},
                "metrics": [f"{OWN}:METRIC"],
            },
        },
        "models": {"mine": {"architecture": f"{OWN}:anything"}},
        "treatments": {"mine": {"method": f"{OWN}:anything"}},
        "runs": [{"tasks": ["mine"], "models": ["mine"], "treatments": ["mine"]}],
        "figures": [{"name": "mine", "draw": f"{OWN}:anything", "caption": "x"}],
        "tables": [f"{OWN}:anything"],
        **claim(measure=f"{OWN}:anything", of={"metric": "shortness"}, where={"task": "mine"}),
    }
    study = read(tmp_path, said).study(FIELDS)
    task = study.task("mine")
    assert task.parameters == {"count": 5, "noise": 0.5}
    assert task.dataset.count == 5
    assert task.dataset_folder == "Own"
    assert study.tables == {"anything": f"{OWN}:anything"}
    for value in (
        study.runs[0].evaluation_fingerprint,
        study.comparison_fingerprint,
        study.figure_fingerprint("mine"),
        study.table_fingerprint("anything"),
        study.report_fingerprint,
    ):
        assert len(value) == 16


def test_a_group_of_a_user(tmp_path):
    words = "'os:path' is neither a FiniteGroup of isometries nor a list of square matrices"
    assert_refused(tmp_path, {"tasks": {TASK: {"group": "os:path"}}}, f"tasks.{TASK}.group", words)
    words = "Cannot import group 'no.groups:Mine': No module named 'no'"
    said = {"tasks": {TASK: {"group": "no.groups:Mine"}}}
    assert_refused(tmp_path, said, f"tasks.{TASK}.group", words)
    said = {"tasks": {TASK: {"group": "tests.config.own:GROUP"}}}
    task = read(tmp_path, said).study(FIELDS).task(TASK)
    plain = read(tmp_path, {}).study(FIELDS).task(TASK)
    assert task.audit_fingerprint != plain.audit_fingerprint
    words = "is no FiniteGroup of isometries in 3-D"
    said = {"tasks": {"burgers_3d": {"group": "tests.config.own:GROUP"}}}
    assert_refused(tmp_path, said, "tasks.burgers_3d.group", words)


def test_a_class_inside_another_has_a_name_for_its_folder(tmp_path):
    configuration = read(tmp_path, {"tasks": {TASK: {"dataset": f"{OWN}:Wide.Inner"}}})
    task = configuration.study(FIELDS).task(TASK)
    assert task.dataset_folder == "Wide_Inner"
    assert configuration.data_folder(task).parts[-2] == "Wide_Inner"


def test_parameters_that_another_class_takes(tmp_path):
    said = {"tasks": {TASK: {"dataset": f"{OWN}:Wide", "parameters": {"width": 2.0}}}}
    task = read(tmp_path, said).study(FIELDS).task(TASK)
    assert task.settings.parameters["width"] == 2.0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "no.package:Name",
            "Cannot import {kind} 'no.package:Name': there is no module no.package",
        ),
        (f"{OWN}.below:Name", "there is no module tests.config.own.below"),
        (f"{OWN}:", f"'{OWN}:' is no {{kind}}: write package.module:Name"),
        (":Name", "':Name' is no {kind}: write package.module:Name"),
        (".own:Name", "write package.module:Name"),
        ("a b:Name", "write package.module:Name"),
        ("os:path:join", "write package.module:Name"),
        ("os:path/join", "write package.module:Name"),
        ("os:Größe", "write package.module:Name"),
    ],
)
def test_paths_to_no_code(tmp_path, name, words):
    figure = {"name": "mine", "draw": name, "caption": "x"}
    for kind, key, said in (
        ("dataset", f"tasks.{TASK}.dataset", {"tasks": {TASK: {"dataset": name}}}),
        ("model", "models.mine.architecture", {"models": {"mine": {"architecture": name}}}),
        ("treatment", "treatments.mine.method", {"treatments": {"mine": {"method": name}}}),
        ("figure", "figures.0.draw", {"figures": [figure]}),
        ("table", "tables.0", {"tables": [name]}),
        ("measure", "claims.0.measure", claim(measure=name)),
    ):
        assert_refused(tmp_path, said, key, words.format(kind=kind))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mse", "'mse' is no "),
        (".", "'.' is no "),
        ("os:nothing", "module 'os' has no attribute 'nothing'"),
        ("no.package:Name", "No module named 'no'"),
        ("os:path", "'os:path' is no symbench.evaluation.scores.Metric"),
        (f"{OWN}:TWICE", "the task has a metric 'gamma' already"),
        (f"{OWN}:UNDIRECTED", "not 'shortness' and 'smaller'"),
    ],
)
def test_metrics_that_are_none(tmp_path, name, words):
    assert_refused(tmp_path, {"tasks": {TASK: {"metrics": [name]}}}, f"tasks.{TASK}.metrics", words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("os:nothing", "Cannot import dataset 'os:nothing': module 'os' has no attribute"),
        ("os.path:join", "'os.path:join' is no symbench.data.dataset.Dataset"),
        ("symbench.data.dataset:Dataset", "does not define check_group, fetch, open, scores"),
        ("broken_in_a_test:Data", "Cannot import dataset 'broken_in_a_test:Data': ZeroDivisionErr"),
        ("unfinished_in_a_test:Data", "SyntaxError"),
        ("lacking_in_a_test:Data", "No module named 'no_such_package'"),
    ],
)
def test_data_sets_that_are_none(tmp_path, monkeypatch, name, words):
    (tmp_path / "broken_in_a_test.py").write_text("1 / 0\n")
    (tmp_path / "unfinished_in_a_test.py").write_text("def (\n")
    (tmp_path / "lacking_in_a_test.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    said = {"tasks": {TASK: {"dataset": name, "parameters": {}}}}
    assert_refused(tmp_path, said, f"tasks.{TASK}.dataset", words)
    sys.modules.pop(name.partition(":")[0], None) if "in_a_test" in name else None


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("Own", {"cont": 3}, "Did you mean 'count'?"),
        ("Own", {"count": 0}, "there must be points"),
        ("Own", {"count": "three"}, "'three'"),
        ("Own", {"noise": True}, "True"),
        # What the class did not think of.
        ("Careless", {"of": 3}, "tests.config.own:Careless: TypeError("),
        ("Careless", {}, "tests.config.own:Careless: KeyError('of')"),
    ],
)
def test_parameters_of_own_data_sets(tmp_path, name, parameters, words):
    task = {"dataset": f"{OWN}:{name}", "group": "any", "parameters": parameters}
    said = {"tasks": {"mine": task}, "runs": [{**RUN, "tasks": ["mine"]}]}
    assert_refused(tmp_path, said, "tasks.mine.parameters", words)


def test_code_that_is_not_there_when_it_is_used():
    """What needs torch is imported when it is used, and then still one sentence."""
    for kind, name, words in (
        ("models", "os:nothing", "Cannot import model 'os:nothing': module 'os' has no attribute"),
        ("figures", "os:path.nothing", "Cannot import figure 'os:path.nothing'"),
        ("measures", "no.package:Name", "Cannot import measure 'no.package:Name'"),
        ("treatments", "augmnt", "Unknown treatment 'augmnt'.*Did you mean 'augment'"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            registry.resolve(kind, name)
        assert "\n" not in str(caught.value)
    assert registry.resolve("measures", f"{OWN}:Wide.Inner").__name__ == "Inner"


def test_every_registered_name_is_there():
    for kind in ("datasets", "models", "treatments", "figures", "measures", "tables"):
        for name in registry.names(kind):
            assert registry.check(kind, name) == name
            assert registry.check(kind, registry._entry(kind, name).value)
