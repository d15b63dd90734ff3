"""Stage: decodes every image once and stores it at one size, in one file a split, which the trainer maps into memory.

Optional: made where it has been asked for (``python -m pipeline.pack``, or ``run --format``), and from then on kept up by every run.
Of all splits of the root, or of those that ``--splits`` of this stage names; packs of others that are there stay where they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.data_root.saved_options import ALL
from pipeline.stage import Counts, Settings, Stage, StageContext
from vision.artefacts.data_layout import arrays_path, image_folder, pack_path
from vision.images.packs.record import DEFAULT_FORMAT, SCHEMA
from vision.messages.advice import command


def _inputs(settings: Settings) -> list[str]:
    return [
        path for split in settings.choices.packed_splits for path in (image_folder(split), arrays_path(split))
    ]


def _outputs(settings: Settings) -> list[str]:
    chosen = settings.choices
    made = chosen.pack_format
    return [pack_path(split, made, chosen.packed_px) for split in chosen.packed_splits] if made else []


def _params(settings: Settings) -> dict[str, Any]:
    chosen = settings.choices
    return {
        "splits": list(chosen.packed_splits),
        "format": chosen.pack_format,
        "size": chosen.packed_px,
        "schema": SCHEMA,
    }


def _unasked(settings: Settings) -> str | None:
    chosen = settings.choices
    if chosen.pack_format is not None and chosen.packed_splits:
        return None
    why, others = "decodes every image once, so that training need not", []
    if not chosen.packed_splits:
        named = " and ".join(chosen.pack_splits or ())
        why, others = f"only {named} was to be packed, and is no split of this root now", ["--splits", ALL]
    return f"{why}: {command('python -m pipeline.pack', '--root', settings.root, *others)}"


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
