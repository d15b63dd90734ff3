"""A server that misbehaves on request, on the loopback interface only."""

from __future__ import annotations

import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest


@dataclass
class FaultServer:
    """Serves one ``body`` under any path. ``faults`` are used up one a request, then it behaves.

    ``served`` counts body bytes, ``requests`` keeps the Range header of each request.
    """

    body: bytes
    faults: list[str] = field(default_factory=list)
    etag: str = '"v1"'
    served: int = 0
    requests: list[str | None] = field(default_factory=list)
    url: str = ""

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
            fault = server.faults.pop(0) if server.faults else ""
            self.close_connection = True
            if fault.isdigit():
                self._head(int(fault), 0, {"Retry-After": "0"} if fault in ("429", "503") else {})
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

        def _file(self, fault: str, asked: str | None) -> None:
            body, start, status, extra = server.body, 0, 200, {"ETag": server.etag}
            fresh = self.headers.get("If-Range") == server.etag
            if asked and fault != "ignore range" and fresh:
                start, status = int(asked[len("bytes=") :].split("-")[0]), 206
                if fault == "wrong offset":
                    start = max(0, start - 7)
                extra["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body = body[start:]
            if fault == "flip":
                middle = len(body) // 2
                body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
            if fault == "too long":
                body += b"more than there is"
            if fault == "no length":
                self._send(body, status, extra, announce=False)
            elif fault == "cut":
                self._send(body, status, extra, upto=len(body) // 2)
            elif fault == "short":
                self._send(body[: len(body) // 2], status, extra)
            elif fault == "stall":
                self._send(body, status, extra, upto=len(body) // 2, stall_s=3.0)
            else:
                self._send(body, status, extra)

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
            server.served += len(part)
            self.wfile.write(part)
            self.wfile.flush()
            time.sleep(stall_s)

    return Handler


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    body = hashlib.shake_256(b"a body of our own").digest(700_000)
    server = FaultServer(body)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    yield server
    httpd.shutdown()
    thread.join()
    httpd.server_close()
