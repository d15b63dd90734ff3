"""A server that misbehaves on request, on the loopback interface only."""

from __future__ import annotations

import base64
import hashlib
import http.server
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

MIXTURE = (
    "drop before", "cut", "cut", "500", "503", "html", "gzip", "redirect /other", "ignore range", "wrong offset",
    "416", "no length", "too long", "short",
)  # fmt: skip
"""What a seeded server draws from: faults that a fetch gets over."""


@dataclass
class FaultServer:
    """Serves one ``body`` under any path, or ``bodies`` by path. ``faults`` are used up one a request, then it behaves.

    ``served`` counts body bytes, ``requests`` keeps the Range header of each request. ``always`` is the fault of every
    request for which ``faults`` has none; with ``draw`` faults are drawn from ``MIXTURE`` instead, ``left`` times.
    ``faults_of`` are those of one path, each time. With
    ``md5`` it tells that of the whole body, as Google's store does. ``pause_s`` before every 16 KiB is how slow it is. Where there is a ``login`` (``user:password``) or a ``token`` (a
    query), whoever lacks it gets a 401.
    """

    body: bytes
    faults: list[str] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    faults_of: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    md5: bool = False
    etag: str = '"v1"'
    login: str = ""
    token: str = ""
    served: int = 0
    requests: list[str | None] = field(default_factory=list)
    url: str = ""
    always: str = ""
    pause_s: float = 0.0
    draw: random.Random | None = None
    left: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_fault(self, path: str) -> str:
        with self.lock:
            if path in self.faults_of or (self.bodies and path not in self.bodies):
                return self.faults_of.get(path, "404")
            if self.faults:
                return self.faults.pop(0)
            if self.draw is not None and self.left and self.draw.random() < 0.6:
                self.left -= 1
                return self.draw.choice(MIXTURE)
            return self.always

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


def _handler(server: FaultServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            server.requests.append(asked)
            path = self.path.partition("?")[0]
            server.paths.append(path)
            fault = server.next_fault(path)
            self.close_connection = True
            if not self._may():
                self._head(401, 0, {"WWW-Authenticate": "Basic"})
                return
            if fault.isdigit():
                self._head(int(fault), 0, {"Retry-After": "0"} if fault in ("429", "503") else {})
                return
            if fault == "hang":
                time.sleep(30)
                return
            if fault == "drip head":
                self._drip_head()
                return
            if fault == "drop before":
                return
            if fault.startswith("redirect "):
                self._head(302, 0, {"Location": fault.split(" ", 1)[1]})
                return
            if fault == "html":
                self._send(b"<html>please log in</html>", 200, {"Content-Type": "text/html"})
                return
            if fault == "gzip":
                self._send(server.body, 200, {"Content-Encoding": "gzip"})
                return
            self._file(fault, asked)

        def _may(self) -> bool:
            expected = "Basic " + base64.b64encode(server.login.encode()).decode()
            known = not server.login or self.headers.get("Authorization") == expected
            return known and self.path.partition("?")[2] == server.token

        def _file(self, fault: str, asked: str | None) -> None:
            whole = server.bodies.get(self.path.partition("?")[0], server.body)
            body, start, status, extra = whole, 0, 200, {"ETag": server.etag, **server.headers}
            if server.md5:
                told = base64.b64encode(hashlib.md5(whole, usedforsecurity=False).digest()).decode()
                extra["x-goog-hash"] = f"crc32c=AAAAAA==,md5={told}"
            fresh = self.headers.get("If-Range") in (None, server.etag)
            end = len(body)
            if fault == "416 always" or (asked and fault == "416"):
                self._head(416, 0, {})
                return
            if asked and fault != "ignore range" and fresh:
                first, last = asked[len("bytes=") :].split("-")
                start, end, status = int(first), int(last) + 1 if last else end, 206
                if fault == "wrong offset":
                    start += 7
                extra["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
            body = body[start:end]
            if fault == "flip":
                middle = len(body) // 2
                body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
            if fault == "too long":
                body += b"more than there is"
            if fault == "drip":
                self._drip(body, status, extra)
            elif fault == "no length":
                self._send(body, status, extra, announce=False)
            elif fault == "cut":
                self._send(body, status, extra, upto=len(body) // 2)
            elif fault == "short":
                self._send(body[: len(body) // 2], status, extra)
            elif fault == "stall":
                self._send(body, status, extra, upto=len(body) // 2, stall_s=3.0)
            else:
                self._send(body, status, extra)

        def _drip(self, body: bytes, status: int, extra: dict[str, str]) -> None:
            """A few bytes now and then, so that no time-out ever ends it."""
            self._head(status, len(body), extra)
            for at in range(0, len(body), 50):
                server.served += 50
                try:
                    self.wfile.write(body[at : at + 50])
                except OSError:
                    return
                time.sleep(0.05)

        def _drip_head(self) -> None:
            """A head without an end, a byte now and then."""
            for byte in b"HTTP/1.1 200 OK\r\nX-Never: " + b"e" * 400:
                try:
                    self.wfile.write(bytes([byte]))
                except OSError:
                    return
                time.sleep(0.05)

        def _head(self, status: int, length: int | None, extra: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.send_header("Connection", "close")
            self.end_headers()

        def _send(
            self,
            body: bytes,
            status: int,
            extra: dict[str, str],
            upto: int | None = None,
            announce: bool = True,
            stall_s: float = 0.0,
        ) -> None:
            self._head(status, len(body) if announce else None, extra)
            part = body if upto is None else body[:upto]
            for at in range(0, len(part), 1 << 14):  # counted as it goes, since the other side may leave
                piece = part[at : at + (1 << 14)]
                time.sleep(server.pause_s)
                try:
                    self.wfile.write(piece)
                except OSError:
                    return
                with server.lock:
                    server.served += len(piece)
            time.sleep(stall_s)

    return Handler


@contextmanager
def serving(body: bytes) -> Iterator[FaultServer]:
    """The server on a free port of the loopback interface."""
    server = FaultServer(body)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    try:
        yield server
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
