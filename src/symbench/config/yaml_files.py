"""Files of the config as plain values: reading, and laying one upon another."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import yaml

from symbench.errors import ConfigError

Content = dict[str, object]
# What one file says, by the name that messages give it.
Layer = tuple[str, Content]


class Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML that refuses a key that is given twice, where the last would win."""


def _unique_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[object, object]:
    seen: set[object] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.YAMLError(f"key '{key}' stands twice{key_node.start_mark}")
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def one_line(error: object) -> str:
    """A message on one line."""
    return " ".join(str(error).split())


@cache
def _parsed(path: Path, modified: int) -> object:
    try:
        return yaml.load(path.read_text(), Loader=Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {one_line(error)}") from None


def read_yaml(path: Path) -> Content:
    """The content of a file; raises `ConfigError` if it is missing or no keys and values."""
    try:
        content = _parsed(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise ConfigError(f"Config file {path} does not exist.") from None
    except IsADirectoryError:
        raise ConfigError(f"Config file {path} is a folder.") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values, not {type(content).__name__}.")
    return content


def mapping(content: object) -> Content:
    """Keys and values; empty for anything else."""
    return content if isinstance(content, dict) else {}


def merged(layers: Sequence[Layer]) -> Content:
    """Layers laid one upon another, the last on top."""
    content: Content = {}
    for _, layer in layers:
        content = merge(content, layer)
    return content


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
        # An overlay that names a study, and says nothing about it, keeps what is below.
        elif not (value is None and isinstance(under, dict)):
            merged[key] = value
    return merged


def without(content: Content, key: str) -> Content:
    """Keys and values without one key."""
    return {name: value for name, value in content.items() if name != key}


def listed(content: object) -> list[object]:
    """A list; empty for anything else."""
    return content if isinstance(content, list) else []
