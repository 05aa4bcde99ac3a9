"""A card that is none, for what is said of cards: torch's answers and a small `pynvml` of files."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

# Each answer costs 2,500 J; `broken` names the function that fails.
PYNVML = """
CARD = {{"millijoules": 7_000_000}}

class NVMLError(Exception):
    pass

def _answer(name, value):
    if name == {broken!r}:
        raise NVMLError("Not Supported")
    return value

def nvmlInit():
    return _answer("nvmlInit", None)

def nvmlSystemGetDriverVersion():
    return _answer("nvmlSystemGetDriverVersion", "580.65.06")

def nvmlDeviceGetHandleByUUID(uuid):
    assert uuid == "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"
    return CARD

def nvmlDeviceGetTotalEnergyConsumption(handle):
    handle["millijoules"] += 2_500_000
    return _answer("nvmlDeviceGetTotalEnergyConsumption", handle["millijoules"])
"""


def install_pynvml(monkeypatch: pytest.MonkeyPatch, folder: Path, broken: str = "") -> None:
    """Put the small `pynvml` on the path, in place of a real one."""
    (folder / "pynvml.py").write_text(PYNVML.format(broken=broken))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)


def pretend_card(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Let torch say what it would say of a card, and nothing else."""
    properties = SimpleNamespace(
        name="NVIDIA H200",
        total_memory=150_000_000_000,
        uuid="8932f937-d72c-4106-c12f-20bd9faed9f6",
    )
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3_000_000_000)
    return torch.device("cuda", 0)
