"""What went wrong between two machines, in a few words: no address, no number, not the three layers of a library."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import requests
import urllib3

from pipeline.transfer.request import Hopeless, TransientError
from vision.messages.addresses import redacted_text
from vision.messages.advice import shown
from vision.messages.system_errors import reason

MOST = 100
"""Letters of what no rule here knows."""


def said(error: BaseException) -> str:
    """A few words, without a secret."""
    if isinstance(error, TransientError):
        return shown(redacted_text(str(error)))
    for inner in _layers(error):
        words = _known(inner)
        if words:
            return words
    text = shown(redacted_text(str(error) or type(error).__name__))
    return text if len(text) <= MOST else text[: MOST - 1] + "…"


def _known(error: BaseException) -> str | None:
    """The innermost layers say most; the libraries' own only where there is nothing below them."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection: {(getattr(error, 'reason', None) or 'the handshake failed').lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror):
        unknown = error.errno == socket.EAI_NONAME
        return "there is no host of this name" if unknown else "the name of the host cannot be looked up now"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if isinstance(
        error, (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError)
    ):
        return "no byte in time"
    if isinstance(error, ConnectionError) and error.errno:
        return reason(error)
    if isinstance(error, urllib3.exceptions.IncompleteRead):
        return "the connection ended too early"
    if type(error).__name__ == "RemoteDisconnected":
        return "the server closed the connection without an answer"
    if isinstance(error, OSError) and error.errno and not isinstance(error, requests.RequestException):
        return reason(error)
    return None


def _layers(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all that it wraps, the innermost first."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if any(one is other for other in found):
            continue
        found.append(one)
        inner = [getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]
        waiting += [each for each in inner if isinstance(each, BaseException)]
    return reversed(found)


def is_hopeless(error: BaseException, answered: bool) -> bool:
    """Whether another try of the same address cannot do better.

    ``answered``: its host is known to exist, so that a name which is not found now is found again.
    """
    if isinstance(error, Hopeless):
        return True
    if isinstance(error, requests.RequestException) and isinstance(
        error, ValueError
    ):  # InvalidURL, InvalidSchema, …
        return True
    for inner in _layers(error):
        if isinstance(inner, ssl.SSLCertVerificationError):
            return True
        if isinstance(inner, socket.gaierror) and inner.errno == socket.EAI_NONAME:
            return not answered
    return False
