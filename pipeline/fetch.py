"""One file over HTTP, so that it arrives whole or not at all, and a broken transfer goes on where it broke.

Bytes go to ``NAME.part``; ``NAME.part.json`` records url, validator and how many bytes are known to be on the
disk. A 206 is believed only from the offset that was asked for and with the same validator; anything else starts
again. Size and SHA-256 decide at the end.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3

from pipeline.stage import Interrupted, StageError
from vision.artefacts.files import fsync_folder, publish_json

CHUNK = 1 << 16
SYNC_EVERY = 32 << 20
TRIES_WITHOUT_PROGRESS = 6
CONNECT_S, STALL_S = 15, 60
BACKOFF_S, BACKOFF_LIMIT_S, RETRY_AFTER_LIMIT_S = 1.0, 60.0, 300.0
RETRIED_STATUS = {408, 425, 429, 500, 502, 503, 504}
MAX_REDIRECTS = 5


@dataclass(slots=True)
class Part:
    """The durable record beside a ``.part`` file; ``synced`` bytes of it are on the disk."""

    url: str
    validator: str
    synced: int


class _Retry(Exception):
    """The transfer broke; ``after_s`` is what the server asked for."""

    def __init__(self, why: str, after_s: float | None = None) -> None:
        super().__init__(why)
        self.after_s = after_s


@dataclass(slots=True)
class Fetch:
    """One file to fetch: where from, in order of preference, what it has to be, and where to."""

    urls: list[str]
    bytes: int | None
    sha256: str
    output: Path
    progress: Callable[[int], None]
    should_stop: Callable[[], bool]
    say: Callable[[str], None]

    @property
    def part(self) -> Path:
        return self.output.with_name(self.output.name + ".part")

    @property
    def record(self) -> Path:
        return self.output.with_name(self.output.name + ".part.json")

    def run(self) -> None:
        """Fetches, checks and publishes. A wrong digest is refetched once.

        Raises:
            StageError: no url gave the right bytes; Interrupted: asked to stop, what is there is kept.
        """
        self.output.parent.mkdir(parents=True, exist_ok=True)
        for attempt in (1, 2):
            self._transfer()
            wrong = self._wrong()
            if wrong is None:
                self._publish()
                return
            self.say(f"{self.output.name}: {wrong}" + ("; fetching it once more" if attempt == 1 else ""))
            self._start_again()
        raise StageError(
            f"{self.output.name} is not the file of the release",
            f"{wrong}, twice, from {self.urls[0]}",
            "try another mirror (--mirror URL); nothing was published",
        )

    def _transfer(self) -> None:
        failures, why = 0, ""
        while failures < TRIES_WITHOUT_PROGRESS * len(self.urls):
            url = self.urls[failures % len(self.urls)]
            before = self._have()
            try:
                self._one_request(url)
                return
            except (_Retry, requests.RequestException, urllib3.exceptions.HTTPError) as error:
                why = f"{url}: {error}"
                failures = 0 if self._have() > before else failures + 1
                self._wait(failures, getattr(error, "after_s", None), why)
        raise StageError(
            f"{self.output.name} could not be fetched",
            why,
            "check the network or name a mirror (--mirror URL); the same command goes on where this stopped",
        )

    def _wait(self, failures: int, after_s: float | None, why: str) -> None:
        pause = min(BACKOFF_LIMIT_S, BACKOFF_S * 2 ** max(0, failures - 1)) * random.uniform(0.5, 1.0)
        if after_s is not None:
            pause = min(after_s, RETRY_AFTER_LIMIT_S)
        self.say(f"{self.output.name}: {why}; again in {pause:.1f} s")
        until = time.monotonic() + pause
        while time.monotonic() < until:
            self._check_stop()
            time.sleep(min(0.2, pause))

    def _check_stop(self) -> None:
        if self.should_stop():
            raise Interrupted(self.output.name)

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _one_request(self, url: str) -> None:
        """One GET, from where the part ends. Returns when the body is complete; raises ``_Retry`` otherwise."""
        offset, validator = self._resume_point()
        if self.bytes is not None and offset == self.bytes:
            return
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
        with _open(url, headers) as response:
            offset = self._accepted_offset(response, offset)
            self._receive(response, url, offset)

    def _resume_point(self) -> tuple[int, str]:
        """(bytes that may be kept, validator); (0, "") when the part can not be trusted to belong together."""
        part = _read_part(self.record)
        have = self._have()
        if part is None or not part.validator or have < part.synced or (self.bytes and have > self.bytes):
            self._start_again()
            return 0, ""
        if have > part.synced:
            os.truncate(self.part, part.synced)
            self.progress(part.synced - have)
        return part.synced, part.validator

    def _accepted_offset(self, response: requests.Response, asked: int) -> int:
        status = response.status_code
        if status in RETRIED_STATUS:
            raise _Retry(f"HTTP {status}", _retry_after(response))
        if status == 416:
            self._start_again()
            raise _Retry("HTTP 416: the server's file is shorter than what is here; starting again")
        if status not in (200, 206):
            raise _Retry(f"HTTP {status}")
        if "html" in response.headers.get("Content-Type", "") and not self.output.suffix.startswith(".htm"):
            raise _Retry("the server answered with a web page")
        if response.headers.get("Content-Encoding", "identity") not in ("identity", ""):
            raise _Retry(f"unasked Content-Encoding {response.headers['Content-Encoding']}")
        if status == 200:
            self._start_again()
            return 0
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if span is None or int(span[1]) != asked:
            self._start_again()
            raise _Retry(
                f"asked for bytes from {asked:,}, got Content-Range {response.headers.get('Content-Range')!r}"
            )
        return asked

    def _receive(self, response: requests.Response, url: str, offset: int) -> None:
        validator = _validator(response)
        synced = offset
        with self.part.open("r+b" if offset else "wb") as stream:
            stream.seek(offset)
            try:
                while chunk := response.raw.read1(CHUNK):  # what has arrived, so that a cut loses nothing
                    if self.bytes is not None and stream.tell() + len(chunk) > self.bytes:
                        raise _Retry(f"more than the {self.bytes:,} bytes of the release")
                    stream.write(chunk)
                    self.progress(len(chunk))
                    if stream.tell() - synced >= SYNC_EVERY:
                        synced = self._sync(
                            stream.fileno(), stream.flush, Part(url, validator, stream.tell())
                        )
                    self._check_stop()
            finally:
                self._sync(stream.fileno(), stream.flush, Part(url, validator, stream.tell()))
            end = stream.tell()
        expected = self.bytes if self.bytes is not None else _announced(response, offset)
        if expected is not None and end < expected:
            raise _Retry(f"the connection ended after {end:,} of {expected:,} bytes")

    def _sync(self, descriptor: int, flush: Callable[[], None], part: Part) -> int:
        flush()
        os.fsync(descriptor)
        publish_json(self.record, asdict(part))
        return part.synced

    def _wrong(self) -> str | None:
        have = self._have()
        if self.bytes is not None and have != self.bytes:
            return f"{have:,} bytes, the release says {self.bytes:,}"
        digest = self._digest()
        return (
            None if digest == self.sha256 else f"sha256 {digest[:12]}…, the release says {self.sha256[:12]}…"
        )

    def _digest(self) -> str:
        sha256 = hashlib.sha256()
        with self.part.open("rb") as stream:
            while chunk := stream.read(1 << 22):
                sha256.update(chunk)
                self._check_stop()
        return sha256.hexdigest()

    def _publish(self) -> None:
        os.replace(self.part, self.output)
        self.record.unlink(missing_ok=True)
        fsync_folder(self.output.parent)

    def _start_again(self) -> None:
        self.progress(-self._have())
        self.part.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)


def _open(url: str, headers: dict[str, str]) -> requests.Response:
    """A GET whose redirects are followed by hand: http(s) only, never from https to http."""
    for _ in range(MAX_REDIRECTS + 1):
        if urlsplit(url).scheme not in ("http", "https"):
            raise _Retry(f"{url}: only http and https are fetched")
        response = requests.get(
            url, headers=headers, stream=True, timeout=(CONNECT_S, STALL_S), allow_redirects=False
        )
        if response.status_code not in (301, 302, 303, 307, 308):
            return response
        target = requests.compat.urljoin(url, response.headers.get("Location", ""))
        response.close()
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
            raise _Retry(f"{url} redirects from https to {target}")
        url = target
    raise _Retry(f"more than {MAX_REDIRECTS} redirects")


def _validator(response: requests.Response) -> str:
    """A strong ETag, or the date of the last change; "" when a resume could mix two versions."""
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified", "")


def _announced(response: requests.Response, offset: int) -> int | None:
    length = response.headers.get("Content-Length")
    return offset + int(length) if length and length.isdigit() else None


def _retry_after(response: requests.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None


def _read_part(path: Path) -> Part | None:
    try:
        noted = json.loads(path.read_text())
        return Part(str(noted["url"]), str(noted["validator"]), int(noted["synced"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
