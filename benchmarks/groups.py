"""The picture and the table of docs/groups.md: eight poses of the square, groups by name.

python -m benchmarks.groups
"""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.pages import put
from symbench.data.fields.check_data import POINT_GROUPS
from symbench.figures.style import figure_style
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.fields import FieldAction
from symbench.symmetry.grids.isometries import named_group

PAGE = Path("docs/groups.md")
PICTURE = Path("docs/figures/elements_of_D4.png")
_PIXELS, _ARROWS = 64, 8


def picture() -> Figure:
    """A pressure (colours) and a velocity (arrows) under each element of D4."""
    group = named_group("D4", 2)
    act = FieldAction(group, [Field("pressure"), Field("velocity", order=1)])
    x, y = np.meshgrid(*[(np.arange(_PIXELS) + 0.5) / _PIXELS] * 2, indexing="ij")
    pressure = np.exp(-(((x - 0.3) / 0.2) ** 2) - ((y - 0.65) / 0.12) ** 2)
    velocity = np.stack([0.2 + pressure, 0.6 * x * pressure])
    state = torch.from_numpy(np.concatenate([pressure[None], velocity])[None])
    figure = Figure(figsize=(9, 4.9))
    panels = figure.subplots(2, 4, sharex=True, sharey=True)
    cells = slice(_PIXELS // (2 * _ARROWS), None, _PIXELS // _ARROWS)
    for number, (axis, element) in enumerate(zip(panels.flat, group.elements, strict=True)):
        moved = act(number, state)[0].numpy()
        axis.imshow(moved[0].T, origin="lower", extent=(0, 1, 0, 1), cmap="Blues")
        arrows = [values[cells, cells] for values in (x, y, moved[1], moved[2])]
        axis.quiver(*arrows, angles="xy", width=0.012, scale=12)
        axis.set(title=f"({element})", aspect="equal", xticks=[], yticks=[])
        axis.grid(visible=False)
    for axis in panels[-1]:
        axis.set_xlabel("x")
    for axis in panels[:, 0]:
        axis.set_ylabel("y")
    return figure


def table() -> list[str]:
    """A row for each named group of the square and of the cube: its order and its elements."""
    rows = ["| dimension | group | elements | of them the first |", "|---|---|---|---|"]
    for dimension, names in POINT_GROUPS.items():
        for name in names:
            group = named_group(name, dimension)
            first = ", ".join(f"({element})" for element in group.elements[:4])
            rest = ", …" if group.order > 4 else ""
            rows.append(f"| {dimension} | `{name}` | {group.order} | {first}{rest} |")
    return rows


def main() -> None:
    """Write the page and its picture."""
    with figure_style():
        picture().savefig(PICTURE, bbox_inches="tight", dpi=90)
    put(PAGE, "groups", "\n".join(table()))


if __name__ == "__main__":
    main()
