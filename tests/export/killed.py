"""Exports that are killed, each in a process of its own: ``python -m tests.export.killed FOLDER POINTS``.

For each point from 1 to POINTS a copy of FOLDER/start is made as FOLDER/<point>, and a process that exports into it ends
itself by SIGKILL just before the point-th change that it makes to the disk. Prints "killed" or "finished" for each.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from tests.export.made import HW, make_opened
from vision.export import onnx as room


def _killing(point: int) -> None:
    """Before the ``point``-th file that this process opens for writing, renames or removes."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        writes = event == "open" and isinstance(arguments[1], str) and arguments[1][:1] in ("w", "x", "a")
        if writes or event in ("os.rename", "os.remove"):
            seen += 1
            if seen == point:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def main(folder: Path, points: int) -> None:
    torch.set_num_threads(1)
    opened = make_opened(folder, seed=1)
    network = room.as_onnx(opened.detector, room.DEFAULT_OPSET)
    room.as_onnx = lambda *_: network  # touches no disk and takes most of the time: once is enough
    image = np.zeros((1, 3, *HW), np.float32)
    for point in range(1, points + 1):
        target = folder / str(point)
        shutil.copytree(folder / "start", target)
        child = os.fork()
        if not child:
            _killing(point)
            room.export(opened, target / "net.onnx", [image])
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else f"finished {status}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
