"""One GET: which redirects are followed, and whom it trusts."""

from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from pipeline.download.__main__ import main
from pipeline.stage import StageError
from pipeline.transfer import request
from pipeline.transfer.fetch import Fetch
from pipeline.transfer.request import Hopeless, NotResumable, TransientError


class Redirecting:
    """A session whose servers send on to ``targets``, one after the other, and then answer."""

    def __init__(self, *targets: str) -> None:
        self.targets, self.asked = list(targets), [""][:0]

    def get(self, url: str, **_: Any) -> Any:
        self.asked.append(url)
        if not self.targets:
            return SimpleNamespace(status_code=200, headers={}, close=lambda: None)
        return SimpleNamespace(status_code=302, headers={"Location": self.targets.pop(0)}, close=lambda: None)


def follow(url: str, *targets: str) -> list[str]:
    session = Redirecting(*targets)
    request._followed(session, url, {})  # type: ignore[arg-type]
    return session.asked


def test_redirects_that_are_followed() -> None:
    assert follow("https://a/x", "https://b/y", "/z") == ["https://a/x", "https://b/y", "https://b/z"]
    assert follow("http://a/x", "https://b/y") == ["http://a/x", "https://b/y"]
    assert follow("http://a/x", "http://b/y") == ["http://a/x", "http://b/y"]


@pytest.mark.parametrize(
    ("url", "targets", "message"),
    [
        ("https://a/x", ["http://a/x"], "from https to http://a/x"),
        ("https://a/x", ["https://b/x", "http://b/x"], "from https to http://b/x"),
        ("http://a/x", ["https://a/x", "http://a/x"], "from https to http://a/x"),
        ("https://a/x", ["HTTP://b/x"], "from https to"),
        ("https://a/x", ["ftp://b/x"], "only http and https"),
        ("https://a/x", ["file:///etc/passwd"], "only http and https"),
        ("https://a/x", ["/x"] * 6, "more than 5 redirects"),
    ],
)
def test_redirects_that_are_not(url: str, targets: list[str], message: str) -> None:
    with pytest.raises(TransientError, match=message):
        follow(url, *targets)


# ---------------------------------------------------------------- TLS


class Secret:
    """An HTTPS server with a certificate that nobody vouches for; ``asked`` are the requests that reached it."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", "6")
                self.end_headers()
                self.wfile.write(b"secret")

            def log_message(self, format: str, *rest: object) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # the handshake belongs to the thread of the request, or a refused one would end the server
        self.httpd.socket = context.wrap_socket(
            self.httpd.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://127.0.0.1:{self.httpd.server_address[1]}/file.zip"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, made now."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    made = tmp_path / "tls"
    made.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", made / "key.pem", "-out", made / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return made / "cert.pem", made / "key.pem"


@pytest.fixture
def secret(certificate: tuple[Path, Path]) -> Iterator[Secret]:
    server = Secret(*certificate)
    thread = threading.Thread(target=server.httpd.serve_forever, daemon=True)
    thread.start()
    yield server
    server.httpd.shutdown()
    thread.join()
    server.httpd.server_close()


SHA256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
"""Of ``secret``."""


def test_a_certificate_that_nobody_vouches_for_is_refused_by_name(
    make_fetch: Callable[..., Fetch], secret: Secret, tmp_path: Path
) -> None:
    said: list[str] = []
    with pytest.raises(StageError, match="certificate verify failed"):
        make_fetch((), urls=[secret.url], bytes=6, sha256=SHA256, say=said.append).run()
    assert not secret.asked and not (tmp_path / "file.zip").exists()
    assert said == [], "waiting does not mend a certificate"


def test_so_it_is_on_the_command_line(
    secret: Secret, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "own.bin"
    assert main(["--url", secret.url, "--sha256", SHA256, "--output", str(output)]) == 1
    assert "certificate verify failed" in capsys.readouterr().err
    assert not secret.asked and not output.exists()


def test_the_same_server_is_fetched_from_where_its_certificate_is_trusted(
    secret: Secret,
    certificate: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that the refusals above are for the certificate and nothing else."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    output = tmp_path / "own.bin"
    assert main(["--url", secret.url, "--sha256", SHA256, "--output", str(output)]) == 0
    assert output.read_bytes() == b"secret" and secret.asked == ["/file.zip"]


@pytest.mark.parametrize("told", ["bytes 5-9/10", "bytes 7-9/10", "bytes 0-9/10", "6-9/10", ""])
def test_a_range_that_begins_elsewhere_is_not_taken(told: str) -> None:
    def answer(text: str) -> Any:
        headers = {"Content-Range": text, "ETag": '"v1"'}
        return SimpleNamespace(status_code=206, headers=headers)

    with pytest.raises(NotResumable, match="asked for bytes from 6"):
        request._answer(answer(told), 6, html=False)
    assert request._answer(answer("bytes 6-9/10"), 6, html=False).start == 6


def test_a_416_is_no_reason_to_ask_for_the_same_again() -> None:
    headers = {"Content-Range": "bytes */10"}
    asked_for_a_part = SimpleNamespace(headers={"Range": "bytes=20-"})
    response: Any = SimpleNamespace(status_code=416, headers=headers, request=asked_for_a_part)
    with pytest.raises(NotResumable, match="file has 10 bytes has nothing from byte 20 on"):
        request._answer(response, 20, html=False)


def test_an_encoding_that_nobody_asked_for() -> None:
    response = requests.Response()
    response.status_code = 200
    response.headers["Content-Encoding"] = "gzip"
    with pytest.raises(TransientError, match="unasked Content-Encoding gzip"):
        request._answer(response, 0, html=False)


def test_a_redirect_to_what_is_no_address() -> None:
    with pytest.raises(Hopeless, match=r"it redirects to 'http://\[b', which is not an address"):
        follow("http://a/x", "http://[b")
