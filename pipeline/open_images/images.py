"""The images: several at a time, each published whole; what is there stays; what cannot be had is listed with its reason."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import requests

from pipeline.bar import bar
from pipeline.open_images.made import Made
from pipeline.open_images.release import image_addresses
from pipeline.stop import Interrupted, StageError, Stop
from pipeline.transfer.progress import EVERY_S, size
from pipeline.transfer.small_file import NotFetched, SmallFiles
from vision.artefacts.files import publish_bytes
from vision.messages.advice import shown
from vision.messages.terminal import clock_time, counted

FEW, MOST_SHARE = 10, 0.05
"""So many images may fail, or this share of those that are asked for; more of both stop the command."""
LOOK_S = 0.05
GRACE_S = 2.0
"""How long threads may take to leave: one that waits for a server is left behind, and writes nothing any more."""
JPEG = b"\xff\xd8\xff"


@dataclass
class Images:
    """One download of images.

    * names: ``train/ID.jpg``, relative to the root; those that are there are not asked for
    * mirrors: () for the release's own host; workers: images at a time; tries: of one image, for each mirror
    """

    names: Sequence[str]
    made: Made
    mirrors: tuple[str, ...]
    workers: int
    tries: int
    say: Callable[[str], None]
    stop: Stop
    failed: dict[str, str] = field(default_factory=dict)
    fetched: int = 0
    bytes: int = 0

    def bring(self) -> None:
        """Returns when each image is there or in ``failed``, by name with its reason.

        Raises StageError where too many fail, Interrupted, OSError from the disk; whole images stay.
        """
        self._files = SmallFiles(self.tries)
        self._queue: Iterator[str] = iter(self.names)
        self._lock = threading.Lock()
        self._error: list[BaseException] = []
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self.workers)]
        try:
            with _Shown(self) as progress:
                for thread in threads:
                    thread.start()
                while any(thread.is_alive() for thread in threads):
                    threads[0].join(LOOK_S)
                    time.sleep(0 if threads[0].is_alive() else LOOK_S)
                    self.stop.check()
                    self._raise()
                    progress.show()
            self._raise()
        finally:
            self._files.leave.set()
            until = time.monotonic() + GRACE_S
            for thread in filter(threading.Thread.is_alive, threads):
                thread.join(max(0.0, until - time.monotonic()))

    def _raise(self) -> None:
        if self._error:
            raise self._error[0]
        failed, asked = len(self.failed), len(self.names)
        if (failed > FEW and failed > MOST_SHARE * asked) or failed == asked > 0:
            name, why = next(iter(self.failed.items()))
            raise StageError(
                f"{failed:,} of {counted(asked, 'image')} could not be fetched",
                f"the first: {name}: {why}; at most {FEW} or {MOST_SHARE:.0%} may fail",
                "check the network, or name a mirror (--mirror URL); the same command resumes: what has come stays",
            )

    def _work(self) -> None:
        """One thread: image after image over one connection."""
        try:
            with requests.Session() as session:
                while not self._files.leave.is_set():
                    with self._lock:
                        name = next(self._queue, None)
                    if name is None:
                        return
                    self._one(session, name)
        except Interrupted:
            pass
        except BaseException as error:  # handed to the thread that waits
            self._error.append(error)

    def _one(self, session: requests.Session, name: str) -> None:
        try:
            data = self._files.get(session, image_addresses(name, self.mirrors), _fault)
        except NotFetched as error:
            with self._lock:
                self.failed[name] = str(error)
            return
        path = self.made.root / name
        if self._files.leave.is_set() or os.path.lexists(path):
            return
        self.made.note(name, hashlib.sha256(data).hexdigest())
        publish_bytes(path, data)
        with self._lock:
            self.fetched, self.bytes = self.fetched + 1, self.bytes + len(data)


def _fault(data: bytes) -> str | None:
    """Whether it can be an image at all; that all of it can be decoded is for the validate stage to say."""
    return None if data.startswith(JPEG) else f"no JPEG: it begins with {shown(repr(data[:8]))}"


class _Shown:
    """How far it is: a bar on a terminal, elsewhere a line every ten seconds; images/s, MB/s, time left."""

    def __init__(self, images: Images) -> None:
        self.images = images
        self._began = self._said = time.monotonic()
        self._bar = (
            bar("images", len(images.names), "image", dynamic_ncols=True) if sys.stderr.isatty() else None
        )

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self) -> None:
        images, seconds = self.images, time.monotonic() - self._began
        done = images.fetched + len(images.failed)
        if self._bar is not None:
            self._bar.set_postfix_str(f"{size(images.bytes / max(seconds, 1e-9))}/s", refresh=False)
            self._bar.update(done - self._bar.n)
        elif time.monotonic() - self._said >= EVERY_S:
            self._said = time.monotonic()
            images.say(self.line(done, seconds))

    def line(self, done: int, seconds: float) -> str:
        images, asked = self.images, len(self.images.names)
        parts = [
            f"images: {done:,} of {asked:,}",
            f"{done / seconds:.1f} images/s",
            f"{size(images.bytes / seconds)}/s",
        ]
        if done:
            parts.append(f"ETA {clock_time(seconds * (asked - done) / done)}")
        if images.failed:
            parts.append(counted(len(images.failed), "failure"))
        return "  ".join(parts)
