"""Options of the update: batch, optimiser, rates, what is frozen, what becomes of NaN. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from vision.engine.options.option import EPOCHS, IMAGES, OPTIMISATION, RATE, STEPS, option


@dataclass(frozen=True)
class OptimisationOptions:
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
