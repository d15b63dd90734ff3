"""Options of the run folder, validations, checkpoints, where a session ends. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from vision.engine.options.option import EPOCHS, RUN, STEPS, option


@dataclass(frozen=True)
class RunOptions:
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
