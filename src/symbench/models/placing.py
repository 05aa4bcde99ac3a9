"""Networks on their device, with weights that lie in memory as its convolutions are fastest."""

import torch
from torch import nn

# On a processor their dense convolutions take 10 to 35 % less time channels last. A neural operator
# has none, and its Fourier transforms want space last. Networks of users stay as they are: some
# cannot take another order.
_CHANNELS_LAST = {
    "the_well.benchmark.models.unet_classic": "UNetClassic",
    "the_well.benchmark.models.unet_convnext": "UNetConvNext",
}
_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def placed(model: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device; on a processor the U-Nets of The Well get channels last.

    What a network computes is the same to round-off.
    """
    model.to(device)
    if device.type == "cpu":
        for module in model.modules():
            if _CHANNELS_LAST.get(type(module).__module__) == type(module).__name__:
                for weights in module.parameters():
                    if weights.ndim in _FORMATS:
                        weights.data = weights.data.to(memory_format=_FORMATS[weights.ndim])
    return model
