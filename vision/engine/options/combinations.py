"""Options that do not go together, that have no effect with the others, or that meant something in pytorch-ssd. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vision.engine.options.option import flag_of
from vision.messages.advice import UserError
from vision.messages.command_line import shortened
from vision.messages.terminal import counted
from vision.ssd.variants import find

if TYPE_CHECKING:
    from vision.engine.options.config import TrainConfig

NO_RUN = ("no", "false", "off", "yes", "true", "on")
"""Words that people put in the place of a run; a folder of such a name is ``./no``."""
FEED = re.compile(
    r"auto|pack|device|jpeg(?:-[1-9][0-9]{1,3})?|(?:device:)?(?:yuv420|rgb|grey)-[1-9][0-9]{1,3}"
)

AUTO_MEMORY, FULL_MEMORY, LOW_MEMORY = "auto", "full", "low"
UNITS = {"MB": 10**6, "GB": 10**9, "MIB": 1 << 20, "GIB": 1 << 30}

TAKEN = {
    "--tensorboard": "starts no process here: event files are always written; tensorboard --logdir models",
    "--log-level": "changes nothing here: the console shows the progress, metrics.jsonl everything",
    "--profile": "writes no table here: metrics.jsonl has images a second, and the share of the time that waits for data",
    "--viz-inputs": "opens no window here: docs/augmentation.md says what becomes of an image",
}
"""Options of pytorch-ssd that change no number of a training: they are taken, and this is said."""


class UsageError(UserError):
    """Options that do not go together; exit status 2."""


def check_together(config: TrainConfig) -> None:
    """What no single option can tell. Raises ``UsageError`` that names the flags."""
    net = find(config.net, config.heads)
    cpu = config.device == "cpu" or (config.device == "auto" and not config.use_cuda)
    rules = (
        (len(set(config.datasets)) < len(config.datasets), "--datasets names a data root twice"),
        (len(config.resolution) > 2, "--resolution takes one number, or width and height"),
        (len(config.betas) != 2, "--betas takes two numbers"),
        (config.base_net and config.pretrained_ssd, "--base-net and --pretrained-ssd: give one of them"),
        (
            config.device.startswith("cuda") and not config.use_cuda,
            "--device cuda contradicts --use-cuda false",
        ),
        (not is_device(config.device), f"--device {config.device}: expected auto, cpu, cuda or cuda:N"),
        (config.amp == "fp16" and cpu, "--amp fp16 needs a GPU; on a CPU use --amp off or bf16"),
        (
            not FEED.fullmatch(config.feed),
            f"--feed {config.feed}: expected auto, jpeg, pack, device, or a pack's name such as yuv420-384 or device:yuv420-384",
        ),
        (
            config.accumulate > config.batch_size,
            f"--accumulate {config.accumulate}: a step has no more than {counted(config.batch_size, 'image')} (--batch-size)",
        ),
        (
            config.memory not in (AUTO_MEMORY, FULL_MEMORY, LOW_MEMORY) and not memory_bytes(config.memory),
            f"--memory {shortened(config.memory)}: expected auto, full, low, or a size such as 2.4GB or 900MiB",
        ),
        (
            (config.compile or config.parallel == "dp") and config.memory not in (AUTO_MEMORY, FULL_MEMORY),
            f"--memory {config.memory} does not go with --compile and --parallel dp",
        ),
        (config.sync_bn and cpu, "--sync-bn needs GPUs"),
        (config.cuda_graphs and not config.compile, "--cuda-graphs is a way of --compile: give both"),
        (config.cuda_graphs and cpu, "--cuda-graphs needs a GPU: leave it out (--cuda-graphs false)"),
        (config.nesterov and config.momentum == 0, "--nesterov needs a --momentum above 0"),
        (config.nesterov and config.dampening != 0, "--nesterov needs --dampening 0"),
        (any(beta >= 1 for beta in config.betas), "--betas must be below 1"),
        (
            list(config.milestones) != sorted(set(config.milestones)),
            f"--milestones {config.milestones}: expected epochs that rise",
        ),
        (
            config.compile and config.parallel == "dp",
            "--compile does not go with --parallel dp; start one process a GPU with torchrun instead",
        ),
        (
            str(config.resume).lower() in NO_RUN,
            f"--resume {config.resume}: expected a checkpoint file, a run folder, auto, or none for a fresh start",
        ),
    )
    for broken, sentence in rules:
        if broken:
            raise UsageError(sentence)
    try:
        net.profile(config.priors)
    except ValueError as error:
        raise UsageError(f"--priors: {error}") from None


def memory_bytes(text: str) -> int | None:
    """``2.4GB``, ``900 MiB`` → bytes; None for what is no size."""
    match = re.fullmatch(r"([0-9]{1,7}(?:\.[0-9]{1,3})?) ?([MG]I?B)", text.upper(), re.ASCII)
    return int(float(match[1]) * UNITS[match[2]]) if match else None


def defaults_of(named: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that depend on what is ``named``: those who have VOC or Open Images have commands of qfgaohao's and dusty-nv's
    trainers, which know SGD alone; Adam at a constant rate is kaboom-labs', whose data are COCO."""
    if named.get("dataset_type") not in ("voc", "open_images") or "optim_choose" in named:
        return {}
    tuned = "pretrained_ssd" in named and "lr" not in named
    rates = {"lr": 0.01, "base_net_lr": 0.001} if tuned else {"lr": 0.01}
    return {"optim_choose": "SGD", "weight_decay": 5e-4, "scheduler": "cosine", **rates}


def is_device(text: str) -> bool:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    return re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,2})?", text) is not None


def unused(config: TrainConfig, explicit: frozenset[str]) -> list[str]:
    """A sentence for each option that was given and has no effect with the others."""
    adam, sgd = ("Adam", "AdamW"), ("SGD",)
    only_with = {
        "momentum": sgd, "dampening": sgd, "nesterov": sgd, "betas": adam, "eps": adam, "amsgrad": adam,
    }  # fmt: skip
    found = [
        f"{flag_of(name)} has no effect with --optim-choose {config.optim_choose}"
        for name, optimisers in only_with.items()
        if name in explicit and config.optim_choose not in optimisers
    ]
    found += [
        f"{flag_of(name)} has no effect with --scheduler {config.scheduler}"
        for name in ("milestones", "gamma")
        if name in explicit and config.scheduler != "multi-step"
    ]
    return found
