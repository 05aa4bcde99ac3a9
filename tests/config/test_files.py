"""Files: sizes replace, overlays lie on top, and what is no good YAML is one sentence."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from symbench.config.read import read_configuration, size_file
from symbench.config.yaml_files import parse
from symbench.errors import ConfigError
from symbench.strict_yaml import Dumper
from tests.config.configs import CONFIG, FIELDS, TASK, assert_refused, overlay, read, refusal


def size(name: str) -> Path:
    return CONFIG / "sizes" / f"{name}.yaml"


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_file_that_names_a_size_replaces(tmp_path):
    """W13: a hybrid of laptop and paper wrote to the results of the paper size."""
    asked = read_configuration(size="paper", folder=CONFIG)
    given = read_configuration([size("paper")], folder=CONFIG)
    assert given.studies == asked.studies
    assert given.layout == asked.layout
    # In whatever order, and with an overlay that names it as its base.
    path = overlay(tmp_path, {"seeds": [5]}, base="paper")
    for files in ([path], [size("paper"), path], [path, size("paper")]):
        configuration = read_configuration(files, folder=CONFIG)
        assert [file.name for file in configuration.files] == ["paper.yaml", "mine.yaml"]
        assert configuration.size == "paper"
        assert {run.seed for run in configuration.study(FIELDS).runs} == {0, 5}


def test_two_sizes_are_refused(tmp_path):
    both = f"{size('paper')} and {size('smoke')} both name a size"
    assert both in refusal(size("paper"), size("smoke"))
    asked = f"size=laptop was asked for, but {size('paper')} is of size paper"
    assert asked in refusal(size("paper"), size="laptop")
    on_paper = overlay(tmp_path, {}, name="on_paper.yaml", base="paper")
    assert "both name a size" in refusal(on_paper, size("smoke"))
    assert "is of size paper" in refusal(on_paper, size="smoke")
    assert "both name a size" in refusal(on_paper, overlay(tmp_path, {}))
    read_configuration([on_paper], size="paper", folder=CONFIG)


@pytest.mark.parametrize("key", ["size", "base"])
def test_a_single_key_cannot_make_it_another_size(key):
    message = refusal(overrides=[f"{key}=paper"])
    assert message.startswith(f"set '{key}=paper': ")
    assert "give another size" in message


def test_overlays_lie_upon_each_other(tmp_path):
    overlay(tmp_path, {"seeds": [1], "training": {"epochs": 5}}, name="first.yaml")
    second = overlay(tmp_path, {"training": {"epochs": 7}}, name="second.yaml", base="first.yaml")
    third = overlay(tmp_path, {"training": {"steps": 9}}, name="third.yaml", base="second.yaml")
    run = read_configuration([second], folder=CONFIG).study(FIELDS).runs[0]
    assert (run.seed, run.training.epochs) == (1, 7)
    configuration = read_configuration([third], folder=CONFIG)
    assert [file.stem for file in configuration.files] == ["smoke", "first", "second", "third"]
    run = configuration.study(FIELDS).runs[0]
    assert (run.training.epochs, run.training.steps) == (None, 9)
    # A base that two of them share is there once.
    fourth = overlay(tmp_path, {}, name="fourth.yaml", base="first.yaml")
    shared = read_configuration([second, fourth], folder=CONFIG)
    assert [file.stem for file in shared.files] == ["smoke", "first", "second", "fourth"]


def test_an_overlay_without_a_base_lies_upon_the_size_that_is_asked_for(tmp_path):
    path = written(tmp_path, f"studies: {{{FIELDS}: {{seeds: [3]}}}}")
    assert read_configuration([path], size="smoke", folder=CONFIG).size == "smoke"
    assert read_configuration([path], folder=CONFIG).size == "laptop"
    assert read_configuration([size("paper"), path]).size == "paper"


def test_overlays_choose_the_studies(tmp_path):
    path = overlay(tmp_path, None, "ace")
    assert list(read_configuration([path], folder=CONFIG).studies) == ["ace"]
    assert list(read_configuration([path], ["quantum"], folder=CONFIG).studies) == ["quantum"]
    assert "Unknown study 'gravity'; allowed: ace" in refusal(path, studies=["gravity"])


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("pape", "key 'base': Unknown size 'pape'; allowed: laptop, paper, smoke, workstation. "),
        ("../sizes/paper", "key 'base': Unknown size '../sizes/paper'"),
        ("other.yaml", "key 'base': there is no file other.yaml beside it"),
        (3, "key 'base': Unknown size '3'"),
        (["smoke"], "key 'base': Unknown size"),
        (None, "key 'base': Unknown size"),
        ("mine.yaml", "its 'base' leads back to itself"),
    ],
)
def test_bases_that_are_not_there(tmp_path, base, words):
    path = overlay(tmp_path, {}, base=base)
    message = refusal(path)
    assert message.startswith(str(path))
    assert words in message


def test_bases_that_lead_back_over_others(tmp_path):
    for name, base in (("a", "b"), ("b", "c"), ("c", "a")):
        overlay(tmp_path, {}, name=f"{name}.yaml", base=f"{base}.yaml")
    assert "leads back to itself" in refusal(tmp_path / "a.yaml")
    # By a link too.
    (tmp_path / "linked.yaml").symlink_to(overlay(tmp_path, {}, base="linked.yaml"))
    assert "leads back to itself" in refusal(tmp_path / "mine.yaml")


def test_a_file_is_a_size_or_an_overlay(tmp_path):
    path = overlay(tmp_path, {}, size="smoke")
    assert refusal(path) == f"{path} names both 'size' and 'base': one of them."
    path = written(tmp_path, "size: 3\nstudies: {}")
    assert "there is no file of a study" in refusal(path) or "key 'size'" in refusal(path)
    path = written(tmp_path, f"size: mine\nstudies: {{{FIELDS}: {{}}}}")
    message = refusal(path)
    assert f"{path}: key 'studies.{FIELDS}': there is no file of a study in " in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty: it must hold keys and values"),
        ("# nothing\n", "is empty"),
        ("null", "is empty"),
        ("- a\n", "holds ['a']: it must hold keys and values"),
        ("just text", "holds 'just text'"),
        ("3", "holds 3"),
        ("a: [1", "is not valid YAML"),
        ("a: *b", "is not valid YAML: found undefined alias in line 1, column 4"),
        ("a: &b {c: *b}", "is not valid YAML"),
        ("a: !!python/object/apply:os.system [true]", "is not valid YAML: could not determine"),
        ("a: !mine b", "is not valid YAML"),
        ("base: smoke\n---\nbase: paper", "is not valid YAML: expected a single document"),
        ("base:\tsmoke\n\tx: 3", "is not valid YAML"),
        ("a: 2020-13-45", "is not valid YAML: month must be in 1..12"),
        ("a: \x07", "is not valid YAML"),
        (f"a: {'[' * 400}{']' * 400}", "is nested too deeply"),
        # W16: the last won.
        ("base: smoke\nbase: paper", "key 'base' stands twice in line 2, column 1"),
        ("base: smoke\nstudies: {ace: {seeds: [0], seeds: [1]}}", "key 'seeds' stands twice"),
        ("a: [{b: 1, b: 2}]", "key 'b' stands twice"),
        ("a: {<<: {b: 1, b: 2}}", "key 'b' stands twice"),
        ("a: {b: {c: 1, 'c': 2}}", "key 'c' stands twice"),
        # Numbers that YAML 1.1 reads to another base.
        ("a: 12:00:00", "12:00:00 would be 43200: write the number that is meant, or '12:00:00' "),
        ("a: [1:30.5]", "1:30.5 would be 90.5: write the number"),
        ("a: [010]", "or '010' in quotes for text in line 1, column 5"),
        ("a: -0_17", "-0_17 would be -15: write the number"),
        # Keys that YAML takes for something else.
        ("3: x", "a key is no text, and not in quotes in line 1, column 1"),
        ("studies: {ace: {models: {yes: {architecture: egnn}}}}", "a key is no text"),
        ("null: x", "a key is no text"),
        ("[1, 2]: x", "a key is no text"),
        ("{a: 1}: x", "a key is no text"),
        ("2020-01-01: x", "a key is no text"),
    ],
)
def test_files_that_are_no_keys_and_values(tmp_path, text, words):
    path = written(tmp_path, text)
    message = refusal(path)
    assert message.startswith(f"{path} ")
    assert words in message
    # As the base of another one too.
    assert refusal(overlay(tmp_path, {}, name="above.yaml", base="mine.yaml")) == message


@pytest.mark.parametrize(
    "text", ["63e01ab59f", "2e4 samples", "1e5.hdf5", "1e3_samples", "12e03x", "-.5e1-"]
)
def test_text_that_begins_as_a_number_is_text(text):
    assert parse(f"a: {text}", "it is") == {"a": text}


def test_numbers_without_a_point_are_numbers():
    assert parse("[1e-3, 1E5, -.5e+1, 2.e2]", "it is") == [1e-3, 1e5, -5.0, 200.0]
    assert parse("[0, -0, 0.5, 00.5, 0x1f, 0b11, 1_000]", "it is") == [0, 0, 0.5, 0.5, 31, 3, 1000]
    assert parse("['010', '12:00', !!str 010, 08, a:1]", "it is") == [
        "010",
        "12:00",
        "010",
        "08",
        "a:1",
    ]


DIGITS = st.text("0123456789abcdefxoE+-.:_", min_size=1, max_size=8)


@settings(max_examples=1000, deadline=None)
@given(st.text("0123456789abcdef", min_size=40, max_size=40) | DIGITS | st.floats(allow_nan=False))
@example("1e3")
@example("63e01ab59f3d2c7781aa90e4d2b6f3c5a7e89b10")
@example(1e-07)
def test_what_is_written_is_read_back(value):
    """Pins write commits, which may look like numbers."""
    written = yaml.dump({"revision": value}, Dumper=Dumper)
    assert parse(written, "it is") == {"revision": value}


def test_merges_of_merges_keep_what_is_on_top():
    text = "a: &a {x: 1}\nb: &b {<<: *a, x: 2, y: 3}\nc: {<<: *b, y: 4}\nd: {<<: &d {<<: *b, x: 5}}"
    found = parse(f"{text}\ne: {{<<: *d}}", "it is")
    assert found["b"] == {"x": 2, "y": 3}
    assert found["c"] == {"x": 2, "y": 4}
    assert found["d"] == found["e"] == {"x": 5, "y": 3}


def test_a_size_file_may_be_a_link(tmp_path):
    """Studies lie beside the link, or else, for a link from anywhere, beside the file."""
    config = tmp_path / "project" / "config"
    (config / "sizes").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(size("smoke"), tmp_path / "elsewhere")
    shutil.copytree(CONFIG / "studies", config / "studies")
    link = config / "sizes" / "smoke.yaml"
    link.symlink_to("../../../elsewhere/smoke.yaml")
    for asked in ({"size": "smoke", "folder": config}, {"files": [link]}):
        assert list(read_configuration(studies=[FIELDS], **asked).studies) == [FIELDS]
    (tmp_path / "smoke.yaml").symlink_to(size("smoke"))
    assert read_configuration([tmp_path / "smoke.yaml"], [FIELDS]).studies


def test_files_that_cannot_be_read(tmp_path):
    missing = tmp_path / "none.yaml"
    assert refusal(missing) == f"Config file {missing} does not exist."
    assert refusal(tmp_path) == f"Config file {tmp_path} is a folder."
    below = written(tmp_path, "base: smoke") / "below.yaml"
    assert refusal(below) == f"Config file {below} cannot be read: Not a directory."
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: Größe".encode("latin-1"))
    assert refusal(latin) == f"{latin} is no text in UTF-8."
    utf16 = tmp_path / "utf16.yaml"
    utf16.write_bytes("base: smoke".encode("utf-16"))
    assert refusal(utf16) == f"{utf16} is no text in UTF-8."
    dangling = tmp_path / "dangling.yaml"
    dangling.symlink_to(missing)
    assert refusal(dangling) == f"Config file {dangling} does not exist."


def test_text_is_utf_8_whatever_the_locale_and_windows_files_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    path = tmp_path / "mine.yaml"
    path.write_bytes(f"\ufeffbase: smoke\r\nstudies: {{{FIELDS}: {{title: Größe}}}}\r\n".encode())
    assert read_configuration([path]).study(FIELDS).settings.title == "Größe"


def test_merge_keys_of_yaml(tmp_path):
    text = f"""
        base: smoke
        studies:
          {FIELDS}:
            models:
              fno: {{training: &rate {{learning_rate: 0.5, epochs: 4}}}}
              tfno: {{training: {{<<: *rate, epochs: 9}}}}
        """
    study = read_configuration([written(tmp_path, text)], folder=CONFIG).study(FIELDS)
    assert study.settings.models["tfno"].training.epochs == 9
    assert study.settings.models["tfno"].training.learning_rate == 0.5


def test_sizes_and_folders_that_are_not_there(tmp_path):
    with pytest.raises(ConfigError, match="Unknown size 'huge'; allowed: laptop, paper, smoke"):
        size_file("huge", CONFIG)
    with pytest.raises(ConfigError, match="holds no size file: start in the project's folder"):
        read_configuration(folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write key=value, such as studies.ace.training.epochs=3"),
        ("a", "write key=value"),
        ("=3", "write key=value"),
        ("studies..x=3", "write key=value"),
        ("a=3", "key 'a': unknown key; allowed here: base, data"),
        ("studies.ace.training.epoch=3", "key 'studies.ace.training.epoch': unknown key"),
        ("studies.ace.training.epoch=3", "Did you mean 'epochs'?"),
        ("studies.ace.training.epochs=0", "give at least 1 (value: 0)"),
        ("studies.ace.training.epochs=", "training"),
        ("studies.ace.training.epochs=[", "the value is not valid YAML"),
        ("studies.ace.training={epochs: 3, epochs: 4}", "key 'epochs' stands twice"),
        ("studies.ace.seeds=0", "key 'studies.ace.seeds': give a list (value: 0)"),
        ("studies.ace.claims.0.name=x", "key 'studies.ace.claims': give a list"),
        ("studies.aec.seeds=[0]", "key 'studies.aec': Unknown study 'aec'; allowed: ace"),
        ("studies=3", "key 'studies': give keys and values (value: 3)"),
        ("results=", "key 'results': give text"),
        ("a\nb=3", "key 'a b': unknown key"),
    ],
)
def test_single_keys_that_are_refused(text, words):
    message = refusal(size("smoke"), overrides=[text], studies=["ace"])
    shown = " ".join(text.split())
    assert message.startswith(f"set '{shown}': ")
    assert words in message


def test_single_keys_lie_on_top(tmp_path):
    said = {"training": {"epochs": 9}, "seeds": [4]}
    keys = [
        f"studies.{FIELDS}.training.steps=1e1",
        f" studies.{FIELDS}.seeds = [3, 5] ",
        f"studies.{FIELDS}.tasks.{TASK}.training.learning_rate=1e-3",
        "name=other",
    ]
    with pytest.raises(ConfigError, match=r"give a whole number \(value: 10.0\)"):
        read(tmp_path, said, overrides=keys)
    configuration = read(tmp_path, said, overrides=[keys[0].replace("1e1", "10"), *keys[1:]])
    run = configuration.study(FIELDS).run("decaying_turbulence", "fno", "none", 5)
    assert (run.training.epochs, run.training.steps) == (None, 10)
    assert configuration.study(FIELDS).run(TASK, "tfno", "none", 0).training.learning_rate == 1e-3
    assert configuration.layout.results == Path("results/other")


def test_null_takes_a_value_away(tmp_path):
    said = {"training": {"samples_per_epoch": None}, "tasks": {TASK: {"evaluations": None}}}
    run = read(tmp_path, said).study(FIELDS).run(TASK, "tfno", "none", 0)
    assert run.training.samples_per_epoch is None
    keys = [f"studies.{FIELDS}.tuning={{seeds: [9], budget: 1, candidates: {{'*/*/*': {{}}}}}}"]
    assert read(tmp_path, {}, overrides=keys).study(FIELDS).settings.tuning
    keys.append(f"studies.{FIELDS}.tuning=null")
    assert read(tmp_path, {}, overrides=keys).study(FIELDS).settings.tuning is None


@pytest.mark.parametrize(
    ("study", "said", "key"),
    [
        ("ace", {"tasks": {"nbody": {"sweep": None}}}, "tasks.nbody.sweep"),
        ("ace", {"tasks": {"nbody": None}}, "tasks.nbody"),
        (FIELDS, {"models": None}, "models"),
        (FIELDS, {"training": None}, "training"),
    ],
)
def test_null_over_keys_and_values_is_never_ignored(tmp_path, study, said, key):
    assert_refused(tmp_path, said, key, "give keys and values (value: null)", study)


def test_null_in_place_of_published_weights(tmp_path):
    said = {"models": {"unet_classic": {"checkpoints": {"active_matter": None}}}}
    key = "models.unet_classic.checkpoints.active_matter"
    assert_refused(tmp_path, said, key, "give keys and values (value: null)", base="paper")


def test_a_study_that_is_named_keeps_what_is_below(tmp_path):
    path = written(tmp_path, "base: smoke\nstudies: {ace: , quantum: }")
    named = read_configuration([path], folder=CONFIG)
    assert list(named.studies) == ["ace", "quantum"]
    smoke = read_configuration(size="smoke", folder=CONFIG)
    assert named.study("ace").runs == smoke.study("ace").runs
    nothing = written(tmp_path, "base: smoke\nstudies:", "nothing.yaml")
    assert "key 'studies': give keys and values (value: null)" in refusal(nothing)


def test_the_file_that_is_named_is_the_one_with_the_mistake(tmp_path):
    """Of lists, which replace, the last counts; of all else the last that says the key."""
    first = overlay(tmp_path, {"training": {"epochs": 0}}, name="first.yaml")
    second = overlay(tmp_path, {"seeds": [1]}, name="second.yaml", base="first.yaml")
    assert refusal(second).startswith(f"{first}: ")
    third = overlay(tmp_path, {"training": {"epochs": -1}}, name="third.yaml", base="second.yaml")
    assert refusal(third).startswith(f"{third}: ")
    run = overlay(tmp_path, {"runs": [{"models": ["fno"]}]}, name="runs.yaml")
    assert refusal(run) == f"{run}: key 'studies.{FIELDS}.runs.0.tasks': is missing."
    # And of what only the study's file says, that one.
    shutil.copytree(CONFIG, tmp_path / "config")
    study = tmp_path / "config" / "studies" / f"{FIELDS}.yaml"
    study.write_text(study.read_text().replace("title:", "titel:"))
    message = refusal(folder=tmp_path / "config")
    assert message.startswith(f"{study}: key 'studies.{FIELDS}.titel': unknown key; ")
    assert message.endswith("Did you mean 'title'?")


def test_a_file_that_changed_is_read_again(tmp_path):
    path = overlay(tmp_path, {"seeds": [1]})
    assert read_configuration([path], folder=CONFIG).study(FIELDS).settings.seeds == [1]
    overlay(tmp_path, {"seeds": [2, 3]})
    os.utime(path, ns=(0, 0))
    assert read_configuration([path], folder=CONFIG).study(FIELDS).settings.seeds == [2, 3]
