"""Types of the parameters that data sets take from the config, and the sentence for a wrong one.

`Dataset` is strict: no text is a number, no boolean is one, and no number with a point is whole.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from symbench.errors import ConfigError, choose, nearest

SPLITS = ("train", "valid", "test")
C = TypeVar("C", bound=int | None)


def _all_splits(counts: dict[str, C]) -> dict[str, C]:
    for split in counts:
        if split not in SPLITS:
            give = f"give {', '.join(SPLITS)}.{nearest(split, SPLITS)}"
            raise ValueError(f"'{split}' is no split; {give}")
    if missing := [split for split in SPLITS if split not in counts]:
        raise ValueError(f"'{missing[0]}' is missing; give {', '.join(SPLITS)}")
    return {split: counts[split] for split in SPLITS}


Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1)]
# A number for each of train, valid and test; in the second, null for all or for the rest.
Splits = Annotated[dict[str, Count], AfterValidator(_all_splits)]
OpenSplits = Annotated[dict[str, Count | None], AfterValidator(_all_splits)]


def one_of(options: Iterable[str], what: str) -> AfterValidator:
    """A check of texts: `ConfigError` that names the nearest option for any other text."""
    return AfterValidator(lambda text: choose(text, options, what))


def first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """One sentence: the key, its value and what is allowed; for unknown keys, the nearest."""
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    where = f"{place} of {model.__name__}" if place else model.__name__
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        allowed = _keys(model, problem["loc"][:-1])
        near = nearest(str(problem["loc"][-1]), allowed)
        return f"Unknown parameter {where}; allowed: {', '.join(allowed)}.{near}"
    if problem["type"] == "missing":
        return f"{where} is missing."
    if problem["type"] == "value_error":
        return f"{where}: {message}{'' if message.endswith('?') else '.'}"
    return f"{where} is {problem['input']!r}: {message[0].lower()}{message[1:]}."


def _keys(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """Keys that are allowed at a place among the parameters."""
    for part in place:
        inner = model.model_fields[str(part)].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        model = inner
    return sorted(field.alias or name for name, field in model.model_fields.items())


def number(value: object, what: str) -> float:
    """Return a finite number; raises `ConfigError`, which begins with `what`, for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{what} is {value!r}; give a number.")
    return value


def positive_number(value: object, what: str) -> float:
    """Return a number above 0; raises `ConfigError`, which begins with `what`, for others."""
    if (checked := number(value, what)) <= 0:
        raise ConfigError(f"{what} is {value!r}; give a number above 0.")
    return checked
