"""A GPU under a training: all calls of CUDA stand here, and the one choice between CPU and GPU."""

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from symbench.data.batch import Batch, V
from symbench.errors import TrainingError
from symbench.training.device import Device, Work

# Of the memory that is free when a training begins, what its samples may take.
_SHARE_OF_SAMPLES = 0.1
# What makes cuBLAS deterministic, as its manual says.
_DETERMINISTIC = (":4096:8", ":16:8")
# Calls before a graph is captured.
_WARM_UP = 3


def device_of(device: torch.device) -> Device:
    """The device of a training, as the loop uses it."""
    return CudaDevice(device) if device.type == "cuda" else Device(device)


class CudaDevice(Device):
    """A GPU: batches are copied from pinned memory, on a stream of their own."""

    ahead = 2
    graphs = True

    def __init__(self, device: torch.device) -> None:
        """Make the stream of the copies."""
        super().__init__(device)
        self.copies = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()
        self.own: torch.cuda.Stream | None = None

    def memory(self) -> tuple[int, int]:
        """Bytes that are free, and all that there are; torch keeps some that it does not use."""
        free, total = torch.cuda.mem_get_info(self.device)
        return free, total

    def check_deterministic(self) -> None:
        """Raise `TrainingError` unless cuBLAS was told to, before this process started."""
        if os.environ.get("CUBLAS_WORKSPACE_CONFIG") not in _DETERMINISTIC:
            raise TrainingError(
                "deterministic: cuBLAS sums in one order only where the environment has "
                f"CUBLAS_WORKSPACE_CONFIG={_DETERMINISTIC[0]}: set it before the job starts."
            )

    def room_for_samples(self) -> int:
        """A tenth of the memory that is free now: trainings beside this one hold theirs too."""
        free, _ = self.memory()
        return int(_SHARE_OF_SAMPLES * free)

    def fuses(self, parameters: Iterable[Tensor]) -> bool:
        """Yes, unless some are complex, for which torch has no such kernel."""
        return all(parameter.is_floating_point() for parameter in parameters)

    def fork(self) -> None:
        """Take a stream, which goes on from what was done so far."""
        self.own = torch.cuda.Stream(self.device)
        self.own.wait_stream(torch.cuda.current_stream(self.device))

    def join(self) -> None:
        """Let what follows wait for that stream, and leave it."""
        if self.own is not None:
            torch.cuda.current_stream(self.device).wait_stream(self.own)
            self.own = None

    def wait(self) -> None:
        """Wait for the stream of this training."""
        (self.own or torch.cuda.current_stream(self.device)).synchronize()

    def working(self) -> AbstractContextManager[object]:
        """The stream of this training as the current one."""
        return torch.cuda.stream(self.own)

    def capture(self, work: Work) -> Work:
        """Record work as a CUDA graph, and return its replay.

        Raises:
            TrainingError: if the work waits for the device, or is none that a graph can hold.

        """
        current, side = torch.cuda.current_stream(self.device), torch.cuda.Stream(self.device)
        side.wait_stream(current)
        graph = torch.cuda.CUDAGraph()
        try:
            # Libraries choose their kernels and take their memory in the first calls.
            with torch.cuda.stream(side):
                for _ in range(_WARM_UP):
                    work()
            current.wait_stream(side)
            # The thread that prepares batches may take memory meanwhile.
            with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
                work()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            said = " ".join(str(error).split())
            raise TrainingError(
                f"A step of this network is no CUDA graph ({said}): leave out cuda_graphs."
            ) from None
        return graph.replay

    def upload(self, batch: Batch[V]) -> Callable[[], Batch[V]]:
        """Copy while the device works; the stream that takes the copy waits for its end."""
        with torch.cuda.stream(self.copies):
            there = batch.map(self._copied)
            end = self.copies.record_event()

        def take() -> Batch[V]:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(end)

            def used_by_stream(values: Tensor) -> Tensor:
                for part in strided_parts(values):
                    part.record_stream(stream)
                return values

            return there.map(used_by_stream)

        return take

    def _copied(self, values: Tensor) -> Tensor:
        if values.layout != torch.strided or values.device == self.device:
            return values.to(self.device)
        return values.pin_memory().to(self.device, non_blocking=True)


def strided_parts(values: Tensor) -> tuple[Tensor, ...]:
    """The tensors that hold the numbers of a tensor and, of a sparse one, their places."""
    if values.layout == torch.strided:
        return (values,)
    if values.layout == torch.sparse_coo:
        return values._indices(), values._values()
    return values.crow_indices(), values.col_indices(), values.values()
