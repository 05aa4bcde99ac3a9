"""The group action alone against copying the same memory."""

from collections.abc import Iterator

import torch

from benchmarks.timing import CPU, bounded, in_turns
from symbench import Field
from symbench.symmetry.grids.fields import FieldAction
from symbench.symmetry.grids.isometries import named_group


def rows(device: torch.device = CPU) -> Iterator[dict[str, object]]:
    """Bandwidth of the action as a share of that of a copy into new memory."""
    small = 64 if device.type == "cuda" else 16
    cases = [
        ("D4", [Field("pressure"), Field("velocity", 1)], (64, 12, 256, 256)),
        ("D4", [Field("pressure"), Field("velocity", 1)], (small, 12, 64, 64)),
        ("O_h", [Field("velocity", 1)], (4, 12, 64, 64, 64)),
    ]
    for name, fields, shape in cases:
        group = named_group(name, len(shape) - 2)
        action = FieldAction(group, fields)
        values = torch.randn(shape, device=device)
        copy, ours = in_turns(
            lambda values=values, group=group: [values.clone() for _ in range(group.order)],
            lambda action=action, values=values, group=group: [
                action(g, values) for g in range(group.order)
            ],
            rounds=11,
            device=device,
        )
        size = 2 * values.numel() * values.element_size() * group.order
        row: dict[str, object] = {
            "group": name,
            "tensor": "x".join(map(str, shape)),
            "copy (GB/s)": size / copy / 1e9,
            "action (GB/s)": size / ours / 1e9,
            "action / copy": copy / ours,
        }
        if device.type == "cuda":
            row["bound"] = bounded(copy / ours, least=0.7)
        yield row
