"""Options of the device, its numbers and its threads. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from vision.engine.options.option import MACHINE, option


@dataclass(frozen=True)
class MachineOptions:
    device: str = option("auto", "auto, cpu, cuda or cuda:N", MACHINE, "free")
    use_cuda: bool = option(True, "with --device auto: use a GPU if there is one", MACHINE, "free")
    amp: str = option(
        "auto", "mixed precision; auto = bf16 (fp16 where the GPU has none) on a GPU, off on a CPU",
        MACHINE, "named", choices=("auto", "off", "fp16", "bf16"),
    )  # fmt: skip
    channels_last: bool = option(True, "store weights channels last, which is faster", MACHINE, "named")  # fmt: skip
    memory: str = option(
        "auto", "of this process: auto = what is free; full = compute nothing twice; low = as little as can be; or at most so much, as "
        "2.4GB. What does not fit is computed again in the backward pass: slower, the same numbers", MACHINE, "free", metavar="auto|full|low|SIZE",
    )  # fmt: skip
    deterministic: bool = option(
        False, "use only deterministic kernels (exact resume on a GPU needs them)", MACHINE, "named"
    )
    compile: bool = option(
        False, "torch.compile the net: slower start, faster steps; after ten steps the trainer says from how many on it is "
        "worth it", MACHINE, "named",
    )  # fmt: skip
    cuda_graphs: bool = option(
        False, "with --compile on a GPU: replay a step's kernels as one graph (torch's reduce-overhead), for small batches; not with --accumulate",
        MACHINE, "named",
    )  # fmt: skip
    fused: bool = option(
        False, "the optimiser's update in one kernel: other last digits; on a GPU losses are then read once in --debug-steps "
        "steps, so that no step waits for them (with --nan stop, without fp16, one process)", MACHINE, "named",
    )  # fmt: skip
    parallel: str = option(
        "none", "dp = one process drives all GPUs (nn.DataParallel); for more, start with torchrun",
        MACHINE, "named", choices=("none", "dp"),
    )  # fmt: skip
    sync_bn: bool = option(False, "batch statistics over all processes of torchrun (GPUs only)", MACHINE, "named")  # fmt: skip
    threads: int = option(
        0, "CPU threads of torch; 0 = its choice, or the run's on resume", MACHINE, "named", low=0, high=1024
    )
