"""Every mistake in a config is one sentence that names the key, what is allowed, and the file."""

from pathlib import Path

import pytest
import yaml

from symbench.errors import ConfigError
from symbench.config.study import (
    Cell,
    config_file,
    evaluation_paths,
    evaluation_sets,
    read_configuration,
    schema,
)

ROOT = Path(__file__).parents[1]
SMOKE = ROOT / "config" / "smoke.yaml"


def overlay(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"studies": {"group_averaging": content}}))
    return [SMOKE, path]


MODELS = {
    "ace": {"segnn", "egno", "schnet"},
    "group_averaging": {"fno", "tfno", "unet_classic", "unet_convnext"},
    "sign_equivariant": {
        "gcn",
        "signnet",
        "decode_only",
        "learn_decode",
        "sign_equivariant",
        "gcn_eigenvectors",
        "gnn",
        "egnn",
        "frame_averaging",
        "minimal_frame",
        "sign_equivariant_particles",
        "plain_encoding",
        "signnet_encoding",
        "raw_product",
        "sign_equivariant_product",
    },
    "quantum": {"plain", "rotation", "rotation_permutation", "graph"},
}


@pytest.mark.parametrize("size", ["laptop", "smoke", "paper"])
def test_shipped_sizes_are_valid(size):
    configuration = read_configuration([config_file(size, ROOT / "config")])
    assert configuration.size == size
    assert set(configuration.studies) == {
        "ace",
        "group_averaging",
        "quantum",
        "sign_equivariant",
    }
    for study in configuration.studies.values():
        assert len(study.cells) == len(set(study.cells)) > 0
        assert any(study.settings.tasks[cell.task].exact for cell in study.cells)
        assert MODELS[study.name] <= {cell.model for cell in study.cells}
        # A claim that no size could ever decide is a mistake in its names.
        for claim in study.description.claims:
            names = claim.where.get("model", [])
            for model in names if isinstance(names, list) else [names]:
                assert model in study.settings.models


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"tasks": {"gray_scott": {"dataset": "gray_scot"}}},
            "Unknown task 'gray_scot'.*gray_scott",
        ),
        ({"models": {"fno": {"architecture": "fnoo"}}}, "Unknown model 'fnoo'.*Did you mean 'fno'"),
        ({"tasks": {"gray_scott": {"group": "D5"}}}, "Unknown group 'D5'.*allowed: trivial"),
        (
            {"runs": [{"tasks": ["gray_scott"], "models": ["fno"], "treatments": ["augmnt"]}]},
            "Unknown treatment 'augmnt'.*allowed: architecture, augment.*Did you mean 'augment'",
        ),
        ({"runs": [{"tasks": ["x"], "models": ["fno"]}]}, "Unknown task 'x'"),
        ({"runs": [{"tasks": ["gray_scott"], "models": ["x"]}]}, "Unknown model 'x'"),
        (
            {"tasks": {"gray_scott": {"groop": "D4"}}},
            r"key 'studies.group_averaging.tasks.gray_scott.groop': unknown key; allowed here: "
            "evaluation, exact, family, group",
        ),
        (
            {"training": {"epoch": 3}},
            r"studies.group_averaging.training.epoch': unknown key; allowed here: accumulate, ",
        ),
        ({"training": {"epochs": "many"}}, r"training.epochs': .*integer.*value: 'many'"),
        ({"seeds": []}, r"group_averaging.seeds': list should have at least 1 item"),
        ({"models": {"fno": {"training": {"lr": 1}}}}, "models.fno.training: unknown key 'lr'"),
        (
            {"tasks": {"gray_scott": {"evaluation": {"rollouts": 1}}}},
            "tasks.gray_scott.evaluation: unknown key 'rollouts'",
        ),
        ({"tasks": {"gray_scott": {"exact": "perhaps"}}}, r"gray_scott.exact': .*boolean"),
        (
            {"evaluations": ["mean"]},
            r"evaluations.0': input should be 'none', 'average' or 'frame'",
        ),
    ],
)
def test_mistakes_are_named(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message) as caught:
        read_configuration(overlay(tmp_path, change))
    assert "\n" not in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_unknown_size_study_and_file(tmp_path):
    with pytest.raises(ConfigError, match="Unknown size 'huge'; allowed: laptop, paper, smoke"):
        config_file("huge")
    with pytest.raises(ConfigError, match=r"none\.yaml does not exist"):
        read_configuration([tmp_path / "none.yaml"])
    with pytest.raises(ConfigError, match="Unknown study 'gravity'"):
        read_configuration([SMOKE], ["gravity"])
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1")
    with pytest.raises(ConfigError, match="not valid YAML"):
        read_configuration([broken])
    broken.write_text("just text")
    with pytest.raises(ConfigError, match="must hold keys and values"):
        read_configuration([broken])


def test_schema_file_is_up_to_date():
    assert yaml.safe_load((ROOT / "config" / "schema.yaml").read_text()) == schema()


def test_fingerprints_change_with_what_matters_and_only_then(tmp_path):
    study = read_configuration([SMOKE]).study("group_averaging")
    cell = Cell("group_averaging", "decaying_turbulence", "fno", "none", 0)
    changes = {
        "training": {"training": {"epochs": 5}},
        "model": {"models": {"fno": {"settings": {"modes": 3}}}},
        "other model": {"models": {"tfno": {"settings": {"modes": 3}}}},
        "evaluation": {"evaluation": {"chunk": 4}},
        "data": {"tasks": {"decaying_turbulence": {"parameters": {"seed": 9}}}},
    }
    changed = {}
    for name, change in changes.items():
        other = read_configuration(overlay(tmp_path, change)).study("group_averaging")
        changed[name] = (
            other.data_fingerprint(cell.task) != study.data_fingerprint(cell.task),
            other.training_fingerprint(cell) != study.training_fingerprint(cell),
            other.evaluation_fingerprint(cell) != study.evaluation_fingerprint(cell),
        )
    assert changed == {
        "training": (False, True, True),
        "model": (False, True, True),
        "other model": (False, False, False),
        "evaluation": (False, False, True),
        "data": (True, True, True),
    }


def test_published_weights_have_one_seed():
    study = read_configuration([config_file("paper", ROOT / "config")]).study("group_averaging")
    seeds = {cell.seed for cell in study.cells if cell.task == "active_matter"}
    assert seeds == {0}
    assert {cell.seed for cell in study.cells if cell.task == "gray_scott"} == set(range(5))


def test_paths_of_evaluations():
    study = read_configuration([SMOKE]).study("group_averaging")
    paths = list(evaluation_paths(study))
    assert "decaying_turbulence/fno/augment/average/seed1.nc" in paths
    assert len(paths) == len(set(paths)) == 3 * len(study.cells)


def test_a_class_by_its_path_is_accepted(tmp_path):
    change = {"models": {"mine": {"architecture": "my.package:Network"}}}
    assert (
        "mine"
        in read_configuration(overlay(tmp_path, change)).study("group_averaging").settings.models
    )


def test_evaluations_of_a_model_go_before_those_of_a_treatment_and_of_the_study():
    configuration = read_configuration([SMOKE], ["ace", "quantum"])
    study = configuration.study("ace")
    assert study.evaluations("segnn") == ["none", "average", "frame"]
    assert study.evaluations("segnn", "architecture") == ["none"]
    assert study.evaluations("group_convolution", "architecture") == ["none", "average"]
    found = {
        (chosen.name, treatment, model): evaluations
        for chosen, evaluations, treatment, models in evaluation_sets(configuration)
        for model in models
    }
    for chosen in configuration.studies.values():
        for cell in chosen.cells:
            expected = chosen.evaluations(cell.model, cell.treatment)
            assert found[chosen.name, cell.treatment, cell.model] == expected
