"""What is written to and never replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.command.sinks import is_sink, stream_of, write_into_sink


def test_streams_and_nothing_are_sinks_and_files_are_none(tmp_path: Path) -> None:
    assert all(is_sink(Path(name)) for name in ("-", "/dev/stdout", "/dev/stderr", "/dev/null"))
    assert not is_sink(tmp_path / "file") and not is_sink(Path("/dev/full"))
    assert (stream_of(Path("-")), stream_of(Path("/dev/stderr")), stream_of(Path("/dev/null"))) == (
        1,
        2,
        None,
    )


def test_only_what_the_shell_has_opened_is_a_stream() -> None:
    reading, writing = os.pipe()  # not inheritable: opened by this program
    try:
        assert not is_sink(Path(f"/dev/fd/{writing}"))
        os.set_inheritable(writing, True)
        write_into_sink(Path(f"/dev/fd/{writing}"), ["a\n", "ö\n"])
        assert os.read(reading, 99).decode() == "a\nö\n"
    finally:
        os.close(reading)
        os.close(writing)


def test_stdout_gets_the_pieces_and_nothing_takes_them(capsys: pytest.CaptureFixture[str]) -> None:
    write_into_sink(Path("-"), ["one\n", "two\n"])
    write_into_sink(Path("/dev/null"), ["three\n"])
    assert capsys.readouterr().out == "one\ntwo\n"
