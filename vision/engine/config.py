"""What a training run is told: every option with its default, unit and meaning, in one place. No torch.

Order of strength: default < ``--config`` recipe < command line. On ``--resume`` the run's own
``training_args.json`` takes the place of the defaults (``resume.py``).
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.artefacts.data_layout import DEFAULT_ROOT
from vision.artefacts.records import NOT_UTF8, is_no_utf8
from vision.engine.combinations import TAKEN, check_together, defaults_of
from vision.engine.combinations import UsageError as UsageError
from vision.engine.options import (
    Parser,
    check_value,
    option,
    options_of,
    read_mapping,
    to_mapping,
)
from vision.messages.advice import UserError, shown
from vision.messages.system_errors import instead_of, reason
from vision.ssd.priors.written import read_prior_file
from vision.ssd.variants import DEFAULT_VARIANT, PROFILES, find

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
DATA, MODEL, OPTIMISATION, RUN, MACHINE = "data", "model", "optimisation", "run", "machine"
EPOCHS, STEPS, IMAGES = 10**6, 10**9, 1 << 16
"""The most of each that an option takes: beyond any use, and far from what overflows."""
RATE = 100.0
"""The highest learning rate and weight decay; a float32 still holds what they do."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that ``train_ssd.py`` can be told."""

    # -- data
    dataset_type: str = option(
        "coco", "layout of --datasets; what is no data root yet is imported once, into FOLDER-imported beside it",
        DATA, "fixed", choices=("coco", "voc", "open_images", "yolo", "cvat", "labelme"),
    )  # fmt: skip
    datasets: tuple[str, ...] = option(
        (DEFAULT_ROOT,), "data root(s) as made by ./setup_coco.sh; of several the classes are united by name, and what one does "
        "not label is no background there", DATA, "free", aliases=("--data",), metavar="DIR",
    )  # fmt: skip
    validation_dataset: str | None = option(
        None, "data root whose val split is used for validation (all of it if an import drew the split); default: those of --datasets",
        DATA, "free", metavar="DIR",
    )  # fmt: skip
    balance_data: bool = option(
        False, "show images of rare classes more often: up to √(mean / own) times if a class has fewer images than the mean of all; "
        "an epoch becomes longer and leaves out no image", DATA, "fixed",
    )  # fmt: skip
    augment: str = option(
        "ssd", "training augmentation: ssd = crop, zoom-out, flip, colour; light = flip and colour; none", DATA, "named",
        choices=("ssd", "light", "none"),
    )  # fmt: skip
    feed: str = option(
        "auto", "training images: jpeg = the files; pack = that of python -m pipeline.pack, or its name, as yuv420-384; auto = the one "
        "pack there is, on resume what the run has", DATA, "named", metavar="NAME")  # fmt: skip
    workers: int = option(
        min(6, CORES), "processes that read and augment images; 0 = in the training process. Changes no result",
        DATA, "free", aliases=("--num-workers",), low=0, high=512,
    )  # fmt: skip

    # -- model
    net: str = option(
        DEFAULT_VARIANT, "the detector: a published name, or DETECTOR-BACKBONE such as ssd-lite-mobilenet-v2; "
        "python -m tools.models lists them", MODEL, "fixed", metavar="NAME",
    )  # fmt: skip
    heads: str | None = option(
        None, "full = 3×3 convolutions, lite = depthwise and 1×1 (SSDLite); default the net's own",
        MODEL, "fixed", choices=("full", "lite"),
    )  # fmt: skip
    mb2_width_mult: float = option(
        1.0, "width multiplier of the whole net", MODEL, "fixed",
        aliases=("--mb2-width-mult",), above=0, high=8,
    )  # fmt: skip
    resolution: tuple[int, ...] = option(
        (300,), "input size in px: one number, or width and height; default for yolo-* 416, pyramids 320, classroom 128 64", MODEL, "fixed", metavar="PX",
        low=32, high=4096,
    )  # fmt: skip
    channels: int = option(
        3, "input channels: 3 = RGB, 1 = grey made from RGB (default of classroom); the export takes RGB for both", MODEL, "fixed",
        choices=(1, 3),
    )  # fmt: skip
    priors: str = option(
        "coco", "prior boxes: coco = sizes fitted to COCO's objects; ancestor or published = those the net was published with; "
        "or a file of python -m tools.fit_priors, whose boxes the run then keeps", MODEL, "fixed", metavar="NAME|FILE",
    )  # fmt: skip
    box_regression: bool = option(
        True, "learn box offsets; without, the boxes are the unchanged prior boxes", MODEL, "fixed"
    )
    base_net: str | None = option(
        None, "weights of the backbone: a file, or a torchvision enum such as "
        "MobileNet_V2_Weights.IMAGENET1K_V1, or none = from scratch", MODEL, "fixed", metavar="WEIGHTS",
    )  # fmt: skip
    pretrained_ssd: str | None = option(
        None, "weights of a whole detector to start from: a .pth file; the averaged ones (EMA) if it has them",
        MODEL, "fixed", metavar="FILE",
    )  # fmt: skip

    # -- optimisation
    epochs: int = option(
        30, "passes over the data; fixes the schedule's horizon when a run starts",
        OPTIMISATION, "free", aliases=("--num-epochs",), low=1, high=EPOCHS,
    )  # fmt: skip
    batch_size: int = option(
        32, "images a step, over all processes", OPTIMISATION, "fixed", low=1, high=IMAGES
    )
    accumulate: int = option(
        1, "split a step's images into this many parts; saves memory, the step stays the same up to "
        "batch normalisation", OPTIMISATION, "named", low=1, high=IMAGES,
    )  # fmt: skip
    optim_choose: str = option(
        "Adam", "the optimiser", OPTIMISATION, "fixed", choices=("Adam", "SGD", "AdamW")
    )
    lr: float = option(
        0.001, "learning rate of the heads, and of the rest unless set apart",
        OPTIMISATION, "named", aliases=("--learning-rate",), above=0, high=RATE,
    )  # fmt: skip
    base_net_lr: float | None = option(
        None, "learning rate of the backbone; default --lr", OPTIMISATION, "named", above=0, high=RATE
    )
    extra_layers_lr: float | None = option(
        None, "learning rate of the extra layers; default --lr", OPTIMISATION, "named", above=0, high=RATE
    )
    momentum: float = option(0.9, "SGD: momentum", OPTIMISATION, "named", low=0, high=1)
    dampening: float = option(0.0, "SGD: dampening of the momentum", OPTIMISATION, "named", low=0, high=1)
    nesterov: bool = option(False, "SGD: Nesterov's momentum", OPTIMISATION, "named")
    betas: tuple[float, ...] = option(
        (0.9, 0.999), "Adam: decay of the two moments", OPTIMISATION, "named", low=0, high=1
    )
    eps: float = option(1e-8, "Adam: added to the denominator", OPTIMISATION, "named", above=0, high=1)
    amsgrad: bool = option(False, "Adam: the AMSGrad variant", OPTIMISATION, "fixed")
    weight_decay: float = option(
        0.0,
        "weight decay (L2 for Adam and SGD, decoupled for AdamW)",
        OPTIMISATION,
        "named",
        low=0,
        high=RATE,
    )
    decay_norm: bool = option(
        True, "weight decay also on batch normalisation and biases, as pytorch-ssd did", OPTIMISATION, "fixed"
    )
    clip_grad: float | None = option(
        None, "largest norm of the whole gradient; a longer one is scaled down to it",
        OPTIMISATION, "named", above=0, high=1e9,
    )  # fmt: skip
    freeze_base_net: bool = option(
        False, "train neither the backbone's weights nor its batch statistics", OPTIMISATION, "fixed"
    )
    freeze_net: bool = option(False, "train the heads only", OPTIMISATION, "fixed")
    freeze_bn: bool = option(
        False, "keep all batch statistics fixed (fine-tuning with small batches)", OPTIMISATION, "fixed"
    )
    scheduler: str = option(
        "none", "learning rate over the run, step by step: constant, drops at --milestones, or a cosine to 0 over --t-max",
        OPTIMISATION, "fixed", choices=("none", "multi-step", "cosine"),
    )  # fmt: skip
    warmup_steps: int = option(
        500,
        "steps of linear warm-up, at most a tenth of the horizon",
        OPTIMISATION,
        "fixed",
        low=0,
        high=STEPS,
    )
    milestones: tuple[int, ...] = option(
        (80, 100), "multi-step: epochs after which the rate drops", OPTIMISATION, "fixed", metavar="EPOCH",
        low=1, high=EPOCHS,
    )  # fmt: skip
    gamma: float = option(0.1, "multi-step: factor of a drop", OPTIMISATION, "fixed", above=0, high=1)
    t_max: int | None = option(
        None, "epochs that the schedule spans; default --epochs", OPTIMISATION, "named", low=1, high=EPOCHS
    )
    ema: float = option(
        0.0, "decay of the weights' moving average, e.g. 0.9998; evaluated and exported beside the raw "
        "weights; 0 = none", OPTIMISATION, "fixed", low=0, high=0.999999,
    )  # fmt: skip
    nan: str = option(
        "stop", "if a loss is not finite: stop before the update, or skip the step; both name the images",
        OPTIMISATION, "named", choices=("stop", "skip"),
    )  # fmt: skip
    seed: int = option(
        0, "seed of first weights, order and augmentation", OPTIMISATION, "fixed", low=0, high=2**63 - 1
    )

    # -- run
    checkpoint_folder: str = option(
        "models/{net}", "the run folder; {net} is replaced by --net", RUN, "session",
        aliases=("--model-dir",), metavar="DIR",
    )  # fmt: skip
    resume: str | None = option(
        None, "resume from a checkpoint file, a run folder, or auto (the newest good checkpoint of "
        "--checkpoint-folder; a new run if it has none); none = a new run", RUN, "session", metavar="FILE|RUN|auto|none",
    )  # fmt: skip
    validation_epochs: int = option(
        1, "epochs between validations (loss, and COCO mAP unless --validation-map false)", RUN, "free",
        low=1, high=EPOCHS,
    )  # fmt: skip
    validation_map: bool = option(True, "compute COCO mAP beside the validation loss", RUN, "free")
    validation_mean_ap: bool = option(
        False, "when COCO mAP is due, also compute VOC2007's average precision by class and its mean (both even with --validation-map false)",
        RUN, "free",
    )  # fmt: skip
    map_epochs: int = option(
        1, "epochs between COCO mAPs; computed only when a validation is due", RUN, "free",
        low=1, high=EPOCHS,
    )  # fmt: skip
    panels_every: int = option(
        10, "epochs between panels in report/ and TensorBoard, also at start and end; 0 = none", RUN, "free", low=0, high=EPOCHS,
    )  # fmt: skip
    report: bool = option(
        True, "keep the detections of the best validation, and write report.html into the run folder at its end; changes no "
        "result", RUN, "free",
    )  # fmt: skip
    patience: int | None = option(
        None, "stop after this many validations in a row without improvement", RUN, "free",
        low=1, high=EPOCHS,
    )  # fmt: skip
    save_every_steps: int | None = option(
        None, "steps between checkpoints within an epoch; each epoch's end is saved anyway", RUN, "free",
        low=1, high=STEPS,
    )  # fmt: skip
    save_every_minutes: float | None = option(
        None, "minutes between checkpoints within an epoch", RUN, "free", above=0, high=STEPS
    )
    keep_checkpoints: int = option(
        5, "epoch checkpoints to keep, beside the best and the last two of all; 0 = all",
        RUN, "free", low=0, high=EPOCHS,
    )  # fmt: skip
    debug_steps: int = option(
        10, "steps averaged for the console's losses, and between two lines of a log file (at least one line "
        "every half minute)", RUN, "free", low=1, high=STEPS,
    )  # fmt: skip
    stop_after_epoch: int | None = option(
        None, "end this session after this many epochs; the schedule is unchanged", RUN, "session",
        low=1, high=EPOCHS,
    )  # fmt: skip
    stop_after_step: int | None = option(
        None, "end this session at this step; the schedule is unchanged", RUN, "session", low=1, high=STEPS
    )

    # -- machine
    device: str = option("auto", "auto, cpu, cuda or cuda:N", MACHINE, "free")
    use_cuda: bool = option(True, "with --device auto: use a GPU if there is one", MACHINE, "free")
    amp: str = option(
        "auto", "mixed precision; auto = bf16 (fp16 where the GPU has none) on a GPU, off on a CPU",
        MACHINE, "named", choices=("auto", "off", "fp16", "bf16"),
    )  # fmt: skip
    channels_last: bool = option(True, "store weights channels last, which is faster", MACHINE, "named")  # fmt: skip
    deterministic: bool = option(
        False, "use only deterministic kernels (exact resume on a GPU needs them)", MACHINE, "named"
    )
    compile: bool = option(False, "torch.compile the net: slower start, faster steps", MACHINE, "named")
    parallel: str = option(
        "none", "dp = one process drives all GPUs (nn.DataParallel); for more, start with torchrun",
        MACHINE, "named", choices=("none", "dp"),
    )  # fmt: skip
    sync_bn: bool = option(False, "batch statistics over all processes of torchrun (GPUs only)", MACHINE, "named")  # fmt: skip
    threads: int = option(
        0, "CPU threads of torch; 0 = its choice, or the run's on resume", MACHINE, "named", low=0, high=1024
    )


EXAMPLES = """\
examples:
  python train_ssd.py --config configs/coco_mb2_ssd_lite.yaml --datasets coco-data --checkpoint-folder models/my-experiment-1
                                                                        train by the recipe; options after it win
  python train_ssd.py --config configs/coco_mb2_ssd_lite.yaml --batch-size 32 --lr 0.025 …      on a smaller GPU
  python train_ssd.py --datasets=coco-data --epochs=100 …               as pytorch-ssd trains: Adam, constant rate, no average
  python train_ssd.py --resume models/my-experiment-1                   resume, bit for bit, with the run's arguments
  python train_ssd.py --resume auto --config …                the same line each time, for schedulers that restart it
  tensorboard --logdir models                                           watch the curves

exit status: 0 done · 1 failed · 2 usage · 130 / 138 / 143 interrupted and saved (Ctrl-C / SIGUSR1 / SIGTERM)
"""


@dataclass(frozen=True)
class Parsed:
    """The configuration, the names of the fields that the command line or the recipe gave, and sentences about them."""

    config: TrainConfig
    explicit: frozenset[str]
    notes: tuple[str, ...] = ()


def parse(argv: Sequence[str] | None = None) -> Parsed:
    """The command line → ``Parsed``. Leaves with 0 after ``--help`` and ``--print-config``, 2 on a mistake."""
    parser = _parser()
    named = parser.parse_named(sys.argv[1:] if argv is None else argv)
    recipe, print_config = named.pop("config", None), named.pop("print_config", False)
    notes = [f"{flag} {said}" for flag, said in TAKEN.items() if named.pop(flag, None) is not None]
    try:
        values = {**(read_recipe(Path(recipe)) if recipe else {}), **named}
        if "priors" in values:
            values["priors"] = boxes_of(values["priors"])
        config = build(values)
    except ValueError as error:
        parser.error(str(error))
    if print_config:
        sys.stdout.write(as_yaml(config))
        parser.exit(0)
    typed = values.get("net", config.net)
    notes += [] if typed == config.net else [f"--net {typed}: taken as {config.net}"]
    return Parsed(config, frozenset(values), tuple(notes))


def boxes_of(priors: str) -> str:
    """The boxes in a file where a file is named, so that nothing after this needs it; else ``priors``."""
    path = Path(priors)
    if priors in PROFILES or not (path.exists() or path.suffix == ".json"):
        return priors
    try:
        return read_prior_file(path)
    except OSError as error:
        why = reason(error) if path.is_file() else instead_of("file", path)
        raise UserError(f"--priors {shown(path)} cannot be read: {why}") from None


def _parser() -> Parser:
    parser = Parser(
        TrainConfig,
        prog="python train_ssd.py",
        usage="python train_ssd.py [--config FILE.yaml] [options]",
        description="Train an SSD detector, and resume exactly where it stopped. Defaults in [brackets].",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--config", metavar="FILE.yaml", default=None, help="a recipe: option names and values"
    )
    parser.add_argument("--print-config", action="store_true", help="print all options as a recipe and exit")
    for flag in TAKEN:
        parser.add_argument(flag, dest=flag, nargs="?", const=True, help=argparse.SUPPRESS)
    return parser


def read_recipe(path: Path) -> dict[str, Any]:
    """The values of a YAML recipe. Raises ValueError that names file and key."""
    import yaml

    try:
        data = path.read_bytes()
        if is_no_utf8(data[:4]):
            raise UserError(f"--config {shown(path)} cannot be read: {NOT_UTF8}")
        text = data.decode("utf-8")
        content, pairs = yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        why = reason(error) if path.is_file() else instead_of("file", path)
        raise UserError(f"--config {shown(path)} cannot be read: {why}") from None
    except UnicodeDecodeError:
        raise UserError(f"--config {shown(path)} cannot be read: it is not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark is not None else ""
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"--config {shown(path)} cannot be read as YAML: {line}{shown(why)}") from None
    if not isinstance(content, dict) or not isinstance(pairs, yaml.MappingNode):
        raise UserError(f"--config {path}: expected option names and values, found {type(content).__name__}")
    keys = [key.value for key, _ in pairs.value]
    for key in keys:
        if keys.count(key) > 1:  # YAML would take the last one in silence
            raise UserError(f"--config {path}: {key!r} is given twice")
    return read_mapping(TrainConfig, content, f"--config {path}")


def as_yaml(config: TrainConfig) -> str:
    import yaml

    return yaml.safe_dump(to_mapping(config), sort_keys=False, default_flow_style=None)


def build(values: dict[str, Any]) -> TrainConfig:
    """Checked values over the defaults. Raises ValueError that names the flag."""
    row = find(values.get("net", DEFAULT_VARIANT))
    width, height = row.resolution
    own = {"resolution": (width,) if width == height else (width, height), "channels": row.channels}
    own |= defaults_of(values)
    config = dataclasses.replace(TrainConfig(), **(own | values | {"net": row.name}))
    for name, one in options_of(TrainConfig).items():
        check_value(name, getattr(config, name), one)
    check_together(config)
    return config


def run_folder(config: TrainConfig) -> Path:
    return Path(config.checkpoint_folder.replace("{net}", config.net))
