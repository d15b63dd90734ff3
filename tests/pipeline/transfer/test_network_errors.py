"""What is said of a network that fails: a few words, no secret; and what is never tried a second time."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3

from pipeline.stage import StageError
from pipeline.transfer.fetch import Fetch
from pipeline.transfer.network_errors import MOST, is_hopeless, said
from pipeline.transfer.request import Hopeless
from tests.pipeline.fault_server import FaultServer


def wrapped(inner: BaseException) -> requests.ConnectionError:
    """As requests hands over what urllib3 has made of it."""
    pool = urllib3.HTTPSConnectionPool("host", 443)
    reason = urllib3.exceptions.NewConnectionError(pool, f"Failed to establish a new connection: {inner}")
    reason.__cause__ = inner
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/x?token=s3cr3t", reason))


UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        (UNKNOWN, "there is no host of this name"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "the name of the host cannot be looked up now"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "connection refused"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "connection reset by peer"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "network is unreachable"),
        (TimeoutError("timed out"), "no byte in time"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"), "no TLS connection: the handshake failed"),
    ],
)  # fmt: skip
def test_a_few_words_for_each(inner: BaseException, words: str) -> None:
    assert said(wrapped(inner)) == words


def test_what_no_rule_knows_is_short_and_without_a_secret() -> None:
    words = said(requests.ConnectionError("x" * 500 + " with url: /f?token=s3cr3t"))
    assert len(words) <= MOST
    assert "s3cr3t" not in said(requests.ConnectionError("url: https://u:s3cr3t@h/ /f?token=s3cr3t"))


def test_what_is_hopeless() -> None:
    assert is_hopeless(Hopeless("x"), answered=True)
    assert is_hopeless(requests.exceptions.InvalidURL("x"), answered=True)
    assert is_hopeless(wrapped(UNKNOWN), answered=False)
    assert not is_hopeless(wrapped(UNKNOWN), answered=True), "a name that was known is found again"
    assert not is_hopeless(wrapped(ConnectionRefusedError(errno.ECONNREFUSED, "")), answered=False)


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("404", "HTTP 404: the server has no such file"),
        ("redirect gopher://x/?token=s3cr3t", "'gopher://x/?***': only http and https"),
        ("redirect file:///etc/passwd", "only http and https"),
        ("redirect ftp://127.0.0.1/x", "only http and https"),
        ("redirect javascript:alert(1)", "only http and https"),
        ("redirect http://[::1", "IPv6"),
        ("redirect http://host:0/", "port"),
        ("redirect http://u:s3cr3t@host:99999/", "port"),
    ],
)
def test_a_redirect_that_can_never_work_is_refused_at_once(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, fault: str, message: str, connections: int
) -> None:
    fault_server.always = fault
    said_: list[str] = []
    with pytest.raises(StageError, match=re.escape(message)) as caught:
        make_fetch((), connections=connections, say=said_.append).run()
    assert "check the address" in str(caught.value) and len(fault_server.requests) == 1 and said_ == []
    assert "s3cr3t" not in str(caught.value) and len(str(caught.value).splitlines()) == 3


def test_another_mirror_is_asked_where_the_first_can_never_work(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo

    def no_such_name(host: Any, *rest: Any, **more: Any) -> Any:  # a machine without a network says "not now"
        if host == "name.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    said_: list[str] = []
    urls = ["http://name.invalid/file.zip", f"{fault_server.url}/file.zip"]
    make_fetch((), urls=urls, connections=4, say=said_.append).run()
    assert len(said_) == 1 and "name.invalid" in said_[0] and "another mirror" in said_[0]


def test_a_416_says_what_the_server_did(make_fetch: Callable[..., Fetch], fault_server: FaultServer) -> None:
    fault_server.always = "416 always"
    with pytest.raises(StageError, match="although all of it was asked for"):
        make_fetch(()).run()
    assert len(fault_server.requests) == 2
    with pytest.raises(StageError, match=r"gives no first part|although all of it was asked for"):
        make_fetch((), connections=4).run()


def test_a_retry_is_one_short_line(make_fetch: Callable[..., Fetch], fault_server: FaultServer) -> None:
    said_: list[str] = []
    with pytest.raises(StageError, match="connection refused"):
        make_fetch((), urls=["http://u:s3cr3t@127.0.0.1:9/file.zip?token=s3cr3t"], say=said_.append).run()
    assert len(said_) == 5
    for number, line in enumerate(said_, 1):
        assert line.startswith(f"file.zip: 127.0.0.1:9: connection refused; try {number} of 6, next in ")
        assert len(line) < 100 and "\n" not in line
