"""Averaged evaluation against |G| plain passes, and against peers."""

from collections.abc import Callable, Iterator

import torch
import ttach
from the_well.data.augmentation import RandomAxisFlip, RandomAxisPermute
from torch import Tensor, nn

from benchmarks.timing import CPU, bounded, in_turns
from benchmarks.training import networks
from symbench import Field, symmetrize
from symbench.models.fields import the_well
from symbench.provenance import measure
from symbench.symmetry.grids.isometries import named_group

PLANAR = [Field("pressure"), Field("velocity", order=1)]
SPATIAL = [Field("velocity", order=1)]
PEER = "loop over The Well's augmentations / (|G| plain)"
TIME, MEMORY = "average / (|G| plain)", "peak memory, average / plain"


def rows() -> Iterator[dict[str, object]]:
    """Time and memory of the average, in units of |G| plain passes and of one plain pass."""
    builders: dict[str, Callable[..., nn.Module]] = {
        "fno": lambda **a: the_well.fno(modes=12, hidden_channels=16, **a),
        "tfno": lambda **a: the_well.tfno(modes=12, hidden_channels=16, **a),
        "unet_classic": lambda **a: the_well.unet_classic(init_features=8, **a),
        "unet_convnext": lambda **a: the_well.unet_convnext(init_features=8, stages=3, **a),
    }
    for name, build in builders.items():
        yield _row(name, build, "D4", PLANAR, (64, 64), batch=4)
    yield _row("unet_classic", builders["unet_classic"], "O_h", SPATIAL, (32, 32, 32), batch=2)


def gpu_rows(device: torch.device) -> Iterator[dict[str, object]]:
    """The same on a GPU, for networks of The Well's sizes; without peers."""
    for resolution, batch in ((64, 16), (256, 4)):
        for name, build in networks(device).items():
            row = _row(name, build, "D4", PLANAR, (resolution, resolution), batch, device)
            seconds, memory = row[TIME], row[MEMORY]
            yield {
                "model": name,
                "batch": f"{batch} of {row['grid']}",
                TIME: seconds,
                "bound of time": bounded(seconds, most=1.03),
                MEMORY: memory,
                "bound of memory": bounded(memory, most=1.3),
            }


def _row(
    name: str,
    build: Callable[..., nn.Module],
    group_name: str,
    fields: list[Field],
    shape: tuple[int, ...],
    batch: int,
    device: torch.device = CPU,
) -> dict[str, object]:
    channels = sum(field.channels(len(shape)) for field in fields)
    torch.manual_seed(0)
    model = build(
        dim_in=4 * channels,
        dim_out=channels,
        n_spatial_dims=len(shape),
        spatial_resolution=shape,
    )
    model = model.to(device).eval()
    averaged = symmetrize(model, group=group_name, fields=fields)
    order = named_group(group_name, len(shape)).order
    inputs = torch.randn(batch, 4 * channels, *shape, device=device)
    functions: list[Callable[[], object]] = [
        lambda: [model(inputs) for _ in range(order)],
        lambda: averaged(inputs),
    ]
    if device.type == "cpu":
        functions.append(lambda: _loop_over_well_augmentations(model, inputs, fields, group_name))
    with torch.inference_mode():
        rounds = 21 if len(shape) == 2 else 5
        plain, ours, *peers = in_turns(*functions, rounds=rounds, device=device)
        with measure(device) as plain_cost:
            model(inputs)
        with measure(device) as averaged_cost:
            averaged(inputs)
    return {
        "model": name,
        "group": group_name,
        "grid": "x".join(map(str, shape)),
        TIME: ours / plain,
        **({PEER: peers[0] / plain} if peers else {}),
        MEMORY: averaged_cost.peak_memory / plain_cost.peak_memory,
    }


def _loop_over_well_augmentations(
    model: nn.Module, inputs: Tensor, fields: list[Field], group_name: str
) -> Tensor:
    """The same average, with The Well's own flip and permute on its own layout."""
    dimension = inputs.ndim - 2
    group = named_group(group_name, dimension)
    total = torch.zeros(())
    for element in group.elements:
        moved = _augment(inputs, fields, element.permutation, element.flips)
        inverse = element.inverse()
        total = total + _augment(model(moved), fields, inverse.permutation, inverse.flips)
    return total / group.order


def _augment(
    values: Tensor, fields: list[Field], permutation: tuple[int, ...], flips: tuple[bool, ...]
) -> Tensor:
    dimension = values.ndim - 2
    channels = sum(field.channels(dimension) for field in fields)
    frames = values.reshape(-1, channels, *values.shape[2:]).movedim(1, -1)
    variable: dict[int, dict[str, Tensor]] = {0: {}, 1: {}, 2: {}}
    start = 0
    for field in fields:
        count = field.channels(dimension)
        part = frames[..., start : start + count]
        variable[field.order][field.name] = part[..., 0] if field.order == 0 else part
        start += count
    data = {"variable_fields": variable, "constant_fields": {0: {}, 1: {}, 2: {}}}
    data = RandomAxisPermute.permute(data, torch.tensor(permutation))
    data = RandomAxisFlip.flip(data, torch.tensor(flips))
    parts = [data["variable_fields"][field.order][field.name] for field in fields]
    parts = [p[..., None] if f.order == 0 else p for p, f in zip(parts, fields, strict=True)]
    return torch.cat(parts, dim=-1).movedim(-1, 1).reshape(values.shape)


def scalar_rows() -> Iterator[dict[str, object]]:
    """Scalar fields, where ttach can do the same average."""
    fields = [Field("A"), Field("B")]
    torch.manual_seed(0)
    model = the_well.unet_classic(
        init_features=8, dim_in=2, dim_out=2, n_spatial_dims=2, spatial_resolution=(64, 64)
    ).eval()
    ours = symmetrize(model, group="D4", fields=fields)
    peer = ttach.SegmentationTTAWrapper(model, ttach.aliases.d4_transform(), merge_mode="mean")
    inputs = torch.randn(4, 2, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(inputs), peer(inputs), rtol=1e-4, atol=1e-5)
        plain, ours_seconds, peer_seconds = in_turns(
            lambda: [model(inputs) for _ in range(8)],
            lambda: ours(inputs),
            lambda: peer(inputs),
            rounds=21,
        )
    yield {
        "model": "unet_classic, scalars",
        "symbench / (|G| plain)": ours_seconds / plain,
        "ttach / (|G| plain)": peer_seconds / plain,
    }
