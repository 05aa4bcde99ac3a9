"""What the driver of NVIDIA GPUs tells through the optional package nvidia-ml-py: version, energy.

Where the package, the driver or an answer is missing, nothing is told and nothing ends.
"""

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


def driver_version() -> str | None:
    """Version of the driver; None where it is not told."""
    return _ask(lambda pynvml: str(pynvml.nvmlSystemGetDriverVersion()))


def energy_used(device: "torch.device") -> float | None:
    """Joules that a GPU has used since its driver was loaded, whoever used it; None if not told.

    Source: `nvmlDeviceGetTotalEnergyConsumption` of NVML, which counts millijoules.
    """
    import torch

    def energy(pynvml: ModuleType) -> float:
        # Numbers of devices are those of torch, which the environment may have moved.
        unique = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        handle = pynvml.nvmlDeviceGetHandleByUUID(unique)
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000

    return _ask(energy)


def _ask(question: Callable[[ModuleType], T]) -> T | None:
    # Whatever goes wrong here, a result is worth more than what its making used.
    try:
        import pynvml

        pynvml.nvmlInit()
        return question(pynvml)
    except Exception:
        return None
