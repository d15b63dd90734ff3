"""Addresses that have lost their secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.download.logins import named_again, usable
from pipeline.stage import StageError


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
