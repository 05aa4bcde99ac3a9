"""What is wrong with a config, in one sentence: file, key, value, what is allowed, nearest name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from symbench.config.schema import WORDS, Configured
from symbench.config.yaml_files import Content, Layer, listed, mapping
from symbench.errors import ConfigError, SymBenchError, nearest
from symbench.strict_yaml import one_line

EXTRA = "extra_forbidden"
# What pydantic says in the words of Python, in those of YAML.
_PLAIN = {
    "missing": "is missing",
    "model_type": "give keys and values",
    "dict_type": "give keys and values",
    "list_type": "give a list",
    "too_short": "give at least one",
    "string_too_short": "give at least one character",
    "string_type": "give text, in quotes where it looks like something else",
    "int_type": "give a whole number",
    "float_type": "give a number",
    "bool_type": "give true or false",
    "finite_number": "give a finite number",
    "greater_than_equal": "give at least {ge:g}",
    "greater_than": "give more than {gt:g}",
    "less_than": "give less than {lt}",
}


class MisplacedError(ConfigError):
    """A mistake at a key; whoever knows the files says in which one the key stands."""

    def __init__(self, key: Sequence[str], said: str) -> None:
        """Say what is wrong at a key."""
        super().__init__(f"key '{'.'.join(key)}': {said}")
        self.key = tuple(key)
        self.said = said


@contextmanager
def at(*key: str) -> Iterator[None]:
    """Name the key of mistakes that are found inside; it goes before the key that they name."""
    try:
        yield
    except MisplacedError as error:
        raise MisplacedError((*key, *error.key), error.said) from None
    except SymBenchError as error:
        raise MisplacedError(key, str(error)) from None


def placed(error: MisplacedError, layers: Sequence[Layer]) -> ConfigError:
    """A mistake with the file that its key stands in."""
    key = one_line(".".join(error.key))
    return ConfigError(f"{file_of(error.key, layers)}: key '{key}': {one_line(error.said)}")


def validated(content: Content) -> Configured:
    """The typed configuration; raises `MisplacedError` for the first value that is not allowed."""
    try:
        return Configured.model_validate(content)
    except ValidationError as error:
        problems = error.errors()
        places = [_existing([str(part) for part in each["loc"]], content) for each in problems]
        # Of a value that may have several types, what is wrong with the one that it has.
        same = [each for each, place in zip(problems, places, strict=True) if place == places[0]]
        problem = next((each for each in same if not each["type"].endswith("_type")), problems[0])
        if problem["type"] == "missing":
            # What is missing may be there under a name that is misspelt.
            beside = [each for each in problems if each["loc"][:-1] == problem["loc"][:-1]]
            problem = next((each for each in beside if each["type"] == EXTRA), problem)
        named = problem["type"] in ("missing", EXTRA)
        place = [str(part) for part in problem["loc"]] if named else places[0]
        raise MisplacedError(place, said(problem)) from None


def said(problem: ErrorDetails) -> str:
    """A problem that pydantic found, as a part of a sentence and its full stop."""
    kind, value = problem["type"], problem["input"]
    if kind == EXTRA:
        allowed = _allowed(problem["loc"][:-1])
        name = str(problem["loc"][-1])
        return f"unknown key; allowed here: {', '.join(allowed)}.{nearest(name, allowed)}"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if kind in _PLAIN:
        message = _PLAIN[kind].format(**problem.get("ctx", {}))
    elif kind == "string_pattern_mismatch":
        message = WORDS[problem["ctx"]["pattern"]]
    else:
        message = message[0].lower() + message[1:]
    shown = "" if kind == "missing" or kind == "value_error" else f" (value: {_shown(value)})"
    return f"{message}{shown}."


def _shown(value: object) -> str:
    """A value as YAML has it, cut where it is long."""
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _existing(place: Sequence[str], content: object) -> list[str]:
    """A place without what pydantic adds to it, such as the type that a value was tried as."""
    found: list[str] = []
    for part in place:
        if isinstance(content, list) and part.isdecimal() and int(part) < len(content):
            content = content[int(part)]
        elif isinstance(content, dict) and part in content:
            content = content[part]
        else:
            break
        found.append(part)
    return found


def file_of(place: Sequence[str], layers: Sequence[Layer]) -> str:
    """The last file that says something at a place, or as far down as any says something."""
    for length in range(len(place), 0, -1):
        for file, content in reversed(layers):
            if _has(content, place[:length]):
                return file
    return layers[-1][0]


def _has(content: object, place: Sequence[str]) -> bool:
    for part in place:
        # A list replaces: all that is in it is of the last file that has it.
        if isinstance(content, list):
            return True
        if not isinstance(content, dict) or part not in content:
            return False
        content = content[part]
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
