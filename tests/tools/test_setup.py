"""``./setup_coco.sh`` from the outside: what it says, what it starts, what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools import setup
from tools.doctor import REPOSITORY
from tools.environment import RUN, Environment


def call(*arguments: str, cwd: Path = REPOSITORY, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(REPOSITORY / "setup_coco.sh"), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHON": sys.executable, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_link_without_ending_is_the_same_script() -> None:
    assert (REPOSITORY / "setup_coco").is_symlink()
    assert (REPOSITORY / "setup_coco").resolve() == (REPOSITORY / "setup_coco.sh").resolve()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--root", "coco-data"]),
        (["--sample"], ["--root", "coco-data", "--splits", "val"]),
        (["--root", "/d", "--splits", "train, val", "--workers", "3"], ["--root", "/d", "--splits", "train, val", "--workers", "3"]),
        (["--mirror", "http://a", "--mirror", "http://b"], ["--root", "coco-data", "--mirror", "http://a", "--mirror", "http://b"]),
    ],
)  # fmt: skip
def test_what_is_started_for_the_data(arguments: list[str], words: list[str]) -> None:
    assert setup.command("python", setup.parse(arguments)) == ["python", "-m", "pipeline", "run", *words]


def test_what_is_started_is_what_the_pipeline_accepts() -> None:
    from pipeline.__main__ import build_parser

    given = [
        "--root",
        "d",
        "--splits",
        "val",
        "--release",
        "requirements.txt",
        "--mirror",
        "http://a",
        "--workers",
        "2",
    ]
    line = setup.command("python", setup.parse(given))
    accepted = build_parser().parse_args(line[3:])
    assert (accepted.splits, accepted.workers, accepted.mirror) == (("val",), 2, ["http://a"])


def test_demo_starts_the_demo() -> None:
    assert setup.command("python", setup.parse(["--demo"])) == ["python", "-m", "tools.demo"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--demo", "--root", "x", "--sample"], "--demo renders its own data and takes no --sample, --root"),
        (["--sample", "--splits", "train"], "--sample means --splits val"),
        (["--splits", "train,vall"], "found 'vall'"),
        (["--workers", "-1"], "--workers must be 0 or more"),
        (["--release", "no-such-file.json"], "--release no-such-file.json: there is no such file"),
        (["--samples"], "unknown argument --samples: did you mean '--sample'?"),
    ],
)
def test_misunderstandings_are_refused(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    with pytest.raises(SystemExit) as refused:
        setup.parse(arguments)
    assert refused.value.code == 2 and reason in capsys.readouterr().err


def test_relative_paths_are_meant_from_where_the_script_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "release.json").write_text("{}")
    monkeypatch.setenv("SETUP_CALLED_FROM", str(tmp_path))
    arguments = setup.parse(["--root", "data", "--release", "release.json"])
    assert (arguments.root, arguments.release) == (str(tmp_path / "data"), str(tmp_path / "release.json"))
    assert setup.parse([]).root == "coco-data"


def test_cost_is_said_before_anything_and_a_full_disk_stops_it(tmp_path: Path) -> None:
    table = {"name": "vast", "files": [{"path": "zips/val2017.zip", "bytes": 10**18, "sha256": "0" * 64}]}
    (tmp_path / "release.json").write_text(json.dumps(table))
    done = call("--root", "data", "--splits", "val", "--release", "release.json", cwd=tmp_path)
    assert done.returncode == 1 and not (tmp_path / "data").exists()
    assert f"{tmp_path / 'data'} (val): 1000000000.0 GB to fetch, 2000000000.0 GB on disk" in done.stdout
    assert "STOP: " in done.stderr and "2000000000.0 GB needed" in done.stderr


def test_the_real_stages_get_their_options(tmp_path: Path) -> None:
    """All the way into the pipeline, which refuses a table that leads out of its folder, by name."""
    table = {"name": "evil", "files": [{"path": "../val2017.zip", "bytes": 10, "sha256": "0" * 64}]}
    (tmp_path / "release.json").write_text(json.dumps(table))
    done = call("--root", "data", "--splits", "val", "--release", "release.json", cwd=tmp_path)
    assert f"--root {tmp_path / 'data'} --splits val --release {tmp_path / 'release.json'}" in done.stdout
    assert done.returncode == 1 and "../val2017.zip" in done.stderr


def test_a_named_python_that_does_not_start_is_said() -> None:
    done = call("--sample", PYTHON="/nowhere/python")
    assert done.returncode == 1 and "PYTHON=/nowhere/python does not start" in done.stderr


def test_nothing_to_do_takes_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything before the stages, with a complete environment."""
    complete = Environment(tmp_path)
    (tmp_path / RUN).write_text("")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    complete.python.symlink_to(sys.executable)
    complete.write_stamp(
        state="complete", ours=True, python="3.11.9", digests={RUN: complete.digest(RUN, "3.11.9")}
    )
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setattr(setup, "Environment", lambda: complete)
    started = time.monotonic()
    python = setup.prepare(setup.parse(["--root", str(tmp_path / "data"), "--splits", "val"]))
    assert python == str(complete.python) and time.monotonic() - started < 3


def test_help_has_the_cost_of_every_way(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        setup.parse(["--help"])
    text = capsys.readouterr().out
    for row in ("environment", "--demo", "--sample", "train,val ", "train,val,test"):
        assert any(line.strip().startswith(row) and "GB" in line for line in text.splitlines()), row
    assert " 20.4 GB " in text  # 19,336,861,798 + 815,585,330 + 252,907,541 bytes
