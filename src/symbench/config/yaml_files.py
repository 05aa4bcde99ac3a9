"""Files of the config as plain values: reading, and laying one upon another."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import yaml

from symbench.errors import ConfigError
from symbench.strict_yaml import Loader, one_line

Content = dict[str, object]
# What one file says, by the name that messages give it.
Layer = tuple[str, Content]


def parse(text: str, where: str) -> object:
    """The content of a text; raises `ConfigError` that begins with `where` if it is no YAML."""
    try:
        return yaml.load(text, Loader=Loader)
    except RecursionError:
        raise ConfigError(f"{where} nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{where} not valid YAML: {one_line(error)}.") from None


@cache
def _parsed(path: Path, modified: int, size: int) -> object:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is no text in UTF-8.") from None
    return parse(text, f"{path} is")


def read_yaml(path: Path) -> Content:
    """The content of a file; raises `ConfigError` if it is missing or no keys and values."""
    try:
        status = path.stat()
        content = _parsed(path, status.st_mtime_ns, status.st_size)
    except FileNotFoundError:
        raise ConfigError(f"Config file {path} does not exist.") from None
    except IsADirectoryError:
        raise ConfigError(f"Config file {path} is a folder.") from None
    except OSError as error:
        raise ConfigError(f"Config file {path} cannot be read: {error.strerror}.") from None
    if not isinstance(content, dict):
        found = "is empty" if content is None else f"holds {content!r:.60}"
        raise ConfigError(f"{path} {found}: it must hold keys and values.")
    return content


def mapping(content: object) -> Content:
    """Keys and values; empty for anything else."""
    return content if isinstance(content, dict) else {}


def merged(layers: Sequence[Layer]) -> Content:
    """Layers laid one upon another, the last on top."""
    content: Content = {}
    for _, layer in layers:
        content = merge(content, _named(layer))
    return content


def _named(layer: Content) -> Content:
    """A layer in which a study that is named, and of which nothing is said, keeps what is below."""
    if not isinstance(studies := layer.get("studies"), dict):
        return layer
    kept = {name: {} if said is None else said for name, said in studies.items()}
    return {**layer, "studies": kept}


def merge(below: Mapping[str, object], above: Mapping[str, object]) -> Content:
    """Keys and values with others laid on top, part by part."""
    merged = dict(below)
    # Both say how long a training lasts: what is above replaces either.
    for given, other in (("epochs", "steps"), ("steps", "epochs")):
        if given in above and other not in above:
            merged.pop(other, None)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            merged[key] = merge(under, value)
        else:
            merged[key] = value
    return merged


def without(content: Content, key: str) -> Content:
    """Keys and values without one key."""
    return {name: value for name, value in content.items() if name != key}


def listed(content: object) -> list[object]:
    """A list; empty for anything else."""
    return content if isinstance(content, list) else []
