"""Stage: decodes every image strictly and says which can be used, which need converting, which are refused.

Reads the images and the annotated sizes, changes neither, and writes ``report/images.jsonl`` (a line for each
image), ``rejects.jsonl`` (the refused ones) and, where there are any, ``report/bad_images.png`` (what they look like) and
``report/in_two_splits.jsonl`` (images of one split that another one has).

A folder of your own: ``python -m pipeline.validate_images --images DIR --report FILE.jsonl``.
"""

from __future__ import annotations

from typing import Any

from pipeline.image_check.settings import JOURNAL, NAME, check_settings, how, readable_again
from pipeline.stage import Counts, Settings, Stage, StageContext
from pipeline.validate_images.image_splits import TWICE
from pipeline.validate_images.remake_rejects import remade
from vision.artefacts.data_layout import IMAGE_REPORT, REJECTS, SHEET, image_folder, original_path


def _run(context: StageContext) -> Counts:
    if (counts := remade(context)) is not None:
        return counts
    from pipeline.validate_images.table import make_table  # the decoders: --help does not wait for them

    return make_table(context)


def _inputs(settings: Settings) -> list[str]:
    return [path for split in settings.splits for path in (image_folder(split), original_path(split))]


def _outputs(settings: Settings) -> list[str]:
    return [IMAGE_REPORT, REJECTS, *_sometimes(settings)]


def _sometimes(settings: Settings) -> list[str]:
    return [SHEET, TWICE]


def _params(settings: Settings) -> dict[str, Any]:
    return check_settings(how(settings))


STAGE = Stage(
    name=NAME,
    summary="decode every image strictly; list which can be used, which cannot, and why",
    version=1,
    after=("extract",),
    inputs=_inputs,
    outputs=_outputs,
    params=_params,
    run=_run,
    doubt=readable_again,
    keeps=JOURNAL,
    sometimes=_sometimes,
)
