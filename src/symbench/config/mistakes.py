"""What is wrong with a config, in one sentence: file, key, value, what is allowed, nearest name."""

from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from symbench.config.schema import Configured
from symbench.config.yaml_files import Content, Layer, listed, mapping
from symbench.errors import ConfigError, nearest


def validated(content: Content, layers: Sequence[Layer]) -> Configured:
    """The typed configuration; raises `ConfigError` for the first value that is not allowed."""
    try:
        return Configured.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        place = [str(part) for part in problem["loc"]]
        value = problem["input"]
        shown = "" if isinstance(value, dict | list) else f" (value: {value!r})"
        kind, message = problem["type"], problem["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
        if kind in ("extra_forbidden", "unexpected_keyword_argument"):
            allowed = _allowed(problem["loc"][:-1])
            message = f"unknown key; allowed here: {', '.join(allowed)}"
            shown = f".{nearest(place[-1], allowed)}" if nearest(place[-1], allowed) else ""
        file = file_of(place, layers)
        raise ConfigError(f"{file}: key '{'.'.join(place)}': {message}{shown}.") from None


def file_of(place: Sequence[str], layers: Sequence[Layer]) -> str:
    """The last file that says something at a place, or as far down as any says something."""
    for length in range(len(place), 0, -1):
        for file, content in reversed(layers):
            if _has(content, place[:length]):
                return file
    return layers[0][0]


def _has(content: object, place: Sequence[str]) -> bool:
    for part in place:
        if isinstance(content, list) and part.isdecimal() and int(part) < len(content):
            content = content[int(part)]
        elif isinstance(content, dict) and part in content:
            content = content[part]
        else:
            return False
    return True


def _allowed(location: Sequence[int | str]) -> list[str]:
    """Keys that the schema allows at a place."""
    full = Configured.model_json_schema()
    node: Content = full
    for part in location:
        node = _followed(full, node)
        properties = mapping(node.get("properties"))
        patterns = mapping(node.get("patternProperties"))
        if isinstance(part, int):
            node = mapping(node.get("items"))
        elif part in properties:
            node = mapping(properties[part])
        elif patterns:
            node = mapping(next(iter(patterns.values())))
        else:
            node = mapping(node.get("additionalProperties")) or node
    return sorted(mapping(_followed(full, node).get("properties")))


def _followed(full: Content, node: Content) -> Content:
    while True:
        if "$ref" in node:
            name = str(node["$ref"]).rpartition("/")[2]
            node = mapping(mapping(full.get("$defs")).get(name))
        elif choices := listed(node.get("allOf")) or listed(node.get("anyOf")):
            node = mapping(choices[0])
        else:
            return node


def schema() -> Content:
    """The JSON schema of size files and overlays, for editors: nothing in it is required."""
    full = Configured.model_json_schema()
    for node in _nodes(full):
        node.pop("required", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **full}


def _nodes(node: object) -> Iterator[Content]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)
