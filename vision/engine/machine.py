"""The machine that a session runs on: device, precision, threads, memory, determinism."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
from dataclasses import dataclass

import torch

from vision.engine.distributed import Group, join
from vision.engine.options.combinations import is_device
from vision.engine.options.config import TrainConfig
from vision.messages.advice import UserError
from vision.messages.command_line import shortened
from vision.messages.terminal import counted

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
KEEP_BYTES = 2**31 - 1
MMAP_BYTES = (1 << 30, 32 << 20)
"""Older versions of glibc refuse more than half a heap, 32 MiB; the first one taken counts."""


@dataclass(frozen=True)
class Machine:
    """What was settled.

    * amp_dtype: autocast to it; None computes in float32
    * threads: CPU threads of torch in this process
    """

    device: torch.device
    amp_dtype: torch.dtype | None
    threads: int
    group: Group

    def describe(self) -> str:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"
        precision = str(self.amp_dtype).removeprefix("torch.") if self.amp_dtype else "float32"
        peers = f", {self.group.world} processes" if self.group.world > 1 else ""
        return f"{self.device} ({name}), {precision}, {counted(self.threads, 'CPU thread')}{peers}"


def prepare(config: TrainConfig, run_threads: int | None = None) -> Machine:
    """Settle and set everything that is global to the process.

    ``run_threads``: what a resumed run was trained with, restored unless ``--threads`` says otherwise, since
    convolution gradients differ in the last bits between thread counts. Raises ValueError for a device that
    is not there.
    """
    threads = config.threads or run_threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it starts
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    device = choose_device(config.device, config.use_cuda)
    if config.cuda_graphs:
        require_graphs(config, device)
    if config.compile:
        require_compiler()
    keep_freed_memory()
    group = join(with_cuda=device.type == "cuda")
    if group.world > 1 and device.type == "cuda":
        device = torch.device("cuda", group.local_rank)
    return Machine(device, amp_dtype(config, device), threads, group)


def require_graphs(config: TrainConfig, device: torch.device) -> None:
    """Raises UserError where ``--cuda-graphs`` cannot be had. Not a rule of ``options/``: a checkpoint of such a run is sound."""
    if config.accumulate > 1:
        raise UserError(
            f"--cuda-graphs does not go with --accumulate {config.accumulate}\n"
            "  why: the gradients of a part stay in the graph's memory, and the next part writes over them (torch's CUDAGraph trees)\n"
            "  fix: --cuda-graphs false, or in a new run --accumulate 1 with a smaller --batch-size"
        )
    if device.type == "cpu":
        raise UserError(
            "--cuda-graphs needs a GPU, and torch sees none here.\n  Leave it out (--cuda-graphs false)."
        )


def require_compiler() -> None:
    """``torch.compile`` builds what it generates. Raises ValueError where there is nothing to build with."""
    names = [os.environ.get("CXX"), "g++", "c++", "clang++"]
    if not any(name and shutil.which(name) for name in names):
        raise UserError(
            "--compile needs a C++ compiler, and there is none here.\n"
            "  Install one (sudo apt install g++), name it in the environment variable CXX, or leave --compile out."
        )


def choose_device(asked: str, use_cuda: bool = True) -> torch.device:
    """``auto`` takes a GPU if there is one that torch can use. Raises ValueError for what there is not here."""
    if not is_device(asked):
        raise UserError(f"--device {shortened(asked)}: expected auto, cpu, cuda or cuda:N")
    if asked == "auto":
        return torch.device("cuda" if use_cuda and torch.cuda.is_available() else "cpu")
    device = torch.device(asked)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {asked}: torch {torch.__version__} sees {counted(torch.cuda.device_count(), 'GPU')}"
            f"{', counted from cuda:0' if torch.cuda.device_count() else ''}; python -m tools.doctor says why"
        )
    return device


def amp_dtype(config: TrainConfig, device: torch.device) -> torch.dtype | None:
    """``auto``: float32 on a CPU; on a GPU bfloat16, or float16 where it has no bfloat16."""
    if config.amp == "auto":
        if device.type == "cpu":
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if config.amp == "fp16" and device.type == "cpu":
        raise UserError("--amp fp16 needs a GPU; on a CPU use --amp off or bf16")
    return {"off": None, "fp16": torch.float16, "bf16": torch.bfloat16}[config.amp]


def keep_freed_memory() -> bool:
    """Keep glibc from giving memory back to the kernel between steps. True where it took both settings.

    A training step frees and asks for the same hundreds of megabytes each time; with glibc's defaults every large
    block is mapped and unmapped again, about 890,000 page faults a step. The environment variables
    ``MALLOC_TRIM_THRESHOLD_`` and ``MALLOC_MMAP_THRESHOLD_`` do the same but are read before ``main``.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    kept = mallopt(M_TRIM_THRESHOLD, KEEP_BYTES)
    return bool(kept) and any(mallopt(M_MMAP_THRESHOLD, size) for size in MMAP_BYTES)
