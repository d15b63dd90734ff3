"""Printed commands reach a shell as the words that were meant, whatever those hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import train_ssd
from tools.problem import run_tool
from vision.messages import advice
from vision.messages.advice import command, quoted, shown

ODD = [
    "plain", "a b", "$(touch X)", "`touch X`", "a;touch X", "it's", '"', "\\", "~", "*", "a\nb", "a\tb", "\x1b[31m",
    "é", "日本", "\u202egpj.exe", "\u00a0", "x\udcffy", "'\n'", "\\\n", "!", "#", "", "a&b", "-rf", "--yes", "\x7f",
]  # fmt: skip


def words_of(printed: str) -> list[bytes]:
    shown = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {printed}"], capture_output=True, check=True, timeout=60
    )
    return shown.stdout.split(b"\0")[:-1]


@pytest.mark.parametrize("word", ODD, ids=ascii)
def test_a_shell_hands_over_exactly_that_word(word: str) -> None:
    assert words_of(quoted(word)) == [os.fsencode(word)]


@pytest.mark.parametrize("word", ODD, ids=ascii)
def test_a_printed_word_is_one_line_that_can_be_printed(word: str) -> None:
    assert quoted(word).isprintable()
    assert shown(word).isprintable()


def test_a_path_that_begins_with_a_dash_is_no_option() -> None:
    assert words_of(command("", Path("--yes"), Path("-rf"))) == [b"./--yes", b"./-rf"]


def test_a_path_is_as_short_as_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a link makes the short one another place, the path stays as it was typed."""
    monkeypatch.chdir(tmp_path)
    Path("real/inner").mkdir(parents=True)
    Path("there").mkdir()
    Path("link").symlink_to("real/inner")
    Path("real/file").symlink_to("../there")
    Path("file").symlink_to("there")
    for typed, short in (
        ("a/../b", "b"), ("./x//y/", "x/y"), ("there/../b/./c", "b/c"), ("../b", "../b"), ("..", ".."), ("a/..", "."),
        ("real/inner/..", "real"), ("link/../x", "link/../x"), ("link/..", "link/.."), ("a/../-b", "./-b"),
        ("link/../file", "link/../file"), (tmp_path / "a/../b", tmp_path / "b"), ("/../x", "/x"),
        ("a/../$(touch X)", "'$(touch X)'"),
    ):  # fmt: skip
        assert quoted(Path(typed)) == str(short), typed


def test_the_program_stands_as_it_is() -> None:
    assert command("python -m pipeline run", "--root", Path("a b"), "--workers", 2) == (
        "python -m pipeline run --root 'a b' --workers 2"
    )


def test_a_shown_name_tells_what_it_holds() -> None:
    assert shown("a\nb") == "a\\nb"
    assert shown("x\udcff") == "x\\xff"
    assert shown(Path("日本 é")) == "日本 é"


def test_what_a_user_can_fix_is_a_message_and_what_we_did_wrong_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error: ValueError = advice.UserError("FILE: no such thing\n  fix: name another")

    def work(*_: object) -> int:
        raise error

    monkeypatch.setattr(train_ssd, "train", work)
    assert run_tool(work) == 1 and train_ssd.main(["--device", "cpu"]) == 1
    assert capsys.readouterr().err.count("FILE: no such thing\n  fix: name another\n") == 2
    error = ValueError("cannot reshape array of size 3 into shape (2,)")  # as numpy says it
    for run in (lambda: run_tool(work), lambda: train_ssd.main(["--device", "cpu"])):
        with pytest.raises(ValueError, match="reshape"):
            run()


def test_where_the_toolkit_is_elsewhere_its_programs_are_named_by_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``python ~/toolkit/compat/onnx_export.py`` from a folder in which ``python -m`` would find nothing."""
    home = Path(train_ssd.__file__).parent
    folder = tmp_path / "a b"
    folder.mkdir()
    monkeypatch.chdir(folder)
    programs = (
        "python -m pipeline run",
        "python -m tools.evaluate",
        "python3 -m tools.doctor",
        "python train_ssd.py --resume",
    )
    assert [command(each, folder) for each in programs] == [f"{each} {quoted(folder)}" for each in programs]
    script = SimpleNamespace(__file__=str(home / "compat/onnx_export.py"), __spec__=None)
    monkeypatch.setitem(sys.modules, "__main__", script)
    assert [command(each, folder) for each in programs] == [
        f"python {home}/pipeline run '{folder}'",
        f"python {home}/tools/evaluate '{folder}'",
        f"python3 {home}/tools/doctor.py '{folder}'",
        f"python {home}/train_ssd.py --resume '{folder}'",
    ]
    assert command("./setup_coco.sh", "--sample") == f"{home}/setup_coco.sh --sample"
    assert (
        command("mv", "a.b", "c") == "mv a.b c"
        and advice.at_home("configs/demo.yaml") == home / "configs/demo.yaml"
    )
    line = command("python -m tools.models", "--help").replace("python ", f"{sys.executable} ")
    found = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert "usage:" in found.stdout
    script.__spec__ = SimpleNamespace(name="__main__")
    assert str(home) in command("python -m tools.doctor"), "a folder that was started"
    script.__spec__ = SimpleNamespace(name="pipeline.__main__")
    assert command("python -m tools.doctor") == "python -m tools.doctor", "started with -m, it is found"
    script.__spec__ = None
    monkeypatch.chdir(home)
    assert command("python -m tools.doctor") == "python -m tools.doctor"
    assert advice.at_home("configs/demo.yaml") == "configs/demo.yaml"
