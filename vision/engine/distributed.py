"""Several processes as one: who is who, sums over all, and leaving together.

Started by ``torchrun``; a process that was started alone is a group of one, and nothing here costs it anything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.rendezvous import rendezvous

from vision.engine.options.combinations import UsageError
from vision.engine.options.config import TrainConfig
from vision.messages.advice import UserError

TIMEOUT = timedelta(minutes=10)
"""A peer that has not answered for this long is gone."""


@dataclass(frozen=True)
class Group:
    """This process among its peers."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """The one that writes and speaks."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def all_reduce_max(self, *numbers: int, device: torch.device) -> list[int]:
        """The largest of each number over all processes; ``device``: where the exchange takes place."""
        if self.world == 1:
            return list(numbers)
        table = torch.tensor(numbers, device=device)
        dist.all_reduce(table, op=dist.ReduceOp.MAX)
        return [int(number) for number in table.tolist()]

    def gather(self, value: Any) -> list[Any]:
        """What every process gave, by rank, in every process. Plain picklable values of our own processes."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def broadcast_buffers(self, module: nn.Module) -> None:
        """The first one's buffers (batch statistics) for all."""
        if self.world > 1:
            for buffer in module.buffers():
                dist.broadcast(buffer, src=0)

    def wait(self) -> None:
        """Until all are here."""
        if self.world > 1:
            dist.barrier()

    def leave(self) -> None:
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()


def world_size() -> int:
    """Processes that ``torchrun`` started for this run; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def done_by_first(name: str, work: Callable[[], int]) -> int:
    """The exit status of ``work``, which the first process does before there is a group; the others wait, however long it takes.

    Raises UserError where the first process is gone without having said it.
    """
    store, rank = _store()
    if rank == 0:
        status = 1
        try:
            status = work()
        finally:
            store.set(name, str(status))
        return status
    try:
        while not store.check([name]):
            time.sleep(0.1)  # here, not in the store: a signal ends it at once
        return int(store.get(name))
    except RuntimeError:
        raise UserError(
            f"{name} was not finished\n  why: the first process, which does it for all, has ended\n  fix: start all processes again"
        ) from None


@cache
def _store() -> tuple[dist.Store, int]:
    """What the processes meet by, and the rank of this one. Kept: where the first process serves it, ``join`` takes it over."""
    store, rank, _ = next(rendezvous("env://", timeout=TIMEOUT))
    return store, rank


def check(config: TrainConfig, device: torch.device) -> None:
    """What shows only here, on this machine: raises ValueError for spreading that would fail or do nothing."""
    if config.sync_bn and device.type == "cpu":
        raise UserError(
            f"--sync-bn needs GPUs, and --device {config.device} is the CPU here; leave it out, "
            "or see python -m tools.doctor for why no GPU is found"
        )
    if config.parallel == "dp" and world_size() > 1:
        raise UsageError(
            f"--parallel dp is one process for all GPUs, and this is one of {world_size()} of torchrun; "
            "give --parallel none, or start without torchrun"
        )


def join(with_cuda: bool) -> Group:
    """The group that ``torchrun`` describes in the environment, or a group of one."""
    if world_size() == 1:
        return Group()
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if with_cuda:
        torch.cuda.set_device(local_rank)
    dist.init_process_group("nccl" if with_cuda else "gloo", timeout=TIMEOUT)
    return Group(dist.get_rank(), dist.get_world_size(), local_rank)
