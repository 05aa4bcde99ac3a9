"""How exactly two computations agree, by the device that they are done on."""

import torch

# A GPU adds in another order, and its convolutions and Fourier transforms choose their own way.
FACTOR_ON_GPU = 10.0


def on_device(tolerance: float, device: torch.device) -> float:
    """A tolerance in single precision without TF32, given for the processor, for a device.

    Args:
        tolerance: absolute or relative, as it holds on the processor.
        device: that computes.

    """
    return tolerance if device.type == "cpu" else FACTOR_ON_GPU * tolerance
