"""Fingerprints change with what matters, and only then."""

import shutil
from dataclasses import replace

import pytest

from symbench.config.datasets import build_dataset
from symbench.config.read import read_configuration
from symbench.config.run import fingerprint
from symbench.config.schema import TaskSettings
from tests.config.configs import CLAIM, CONFIG, FIELDS, TASK, overlay, read

PLACE = ("decaying_turbulence", "fno", "none", 0)
KINDS = ("data", "audit", "training", "evaluation", "comparison", "figure", "report")


def fingerprints(configuration):
    """All of one run and of its study, by kind."""
    study = configuration.study(FIELDS)
    run = study.run(*PLACE)
    return {
        "data": run.task.data_fingerprint,
        "audit": run.task.audit_fingerprint,
        "training": run.training_fingerprint,
        "evaluation": run.evaluation_fingerprint,
        "comparison": study.comparison_fingerprint,
        "figure": study.figure_fingerprint("gain"),
        "report": study.report_fingerprint,
    }


@pytest.fixture(scope="module")
def plain():
    return fingerprints(read_configuration(size="smoke", folder=CONFIG))


def settings():
    return read_configuration(size="smoke", folder=CONFIG).study(FIELDS).settings


def task(**said):
    return {"tasks": {"decaying_turbulence": said}}


def model(**said):
    return {"models": {"fno": said}}


def added_run():
    runs = [block.model_dump(exclude_none=True) for block in settings().runs]
    return {"runs": [*runs, {"tasks": [TASK], "models": ["fno"]}]}


def added_claim():
    claims = [each.model_dump(exclude_unset=True) for each in settings().claims]
    return {"claims": [*claims, CLAIM]}


def changed_figures(**changes):
    figures = [each.model_dump(exclude_unset=True) for each in settings().figures]
    gain = next(each for each in figures if each["name"] == "gain")
    gain.update(changes)
    return {"figures": figures}


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (task(parameters={"seed": 9}), "data"),
        (task(parameters={"frame_interval": 0.2}), "data"),
        (task(group="C4"), "audit"),
        (task(exact=False), "audit"),
        (task(input_steps=3), "audit"),
        (task(training={"epochs": 9}), "training"),
        (model(training={"epochs": 9}), "training"),
        ({"training": {"epochs": 9}}, "training"),
        ({"training": {"learning_rate": 0.1}}, "training"),
        (model(settings={"modes": 3}), "training"),
        (model(per_task={"decaying*": {"modes": 3}}), "training"),
        (model(architecture="tfno"), "training"),
        ({"treatments": {"none": {"method": "augment"}}}, "training"),
        ({"evaluation": {"chunk": 4}}, "evaluation"),
        ({"evaluations": ["plain"]}, "evaluation"),
        (task(evaluation={"rollout_steps": 3}), "evaluation"),
        (task(metrics=["tests.config.own:METRIC"]), "evaluation"),
        # Of others: of one run nothing changes, but the study compares them all.
        ({"seeds": [0, 1, 2]}, "comparison"),
        (added_run, "comparison"),
        (added_claim, "comparison"),
        ({"models": {"unet_classic": {"settings": {"init_features": 3}}}}, "comparison"),
        ({"tasks": {TASK: {"parameters": {"seed": 9}}}}, "comparison"),
        (lambda: changed_figures(draw="cost"), "figure"),
        (lambda: changed_figures(caption="Another one."), "report"),
        ({"title": "Another one"}, "report"),
        ({"question": "Another one?"}, "report"),
        # What changes no number.
        ({}, None),
        (None, None),
        ({"training": {"save_every": 7}}, None),
        ({"resources": {"train": {"threads": 4, "gpus": 1}}}, None),
        ({"reference_metrics": ["vrmse"]}, None),
        ({"models": {"unused": {"architecture": "fno"}}}, None),
        ({"tasks": {"unused": {"dataset": "qm9", "group": "O(3)"}}}, None),
        ({"training": {"epochs": 2}, "seeds": [0, 1]}, None),
        (model(per_task={"burgers*": {"modes": 3}}), None),
    ],
)
def test_what_a_change_changes(tmp_path, plain, change, first):
    said = change() if callable(change) else change
    changed = fingerprints(read(tmp_path, said))
    order = KINDS.index(first) if first else len(KINDS)
    # Data decide the audit, the audit what is trained, and so on. A drawing does not change the
    # comparison, but is part of the report.
    expected = {kind: KINDS.index(kind) >= order for kind in KINDS}
    assert {kind: changed[kind] != plain[kind] for kind in KINDS} == expected


def test_another_drawing_of_one_module_is_another_figure(tmp_path):
    def drawn(path):
        said = {"figures": [{"name": "mine", "draw": path, "caption": "x"}]}
        return read(tmp_path, said).study(FIELDS).figure_fingerprint("mine")

    own = "tests.config.own"
    assert drawn(f"{own}:anything") == drawn(f"{own}:anything")
    assert drawn(f"{own}:anything") != drawn(f"{own}:circuit_gates")
    # A registered name and its path are the same.
    assert drawn("gain") == drawn("symbench.figures.gain:FIGURE")


@pytest.mark.parametrize(
    ("change", "noticed"),
    [
        (model(settings={"modes": 3}), True),
        (model(per_task={"decaying*": {"modes": 3}}), True),
        (task(parameters={"frame_interval": 0.2}), True),
        (added_run, True),
        (model(architecture="tfno"), True),
        ({"title": "Another one"}, False),
        ({"training": {"epochs": 9}}, False),
        ({"seeds": [0, 1, 2]}, False),
    ],
)
def test_what_changes_a_further_table(tmp_path, change, noticed):
    said = change() if callable(change) else change
    tables = {"tables": ["tests.config.own:anything"]}
    plain, changed = (
        read(tmp_path, {**tables, **each}).study(FIELDS).table_fingerprint("anything")
        for each in ({}, said)
    )
    assert (changed != plain) == noticed


def test_nothing_depends_on_where_files_lie_and_what_they_are_called(tmp_path, plain, monkeypatch):
    shutil.copytree(CONFIG, tmp_path / "another place" / "config")
    other = tmp_path / "another place" / "config"
    assert fingerprints(read_configuration(size="smoke", folder=other)) == plain
    said = {"training": {"epochs": 9}}
    one = read_configuration([overlay(tmp_path, said, name="one.yaml")], folder=CONFIG)
    two = read_configuration([overlay(tmp_path, said, name="two.yaml")], folder=other)
    key = f"studies.{FIELDS}.training.epochs=9"
    three = read_configuration(size="smoke", overrides=[key], folder=CONFIG)
    monkeypatch.chdir(tmp_path)
    four = read(tmp_path, said, data="/data", results="there", scratch="/tmp", name="other")
    assert fingerprints(one) == fingerprints(two) == fingerprints(three) == fingerprints(four)
    assert fingerprints(one) != plain


def test_tasks_that_are_described_differently_never_share_a_folder(tmp_path):
    """W1: two studies that name one task trained on whatever came first."""
    particles = {"dataset": "charged_particles", "group": "O(3)", "exact": False}
    parameters = {
        "dimension": 3,
        "trajectories": {"train": 7, "valid": 5, "test": 5},
        "input_step": 300,
        "target_step": 400,
    }
    run = {"tasks": ["shared"], "models": ["egnn*"]}
    more = {**parameters, "trajectories": {"train": 60, "valid": 5, "test": 5}}

    def folders(first, second):
        studies = {
            "ace": {"tasks": {"shared": {**particles, "parameters": first}}, "runs": [run]},
            "sign_equivariant": {
                "tasks": {"shared": {**particles, "parameters": second}},
                "runs": [run],
            },
        }
        configuration = read(tmp_path, None, studies=studies)
        found = [
            configuration.data_folder(study.task("shared"))
            for study in configuration.studies.values()
        ]
        assert len(configuration.data) == len(set(found))
        return found

    first, second = folders(parameters, more)
    assert first != second
    # Alike, though defaults are written out, the order is another one, and 0 is 0.0.
    said = {"gravity": 0, "field": 0.0, "seed": 0, **dict(reversed(parameters.items()))}
    first, second = folders(parameters, said)
    assert first == second
    first, second = folders(parameters, {**said, "gravity": 1})
    assert first != second


@pytest.mark.parametrize("size", ["smoke", "laptop", "paper"])
def test_defaults_that_are_written_out_change_nothing(size):
    """Of all data sets, and of what they hold inside too."""
    for task in read_configuration(size=size, folder=CONFIG).data.values():
        written = {**task.settings.model_dump(exclude_unset=True), "parameters": task.parameters}
        dataset, parameters = build_dataset(TaskSettings.model_validate(written))
        other = replace(task, dataset=dataset, parameters=parameters)
        assert other.data_fingerprint == task.data_fingerprint, task.name


def test_evaluations_of_a_model_go_before_those_of_a_treatment_and_of_the_study(tmp_path):
    said = {
        "evaluations": ["plain"],
        "models": {"fno": {"evaluations": ["frame"]}},
        "treatments": {"augment": {"method": "augment", "evaluations": ["average"]}},
    }
    study = read(tmp_path, said).study(FIELDS)
    found = {run.key[1:]: run.evaluations for run in study.runs if run.task.name == PLACE[0]}
    # The study has a list of its own for each of the other treatments.
    assert {key: each for key, each in found.items() if key[1] in ("none", "augment")} == {
        ("fno", "none"): ("frame",),
        ("fno", "augment"): ("frame",),
        ("unet_classic", "none"): ("plain",),
        ("unet_classic", "augment"): ("average",),
    }


def test_weights_at_hand_count_by_what_they_hold(tmp_path):
    def trained(folder):
        checkpoint = {"repository": str(folder)}
        said = {
            "models": {"fno": {"checkpoints": {"decaying_turbulence": checkpoint}}},
            "runs": [{"tasks": ["decaying_turbulence"], "models": ["fno"]}],
        }
        return read(tmp_path, said).study(FIELDS).run(*PLACE).training_fingerprint

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
    assert trained(tmp_path / "one") == trained(tmp_path / "two")
    before = trained(tmp_path / "two")
    (tmp_path / "two" / "model.safetensors").write_bytes(b"others")
    assert trained(tmp_path / "two") != before


def test_a_hash_of_plain_values():
    assert fingerprint({"a": 1, "b": [2.0, None]}) == fingerprint({"b": (2, None), "a": 1.0})
    assert len({fingerprint(value) for value in (1, True, "1", [1], 1.5, None, -1, {"1": 1})}) == 8
    assert fingerprint([]) == "4f53cda18c2baa0c"
