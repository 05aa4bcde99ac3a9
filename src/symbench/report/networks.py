"""Networks of the answer as a table with a row for each way, and back."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any

import pandas as pd

from symbench.report.ways import Cell, Network, Way

_OF_NETWORK = [each.name for each in fields(Network) if each.name not in ("cells", "reference")]
_OF_CELL = [each.name for each in fields(Cell) if each.name != "way"]
_OF_WAY = [each.name for each in fields(Way)]
COLUMNS = (*_OF_NETWORK, *_OF_WAY, *_OF_CELL)


def network_table(networks: Iterable[Network]) -> pd.DataFrame:
    """A row for each way of each network."""
    rows = []
    for network in networks:
        of_network = {name: getattr(network, name) for name in _OF_NETWORK}
        for cell in network.cells:
            of_cell = {name: getattr(cell, name) for name in _OF_CELL}
            rows.append({**of_network, **asdict(cell.way), **of_cell})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def networks_in(table: pd.DataFrame, reference: str = "") -> Iterator[Network]:
    """The networks of such a table.

    Args:
        table: with `COLUMNS`.
        reference: the reference tables that it is of, if it is.

    """
    for _, rows in table.groupby(_OF_NETWORK, sort=False, dropna=False):
        records = rows.to_dict("records")
        first = records[0]
        yield Network(
            str(first["study"]),
            str(first["task"]),
            str(first["kind"]),
            str(first["group"]),
            bool(first["exact"]),
            str(first["model"]),
            str(first["metric"]),
            float(first["plain"]),
            int(first["seeds"]),
            tuple(_cell(record) for record in records),
            reference,
        )


def _cell(record: Mapping[Hashable, Any]) -> Cell:
    return Cell(
        Way(str(record["treatment"]), str(record["evaluation"])),
        float(record["change"]),
        float(record["low"]),
        float(record["high"]),
        float(record["gain"]),
        str(record["verdict"]),
        float(record["training"]),
        float(record["inference"]),
    )
