"""One file over HTTP, by several connections, so that it arrives whole or not at all, and resumes where it broke.

The first connection finds out whether the server gives ranges of an object that it can name; only then others join.
Where a server does not, one connection fetches all. Bytes are believed only from the offset that was asked for and of
the same object (If-Range); size and SHA-256 decide at the end; where nobody published a SHA-256, the MD5 that the server
tells.
"""

from __future__ import annotations

import errno
import math
import random
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests
import urllib3

from pipeline.space import SPARE_BYTES, require_space
from pipeline.stage import StageError
from pipeline.stop import Stop
from pipeline.transfer.mirrors import Mirrors
from pipeline.transfer.network_errors import is_hopeless, said
from pipeline.transfer.partial import PartialFile, Segment
from pipeline.transfer.request import Answer, NotResumable, OtherFile, TransientError, asked
from pipeline.transfer.running_digest import RunningDigest
from vision.artefacts.files import OutOfSpace, space_errors
from vision.artefacts.targets import require_file_place
from vision.messages.addresses import host_of, redacted
from vision.messages.system_errors import FULL

CHUNK = 1 << 18
SPAN_BYTES = 64 << 20
"""Bytes of a span; files of less than two spans come in one piece."""
TRIES = 6
PROGRESS = 1 << 16
"""Bytes a connection must deliver to reset its failure count, so that a server that sends one byte at a time is not retried forever."""
MIN_RATE, RATE_WINDOW_S = 1024, 60.0
"""Bytes/s that a connection has to give over so many seconds."""
ROOM_EVERY = 16 << 20
"""Bytes between two looks at the free space, where nobody told how many come."""
BACKOFF_S, BACKOFF_LIMIT_S, RETRY_AFTER_LIMIT_S = 1.0, 60.0, 300.0
JITTER = random.Random()
"""A generator of its own: the global one belongs to whoever runs in this process, and may be compared bit by bit."""
LOOK_S = 0.01
TRANSFER_ERRORS = (TransientError, requests.RequestException, urllib3.exceptions.HTTPError)


@dataclass
class Fetch:
    """One file to fetch.

    * urls: mirrors, in order of preference; bytes: None where nobody knows; sha256: in hex, small, "" where nobody knows
    * progress: called with bytes that arrived, negative where some have to come again; from any thread; expect: with
      the size, once a server has told one that nobody knew
    * tries: failures of a connection without progress, for each mirror, before the fetch fails
    * connections: at most so many at a time; another: how one names a further mirror;
      wrong_size: what to do where each has a file of another size
    * require: raises where ``output`` must not be replaced
    """

    urls: list[str]
    bytes: int | None
    sha256: str
    output: Path
    progress: Callable[[int], None]
    stop: Stop
    say: Callable[[str], None]
    connections: int = 1
    another: str = "--mirror URL"
    wrong_size: str = "name the release whose files the server has (--release FILE)"
    require: Callable[[Path], None] = require_file_place
    expect: Callable[[int], None] = lambda total: None
    tries: int = TRIES
    mirrors: Mirrors = field(init=False)

    def __post_init__(self) -> None:
        self.mirrors = Mirrors(self.urls)

    def run(self) -> None:
        """Fetches, checks and publishes. A wrong digest is refetched once, by one connection.

        Raises:
            StageError: no url gave the right bytes; Interrupted: asked to stop, what is there is kept; OSError: the
            disk failed, what is there is kept.
        """
        self.output.parent.mkdir(parents=True, exist_ok=True)
        self.require(self.output)
        with space_errors(self.output):
            for attempt in (1, 2):
                part = PartialFile(self.output, self.bytes, self.sha256)
                part.require_ours()
                digest = RunningDigest(part, "sha256") if self.sha256 else None
                try:
                    self._transfer(part, self.connections if attempt == 1 else 1)
                except OSError as error:
                    raise _with_needed(error, part) from error
                finally:
                    part.close()
                    if digest is not None:
                        digest.leave()
                    if not (part.complete or part.can_go_on):
                        with suppress(OSError):
                            part.remove()
                url, wrong = self.mirrors.current, self._wrong(part, digest)
                if wrong is None:
                    self.require(self.output)
                    part.publish(self.output)
                    return
                self.say(f"{self.output.name}: {wrong}" + ("; fetching it again" if attempt == 1 else ""))
                self.progress(-part.have)
                part.remove()
                self.mirrors.begin_anew()
                self.mirrors.leave(url)
        raise StageError(
            f"{self.output.name} is not the file that was asked for",
            f"{wrong}, twice, the second time from {redacted(url)}",
            f"check what was asked for, or name another mirror ({self.another}); nothing was published",
        )

    def _transfer(self, part: PartialFile, connections: int) -> None:
        """Returns when all bytes are there."""
        part.open(SPAN_BYTES if connections > 1 else None)
        self.progress(part.have)
        for _ in range(self.tries):
            if part.complete:
                return
            try:
                Connections(self, part, connections).work()
                return
            except NotResumable as reason:
                why = str(reason)
                again = "beginning again" if part.have else "fetched by one connection"
                self.say(f"{self.output.name}: {why}; {again}")
                self.progress(-part.have)
                part.begin(None)
                self.mirrors.begin_anew()
                connections = 1
        raise StageError(
            f"{self.output.name} could not be fetched",
            f"begun {self.tries} times from the start: {why}",
            f"name another mirror ({self.another})",
        )

    def _wrong(self, part: PartialFile, digest: RunningDigest | None) -> str | None:
        have = part.path.stat().st_size
        if self.bytes is not None and have != self.bytes:
            return f"{have:,} bytes instead of {self.bytes:,}"
        name, expected = ("sha256", self.sha256) if digest else ("md5", part.md5)
        if not expected:
            return None
        found = (digest or RunningDigest(part, name)).finish(self.stop.check)
        return None if found == expected else f"{name} {found[:12]}… instead of {expected[:12]}…"


class Connections:
    """The connections of one transfer. They end with it: what a straggler still receives is not written."""

    def __init__(self, job: Fetch, part: PartialFile, connections: int) -> None:
        self.job, self.part = job, part
        self.connections = min(connections, sum(not span.complete for span in part.spans))
        self._free = [span for span in part.spans if not span.complete]
        self._lock = threading.Lock()
        self._leave = threading.Event()
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._running = 0

    def work(self) -> None:
        """Returns when every span is complete. Raises what ended a connection for good, Interrupted or OSError."""
        try:
            self._start()
            while not self._ended.wait(LOOK_S):
                self.job.stop.check()
                while self._running < self.connections and self.part.validators and self._free:
                    self._start()
            if self._failure is not None:
                raise self._failure
        finally:
            self._leave.set()

    def _start(self) -> None:
        with self._lock:
            self._running += 1
        # daemons: a connection that hangs in a read does not keep the program from leaving
        threading.Thread(target=self._connection, daemon=True).start()

    def _connection(self) -> None:
        try:
            with requests.Session() as session:
                while not self._leave.is_set() and (span := self._take()) is not None:
                    self._fetch(session, span)
        except BaseException as error:  # handed to the thread that waits
            self._failure = self._failure or error
            self._ended.set()
        finally:
            with self._lock:
                self._running -= 1
                if not self._running and not self._free:
                    self._ended.set()

    def _take(self) -> Segment | None:
        with self._lock:
            return self._free.pop(0) if self._free else None

    def _fetch(self, session: requests.Session, span: Segment) -> None:
        """Until the span is complete. Raises StageError when its tries are used up."""
        failures, tries, before = 0, 0, span.have
        while not self._leave.is_set():
            url = self.job.mirrors.current
            try:
                self._once(session, url, span)
                return
            except NotResumable as error:
                if not (self.part.can_go_on and self.job.mirrors.bar(url)):
                    raise
                self._tell(url, f"{error}; trying another mirror")
            except TRANSFER_ERRORS as error:
                if span.have - before >= PROGRESS:
                    failures, tries, before = 0, 0, span.have
                if self._leave.is_set():
                    return
                if is_hopeless(error, answered=bool(self.part.validator_of(url))):
                    self._without(url, said(error))
                    continue
                weight = getattr(error, "weight", 1)
                failures, tries = failures + weight, tries + 1
                most = self.job.tries * max(1, self.job.mirrors.usable)
                if failures >= most:
                    check = self.job.wrong_size if isinstance(error, OtherFile) else "check the network"
                    self._give_up(f"{redacted(url)}: {said(error)}", check)
                self.job.mirrors.leave(url)
                pause = backoff_s(tries, getattr(error, "after_s", None))
                last = tries + math.ceil((most - failures) / weight)
                self._tell(url, f"{said(error)}; try {tries} of {last}, next in {pause:.1f} s")
                self._leave.wait(pause)

    def _tell(self, url: str, what: str) -> None:
        self.job.say(f"{self.job.output.name}: {host_of(url)}: {what}")

    def _without(self, url: str, why: str) -> None:
        """Drops an address that will never work. Raises StageError where it was the last one."""
        if not self.job.mirrors.drop(url):
            self._give_up(f"{redacted(url)}: {why}", "check the address")
        if not self.job.mirrors.usable:
            raise NotResumable(f"{host_of(url)}: {why}, and the other mirrors cannot resume")
        self._tell(url, f"{why}; trying another mirror")

    def _give_up(self, why: str, check: str) -> None:
        if self.job.mirrors.some_are_barred:
            raise NotResumable(f"{why}, too often, and the other mirrors cannot resume")
        part, goes_on = self.part, "starts from the beginning: nothing of it can be resumed"
        if part.can_go_on:
            goes_on = f"resumes it: {part.have:,} bytes stay in {part.path}"
        raise StageError(
            f"{self.job.output.name} could not be fetched",
            why,
            f"{check} or name a mirror ({self.job.another}); the same command {goes_on}",
        )

    def _once(self, session: requests.Session, url: str, span: Segment) -> None:
        """One request for what the span lacks. Returns when it is complete."""
        part = self.part
        if span.have and not part.validators:
            raise NotResumable(
                "the server sends no strong ETag or date, so the partial file cannot be resumed"
            )
        whole = len(part.spans) == 1 and span.have == 0
        end = None if len(part.spans) == 1 else span.end
        html = self.job.output.suffix.startswith(".htm")
        with asked(session, url, span.position, end, part.validator_of(url), html) as answer:
            if answer.start != span.position:
                raise NotResumable("the server's file has changed, or it gives no ranges")
            self._check_object(url, answer, span, whole)
            self._receive(answer, span)

    def _check_object(self, url: str, answer: Answer, span: Segment, whole: bool) -> None:
        """Another mirror's object has to have the same size; that it is the same one is for the digest to say."""
        part = self.part
        known = part.validator_of(url)
        if not whole and known and answer.validator and known != answer.validator:
            raise NotResumable("the server's file has changed")
        if len(part.spans) > 1 and (not answer.validator or answer.response.status_code != 206):
            raise NotResumable("the server gives no ranges of an object that it names")
        if span.position and not known and not answer.validator:
            raise TransientError("this server does not name its object")
        if part.total is None and answer.total is not None:
            require_space(
                part.path.parent,
                answer.total - part.have,
                f"for {self.job.output.name}",
                "name another place",
            )
            part.learn_total(span, answer.total)
            self.job.expect(answer.total)
        if answer.total not in (None, part.total):
            what = f"the server's file has {answer.total:,} bytes instead of {part.total:,}"
            raise OtherFile(what, weight=3) if whole else NotResumable(what)
        if answer.validator:
            part.identify(span, url, answer.validator, answer.md5)

    def _receive(self, answer: Answer, span: Segment) -> None:
        pace, room = MinRate(), DiskGuard(self.part)
        while chunk := answer.response.raw.read1(CHUNK):  # what has arrived, so that a cut loses nothing
            if span.end is not None and span.position + len(chunk) > span.end:
                raise TransientError(f"more than the {span.end - span.start:,} bytes that were asked for")
            if self._leave.is_set() or not self.part.write(span, chunk):
                return
            self.job.progress(len(chunk))
            pace.check(len(chunk))
            room.check(len(chunk))
        self._require_all(answer, span)

    def _require_all(self, answer: Answer, span: Segment) -> None:
        if span.complete:
            return
        announced = None if answer.length is None else answer.start + answer.length
        if span.end is None and (announced is None or span.position == announced):
            self.part.learn_total(span, span.position)
            return
        expected = span.end if span.end is not None else announced
        raise TransientError(f"the connection ended after {span.position:,} of {expected or 0:,} bytes")


class DiskGuard:
    """Ends a body of a size that nobody told before it has filled the disk."""

    def __init__(self, part: PartialFile) -> None:
        self.part, self._bytes = part, 0

    def check(self, received: int) -> None:
        self._bytes += received
        if self.part.total is not None or self._bytes < ROOM_EVERY:
            return
        self._bytes, free = 0, shutil.disk_usage(self.part.path.parent).free
        if free < SPARE_BYTES:
            raise StageError(
                f"not enough space in {self.part.path.parent}",
                f"{self.part.have:,} bytes have come, the server does not say how many there are, {free:,} are left",
                "free some space, or check the url: its content may be endless",
            )


def backoff_s(tries: int, after_s: float | None) -> float:
    """Seconds until the next try: what the server asked for, else about twice as long each time, never the same."""
    if after_s is not None:
        return min(after_s, RETRY_AFTER_LIMIT_S)
    return min(BACKOFF_LIMIT_S, BACKOFF_S * 2.0 ** (tries - 1)) * JITTER.uniform(0.5, 1.0)


def _with_needed(error: OSError, part: PartialFile) -> OSError:
    """``error``; that of a full disk says how much is lacking, where that is known."""
    if error.errno not in FULL or part.total is None:
        return error
    free = shutil.disk_usage(part.path.parent).free
    what = f"{part.have:,} of {part.total:,} bytes have arrived; {part.total - part.have:,} more are needed"
    return OutOfSpace(errno.ENOSPC, f"{what}, {free:,} are free", str(part.path))


class MinRate:
    """Ends a connection that gives less than MIN_RATE over RATE_WINDOW_S."""

    def __init__(self) -> None:
        self._since, self._bytes = time.monotonic(), 0

    def check(self, received: int) -> None:
        self._bytes += received
        elapsed = time.monotonic() - self._since
        if elapsed < RATE_WINDOW_S:
            return
        if self._bytes < MIN_RATE * elapsed:
            raise TransientError(f"only {self._bytes / elapsed:,.0f} bytes/s over {elapsed:.0f} s")
        self._since, self._bytes = time.monotonic(), 0
