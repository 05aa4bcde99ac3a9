"""YAML in which no key is given twice: the last would win without a word."""

import re

import yaml

_OCTAL = re.compile(r"[-+]?0[0-9_]+$")


class Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML that refuses what it would read otherwise than it looks, and reads 1e-3 as a number.

    It refuses keys that are no text or given twice, and numbers such as 12:00 and 010.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge, and keep what is on top: PyYAML gives the lowest of a chain of merges."""
        super().flatten_mapping(node)
        node.value = list({key.value: (key, value) for key, value in node.value}.values())


def _unique_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[object, object]:
    _check_keys(node)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


def _check_keys(node: yaml.Node) -> None:
    seen: set[str] = set()
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(merged, yaml.MappingNode):
                    _check_keys(merged)
            continue
        if key.tag != "tag:yaml.org,2002:str":
            raise yaml.YAMLError(f"a key is no text, and not in quotes{key.start_mark}")
        if key.value in seen:
            raise yaml.YAMLError(f"key '{key.value}' stands twice{key.start_mark}")
        seen.add(key.value)


def _plain_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float:
    """A number; refuses those that YAML 1.1 reads to another base than they look, as 12:00 or 010.

    They mean a time or an index with zeros, and became 720 and 8 without a word.
    """
    whole = node.tag == "tag:yaml.org,2002:int"
    value: int | float
    value = loader.construct_yaml_int(node) if whole else loader.construct_yaml_float(node)
    if ":" in node.value or (whole and _OCTAL.match(node.value)):
        raise yaml.YAMLError(
            f"{node.value} would be {value}: write the number that is meant, or '{node.value}' in "
            f"quotes for text{node.start_mark}"
        )
    return value


Loader.add_constructor("tag:yaml.org,2002:int", _plain_number)
Loader.add_constructor("tag:yaml.org,2002:float", _plain_number)
Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


class Dumper(yaml.SafeDumper):
    """Writes what `Loader` reads back: text that it would take for a number is in quotes."""


for each in (Loader, Dumper):
    # Numbers of YAML 1.2 that YAML 1.1 takes for text. Only the whole value is a number: a commit
    # may begin as one.
    each.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
        list("-+.0123456789"),
    )


def one_line(error: object) -> str:
    """A message on one line, without what YAML calls a text that it reads."""
    return " ".join(str(error).split()).replace(' in "<unicode string>",', " in")
