"""Several processes that train one network together, as `torchrun` starts them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")

#: How long the others wait while the first decodes a large dataset.
_PATIENCE = timedelta(days=2)


@dataclass(frozen=True)
class ProcessGroup:
    """The rank of this process and the number of all; one process is a group too."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def broadcast(self, value: T) -> T:
        """Return the value of the first process. All wait for it."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]


def own_device(device: torch.device, group: ProcessGroup) -> torch.device:
    """Return the device of this process: on CUDA each process of a machine has its own GPU."""
    if device.type != "cuda" or group.size == 1:
        return device
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device


@contextmanager
def joined() -> Iterator[ProcessGroup]:
    """Join the processes of `torchrun` for the block: gloo for the CPU, NCCL for GPUs."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ProcessGroup()
        return
    ours = not dist.is_initialized()
    if ours:
        backends = "gloo"
        if torch.cuda.is_available():
            backends = "cpu:gloo,cuda:nccl"
        dist.init_process_group(backends, timeout=_PATIENCE)
    try:
        yield ProcessGroup(dist.get_rank(), dist.get_world_size())
    finally:
        if ours:
            dist.destroy_process_group()
