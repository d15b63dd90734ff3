"""Stage: fetches the archives of a release into ``archives/``, each checked by size and SHA-256.

An archive that is already there with the right digest is kept; a broken transfer goes on where it broke.
"""

from __future__ import annotations

import shutil
import sys
from typing import Any

from tqdm import tqdm

from pipeline.command import stage_main
from pipeline.fetch import Fetch
from pipeline.release import COCO_SERVER, ReleaseFile, archive_path, release_of
from pipeline.stage import Counts, Settings, Stage, StageContext, StageError
from vision.artefacts.files import sha256_of

SPARE_BYTES = 64 << 20


def _run(context: StageContext) -> Counts:
    files = release_of(context.settings).needed(context.settings.splits)
    counts = Counts(taken_in=len(files))
    missing = [file for file in files if not _is_here(context, file)]
    _require_space(context, missing)
    total = sum(file.bytes for file in missing)
    with tqdm(total=total, unit="B", unit_scale=True, desc="download", disable=None) as bar:
        for file in missing:
            bar.set_postfix_str(file.path)
            part = context.root / (archive_path(file) + ".part")
            bar.update(part.stat().st_size if part.exists() else 0)
            _fetch(context, file, bar)
            context.say(f"fetched {file.path} ({file.bytes:,} bytes, sha256 {file.sha256[:12]}…)")
    counts.kept = len(files)
    counts.notes = {"bytes": sum(file.bytes for file in files), "fetched": [file.path for file in missing]}
    return counts


def _fetch(context: StageContext, file: ReleaseFile, bar: tqdm[Any]) -> None:
    def progress(received: int) -> None:
        bar.update(received)

    servers = context.settings.options.get("mirror") or [COCO_SERVER]
    urls = [f"{server.rstrip('/')}/{file.path}" for server in servers]
    output = context.root / archive_path(file)
    Fetch(urls, file.bytes, file.sha256, output, progress, context.should_stop, context.say).run()


def _is_here(context: StageContext, file: ReleaseFile) -> bool:
    path = context.root / archive_path(file)
    if not path.is_file():
        return False
    if path.stat().st_size == file.bytes and sha256_of(path) == file.sha256:
        return True
    context.say(f"{path} is not the file of the release; it is fetched again")
    return False


def _require_space(context: StageContext, missing: list[ReleaseFile]) -> None:
    """What is still to come, and the same again for what comes out of the archives (JPEGs do not shrink)."""
    parts = (context.root / (archive_path(file) + ".part") for file in missing)
    here = sum(part.stat().st_size for part in parts if part.exists())
    needed = 2 * sum(file.bytes for file in missing) - here + SPARE_BYTES
    free = shutil.disk_usage(context.root).free
    if missing and free < needed:
        raise StageError(
            f"not enough space in {context.root}",
            f"{needed:,} bytes are needed for archives and pictures, {free:,} are free",
            "free some space, choose another --root, or fewer --splits",
        )


def _outputs(settings: Settings) -> list[str]:
    return [archive_path(file) for file in release_of(settings).needed(settings.splits)]


def _params(settings: Settings) -> dict[str, Any]:
    release = release_of(settings)
    return {
        "release": release.name,
        "files": {file.path: file.sha256 for file in release.needed(settings.splits)},
    }


STAGE = Stage(
    name="download",
    summary="fetches the archives and proves each by size and SHA-256",
    version=1,
    after=(),
    inputs=lambda settings: [],
    outputs=_outputs,
    params=_params,
    run=_run,
)

if __name__ == "__main__":
    sys.exit(stage_main(STAGE))
