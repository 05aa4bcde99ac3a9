"""The JSON schema of size files and overlays, with which editors check YAML while it is typed."""

import json
from collections.abc import Iterator

from symbench.config.schema import Configured
from symbench.config.yaml_files import Content, mapping

# What only this schema says of itself.
MARK = f'"description": {json.dumps(Configured.__doc__)}'


def schema() -> Content:
    """The JSON schema of size files and overlays, in which nothing is required."""
    full = Configured.model_json_schema()
    for node in _nodes(full):
        node.pop("required", None)
        if "patternProperties" in node:
            node["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **full}


def _nodes(node: object) -> Iterator[Content]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)


def schema_text() -> str:
    """The schema as JSON with a line for each key of the top and for each type."""
    content = schema()
    types = mapping(content.pop("$defs"))
    lines = ",\n".join(f"  {_dumped(name)}: {_dumped(node)}" for name, node in types.items())
    rest = "".join(f"{_dumped(key)}: {_dumped(value)},\n" for key, value in content.items())
    return f'{{\n{rest}"$defs": {{\n{lines}\n}}\n}}\n'


def _dumped(content: object) -> str:
    return json.dumps(content, ensure_ascii=False)
