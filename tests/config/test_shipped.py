"""What is shipped: sizes, overlays, studies, the README of the config and its schema."""

import json
import re
import subprocess
import sys

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from symbench.config import schema
from symbench.config.read import read_configuration
from symbench.config.schema_file import schema_text
from symbench.symmetry.grids.isometries import named_group
from tests.config.configs import CONFIG, FIELDS, ROOT

SIZES = sorted(path.stem for path in (CONFIG / "sizes").glob("*.yaml"))
OVERLAYS = sorted((CONFIG / "overlays").glob("*.yaml"))
MODELS = {
    "ace": {"segnn", "egno", "schnet"},
    FIELDS: {"fno", "tfno", "unet_classic", "unet_convnext"},
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
# Sizes that do not run all studies and models.
PARTLY = {"workstation": {"group_averaging", "ace"}}
# Left out where raw files are not at hand.
OPTIONAL = {"published_weights", "real_data"}


@pytest.mark.parametrize("size", SIZES)
def test_sizes(size):
    configuration = read_configuration(size=size, folder=CONFIG)
    assert configuration.size == configuration.name == size
    studies = set(configuration.studies) - OPTIONAL
    assert studies == PARTLY.get(size, set(MODELS))
    for study in map(configuration.study, studies):
        assert len(study.runs) == len({str(run) for run in study.runs}) > 0
        if size not in PARTLY:
            assert any(task.settings.exact for task in study.tasks.values())
            first = "strict" if study.name == "ace" else "none"
            assert MODELS[study.name] <= {run.model for run in study.runs}
            assert {run.treatment for run in study.runs} > {first}
        assert study.settings.claims
        assert study.settings.figures
        folders = {configuration.data_folder(task) for task in study.tasks.values()}
        assert folders <= {configuration.layout.data_folder(*key) for key in configuration.data}


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_overlays(path):
    configuration = read_configuration([path])
    named = yaml.safe_load(path.read_text())
    assert set(configuration.studies) == set(named["studies"])
    assert configuration.size == "paper"
    # What an overlay trains otherwise than its size must not lie in that one's results.
    paper = read_configuration(size="paper", folder=CONFIG)
    for name, study in configuration.studies.items():
        other = {str(run): run.training_fingerprint for run in paper.study(name).runs}
        same = all(other.get(str(run)) == run.training_fingerprint for run in study.runs)
        assert same == (configuration.name == "paper")


def test_published_weights_have_one_seed():
    study = read_configuration(size="paper", folder=CONFIG).study(FIELDS)
    published = [run for run in study.runs if run.checkpoint is not None]
    assert {run.seed for run in published} == {0}
    assert len({run.task.name for run in published}) == 10
    assert {run.checkpoint.repository for run in published if run.task.name == "MHD_64"} == {
        f"polymathic-ai/{name}-MHD_64" for name in ("FNO", "TFNO", "UNetClassic", "UNetConvNext")
    }
    assert {run.seed for run in study.runs if run.checkpoint is None} == set(range(5))


def test_reading_a_config_imports_nothing_that_is_slow():
    code = (
        "import sys; from symbench.config.read import read_configuration\n"
        "for size in ('smoke', 'laptop', 'paper'):\n"
        "    configuration = read_configuration(size=size)\n"
        "    [study.report_fingerprint for study in configuration.studies.values()]\n"
        "slow = 'torch jax pandas xarray scipy pyscf pennylane e3nn matplotlib'.split()\n"
        "print([name for name in slow if name in sys.modules])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert result.stdout == "[]\n"


def models():
    """All types of the config, by name."""
    found = {}

    def add(model):
        if isinstance(model, type) and issubclass(model, BaseModel) and model.__name__ not in found:
            found[model.__name__] = model
            for field in model.model_fields.values():
                walk(field.annotation)

    def walk(annotation):
        add(annotation)
        for part in getattr(annotation, "__args__", ()):
            walk(part)

    add(schema.Configured)
    return found


# The table of each type in the README, by the words above it.
TABLES = {
    "Configured": "## Keys of a size or an overlay",
    "StudySettings": "## Keys of a study",
    "TaskSettings": "### A task",
    "ModelSettings": "### A model",
    "Checkpoint": "Each of the checkpoints may say:",
    "TreatmentSettings": "### A treatment",
    "RunBlock": "### Runs",
    "ArmSettings": "### Arms",
    "Tuning": "### Tuning",
    "ArmCandidates": "Candidates of an arm:",
    "TrainingOptions": "### Training",
    "EvaluationSettings": "### Evaluation",
    "Claim": "### A claim",
    "Selection": "Numbers of a case, under `of` and `against`:",
    "Expectation": "Bounds, under `expect`:",
    "Need": "Needs of a claim:",
    "Published": "### A published number",
    "FigureSettings": "### A figure",
    "Resources": "### Resources",
}


def test_the_readme_names_every_key_and_its_default():
    text = (CONFIG / "README.md").read_text()
    assert set(TABLES) == set(models())
    for name, title in TABLES.items():
        table = text.split(f"\n{title}\n")[1].split("\n| key |")[1].split("\n\n")[0]
        rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
        fields = models()[name].model_fields
        assert sorted(row[0].strip("`") for row in rows) == sorted(fields), name
        for row in rows:
            assert len(row[-1]) > 8, (name, row)
            default = fields[row[0].strip("`")].default
            if len(row) == 3 and isinstance(default, str | int | float):
                shown = str(default).lower() if isinstance(default, bool) else str(default)
                assert row[1] == shown, (name, row)


def test_the_readme_names_choices():
    text = (CONFIG / "README.md").read_text()
    for words in (
        *schema.Evaluation.__args__,
        *schema.Stage.__args__,
        "cosine",
        "constant",
        "adamw",
        "sgd",
    ):
        assert re.search(rf"`{words}`", text), words


def test_the_schema_is_up_to_date_and_editors_accept_what_is_shipped():
    text = (CONFIG / "schema.json").read_text()
    assert text == schema_text()
    content = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(content)
    validator = jsonschema.Draft202012Validator(content)
    for path in [*OVERLAYS, *(CONFIG / "sizes").glob("*.yaml")]:
        assert path.read_text().startswith("# yaml-language-server: $schema=../schema.json\n")
        assert not list(validator.iter_errors(yaml.safe_load(path.read_text()))), path
    for path in (CONFIG / "studies").glob("*.yaml"):
        study = {"studies": {path.stem: yaml.safe_load(path.read_text())}}
        assert not list(validator.iter_errors(study)), path


@pytest.mark.parametrize(
    "said",
    [
        {"trainin": {}},
        {"training": {"schedule": "linear"}},
        {"seeds": [-1]},
        {"evaluations": ["none"]},
        {"tasks": {"a b": {}}},
        {"runs": []},
    ],
)
def test_the_schema_shows_mistakes_to_editors(said):
    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))
    assert list(validator.iter_errors({"studies": {FIELDS: said}}))


def test_the_command_writes_the_schema(tmp_path):
    from typer.testing import CliRunner

    from symbench.cli import app

    path = tmp_path / "schema.json"
    for content, code in ((None, 0), ("{}", 1), (f"{schema_text()}\n", 0)):
        if content:
            path.write_text(content)
        result = CliRunner().invoke(app, ["schema", "--output", str(path)])
        assert result.exit_code == code
        assert path.read_text() == ("{}" if code else schema_text())


def passes(run):
    """Calls of the network with one sample, in training; sizes of whole data sets cancel."""
    settings = run.training
    steps_per_epoch = (settings.samples_per_epoch or 1000 * settings.batch_size) // (
        settings.batch_size
    )
    steps = steps_per_epoch * settings.epochs_of(steps_per_epoch)
    order = named_group(run.task.settings.group, 2).order
    averaged = {"none": 0, "random_average": 0, "group_average": steps}
    averaged["equi_tuning"] = sum(step >= 0.8 * steps for step in range(steps))
    through = averaged[run.method]
    once = steps * (2 if run.method == "random_average" else 1)
    return settings.batch_size * (once + (order - 1) * through)


@pytest.mark.parametrize(("size", "most"), [("laptop", 0), ("paper", 0.01)])
def test_arms_of_equal_compute_make_equal_passes(size, most):
    study = read_configuration(size=size, folder=CONFIG).study(FIELDS)
    arms = [run for run in study.runs if run.treatment.endswith("equal_compute")]
    assert {run.method for run in arms} == {"random_average", "group_average", "equi_tuning"}
    for run in arms:
        plain = study.run(run.task.name, run.model, "none", run.seed)
        assert passes(run) == pytest.approx(passes(plain), rel=most)


@pytest.mark.parametrize("size", SIZES)
def test_batch_norm_sees_as_many_samples_in_all_arms(size):
    study = read_configuration(size=size, folder=CONFIG).study(FIELDS)
    seen = {}
    for run in study.runs:
        if run.model == "unet_classic" and run.checkpoint is None:
            part = run.training.batch_size / run.training.accumulate
            seen.setdefault(run.task.name, set()).add(part)
    assert all(len(parts) == 1 for parts in seen.values()), seen
