"""Measure what a download costs beside the plain way, from a server on the same machine, in the same run.

    python -m benchmarks.download                # prints a table, writes benchmarks/results/download_<device>_<date>.md

The plain way: ``requests`` with ``iter_content`` to a file, no digest, no resume. On a loopback no line limits anything,
so the table shows processor time: what is left for the line. ``--delay`` holds back every 64 KiB of each connection, as
a server far away does; then several connections show.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard

    guard()

import argparse
import functools
import hashlib
import http.server
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import requests

from benchmarks.results import device, publish, today
from pipeline.stop import Stop
from pipeline.transfer import fetch
from pipeline.transfer.fetch import Fetch

CHUNK = 1 << 16


def serve(path: Path, delay_s: float, ports: object) -> None:
    """A process of its own, so that its work does not count as the client's."""
    size = path.stat().st_size

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            start, end = (int(asked[1]), int(asked[2] or size - 1) + 1) if asked else (0, size)
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self.send_header("ETag", '"one"')
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            with path.open("rb") as file:
                for at in range(start, end, CHUNK):
                    time.sleep(delay_s)
                    os.sendfile(self.wfile.fileno(), file.fileno(), at, min(CHUNK, end - at))

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ports.put(server.server_address[1])  # type: ignore[attr-defined]
    server.serve_forever()


@contextmanager
def server(path: Path, delay_s: float) -> Iterator[str]:
    context = get_context("spawn")
    ports = context.Queue()
    process = context.Process(target=serve, args=(path, delay_s, ports), daemon=True)
    process.start()
    yield f"http://127.0.0.1:{ports.get()}/file"
    process.terminate()
    process.join()


def plainly(url: str, output: Path) -> None:
    with requests.get(url, stream=True, timeout=60) as response, output.open("wb") as file:
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)


def ours(url: str, output: Path, size: int, digest: str, connections: int) -> None:
    Fetch([url], size, digest, output, lambda n: None, Stop(), print, connections).run()


def once(way: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of this process's processor time."""
    clock, processor = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - clock, time.process_time() - processor


def table(path: Path, digest: str, folder: Path, delay_s: float, rounds: int) -> list[str]:
    """The ways in turn, round after round, so that a disturbance hits all of them; medians."""
    size = path.stat().st_size
    lines = [f"### {delay_s * 1000:g} ms for every 64 KiB of a connection", ""]
    lines += ["| way | MB/s | beside requests | processor, ms a MB |", "|---|---:|---:|---:|"]
    with server(path, delay_s) as url:
        ways: dict[str, Callable[[], object]] = {
            "requests, to a file": functools.partial(plainly, url, folder / "plain")
        }
        for n in (1, 4):
            name = f"pipeline.download, {n} connection{'s' if n > 1 else ''}, fsync and SHA-256"
            ways[name] = functools.partial(ours, url, folder / "ours", size, digest, n)
        found = [[once(way) for way in ways.values()] for _ in range(rounds)]
    plain = [row[0][0] for row in found]
    for name, times in zip(ways, zip(*found, strict=True), strict=True):
        seconds, processor = median(t[0] for t in times), median(t[1] for t in times)
        ratio = median(there / t[0] for there, t in zip(plain, times, strict=True))
        lines.append(f"| {name} | {size / 1e6 / seconds:,.0f} | {ratio:.2f} | {1e9 * processor / size:.1f} |")
    return [*lines, ""]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.download",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--megabytes", type=int, default=128, help="size of the file (%(default)s)")
    parser.add_argument(
        "--delay",
        type=float,
        default=0.002,
        help="seconds that the second table's server takes for 64 KiB (%(default)s)",
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds; their median counts (%(default)s)")
    parser.add_argument("--no-file", action="store_true", help="print only")
    asked = parser.parse_args(argv)
    fetch.SPAN_BYTES = 16 << 20
    with tempfile.TemporaryDirectory(prefix="download-") as name:
        folder = Path(name)
        data = os.urandom(asked.megabytes * 1_000_000)
        (folder / "file").write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        sections = [
            line for delay in (0.0, asked.delay)
            for line in table(folder / "file", digest, folder, delay, asked.rounds)
        ]  # fmt: skip
    facts = f"{device()}, Python {platform.python_version()}; {asked.megabytes} MB; median of {asked.rounds} rounds"
    title = f"## Download, {today()}"
    text = "\n".join(
        [title, "", facts + f"; load average {os.getloadavg()[0]:.1f} at the end", "", *sections]
    )
    print(text)
    if not asked.no_file:
        publish("download", "python -m benchmarks.download", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
