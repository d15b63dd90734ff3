"""tools.curves: lines where there is a terminal for them, a table where there is none."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from tools.curves.__main__ import COLUMNS, main, text_of
from tools.curves.dots import Curve, draw
from tools.report.history import history_of
from vision.messages import terminal


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "a run"
    folder.mkdir()
    rows = [
        {"kind": "epoch", "epoch": n, "step": 10 * n + 10, "train_total": 9.0 - n, "val_loss": 8.0 - n / 2, "AP": -1.0 if n == 0 else 0.1 * n, "AP50": 0.2 * n}
        for n in range(4)
    ]  # fmt: skip
    rows.insert(0, {"kind": "step", "epoch": 0, "step": 1, "loss": 9.5, "rate": {"heads": 0.1}})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"torn')
    return folder


def plain(lines: list[str]) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]


def test_a_line_goes_from_corner_to_corner() -> None:
    (top, bottom) = draw([Curve([0, 1], [0, 1], 3)], 2, 2, (0, 1), (0, 1))
    assert bottom[0][0] != " " and top[-1][0] != " " and bottom[-1] == (" ", None) and top[0] == (" ", None)
    assert {mark for _, mark in (bottom[0], top[-1])} == {3}
    flat = draw([Curve([0, 1], [0, 0], 0)], 3, 1, (0, 1), (0, 1))
    assert [letter for letter, _ in flat[0]] == ["⣀", "⣀", "⣀"]


def test_charts_fit_into_the_terminal(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for wide in (40, 80, 200):
        monkeypatch.setattr("tools.curves.__main__.columns", lambda stream, wide=wide: wide)
        lines = plain(text_of([history_of(run)], Terminal()))
        assert max(map(len, lines)) <= max(wide, 45), wide
        assert lines[0] == "loss  ━ training  ━ validation" and any(line.startswith("mAP") for line in lines)
        assert any("4 epochs" in line for line in lines)
    two = plain(text_of([history_of(run), history_of(run)], Terminal()))
    assert two[0].count("a run validation") == 2


def test_elsewhere_there_is_a_table(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1].split() == ["epoch", *COLUMNS]
    assert said[2].split() == ["0", "9.0000", "8.0000", "–", "0.0000"] and len(said) == 6
    monkeypatch.setenv("TERM", "xterm")
    narrow = Terminal()
    monkeypatch.setattr("tools.curves.__main__.columns", lambda stream: 30)
    assert text_of([history_of(run)], narrow) == said
    ascii_only = Terminal()
    ascii_only.encoding = "ascii"  # type: ignore[misc]
    monkeypatch.setattr("tools.curves.__main__.columns", lambda stream: 80)
    assert text_of([history_of(run)], ascii_only) == said and terminal.is_terminal(ascii_only)


@pytest.mark.parametrize(("make", "message"), [(False, "there is no folder"), (True, "is no run folder")])
def test_what_is_no_run(tmp_path: Path, make: bool, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    if make:
        (tmp_path / "x").mkdir()
    assert main([str(tmp_path / "x")]) == 1
    said = capsys.readouterr().err
    assert message in said and "  fix: " in said
