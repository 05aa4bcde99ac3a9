"""Where a training runs: on one device, or on several in processes that torchrun started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from symbench.devices import chosen_device


@dataclass(frozen=True)
class Processes:
    """The processes that share a training, seen from one of them.

    Attributes:
        rank: number of this process; that of rank 0 writes.
        count: number of processes.
        device: of this process.

    """

    rank: int
    count: int
    device: torch.device

    @classmethod
    def from_environment(cls) -> "Processes":
        """As torchrun says in environment variables; one process without it."""
        count = int(os.environ.get("WORLD_SIZE", 1))
        return cls(int(os.environ.get("RANK", 0)), count, chosen_device())

    def distribute(self, model: nn.Module) -> nn.Module:
        """The model, wrapped so that gradients are averaged where there are several processes."""
        if self.count == 1:
            return model
        on_gpu = self.device.type == "cuda"
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if on_gpu else "gloo")
        if on_gpu:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
            return DistributedDataParallel(model, device_ids=[self.device.index])
        return DistributedDataParallel(model)


@contextmanager
def without_exchange(network: nn.Module) -> Iterator[None]:
    """Keep gradients to this process for a while, where several share a network."""
    if isinstance(network, DistributedDataParallel):
        with network.no_sync():
            yield
    else:
        yield
