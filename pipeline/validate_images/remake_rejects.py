"""The image check's lines of ``rejects.jsonl`` out of its table: lost or changed, they need no image read again."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.annotations import json_strict
from pipeline.data_root import receipts
from pipeline.data_root.fingerprints import Fingerprints
from pipeline.data_root.receipts import Receipt
from pipeline.data_root.rejects import publish_rejects
from pipeline.image_check.settings import NAME, readable_again
from pipeline.stage import Counts, StageContext
from vision.artefacts.data_layout import IMAGE_REPORT, REJECTS
from vision.artefacts.records import RecordError


def mended(context: StageContext, version: int, params: dict[str, object]) -> Counts | None:
    """Writes them again where they alone are not as recorded; the counts of the last time. None: check the images."""
    try:
        receipt = receipts.read(context.root, NAME)
    except RecordError:
        return None
    if receipt is None or (receipt.version, receipt.params) != (version, params):
        return None
    if readable_again(context.settings, receipt.notes) or not _alone_is_lost(context, receipt):
        return None
    publish_rejects(context.root, NAME, _rows(context))
    context.say(f"{REJECTS}: made again from {IMAGE_REPORT}")
    return Counts(receipt.taken_in, receipt.kept, receipt.dropped, receipt.notes)


def _alone_is_lost(context: StageContext, receipt: Receipt) -> bool:
    observer = Fingerprints(context.root, stop=context.stop)
    recorded = receipt.inputs | receipt.outputs
    lost = recorded.pop(REJECTS, None)
    if lost is not None and observer.difference(REJECTS, lost) is None:
        return False
    return not any(observer.difference(path, record) for path, record in recorded.items())


def _rows(context: StageContext) -> Iterator[tuple[str, str, str]]:
    with (context.root / IMAGE_REPORT).open("rb") as lines:
        for line in lines:
            row = json_strict.loads(line)
            if row["verdict"] == "reject":
                yield row["split"], row["file_name"], row["reason"] or ""
