"""Addresses that have lost their secret, and addresses below a mirror."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.download.logins import below, named_again, usable
from pipeline.stage import StageError


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


def test_what_has_lost_nothing_is_used_as_it_is() -> None:
    for address in ("https://h/x", "https://u:p@h/x", "https://h/x?token=y"):
        assert usable(address, "") == address


def test_a_lost_login_is_looked_for_in_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(StageError, match="machine h login USER"):
        usable("https://***@h:8/x", "")
    (tmp_path / "netrc").write_text("machine h login user password p\n")
    assert usable("https://***@h:8/x", "") == "https://h:8/x"
    with pytest.raises(StageError, match="never stored"):
        usable("https://***@h/x?***", named_again("run", "--mirror", "https://***@h/x?***"))
