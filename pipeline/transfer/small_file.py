"""A file that fits into the memory, over HTTP: whole or not at all. What a try that failed has brought is fetched again."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import requests

from pipeline.stop import Interrupted
from pipeline.transfer.fetch import CHUNK, TRANSFER_ERRORS, TRIES, MinRate, backoff_s
from pipeline.transfer.mirrors import Mirrors
from pipeline.transfer.network_errors import is_hopeless, said
from pipeline.transfer.request import Answer, Hopeless, NotResumable, TransientError, asked

MOST_BYTES = 64 << 20


class NotFetched(Exception):
    """No url gave the file; the text says why, without a secret."""


@dataclass
class SmallFiles:
    """What the fetches of many small files share; used from several threads, each with a session of its own.

    * tries: of a file, for each mirror; leave: set to end early, also the pause before a further try
    * received: called with bytes that arrived, also those of a try that fails
    """

    tries: int = TRIES
    leave: threading.Event = field(default_factory=threading.Event)
    received: Callable[[int], None] = lambda count: None
    _answered: bool = field(default=False, init=False)

    def get(
        self, session: requests.Session, urls: list[str], require: Callable[[bytes], str | None]
    ) -> bytes:
        """The file's bytes. ``require`` says what is wrong with bytes that came whole, None where nothing is.

        Raises NotFetched; Interrupted where it is to leave.
        """
        mirrors, failures, tries = Mirrors(urls), 0, 0
        while not self.leave.is_set():
            url = mirrors.current
            try:
                return self._once(session, url, require)
            except NotResumable as error:  # an answer to a range that nobody asked for
                why, weight, after_s = str(error), 1, None
            except TRANSFER_ERRORS as error:
                why = said(error)
                if is_hopeless(error, self._answered):
                    if not mirrors.drop(url):
                        raise NotFetched(why) from error
                    continue
                weight, after_s = getattr(error, "weight", 1), getattr(error, "after_s", None)
            failures, tries = failures + weight, tries + 1
            if failures >= self.tries * max(1, mirrors.usable):
                raise NotFetched(f"{why} ({tries} tries)" if tries > 1 else why)
            mirrors.leave(url)
            self.leave.wait(backoff_s(math.ceil(tries / len(mirrors.urls)), after_s))
        raise Interrupted

    def _once(self, session: requests.Session, url: str, require: Callable[[bytes], str | None]) -> bytes:
        with asked(session, url, 0, None, "", html=False) as answer:
            self._answered = True
            data = self._body(answer)
        if answer.md5 and hashlib.md5(data, usedforsecurity=False).hexdigest() != answer.md5:
            raise TransientError("its MD5 is not the one that the server sent")
        if wrong := require(data):
            raise TransientError(wrong)
        return data

    def _body(self, answer: Answer) -> bytes:
        body, pace = bytearray(), MinRate()
        while chunk := answer.response.raw.read1(CHUNK):
            if self.leave.is_set():
                raise Interrupted
            body += chunk
            if len(body) > MOST_BYTES:
                raise Hopeless(f"more than {MOST_BYTES:,} bytes")
            self.received(len(chunk))
            pace.check(len(chunk))
        if answer.length not in (None, len(body)):
            raise TransientError(f"the connection ended after {len(body):,} of {answer.length:,} bytes")
        return bytes(body)
