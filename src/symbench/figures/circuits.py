"""The circuits: gates on wires, one block each."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from symbench.figures.drawing import Drawing, Table, rows_of
from symbench.figures.finding import smallest_and_largest
from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, grid, nothing_to_draw

COLUMNS = ["architecture", "molecule", "qubits", "column", "gate", "wires"]
# Sides of boxes, in distances between wires and between columns.
BOX = 0.7
NOT = "CNOT"
SHORT = {"Hadamard": "H", "PauliX": "X", "SpinRotation": "U(v)"}


def table(results: StudyResults) -> pd.DataFrame:
    """The gates of one block of each architecture, from the table `circuit_gates`.

    `wires` are numbers with spaces between them; `column` is the place from left to right, so that
    gates that share a wire, or cross one, stand behind each other.
    """
    gates = results.further_table("circuit_gates", COLUMNS)
    parts = []
    for _, rows in gates.groupby("architecture", sort=False):
        first = rows[rows.model == rows.model.iloc[0]].sort_values("step")
        wires = [[int(wire) for wire in text.split()] for text in first.wires]
        parts.append(first.assign(column=_columns(wires))[COLUMNS])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _columns(wires: Sequence[Sequence[int]]) -> list[int]:
    """The first column of each gate in which all wires from its first to its last are free."""
    free: dict[int, int] = {}
    columns = []
    for of_gate in wires:
        covered = range(min(of_gate), max(of_gate) + 1)
        column = max(free.get(wire, 0) for wire in covered)
        free |= dict.fromkeys(covered, column + 1)
        columns.append(column)
    return columns


def draw(table: Table) -> Figure:
    """A panel a circuit."""
    shown = rows_of(table)
    if shown.empty:
        return nothing_to_draw("No quantum circuit is among the models of this study.")
    circuits = list(shown.groupby("architecture", sort=False))
    widest = int(shown.column.max()) + 2
    heights = [float(rows.qubits.iloc[0]) + 0.6 for _, rows in circuits]
    scale = max(WIDTH, 0.42 * widest) / widest
    size = (scale * widest, max(0.5, 0.75 * scale) * sum(heights) + 0.5 * len(circuits))
    figure, axes = grid(len(circuits), 1, size, heights)
    for axis, (architecture, rows) in zip(axes[:, 0], circuits, strict=True):
        qubits = int(rows.qubits.iloc[0])
        last = int(rows.column.max()) + 1
        for wire in range(qubits):
            axis.plot([-0.7, last - 0.3], [wire, wire], color="0.3", linewidth=0.9, zorder=1)
            axis.text(-0.85, wire, str(wire), ha="right", va="center", fontsize="small")
        for column, gate, text in zip(rows.column, rows.gate, rows.wires, strict=True):
            wires = [int(wire) for wire in str(text).split()]
            if gate == NOT:
                _not(axis, int(column), *wires)
            else:
                _box(axis, int(column), SHORT.get(str(gate), str(gate)), wires)
        axis.set(xlim=(-1.2, widest - 0.8), ylim=(qubits - 0.4, -0.6))
        axis.set_axis_off()
        name = str(architecture).replace("_", " ")
        axis.set_title(f"{name}, one block, {rows.molecule.iloc[0]}", loc="left")
    return figure


def _not(axis: Axes, column: int, control: int, target: int) -> None:
    """A controlled NOT: a dot on the control, a cross in a circle on the target."""
    axis.plot([column, column], [control, target], color="black", linewidth=1, zorder=2)
    axis.plot(column, control, "o", color="black", markersize=5, zorder=3)
    axis.add_patch(Circle((column, target), 0.22, facecolor="white", edgecolor="black", zorder=3))
    arm = 0.22
    for along, across in ((arm, 0.0), (0.0, arm)):
        axis.plot(
            [column - along, column + along],
            [target - across, target + across],
            color="black",
            linewidth=1,
            zorder=4,
        )


def _box(axis: Axes, column: int, name: str, wires: Sequence[int]) -> None:
    """A box over all wires of a gate; dots on its sides mark those that it acts on."""
    first, last = min(wires), max(wires)
    axis.add_patch(
        FancyBboxPatch(
            (column - BOX / 2, first - BOX / 2),
            BOX,
            last - first + BOX,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor="white",
            edgecolor="black",
            zorder=3,
        )
    )
    if len(wires) < last - first + 1:
        for wire in wires:
            axis.plot(column - BOX / 2, wire, "o", color="black", markersize=3.5, zorder=4)
            axis.plot(column + BOX / 2, wire, "o", color="black", markersize=3.5, zorder=4)
    rotation = 90 if len(name) > 4 and last > first else 0
    size = "x-small" if len(name) <= 4 or rotation else "xx-small"
    axis.text(
        column,
        (first + last) / 2,
        name,
        rotation=rotation,
        ha="center",
        va="center",
        fontsize=size,
        zorder=5,
    )


def tell(table: Table) -> str:
    """How many gates a block has."""
    names = ["architecture", "qubits"]
    gates = rows_of(table).groupby(names, sort=False).gate.count().reset_index()
    return smallest_and_largest("Gates of one block", gates, "gate", ["qubits"])


FIGURE = Drawing(table, draw, tell)
