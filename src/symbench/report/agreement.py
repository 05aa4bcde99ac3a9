"""Two runs, claim by claim: whether what they found agrees within their intervals."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from symbench.errors import DataError
from symbench.files import damaged, refuse_damaged
from symbench.numbers import interval
from symbench.statistics import NOT_RUN

KEY = ["study", "claim", "case"]
TEXTS = ("case", "paper_value", "unit")
AGREES, APART, UNKNOWN = "agrees", "differs", "cannot be compared"
CHECKED = ("passed", "failed")
OPPOSITES = (
    {"reproduced", "contradicted"},
    {"supported", "contradicted"},
    set(CHECKED),
)


def read_claims(folder: Path) -> pd.DataFrame:
    """The claims of all studies of a folder of results, or of reference tables.

    Raises:
        DataError: if there are none, or a table is damaged or no table of claims.

    """
    paths = sorted(folder.glob("*/claims.csv"))
    if not paths:
        raise DataError(f"{folder} holds no <study>/claims.csv: give the folder above its studies.")
    for path in damaged(folder):
        if path in paths:
            refuse_damaged(path)
    tables = []
    for path in paths:
        try:
            table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str))
        except ValueError as error:
            raise DataError(f"{path} cannot be read: {error}.") from None
        if missing := [
            name for name in (*KEY, "value", "low", "high", "verdict") if name not in table
        ]:
            raise DataError(f"{path} has no column {missing[0]}: it is no table of claims.")
        for name in ("value", "low", "high"):
            # A column without any number is empty.
            if table[name].notna().any() and not pd.api.types.is_numeric_dtype(table[name]):
                raise DataError(f"{path}: column {name} holds what is no number.")
        if table.duplicated(KEY).any():
            raise DataError(f"{path} has claims or cases twice.")
        tables.append(table)
    return pd.concat(tables, ignore_index=True).fillna({"case": "", "unit": ""})


def agreement(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """A row for each claim and case that both runs have.

    Values agree if they lie no farther apart than the sides of their intervals that face each
    other, added in quadrature: each run draws its own networks or samples. Of checks only verdicts
    are compared.

    Returns:
        Study, claim, case, both values with their intervals and both verdicts in words; `agrees`:
        one of "agrees", "differs" and "cannot be compared" (no number, or no interval on either
        side and other values); `opposed`: whether one verdict contradicts the other.

    """
    both = ours.merge(theirs, on=KEY, suffixes=("_ours", "_theirs"))
    rows = []
    for row in both.to_dict("records"):
        verdicts = [str(row[f"verdict_{side}"]) for side in ("ours", "theirs")]
        rows.append(
            {
                **{str(key): row[key] for key in KEY},
                "ours": _told(row, "ours"),
                "theirs": _told(row, "theirs"),
                "our verdict": verdicts[0],
                "their verdict": verdicts[1],
                "agrees": _agrees(row),
                "opposed": set(verdicts) in OPPOSITES,
            }
        )
    columns = [*KEY, "ours", "theirs", "our verdict", "their verdict", "agrees", "opposed"]
    return pd.DataFrame(rows, columns=columns)


def judged_alone(claims: pd.DataFrame, others: pd.DataFrame) -> int:
    """Number of claims and cases that one run has judged, and of which the other has nothing."""
    judged = claims[claims.verdict != NOT_RUN]
    known = pd.MultiIndex.from_frame(others[KEY])
    return int((~pd.MultiIndex.from_frame(judged[KEY]).isin(known)).sum())


def _numbers(row: Mapping[object, object], side: str) -> tuple[float, float, float]:
    value, low, high = (float(str(row[f"{key}_{side}"])) for key in ("value", "low", "high"))
    return value, low, high


def _told(row: Mapping[object, object], side: str) -> str:
    return interval(*_numbers(row, side))


def _agrees(row: Mapping[object, object]) -> str:
    if NOT_RUN in (row["verdict_ours"], row["verdict_theirs"]):
        return UNKNOWN
    if checks := {row["verdict_ours"], row["verdict_theirs"]}.intersection(CHECKED):
        # What cannot fail is no measurement.
        if row["verdict_ours"] == row["verdict_theirs"]:
            return AGREES
        return APART if len(checks) == len(CHECKED) else UNKNOWN
    ours, theirs = _numbers(row, "ours"), _numbers(row, "theirs")
    if not (math.isfinite(ours[0]) and math.isfinite(theirs[0])):
        return UNKNOWN
    # Written with six digits.
    if np.isclose(ours[0], theirs[0], rtol=2e-6, atol=0):
        return AGREES
    below, above = sorted((ours, theirs))
    sides = below[2] - below[0], above[0] - above[1]
    if any(math.isnan(side) for side in sides):
        return UNKNOWN
    return AGREES if above[0] - below[0] <= math.hypot(*sides) else APART
