"""Files that fit into the memory: several mirrors, one connection for many of them, sizes that nobody told."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
import requests

from pipeline.stop import Interrupted
from pipeline.transfer import small_file
from pipeline.transfer.small_file import NotFetched, SmallFiles
from tests.pipeline.fault_server import FaultServer


def anything(data: bytes) -> None:
    return None


@pytest.fixture
def keeping() -> Iterator[tuple[str, list[object]]]:
    """A server that keeps connections, and those that it has seen."""
    seen: list[object] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            seen.append(self.client_address)
            super().setup()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"x" * 100_000)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}/x", seen
        httpd.shutdown()


def test_one_connection_serves_many(keeping: tuple[str, list[object]]) -> None:
    url, seen = keeping
    with requests.Session() as session:
        for _ in range(4):
            assert len(SmallFiles().get(session, [url], anything)) == 100_000
    assert len(seen) == 1


@pytest.mark.parametrize("bad", ["404", "500", "redirect file:///etc/passwd", "cut"])
def test_another_mirror_is_asked(bad: str, no_patience: None, fault_server: FaultServer) -> None:
    fault_server.faults_of = {"/first": bad}
    with requests.Session() as session:
        urls = [f"{fault_server.url}/first", f"{fault_server.url}/second"]
        assert SmallFiles(tries=2).get(session, urls, anything) == fault_server.body
    assert fault_server.paths == ["/first", "/second"]


def test_tries_are_counted_for_each_mirror(no_patience: None, fault_server: FaultServer) -> None:
    fault_server.always = "500"
    with requests.Session() as session, pytest.raises(NotFetched, match=r"HTTP 500 \(6 tries\)"):
        SmallFiles(tries=3).get(session, [f"{fault_server.url}/a", f"{fault_server.url}/b"], anything)
    assert fault_server.paths == ["/a", "/b"] * 3


def test_a_host_that_is_not_there_is_hopeless_until_one_has_answered(no_patience: None) -> None:
    with requests.Session() as session, pytest.raises(NotFetched, match=r"no host of this name$"):
        SmallFiles().get(session, ["http://nowhere.invalid/x"], anything)


def test_a_file_without_an_end_does_not_fill_the_memory(
    no_patience: None, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_file, "MOST_BYTES", 1000)
    with requests.Session() as session, pytest.raises(NotFetched, match="more than 1,000 bytes"):
        SmallFiles().get(session, [f"{fault_server.url}/x"], anything)


def test_it_leaves_when_asked(no_patience: None, fault_server: FaultServer) -> None:
    fault_server.always = "500"
    files = SmallFiles(tries=1000)
    threading.Timer(0.2, files.leave.set).start()
    with requests.Session() as session, pytest.raises(Interrupted):
        files.get(session, [f"{fault_server.url}/x"], anything)


def test_what_is_wrong_with_whole_bytes_is_tried_again(no_patience: None, fault_server: FaultServer) -> None:
    fault_server.faults = ["flip"]
    good = fault_server.body
    with requests.Session() as session:
        found = SmallFiles().get(
            session, [f"{fault_server.url}/x"], lambda data: None if data == good else "flipped"
        )
    assert found == good and len(fault_server.requests) == 2
