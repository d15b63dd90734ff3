"""Several mirrors: one that cannot go on is passed over as long as another one can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.stage import StageError
from pipeline.transfer import fetch
from pipeline.transfer.fetch import Fetch
from pipeline.transfer.mirrors import Mirrors, below
from tests.pipeline.fault_server import FaultServer, serving

WAYS = [1, 4]


@pytest.fixture
def no_ranges(fault_server: FaultServer) -> Iterator[FaultServer]:
    """A second mirror of the same file that never gives ranges; slow, so that what is not wanted is not counted."""
    with serving(fault_server.body) as second:
        second.always, second.pause_s = "ignore range", 0.01
        yield second


def urls(*servers: FaultServer) -> list[str]:
    return [f"{server.url}/file.zip" for server in servers]


@pytest.mark.parametrize("connections", WAYS)
def test_a_blip_of_a_good_mirror_throws_nothing_away(
    make_fetch: Callable[..., Fetch],
    fault_server: FaultServer,
    no_ranges: FaultServer,
    tmp_path: Path,
    connections: int,
) -> None:
    make_fetch(("cut",), urls=urls(fault_server, no_ranges), connections=connections).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert fault_server.served == len(fault_server.body), "all of it came from the first, once"
    assert len(no_ranges.requests) <= connections, "asked, and then not again"


def test_begun_again_only_when_the_mirror_that_could_go_on_has_failed_its_tries(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, no_ranges: FaultServer, tmp_path: Path
) -> None:
    fault_server.always = "drop before"
    said: list[str] = []
    make_fetch(("cut",), urls=urls(fault_server, no_ranges), say=said.append).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body
    assert len(fault_server.requests) == fetch.TRIES, "the cut is the first of them"
    assert sum("beginning again" in line for line in said) == 1
    assert no_ranges.requests[-1] is None and len(no_ranges.requests) == 2


def test_when_no_mirror_can_go_on_it_begins_again(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, no_ranges: FaultServer, tmp_path: Path
) -> None:
    make_fetch(("cut", "ignore range"), urls=urls(fault_server, no_ranges)).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_after_a_wrong_digest_the_next_mirror_is_asked(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    with serving(fault_server.body[::-1]) as wrong:
        make_fetch((), urls=urls(wrong, fault_server)).run()
        assert len(wrong.requests) == 1
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


def test_the_order() -> None:
    mirrors = Mirrors(["a", "b", "a", "c"])
    mirrors.leave("b")
    assert mirrors.current == "a", "another connection's complaint of another mirror"
    mirrors.leave("a")
    assert mirrors.current == "b" and not mirrors.some_are_barred
    assert mirrors.bar("c") and mirrors.current == "b"
    assert mirrors.bar("b") and mirrors.current == "a"
    mirrors.leave("a")
    assert mirrors.current == "a", "the only one that can go on"
    mirrors.begin_anew()
    assert mirrors.current == "b" and mirrors.usable == 3
    assert mirrors.bar("b") and mirrors.bar("a") and not mirrors.bar("c"), "each counts once"


def test_the_same_mirror_named_twice_is_one(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, tmp_path: Path
) -> None:
    make_fetch(("cut", "ignore range"), urls=urls(fault_server, fault_server)).run()
    assert (tmp_path / "file.zip").read_bytes() == fault_server.body


@pytest.mark.parametrize("connections", WAYS)
def test_a_server_of_another_release_is_named_and_nothing_begins_again(
    make_fetch: Callable[..., Fetch], fault_server: FaultServer, connections: int
) -> None:
    said: list[str] = []
    with pytest.raises(StageError, match=r"name the release .*--release FILE.* or name a mirror") as caught:
        make_fetch((), connections=connections, bytes=5_000_000, say=said.append).run()
    assert "700,000 bytes instead of 5,000,000" in str(caught.value) and "network" not in str(caught.value)
    assert not [line for line in said if "beginning again" in line]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("https://h/coco", "https://h/coco/zips/a.zip"),
        ("https://h/coco/", "https://h/coco/zips/a.zip"),
        ("https://u:p@h", "https://u:p@h/zips/a.zip"),
        ("https://h/coco?sig=x", "https://h/coco/zips/a.zip?sig=x"),
        ("https://h/coco/?sig=x#part", "https://h/coco/zips/a.zip?sig=x"),
    ],
)
def test_a_file_below_a_mirror(server: str, expected: str) -> None:
    assert below(server, "zips/a.zip") == expected


def test_an_odd_path_stays_a_path() -> None:
    assert below("https://h/c?s=1", "a b?c#d.zip") == "https://h/c/a%20b%3Fc%23d.zip?s=1"
