"""Ranks of one group as processes of this machine, and what they give and say.

They are forked from a template that has imported torch once (tests/warm.py), not from the tests' own process, whose
threads and GPU a forked child could not use.
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import warm


@dataclass
class Rank:
    """A process of a group, the file that it writes its output and errors to, and that of its result."""

    process: subprocess.Popen[Any]
    output: Path
    result: Path

    def poll(self) -> int | None:
        """The exit status, or None as long as it runs."""
        return self.process.poll()

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

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
    nodes: bool = False,
) -> list[Rank]:
    """``train_ssd.py`` in ``world`` processes, as torchrun would start them.

    :param folder: for their outputs
    :param before: called with ``given`` in each process first; a function of a module
    :param nodes: each process is the only one of a node of its own
    """
    return _start(world, folder, nodes, _train, [str(word) for word in words], before, given)


def in_ranks(world: int, folder: Path, work: Callable[..., Any], *given: Any) -> list[Any]:
    """What ``work(group, *given)`` returns in each process of a group, by rank; a function of a module."""
    ranks = _start(world, folder, False, _work, work, given)
    answers = ends(ranks)
    assert all(status == 0 for status, _ in answers), answers
    return [pickle.loads(rank.result.read_bytes()) for rank in ranks]


def ends(ranks: Sequence[Rank], limit_s: float = 120) -> list[tuple[int, str]]:
    """Exit status and words of each; those that have not ended in time are killed and fail the test."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until and any(rank.poll() is None for rank in ranks):
        time.sleep(0.01)
    late = [number for number, rank in enumerate(ranks) if rank.poll() is None]
    for rank in ranks:
        rank.process.kill()
        rank.process.wait()
    assert not late, f"ranks {late} still ran after {limit_s} s: {[rank.said() for rank in ranks]}"
    return [(rank.process.returncode, rank.said()) for rank in ranks]


PROGRAM = "import pickle, sys; from tests.engine import ranks; ranks.enter(*pickle.load(sys.stdin.buffer))"


def _start(world: int, folder: Path, nodes: bool, work: Callable[..., None], *given: Any) -> list[Rank]:
    folder.mkdir(parents=True, exist_ok=True)
    port, ranks = free_port(), []
    for number in range(world):
        rank = Rank(None, folder / f"rank-{number}.txt", folder / f"rank-{number}.pickle")  # type: ignore[arg-type]
        variables = {"RANK": number, "LOCAL_RANK": 0 if nodes else number, "WORLD_SIZE": world} | {
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1, "PYTHONUNBUFFERED": 1,
        }  # fmt: skip
        known = os.environ | {name: str(value) for name, value in variables.items()}
        with rank.output.open("wb") as output:
            rank.process = warm.Popen(
                [sys.executable, "-c", PROGRAM], cwd=warm.REPOSITORY, env=known, stdin=subprocess.PIPE,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        assert rank.process.stdin is not None
        rank.process.stdin.write(pickle.dumps((rank.result, work, given)))
        rank.process.stdin.close()
        ranks.append(rank)
    return ranks


def enter(result: Path, work: Callable[..., None], given: tuple[Any, ...]) -> None:
    """What the process of a rank does."""
    import torch

    torch.set_num_threads(1)
    work(result, *given)


def _train(_: Path, words: list[str], before: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    from train_ssd import main

    if before is not None:
        before(*given)
    sys.exit(main(words))


def _work(result: Path, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    from vision.engine.distributed import join

    group = join(with_cuda=False)
    result.write_bytes(pickle.dumps(work(group, *given)))
    group.wait()
    group.leave()
