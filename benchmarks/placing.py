"""U-Nets of The Well on a processor: weights channels last against weights as they were built."""

import copy
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn

from benchmarks.timing import CPU, in_turns
from symbench.models.fields import the_well
from symbench.models.placing import placed

FRAMES = {"dim_in": 12, "dim_out": 3}
BATCHES = {"64x64": 4, "32x32": 4, "32x32x32": 2}


def rows() -> Iterator[dict[str, object]]:
    """Time of a prediction and of a step of training, for each network and grid."""
    for grid, batch in BATCHES.items():
        shape = tuple(int(n) for n in grid.split("x"))
        sizes = {"n_spatial_dims": len(shape), "spatial_resolution": shape, **FRAMES}
        builders: dict[str, Callable[[], nn.Module]] = {
            "unet_classic": partial(the_well.unet_classic, init_features=8, **sizes),
            "unet_convnext": partial(the_well.unet_convnext, init_features=8, stages=3, **sizes),
        }
        values = torch.randn(batch, FRAMES["dim_in"], *shape)
        for name, build in builders.items():
            as_built = build()
            both = as_built, placed(copy.deepcopy(as_built), CPU)
            row: dict[str, object] = {"network": name, "batch": f"{batch} of {grid}"}
            for title, step in (("prediction", _prediction), ("step of training", _training)):
                before, after = in_turns(*(partial(step(each), values) for each in both))
                row |= {f"{title} (ms)": 1e3 * after, f"{title} / as built": after / before}
            yield row


def _prediction(network: nn.Module) -> Callable[[torch.Tensor], object]:
    return torch.inference_mode()(network.eval())


def _training(network: nn.Module) -> Callable[[torch.Tensor], object]:
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step(values: torch.Tensor) -> None:
        optimizer.zero_grad()
        network(values).square().mean().backward()
        optimizer.step()

    return step
