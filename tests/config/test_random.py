"""Whatever an overlay says, it is a configuration or one sentence."""

import string
import warnings

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symbench.config.read import Configuration, read_configuration
from symbench.config.schema import Configured
from symbench.errors import ConfigError
from tests.config.configs import CLAIM, CONFIG, FIELDS, TASK
from tests.config.test_shipped import models

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HERE = [TASK, "burgers_3d", "decaying*", "MHD_64", "fno", "unet_classic", "none", "augment", "mine"]
OTHERS = ["D4", "C4", "vrmse", "gain", "cost", "value", "plain", "average", "frame"]
NAMES = st.sampled_from([*HERE, *OTHERS])
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([0, 1, 2, 3, 0.5, 1e-3]))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.one_of(NAMES, NUMBERS, TEXTS, st.booleans(), st.none(), st.dates())
KEYS = sorted({key for model in models().values() for key in model.model_fields})
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(NAMES, st.sampled_from(KEYS), TEXTS), inner, max_size=3),
    ),
    max_leaves=8,
)


def of_type(name: str, depth: int = 0) -> st.SearchStrategy:
    """Some of the keys of a type of the config, with values that mostly suit them."""
    fields = models()[name].model_fields
    chosen = {key: value_of(field.annotation, depth) for key, field in fields.items()}
    return st.fixed_dictionaries({}, optional=chosen)


def value_of(annotation: object, depth: int) -> st.SearchStrategy:
    """Values of an annotation, and now and then of another one."""
    inner = [part for part in models() if models()[part] is annotation]
    if inner:
        return of_type(inner[0], depth + 1)
    origin, parts = getattr(annotation, "__origin__", None), getattr(annotation, "__args__", ())
    if hasattr(annotation, "__metadata__"):
        return value_of(parts[0] if parts else origin, depth)
    if origin is dict:
        return st.dictionaries(NAMES, value_of(parts[1], depth), max_size=2)
    if origin is list:
        return st.lists(value_of(parts[0], depth), max_size=2)
    if annotation is int:
        return st.one_of(st.integers(0, 4), NUMBERS)
    if annotation is float:
        return NUMBERS
    if annotation is bool:
        return st.booleans()
    if annotation is str:
        return st.one_of(NAMES, SCALARS)
    return st.one_of(*(value_of(part, depth) for part in parts)) if parts else SCALARS


def said_of(files=(), **options) -> Configuration | str:
    """A configuration, or the sentence that refuses it; a warning fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return read_configuration(files, folder=CONFIG, **options)
        except ConfigError as error:
            return str(error)


def check(path, text):
    """Read a file, and look at all that follows from it."""
    path.write_text(text, encoding="utf-8")
    said = said_of([path])
    if isinstance(said, str):
        assert "\n" not in said
        assert said.endswith((".", "?"))
        return
    for study in said.studies.values():
        assert study.runs
        assert study.report_fingerprint


@QUICK
@given(said=of_type("StudySettings"))
def test_well_formed_overlays(tmp_path, said):
    content = {"base": "smoke", "studies": {FIELDS: said}}
    check(tmp_path / "mine.yaml", yaml.safe_dump(content, allow_unicode=True))


@QUICK
@given(
    name=st.sampled_from(sorted(set(models()) - {"Configured", "StudySettings"})), data=st.data()
)
def test_well_formed_parts(tmp_path, name, data):
    """Each type of the config alone, where it belongs, so that it is looked at."""
    said = data.draw(of_type(name))
    claim = {**CLAIM, **(said if name == "Claim" else {})}
    model = {"architecture": "fno", **(said if name == "ModelSettings" else {})}
    places = {
        "TaskSettings": {"tasks": {TASK: said}},
        "ModelSettings": {"models": {"fno": model}},
        "TreatmentSettings": {"treatments": {"augment": {"method": "augment", **said}}},
        "Checkpoint": {"models": {"fno": {"repository": "a/b", "checkpoints": {TASK: said}}}},
        "RunBlock": {"runs": [{"tasks": [TASK], "models": ["fno"], **said}]},
        "Claim": {"claims": [claim]},
        "Selection": {"claims": [{**CLAIM, "of": said}]},
        "Expectation": {"claims": [{**CLAIM, "expect": said}]},
        "FigureSettings": {"figures": [{"name": "gain", "caption": "x", **said}]},
        "Need": {"claims": [{**CLAIM, "needs": [said]}]},
        "Published": {"published": [{"task": TASK, "model": "fno", **said}]},
        "ArmSettings": {"arms": {f"{TASK}/fno/none": said}},
        "Tuning": {"tuning": said},
        "ArmCandidates": {"tuning": {"seeds": [9], "budget": 1, "candidates": {"*/*/*": said}}},
        "Resources": {"resources": {"train": said}},
        "TrainingOptions": {"training": said},
        "EvaluationSettings": {"evaluation": said},
    }
    content = {"base": "smoke", "studies": {FIELDS: places[name]}}
    check(tmp_path / "mine.yaml", yaml.safe_dump(content, allow_unicode=True))


@QUICK
@given(said=st.dictionaries(st.sampled_from(list(Configured.model_fields)), ANYTHING, max_size=4))
def test_anything_at_the_top(tmp_path, said):
    check(tmp_path / "mine.yaml", yaml.safe_dump({"base": "smoke", **said}, allow_unicode=True))


@QUICK
@given(path=st.lists(st.sampled_from([*KEYS, TASK, "fno", "0"]), max_size=4), value=ANYTHING)
def test_anything_at_any_place_of_a_study(tmp_path, path, value):
    for part in reversed(path):
        value = {part: value}
    content = {"base": "smoke", "studies": {FIELDS: value}}
    check(tmp_path / "mine.yaml", yaml.safe_dump(content, allow_unicode=True))


@settings(QUICK, max_examples=200)
@given(text=st.text(st.sampled_from(string.printable + "é\x00\ufeff\x85{}[]:-&*!|>'\"%@`#?\n  ")))
def test_random_text(tmp_path, text):
    check(tmp_path / "mine.yaml", text)
    check(tmp_path / "mine.yaml", f"base: smoke\nstudies:\n  {FIELDS}:\n    tasks: {text}\n")


@settings(QUICK, max_examples=100)
@given(text=st.text(st.sampled_from(string.printable + "é\x00")))
def test_random_single_keys(text):
    for override in (text, f"studies.{FIELDS}.{text}", f"studies.{FIELDS}.training.epochs={text}"):
        said = said_of(overrides=[override], size="smoke")
        assert isinstance(said, Configuration) or "\n" not in said


@pytest.mark.parametrize("depth", [40, 150, 250, 400, 2000])
def test_deep_values(tmp_path, depth):
    for opened, closed in (("[", "]"), ("{a: ", "}")):
        nested = f"{opened * depth}1{closed * depth}"
        for key in ("parameters", "training"):
            check(
                tmp_path / "mine.yaml",
                f"base: smoke\nstudies: {{{FIELDS}: {{tasks: {{{TASK}: {{{key}: {nested}}}}}}}}}",
            )
