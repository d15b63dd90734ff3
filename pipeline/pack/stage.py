"""Stage: decodes every image once and stores it at one size, in one file a split, which the trainer maps into memory.

Optional: made where it has been asked for (``python -m pipeline.pack``, or ``run --format``), and from then on kept up by every run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.stage import Counts, Settings, Stage, StageContext
from vision.artefacts.data_layout import arrays_path, image_folder, pack_path
from vision.images.packs.record import DEFAULT_FORMAT, SCHEMA
from vision.messages.advice import command


def _inputs(settings: Settings) -> list[str]:
    return [path for split in settings.splits for path in (image_folder(split), arrays_path(split))]


def _outputs(settings: Settings) -> list[str]:
    made = settings.choices.pack_format
    return [pack_path(split, made, settings.choices.packed_px) for split in settings.splits] if made else []


def _params(settings: Settings) -> dict[str, Any]:
    chosen = settings.choices
    return {
        "splits": list(settings.splits),
        "format": chosen.pack_format,
        "size": chosen.packed_px,
        "schema": SCHEMA,
    }


def _unasked(settings: Settings) -> str | None:
    if settings.choices.pack_format is not None:
        return None
    wanted = command("python -m pipeline.pack", "--root", settings.root)
    return f"decodes every image once, so that training need not: {wanted}"


def _alone(settings: Settings) -> Settings:
    chosen = settings.choices
    return replace(settings, choices=replace(chosen, pack_format=chosen.pack_format or DEFAULT_FORMAT))


def _run(context: StageContext) -> Counts:
    from pipeline.pack.build import build  # numpy and the decoders: --help does not wait for them

    return build(context)


STAGE = Stage(
    name="pack",
    summary="optional: decodes every image once, to one size and into one file a split, for fast training",
    version=1,
    after=("validate_images", "index"),
    inputs=_inputs,
    outputs=_outputs,
    params=_params,
    run=_run,
    unasked=_unasked,
    alone=_alone,
)
