"""Overlays of tests, and what the reader says about them."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from symbench.config.read import Configuration, read_configuration
from symbench.errors import ConfigError

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
FIELDS = "group_averaging"
TASK = "gray_scott"

CLAIM = {
    "name": "ours",
    "statement": "It is so",
    "origin": "ours",
    "source": "[PROPOSED] by a test",
    "measure": "value",
    "of": {"metric": "vrmse"},
    "where": {"task": "decaying_turbulence"},
    "expect": {"below": 0},
}
RUN = {"tasks": [TASK], "models": ["fno"]}


def claim(**changes: object) -> dict[str, object]:
    """A study with one claim; what is None is left out of it."""
    changed = {**CLAIM, **changes}
    return {"claims": [{key: value for key, value in changed.items() if value is not None}]}


def overlay(
    folder: Path, said: object, study: str = FIELDS, name: str = "mine.yaml", **top: object
) -> Path:
    """A file upon the smoke size that says something about a study."""
    path = folder / name
    content = {"base": "smoke", "studies": {study: said}, **top}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def read(
    folder: Path,
    said: object = None,
    study: str = FIELDS,
    overrides: Sequence[str] = (),
    **top: object,
) -> Configuration:
    """The smoke size with an overlay."""
    return read_configuration(
        [overlay(folder, said, study, **top)], overrides=overrides, folder=CONFIG
    )


def refusal(*files: Path, **options: object) -> str:
    """The one sentence about files that are refused."""
    with pytest.raises(ConfigError) as caught:
        read_configuration(files, **{"folder": CONFIG, **options})
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    assert not message.endswith(("?.", ".."))
    return message


def assert_refused(
    folder: Path, said: object, key: str, words: str, study: str = FIELDS, **top: object
) -> None:
    """The sentence names the file, the key below the study, and some words."""
    path = overlay(folder, said, study, **top)
    message = refusal(path)
    assert message.startswith(f"{path}: key 'studies.{study}{'.' if key else ''}{key}': "), message
    assert words in message
