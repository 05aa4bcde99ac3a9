"""Networks of the answer as a table with a row for each way, and back."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields

import pandas as pd
from pydantic import TypeAdapter

from symbench.report.ways import Cell, Network, Way

_OF_NETWORK = [each.name for each in fields(Network) if each.name not in ("cells", "reference")]
_OF_CELL = [each.name for each in (*fields(Way), *fields(Cell)) if each.name != "way"]
COLUMNS = (*_OF_NETWORK, *_OF_CELL)
_NETWORK = TypeAdapter(Network)


def network_table(networks: Iterable[Network]) -> pd.DataFrame:
    """A row for each way of each network."""
    rows = []
    for network in networks:
        named = asdict(network)
        rows += [{**named, **cell["way"], **cell} for cell in named["cells"]]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def networks_in(table: pd.DataFrame, reference: str = "") -> Iterator[Network]:
    """The networks of such a table.

    Args:
        table: with `COLUMNS`.
        reference: the reference tables that it is of, if it is.

    """
    for _, rows in table.groupby(_OF_NETWORK, sort=False, dropna=False):
        records = rows.to_dict("records")
        cells = [{**record, "way": record} for record in records]
        yield _NETWORK.validate_python({**records[0], "cells": cells, "reference": reference})
