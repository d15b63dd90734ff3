"""Ranks of one group as processes of this machine, and what they give and say.

They are forked from a server that has imported torch once, not from the tests' own process, whose threads and
GPU a forked child could not use.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

CONTEXT = multiprocessing.get_context("forkserver")
SERVER = forkserver.ForkServer()
"""Not the one server of the process: that belongs to the stages' workers and has imported what they need."""
SERVER.set_forkserver_preload(
    ["pytest", "torch._dynamo", "torch.utils.tensorboard", "albumentations", "hotcoco", "train_ssd"]
    + [
        f"vision.{name}"
        for name in ("engine.training.loop", "engine.training.report", "engine.training.start")
    ]
    + ["vision.datasets.splits", "vision.ssd.build", "vision.transforms.presets"]
)


@dataclass
class Rank:
    """A process of a group and the file that it writes its output and errors to."""

    process: Any
    output: Path

    def poll(self) -> int | None:
        """The exit status, or None as long as it runs."""
        return self.process.exitcode  # type: ignore[no-any-return]

    def send_signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def said(self) -> str:
        return self.output.read_text() if self.output.exists() else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def train_ranks(
    world: int,
    folder: Path,
    *words: object,
    before: Callable[..., None] | None = None,
    given: tuple[Any, ...] = (),
) -> list[Rank]:
    """``train_ssd.py`` in ``world`` processes, as torchrun would start them.

    :param folder: for their outputs
    :param before: called with ``given`` in each process first; a function of a module
    """
    return _start(world, folder, _train, [str(word) for word in words], before, given)


def in_ranks(world: int, folder: Path, work: Callable[..., Any], *given: Any) -> list[Any]:
    """What ``work(group, *given)`` returns in each process of a group, by rank; a function of a module."""
    results = CONTEXT.SimpleQueue()
    ranks = _start(world, folder, _work, results, work, given)
    answers = ends(ranks)
    assert all(status == 0 for status, _ in answers), answers
    return [value for _, value in sorted((results.get() for _ in ranks), key=lambda pair: pair[0])]


def ends(ranks: Sequence[Rank], limit_s: float = 120) -> list[tuple[int, str]]:
    """Exit status and words of each; those that have not ended in time are killed and fail the test."""
    until = time.monotonic() + limit_s
    for rank in ranks:
        rank.process.join(max(0.0, until - time.monotonic()))
    late = [number for number, rank in enumerate(ranks) if rank.poll() is None]
    for rank in ranks:
        rank.process.kill()
        rank.process.join()
    assert not late, f"ranks {late} still ran after {limit_s} s: {[rank.said() for rank in ranks]}"
    return [(rank.process.exitcode, rank.said()) for rank in ranks]


def _start(world: int, folder: Path, work: Callable[..., None], *given: Any) -> list[Rank]:
    folder.mkdir(parents=True, exist_ok=True)
    port, ranks = free_port(), []
    for rank in range(world):
        output = folder / f"rank-{rank}.txt"
        variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world} | {
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1,
        }  # fmt: skip
        process = CONTEXT.Process(target=_enter, args=(variables, output, work, given), daemon=True)
        with _own_server():
            process.start()
        ranks.append(Rank(process, output))
    return ranks


@contextlib.contextmanager
def _own_server() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forkserver, "connect_to_new_process", SERVER.connect_to_new_process)
        yield


def _enter(
    variables: dict[str, Any], output: Path, work: Callable[..., None], given: tuple[Any, ...]
) -> None:
    import torch

    os.environ.update({name: str(value) for name, value in variables.items()})
    with output.open("wb", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    work(*given)


def _train(words: list[str], before: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    from train_ssd import main

    if before is not None:
        before(*given)
    sys.exit(main(words))


def _work(results: Any, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    from vision.engine.distributed import join

    group = join(with_cuda=False)
    results.put((group.rank, work(group, *given)))
    group.wait()
    group.leave()
