"""Stage: fetches the archives of a release into ``archives/``, each checked by size and SHA-256.

An archive that is already there with the right digest is kept; a broken transfer resumes where it broke.

A file of your own: ``python -m pipeline.download --url URL --sha256 HEX --output FILE``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.data_root import brought
from pipeline.download.logins import named_again, usable
from pipeline.download.on_disk import take_over
from pipeline.release import COCO_SERVER, ReleaseFile, archive_path
from pipeline.runner.own_data import nothing_to_bring
from pipeline.runner.owners_files import free_name, is_remains
from pipeline.space import require_space
from pipeline.stage import Counts, Interrupted, Settings, Stage, StageContext, StageError
from pipeline.stop import Stop
from pipeline.transfer.mirrors import below
from pipeline.transfer.partial import bytes_here, remove_traces, was_just_published
from pipeline.transfer.progress import Progress, size
from vision.artefacts.data_layout import image_folder
from vision.artefacts.files import fsync_folder, sha256_of
from vision.messages.advice import command


def _run(context: StageContext) -> Counts:
    files = context.settings.choices.files()
    counts = Counts(taken_in=len(files))
    aside: dict[Path, Path] = {}
    missing = take_over(context, [file for file in files if not _is_here(context, file, aside)])
    servers = _servers(context) if missing else []
    _require_space(context, files, missing)
    total = sum(file.bytes for file in missing)
    with Progress("download", total, context.say) as progress:
        Transfers(context, servers, progress).fetch_all(missing)
    for path, other in aside.items():
        if is_remains(other, path):
            other.unlink()
            context.say(f"{other} was only damaged, and is removed")
    counts.kept = len(files)
    counts.notes = {"bytes": sum(file.bytes for file in files), "fetched": [file.path for file in missing]}
    return counts


def _servers(context: StageContext) -> list[str]:
    """Where to ask, in order. Raises StageError for a mirror whose login is nowhere to be had."""
    run = command("python -m pipeline run", "--root", context.root)
    mirrors = context.settings.choices.mirror or [COCO_SERVER]
    return [usable(mirror, named_again(run, "--mirror", mirror)) for mirror in mirrors]


@dataclass
class Transfers:
    """Several files at a time, one progress for all; when one fails the others stop too, and keep what they have."""

    context: StageContext
    servers: list[str]
    progress: Progress
    failed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fetch_all(self, files: Sequence[ReleaseFile]) -> None:
        """Raises what the first file that failed raised."""
        from concurrent.futures import ThreadPoolExecutor  # logging with it: few commands need it

        with ThreadPoolExecutor(self.context.settings.parallel) as pool:
            futures = [pool.submit(self._fetch, file) for file in files]
            problems = [problem for future in futures if (problem := future.exception()) is not None]
        own = [problem for problem in problems if not isinstance(problem, Interrupted)]
        for problem in own or problems:
            raise problem

    def _fetch(self, file: ReleaseFile) -> None:
        from pipeline.transfer.fetch import (
            Fetch,  # requests takes its time; --help and status need none of it
        )

        urls = [below(server, file.path) for server in self.servers]
        output = self.context.root / archive_path(file)
        stop = Stop(lambda: self.failed or self.context.stop.wanted())
        try:
            stop.check()
            Fetch(
                urls, file.bytes, file.sha256, output, self.progress.update, stop, self._say,
                self.context.settings.connections,
            ).run()  # fmt: skip
        except BaseException:
            self.failed = True
            raise
        with self.lock:
            brought.note(self.context.root, archive_path(file), file.sha256)
        self._say(f"fetched {file.path}: {size(file.bytes)}, SHA-256 as published")

    def _say(self, line: str) -> None:
        with self.lock:
            self.context.say(line)


def _is_here(context: StageContext, file: ReleaseFile, aside: dict[Path, Path]) -> bool:
    """Whether the archive is there. Another file in its place that this stage has not put there moves ``aside``."""
    path = context.root / archive_path(file)
    if not path.is_file():
        return False
    digest = sha256_of(path, context.stop.check)
    if digest == file.sha256:
        if was_just_published(path):  # a kill between the last steps of a fetch
            brought.note(context.root, archive_path(file), file.sha256)
        remove_traces(path)
        return True
    kept = ""
    if digest not in brought.read(context.root).get(archive_path(file), ()):
        aside[path] = context.root / free_name(context.root, archive_path(file))
        os.replace(path, aside[path])
        fsync_folder(path.parent)
        kept = f", and kept as {aside[path].name}"
    context.say(f"{path} is not the file of the release{kept}; it is fetched again")
    return False


def _is_of_release(settings: Settings, path: str, stop: Stop) -> bool:
    """Whether the file at ``path``, which nobody claims, is that archive. Raises Interrupted."""
    (file,) = (file for file in settings.choices.release.files if archive_path(file) == path)
    full = settings.root / path

    return full.is_file() and full.stat().st_size == file.bytes and sha256_of(full, stop.check) == file.sha256


def _require_space(context: StageContext, files: list[ReleaseFile], missing: list[ReleaseFile]) -> None:
    """What is still to come, and what will come out of all that is not unpacked yet: archives stay until then.

    Those of an earlier release make room where there is none for both: they would be replaced anyway.
    """
    here = sum(bytes_here(context.root / archive_path(file)) for file in missing)
    packed = [file for file in files if file in missing or not _is_unpacked(context, file)]
    needed = sum(file.bytes for file in missing) - here + sum(file.unpacked_bytes for file in packed)
    paths = (context.root / archive_path(file) for file in missing)
    wrong = [path for path in paths if path.is_file() and not path.is_symlink()]

    def require(bytes_: int) -> None:
        what, fix = "for archives and what comes out of them", "choose another --root or fewer --splits"
        require_space(context.root, bytes_ if missing else 0, what, fix)

    try:
        require(needed)
    except StageError:
        require(needed - sum(path.stat().st_size for path in wrong))
        for path in wrong:
            context.say(f"{path} is removed first: the disk has no space for it and the right file")
            path.unlink()


def _is_unpacked(context: StageContext, file: ReleaseFile) -> bool:
    """Whether its images are there; the little that comes out of annotations is counted each time."""
    split = file.split()
    return split is not None and (context.root / image_folder(split)).is_dir()


def _outputs(settings: Settings) -> list[str]:
    return [archive_path(file) for file in settings.choices.files()]


def _params(settings: Settings) -> dict[str, Any]:
    files = {file.path: file.sha256 for file in settings.choices.files()}
    return {"release": settings.choices.release.name, "files": files}


STAGE = Stage(
    name="download",
    summary="fetch the archives; verify size and SHA-256 of each",
    version=1,
    after=(),
    inputs=lambda settings: [],
    outputs=_outputs,
    params=_params,
    run=_run,
    takes_over=_is_of_release,
    proves=_outputs,
    not_needed=nothing_to_bring,
)
