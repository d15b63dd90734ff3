"""Predicted and measured: what the banner says, beside what the process held."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.memory import __main__ as memory


def test_a_command_says_what_it_printed_and_held() -> None:
    said, most = memory.run(["-c", "data = b'x' * 100_000_000; print(len(data))"])
    assert said == "100000000\n" and most > 100e6
    with pytest.raises(memory.Failed, match="no such number"):
        memory.run(["-c", "raise SystemExit('no such number')"])


def test_the_banner_is_read_and_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[list[str]] = []
    said = {
        "full": "memory          peak about 2.0 GB; 9.9 GB are free\n",
        "low": "memory          peak about 1.0 GB; 9.9 GB are free; 6 of 23 blocks computed again\n",
    }

    def run(words: list[str]) -> tuple[str, float]:
        told.append(words)
        return said[words[words.index("--memory") + 1]], 2e9

    monkeypatch.setattr(memory, "run", run)
    monkeypatch.setattr(memory, "make_root", lambda folder: Path("root"))
    assert memory.main(["--quick", "--nets", "mb2-ssd-lite", "--steps", "2"]) == 0
    printed = capsys.readouterr().out
    assert "| mb2-ssd-lite | 4 | full | – | 2.0 | 2.00 | +0% |" in printed
    assert "| mb2-ssd-lite | 4 | low | 6 of 23 | 1.0 | 2.00 | -50% |" in printed
    assert "* 1 point of 2 more than 10% off; the lowest -50%" in printed
    assert told[0][0] == "train_ssd.py" and told[0][told[0].index("--stop-after-step") + 1] == "2"
    said["full"] = "nothing"
    assert memory.main(["--quick", "--nets", "mb2-ssd-lite"]) == 1
    assert "no prediction in the banner" in capsys.readouterr().err


def test_a_run_that_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        memory, "make_root", lambda folder: memory.run(["-c", "raise SystemExit('full disk')"])
    )
    assert memory.main(["--quick"]) == 1
    assert "full disk" in capsys.readouterr().err
