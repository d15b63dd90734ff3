"""The images: retried, resumed, never half, and enough failures stop it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.open_images import images
from pipeline.open_images.images import Images
from pipeline.open_images.made import Made
from pipeline.stop import Interrupted, StageError, Stop
from tests.pipeline.fault_server import FaultServer, serving
from tests.pipeline.open_images.published import drawn

NAMES = [f"train/{number:016x}.jpg" for number in range(24)]


@pytest.fixture
def server(no_patience: None) -> Iterator[FaultServer]:
    with serving(b"") as server:
        server.bodies = {f"/{name}": drawn(name) for name in NAMES}
        yield server


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    with Made(tmp_path) as made:
        yield made


@pytest.fixture
def job(server: FaultServer, made: Made) -> Callable[..., Images]:
    def with_(names: list[str] = NAMES, tries: int = 3, stop: Stop | None = None) -> Images:
        return Images(names, made, (server.url,), 4, tries, lambda line: None, stop or Stop())

    return with_


def whole(root: Path) -> bool:
    here = [path for path in root.rglob("*") if path.suffix == ".jpg"]
    return all(path.read_bytes() == drawn(path.relative_to(root).as_posix()) for path in here)


def test_through_faults_to_whole_images(
    job: Callable[..., Images], server: FaultServer, tmp_path: Path
) -> None:
    server.md5 = True
    server.faults = [
        "drop before",
        "cut",
        "stall",
        "500",
        "503",
        "html",
        "gzip",
        "short",
        "no length",
        "too long",
        "flip",
    ]
    one = job(tries=8)
    one.bring()
    assert not one.failed and whole(tmp_path) and one.fetched == len(NAMES)
    assert one.bytes == sum(map(len, server.bodies.values()))
    assert all(one.made.knows(name) for name in NAMES)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("404", "HTTP 404: the server has no such file"), ("403", "HTTP 403"), ("503", "HTTP 503 (3 tries)"),
        ("drop before", "closed the connection without an answer"), ("html", "the server answered with a web page"),
        ("redirect file:///etc/passwd", "only http and https are fetched"), ("short", "the connection ended"),
        ("redirect ftp://127.0.0.1/x.jpg", "only http and https are fetched"),
    ],
)  # fmt: skip
def test_one_that_fails_is_told_with_its_reason(
    fault: str, reason: str, job: Callable[..., Images], server: FaultServer, tmp_path: Path
) -> None:
    if fault == "short":
        server.bodies[f"/{NAMES[3]}"] = b"x" * 10
        fault, reason = "", "no JPEG: it begins with b'xxxxxxxx' (3 tries)"
    server.faults_of = {f"/{NAMES[3]}": fault} if fault else {}
    one = job()
    one.bring()
    assert list(one.failed) == [NAMES[3]] and reason in one.failed[NAMES[3]]
    assert one.fetched == len(NAMES) - 1 and whole(tmp_path) and not (tmp_path / NAMES[3]).exists()


def test_what_the_server_says_of_the_bytes_is_held_against_them(
    job: Callable[..., Images], server: FaultServer
) -> None:
    server.headers = {"ETag": '"0123456789abcdef0123456789abcdef"'}
    job(NAMES[:2]).bring()  # an ETag of another server may be anything
    server.headers["x-goog-hash"] = "crc32c=AAAAAA==,md5=ASNFZ4mrze8BI0VniavN7w=="
    with pytest.raises(StageError, match="its MD5 is not the one that the server sent"):
        job(NAMES[2:4]).bring()


def test_more_than_a_few_failures_stop_it(
    job: Callable[..., Images], server: FaultServer, tmp_path: Path
) -> None:
    server.faults_of = {f"/{name}": "404" for name in NAMES[: images.FEW + 1]}
    with pytest.raises(StageError) as stopped:
        job().bring()
    assert "of 24 images could not be fetched" in stopped.value.what and "HTTP 404" in stopped.value.why
    assert "the same command resumes" in stopped.value.fix and whole(tmp_path)
    server.faults_of.popitem()
    one = job()
    one.bring()
    assert len(one.failed) == images.FEW


def test_a_share_of_many_may_fail(
    job: Callable[..., Images], server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "FEW", 0)
    server.faults_of = {f"/{name}": "404" for name in NAMES[:1]}
    one = job()
    one.bring()
    assert len(one.failed) == 1, "5 % of 24"


def test_asked_to_stop_it_leaves_soon(
    job: Callable[..., Images], server: FaultServer, tmp_path: Path
) -> None:
    server.pause_s = 0.05
    seen = threading.Event()
    server.faults = ["hang"] * 4
    stop = Stop(lambda: bool(server.paths) or seen.is_set())
    with pytest.raises(Interrupted):
        job(stop=stop).bring()
    assert whole(tmp_path)


def test_an_image_of_the_owners_that_came_meanwhile_stays(
    job: Callable[..., Images], server: FaultServer, tmp_path: Path
) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / NAMES[0]).write_bytes(b"mine")
    job(NAMES[:2]).bring()
    assert (tmp_path / NAMES[0]).read_bytes() == b"mine"


def test_a_disk_that_fails_ends_it(
    job: Callable[..., Images], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(images, "publish_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        job().bring()


def test_a_line_says_how_far_it_is(job: Callable[..., Images]) -> None:
    one = job()
    one.fetched, one.bytes, one.failed = 9, 3_000_000, {"x": "y"}
    assert (
        images._Shown(one).line(10, 5.0)
        == "images: 10 of 24  2.0 images/s  600.0 kB/s  ETA 0:00:07  1 failure"
    )


def test_a_bar_on_a_terminal(
    job: Callable[..., Images], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(images, "sys", SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: True)))
    drawn: list[str] = []
    real = images.bar

    def hidden(desc: str, total: int, unit: str, **more: object) -> object:
        drawn.append(f"{desc} {total} {unit}")
        return real(desc, total, unit, disable=True)

    monkeypatch.setattr(images, "bar", hidden)
    job().bring()
    assert drawn == ["images 24 image"]
