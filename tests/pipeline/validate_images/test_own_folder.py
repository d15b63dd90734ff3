"""``--images DIR --report FILE.jsonl``: a line for every entry of a folder of one's own."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.validate_images.__main__ import main
from tests import warm
from tests.images.corpus import corpus
from tests.photographs import Photograph, encoded
from tests.pipeline.image_root import REPOSITORY
from tests.printed import ODD


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.validate_images", "--workers", "2", *map(str, arguments)]
    return warm.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    for odd in corpus():
        (folder / odd.name).write_bytes(odd.data)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "dir.jpg").mkdir()
    (folder / "outside.jpg").symlink_to("/etc/passwd")
    (folder / "dangling.jpg").symlink_to("nowhere")
    return folder


@pytest.mark.parametrize("options", [[], ["--thorough"]])
def test_every_entry_gets_its_line(odd_folder: Path, tmp_path: Path, options: list[str]) -> None:
    report = tmp_path / "report.jsonl"
    done = check("--images", odd_folder, "--report", report, *options)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in report.read_text().splitlines()]
    assert all(list(row) == ["file", "verdict", "reason"] for row in found)
    verdicts = {row["file"]: row["verdict"] for row in found}
    expected = {odd.name: odd.verdict for odd in corpus()}
    expected |= dict.fromkeys(("pipe.jpg", "dir.jpg", "outside.jpg", "dangling.jpg"), "reject")
    assert verdicts == expected and len(found) == len(verdicts)
    assert all((row["reason"] is None) == (row["verdict"] == "ok") for row in found)
    assert [path.name for path in tmp_path.iterdir()] == ["report.jsonl"]


def test_the_report_may_lie_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(corpus()[0].data)
    for _ in range(2):
        assert check("--images", tmp_path, "--report", tmp_path / "report.jsonl").returncode == 0
        assert [json.loads(line)["file"] for line in (tmp_path / "report.jsonl").open()] == ["a.jpg"]


def test_what_a_kill_left_beside_the_report_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(corpus()[0].data)
    (tmp_path / ".tmp-0123456789ab-report.jsonl").write_bytes(b"half of a report")
    (tmp_path / ".report.jsonl.checking").mkdir()
    (tmp_path / ".report.jsonl.checking/journal.jsonl").write_bytes(b'{"torn')
    assert check("--images", tmp_path, "--report", tmp_path / "report.jsonl").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "report.jsonl"]


def test_two_at_once_on_one_report_are_refused(tmp_path: Path) -> None:
    working = tmp_path / ".report.jsonl.checking"
    working.mkdir()
    (tmp_path / "images").mkdir()
    descriptor = os.open(working, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        done = check("--images", tmp_path / "images", "--report", tmp_path / "report.jsonl")
    finally:
        os.close(descriptor)
    assert done.returncode == 1 and "another process is making" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--images", "/nowhere", "--report", "{tmp}/r.jsonl"], 1, "there is no folder /nowhere"),
        (["--images", "{tmp}", "--report", "{tmp}/none/r.jsonl"], 1, "there is no folder {tmp}/none"),
        (
            ["--images", "{tmp}/a/b", "--report", "{tmp}/a/r.jsonl"],
            1,
            "there is no folder {tmp}/a/b\n  why: the folder with",
        ),
        (["--path", "{tmp}"], 2, "error: --path: an option of pytorch-ssd's scripts\n  why: "),
        (["own"], 2, "error: unknown argument 'own': a data root is named by --root DIR"),
        (["--images", "{tmp}"], 2, "--report is missing"),
        (["--report", "r.jsonl"], 2, "--images is missing"),
    ],
)
def test_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    words = [word.format(tmp=tmp_path) for word in arguments]
    try:
        found = main(words)
    except SystemExit as leaving:
        found = int(leaving.code or 0)
    assert found == code and text.format(tmp=tmp_path) in capsys.readouterr().err


def test_an_empty_folder_gives_an_empty_report(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert main(["--images", str(tmp_path / "images"), "--report", str(tmp_path / "r.jsonl")]) == 0
    assert (tmp_path / "r.jsonl").read_bytes() == b""


def test_the_report_goes_to_the_output_or_nowhere(
    odd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--images", str(odd_folder), "--report", "-", "--workers", "1"]) == 0
    said = capsys.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert rows and all(set(row) == {"file", "verdict", "reason"} for row in rows)
    assert "files:" in said.err
    device = Path("/dev/null").stat()
    assert main(["--images", str(odd_folder), "--report", "/dev/null", "--workers", "1"]) == 0
    assert capsys.readouterr().out == "" and os.path.samestat(device, Path("/dev/null").stat())
    assert not list(Path("/dev").glob(".null*")) and not Path("-").exists()


@pytest.mark.parametrize("folder", ["/dev/fd", "/proc/self/fd"])
def test_the_report_goes_into_what_the_shell_has_opened(
    folder: str, odd_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--report /dev/stdout``, ``/dev/stderr`` and bash's ``>(…)``; a file that is open already is no such stream."""
    with (tmp_path / "opened").open("w+") as file:
        line = ["--images", str(odd_folder), "--report", f"{folder}/{file.fileno()}", "--workers", "1"]
        assert main(line) == 1
        assert " rm " not in capsys.readouterr().err and (tmp_path / "opened").read_text() == ""
        os.set_inheritable(file.fileno(), True)
        assert main(line) == 0
    assert len((tmp_path / "opened").read_text().splitlines()) == len(list(odd_folder.iterdir()))
    assert main([*line[:3], "/dev/stdout", *line[4:]]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == len(list(odd_folder.iterdir())) and "files:" in said.err


def test_what_is_no_file_is_refused_before_an_image_is_read(
    odd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "a b$(touch X)"
    os.mkfifo(report)
    monkeypatch.setattr(
        "pipeline.validate_images.own_folder.check_all", lambda *_: pytest.fail("the work has begun")
    )
    assert main(["--images", str(odd_folder), "--report", str(report)]) == 1
    assert "is a pipe and is not replaced" in capsys.readouterr().err and report.is_fifo()


def test_the_frame_of_photographs_that_were_turned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "phone.jpg").write_bytes(encoded(Photograph("phone.jpg", 6)))
    reasons = []
    for options in ([], ["--exif", "apply"]):
        assert main(["--images", str(tmp_path), "--report", "-", "--workers", "1", *options]) == 0
        reasons.append(json.loads(capsys.readouterr().out)["reason"].split(":")[0])
    assert reasons == ["exif_rotation", "exif_upright_assumed"]


@pytest.mark.parametrize("name", ["annotations.json", "a photograph.jpg", "notes.txt", "rows.jsonl"])
def test_a_file_that_is_no_report_is_never_replaced(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hand-made annotations, an image of the very folder, notes, lines of another program."""
    folder = tmp_path / ODD
    folder.mkdir()
    mine = folder / name
    if name.endswith(".jpg"):
        mine.write_bytes(corpus()[0].data)
    else:
        mine.write_text(
            '{"file": "a.jpg", "verdict": "ok"}\n' if name == "rows.jsonl" else '{"images": []}\n'
        )
    before = mine.read_bytes()
    line = ["--images", str(folder), "--report", str(mine), "--workers", "1"]
    assert main(line) == 1
    said = capsys.readouterr().err
    assert "is there and is not replaced" in said and mine.read_bytes() == before
    assert "name another --report" in said and "mv " not in said, "it would be missing from the data set"
    line[3] = str(folder / "report.jsonl")
    assert main(line) == 0 and mine.read_bytes() == before
    assert main(line) == 0, "a report of ours gives way to the next"


def test_a_system_that_gives_no_more_processes_is_at_fault_and_no_image(tmp_path: Path) -> None:
    images, report = tmp_path / "images", tmp_path / "report.jsonl"
    images.mkdir()
    data = corpus()[0].data
    for number in range(40):
        (images / f"{number}.jpg").write_bytes(data)
    program = (
        "import sys; from pipeline.image_check import check_many; from pipeline.validate_images.__main__ import main;"
        "check_many.PRELOAD = 'tests.pipeline.no_more_forks'; sys.exit(main(sys.argv[1:]))"
    )
    words = ("--images", str(images), "--report", str(report), "--workers", "3")
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=REPOSITORY, capture_output=True, text=True
    )
    lines = [line for line in done.stderr.splitlines() if "validate_images:" not in line]  # the bar
    assert done.returncode == 1 and not report.exists()
    assert [line.split(":")[0].strip() for line in lines] == ["error", "why", "fix"]
    assert "no more processes" in lines[0] and "--workers" in lines[2]
    assert check(*words).returncode == 0
    assert {json.loads(line)["verdict"] for line in report.open()} == {"ok"}
