"""One GET for some bytes of a file: sent, followed through redirects, and its answer's head checked."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests

from vision.messages.addresses import fault_of, redacted

CONNECT_S, STALL_S = 15.0, 60.0
HEAD_S = 120.0
"""From the request to the end of the answer's head, redirects included: a head may drip, and so may a handshake."""
MAX_REDIRECTS = 5
RETRIED_STATUS = {408, 425, 429, 500, 502, 503, 504}


class TransientError(Exception):
    """No answer of use, or one that broke off. ``after_s`` is what the server asked for; ``weight`` tries it costs."""

    def __init__(self, why: str, after_s: float | None = None, weight: int = 1) -> None:
        super().__init__(why)
        self.after_s, self.weight = after_s, weight


class Hopeless(TransientError):
    """The same address will not do better the next time."""


class OtherFile(TransientError):
    """The server has a file of another size under the name; another mirror may have the right one."""


class NotResumable(Exception):
    """The partial file does not match this server's object: switch mirror or restart from byte 0."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The body begins at byte ``start``; ``total`` is the size of the whole file, None where it was not told.

    * validator: what identifies the object, "" where a resume could mix two versions
    * length: bytes that the body announces; md5: of the whole file, in hex, "" where it was not told
    """

    response: requests.Response
    start: int
    total: int | None
    validator: str
    length: int | None
    md5: str = ""


@contextmanager
def asked(
    session: requests.Session, url: str, start: int, end: int | None, validator: str, html: bool
) -> Iterator[Answer]:
    """The answer to a GET of ``start:end``; of everything, where that is ``0:None``. ``html``: may it be a web page.

    Raises:
        Broken: worth another try; Unusable: from ``start`` on it is not the object of ``validator`` any more.
    """
    headers = {"Accept-Encoding": "identity"}
    if start or end is not None:
        headers["Range"] = f"bytes={start}-" + ("" if end is None else str(end - 1))
        if validator:
            headers["If-Range"] = validator
    with _malformed():
        response = _in_time(lambda: _followed(session, url, headers))
    try:
        with _malformed():
            answer = _answer(response, start, html)
        yield answer
    finally:
        response.close()


def _in_time(get: Callable[[], requests.Response]) -> requests.Response:
    """What ``get`` returns or raises; Broken after HEAD_S. A time-out of the socket counts from its last byte only."""
    made: list[requests.Response] = []
    failed: list[BaseException] = []
    lock, given_up, done = threading.Lock(), threading.Event(), threading.Event()

    def work() -> None:
        try:
            response = get()
            with lock:
                made.append(response)
                if given_up.is_set():
                    response.close()
        except BaseException as error:  # handed to the thread that waits
            failed.append(error)
        finally:
            done.set()

    # a daemon: one that hangs does not keep the program from leaving
    threading.Thread(target=work, daemon=True).start()
    done.wait(HEAD_S)
    with lock:
        if failed:
            raise failed[0]
        if made:
            return made[0]
        given_up.set()
    raise TransientError(f"no answer within {HEAD_S:.0f} s")


@contextmanager
def _malformed() -> Iterator[None]:
    """Headers that no server should send are a broken answer."""
    try:
        yield
    except requests.RequestException:
        raise
    except (ValueError, OverflowError) as error:
        kind = (
            Hopeless if "IPv6" in str(error) else TransientError
        )  # a redirect: the library looks where it leads
        raise kind(f"an answer that cannot be read: {error}") from error


def _followed(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """Redirects are followed by hand: http(s) only, never from https to http."""
    for _ in range(MAX_REDIRECTS + 1):
        if wrong := fault_of(url):
            raise Hopeless(f"{redacted(url)!r}: {wrong}")
        response = session.get(
            url, headers=headers, stream=True, timeout=(CONNECT_S, STALL_S), allow_redirects=False
        )
        if response.status_code not in (301, 302, 303, 307, 308):
            return response
        location = response.headers.get("Location", "")
        response.close()
        url = _target(url, location, response.status_code)
    raise Hopeless(f"more than {MAX_REDIRECTS} redirects")


def _target(url: str, location: str, status: int) -> str:
    """Where a redirect leads. Raises Hopeless where it is not followed."""
    if not location:
        raise Hopeless(f"HTTP {status}: a redirect without a target")
    try:
        target = str(requests.compat.urljoin(url, location))
        down = (urlsplit(url).scheme, urlsplit(target).scheme) == ("https", "http")
    except ValueError:
        raise Hopeless(f"it redirects to {redacted(location)!r}, which is not an address") from None
    if down:
        raise Hopeless(f"it redirects from https to {redacted(target)}")
    if wrong := fault_of(target):
        raise Hopeless(f"it redirects to {redacted(target)!r}: {wrong}")
    return target


def _answer(response: requests.Response, start: int, html: bool) -> Answer:
    status, headers = response.status_code, response.headers
    if status == 416:
        raise _no_such_range(response, start)
    if status in (404, 410):
        raise Hopeless(f"HTTP {status}: the server has no such file")
    if status not in (200, 206):
        final = 400 <= status < 500 and status not in RETRIED_STATUS
        raise TransientError(f"HTTP {status}", _retry_after(response), weight=3 if final else 1)
    if "html" in headers.get("Content-Type", "").lower() and not html:
        raise TransientError("the server answered with a web page")
    if headers.get("Content-Encoding", "identity") not in ("identity", ""):
        raise TransientError(f"unasked Content-Encoding {headers['Content-Encoding']}")
    length = _number(headers.get("Content-Length", ""))
    if status == 200:
        return Answer(response, 0, length, _validator(response), length, _md5(response))
    span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", headers.get("Content-Range", ""))
    if span is None or int(span[1]) != start:
        raise NotResumable(
            f"asked for bytes from {start:,}, got Content-Range {headers.get('Content-Range')!r}"
        )
    total = None if span[3] == "*" else int(span[3])
    return Answer(response, start, total, _validator(response), length, _md5(response))


def _no_such_range(response: requests.Response, start: int) -> Exception:
    """What a 416 means depends on what was asked for."""
    if "Range" not in response.request.headers:
        return TransientError(
            "HTTP 416: the server refuses the file although all of it was asked for", weight=3
        )
    size = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
    told = f", whose file has {int(size[1]):,} bytes" if size else ""
    if not start:
        return NotResumable(f"HTTP 416: the server{told} gives no first part of it")
    return NotResumable(f"HTTP 416: the server{told} has nothing from byte {start:,} on")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _validator(response: requests.Response) -> str:
    """A strong ETag, or the date of the last change; "" when a resume could mix two versions."""
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return "" if etag else response.headers.get("Last-Modified", "")


def _md5(response: requests.Response) -> str:
    """As the two stores say it whose objects have one: Google's in a header, Amazon's as the ETag of an object of one part.

    An ETag of 32 digits of another server may be anything.
    """
    told = re.search(r"\bmd5=([A-Za-z0-9+/]{22}==)", response.headers.get("x-goog-hash", ""))
    if told:
        return base64.b64decode(told[1]).hex()
    etag = re.fullmatch(r'"([0-9a-f]{32})"', response.headers.get("ETag", ""))
    return etag[1] if etag and response.headers.get("Server") == "AmazonS3" else ""


def _retry_after(response: requests.Response) -> float | None:
    """Seconds; the header has seconds or a date."""
    text = response.headers.get("Retry-After", "").strip()
    if (seconds := _number(text)) is not None:
        return float(seconds)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    now = datetime.now(timezone.utc) if date.tzinfo else datetime.now(timezone.utc).replace(tzinfo=None)
    return max(0.0, (date - now).total_seconds())
