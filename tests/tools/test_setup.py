"""``./setup_coco.sh`` from the outside: what it says, what it starts, what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.data_root import saved_options
from pipeline.release import ANNOTATION_GROWTH, COCO_2017, ReleaseFile
from pipeline.stage import Choices, Settings, StageError
from tools import setup
from tools.doctor import REPOSITORY


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
        (["--root", "/d", "--splits", "val, train", "--workers", "3"], ["--root", "/d", "--splits", "train,val", "--workers", "3"]),
        (["--mirror", "http://a", "--mirror", "http://b"], ["--root", "coco-data", "--mirror", "http://a", "--mirror", "http://b"]),
    ],
)  # fmt: skip
def test_what_is_started_for_the_data(arguments: list[str], words: list[str]) -> None:
    assert setup.command(setup.parse(arguments)) == ["-m", "pipeline", "run", *words]


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
    line = setup.command(setup.parse(given))
    accepted = build_parser().parse_args(line[2:])
    assert (accepted.splits, accepted.workers, accepted.mirror) == (("val",), 2, ["http://a"])


def test_demo_starts_the_demo() -> None:
    assert setup.command(setup.parse(["--demo"])) == ["-m", "tools.demo"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--demo", "--root", "x", "--sample"], "--demo renders its own data and takes no --sample, --root"),
        (["--sample", "--splits", "train"], "--sample means --splits val"),
        (["--splits", "train,vall"], "'vall': did you mean 'val'?"),
        (["--workers", "-1"], "--workers: -1: 0 or more"),
        (["--release", "no-such-file.json"], "--release: there is no file "),
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


def test_a_table_that_the_stages_would_refuse_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    table = {"name": "evil", "files": [{"path": "../val2017.zip", "bytes": 10, "sha256": "0" * 64}]}
    (tmp_path / "release.json").write_text(json.dumps(table))
    done = call("--root", "data", "--splits", "val", "--release", "release.json", cwd=tmp_path)
    assert done.returncode == 1 and "../val2017.zip" in done.stderr and not done.stdout


def test_the_real_stages_get_their_options(tmp_path: Path) -> None:
    """All the way into the pipeline, which finds something else where its archives belong."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "archives").write_text("")
    done = call("--root", "data", "--sample", "--mirror", "http://u:secret@127.0.0.1:9/none", cwd=tmp_path)
    assert f"-m pipeline run --root {tmp_path / 'data'} --splits val --mirror" in done.stdout
    assert done.returncode == 1 and f"{tmp_path / 'data/archives'}" in done.stderr
    assert "secret" not in done.stdout + done.stderr


def test_a_named_python_that_does_not_start_is_said() -> None:
    done = call("--sample", PYTHON="/nowhere/python")
    assert done.returncode == 1 and "PYTHON=/nowhere/python does not start" in done.stderr


@pytest.mark.parametrize("inside", [True, False])
def test_what_it_becomes(
    inside: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a complete ``.venv`` the stages themselves; else the script that makes one and then starts them."""
    became: list[list[str]] = []
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setattr(setup, "OWN_PYTHON", Path(sys.prefix if inside else "/nowhere", "bin/python"))
    monkeypatch.setattr(setup, "examine", lambda *_, **__: [])
    monkeypatch.setattr(os, "execv", lambda program, words: became.append(words))
    setup.main(["--demo"])
    first = [sys.executable] if inside else [str(REPOSITORY / "tools/environment.sh"), "--"]
    assert became == [[*first, "-m", "tools.demo"]]
    assert ("environment  .venv: 3.0 GB to fetch, 6.3 GB on disk" in capsys.readouterr().out) is not inside


@pytest.mark.parametrize(
    ("words", "python", "typed"),
    [
        ([], "/own/py thon", "PYTHON='/own/py thon'"), (["--no-env"], "python3", "--no-env"),
        (["--no-env"], "/own/python", "PYTHON=/own/python and --no-env"), ([], "python3", "PYTHON=python3"),
    ],
)  # fmt: skip
def test_what_lacks_is_said_with_what_the_user_typed(
    words: list[str], python: str, typed: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    lacking = replace(setup.read_machine(), missing=("faster-coco-eval",), python="/own/py thon")
    monkeypatch.setenv("PYTHON", python)
    monkeypatch.setattr(setup, "read_machine", lambda: lacking)
    monkeypatch.setattr(os, "execv", lambda program, words: None)
    setup.main(["--demo", *words])
    assert (
        f"fix: '/own/py thon' -m pip install -r requirements.txt, or run without {typed}\n"
        in capsys.readouterr().err
    )


def test_no_env_is_the_python_on_path(tmp_path: Path) -> None:
    (tmp_path / "python3").write_text(
        '#!/bin/sh\ncase "$*" in *tools.setup*) echo "here: $PYTHON $*";; *) echo "$0";; esac\n'
    )
    (tmp_path / "python3").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert (
        call("--sample", "--no-env", PYTHON="", PATH=path).stdout
        == "here: python3 -m tools.setup --sample --no-env\n"
    )


# ---------------------------------------------------------------- what it takes

SMALL = [
    ReleaseFile(path, size, "0" * 64)
    for path, size in (("zips/train2017.zip", 1000), ("zips/val2017.zip", 100), ("annotations/a.zip", 10))
]


def test_cost_of_a_small_release_by_hand() -> None:
    assert setup.data_cost(SMALL)[:2] == (1110, 1110 + 1100 + 10 * ANNOTATION_GROWTH)


def test_what_is_there_already_is_taken_off(tmp_path: Path) -> None:
    everything = setup.data_cost(SMALL)[1]
    assert setup.missing_bytes(SMALL, tmp_path / "nothing") == everything
    (tmp_path / "archives/zips").mkdir(parents=True)
    (tmp_path / "archives/zips/train2017.zip.part").write_bytes(b"x" * 400)
    assert setup.missing_bytes(SMALL, tmp_path) == everything - 400
    (tmp_path / "archives/zips/train2017.zip").write_bytes(b"x" * 1000)
    (tmp_path / "train2017").mkdir()
    assert setup.missing_bytes(SMALL, tmp_path) == everything - 2000


def test_archives_on_this_disk_are_not_to_fetch_and_take_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    have, table = tmp_path / "a b$(touch X)", tmp_path / "release.json"
    rows = [{"path": file.path, "bytes": file.bytes, "sha256": file.sha256} for file in SMALL]
    table.write_text(json.dumps({"name": "small", "files": rows}))
    (have / "zips").mkdir(parents=True)
    (have / "train2017.zip").write_bytes(b"x" * 1000)
    (have / "zips/val2017.zip").write_bytes(b"x" * 99)
    monkeypatch.setenv("SETUP_CALLED_FROM", str(tmp_path))
    arguments = setup.parse(["--root", "data", "--release", "release.json", "--have", have.name])
    everything = setup.data_cost(SMALL)[1]
    assert setup.announce_data(arguments).size == everything - 1000
    assert setup.data_cost(SMALL, SMALL[:1])[:2] == (110, everything)
    assert "--release" not in capsys.readouterr().out
    setup.announce_data(setup.parse(["--root", "data", "--have", have.name]))
    assert "for archives of your own: --release FILE" in capsys.readouterr().out
    monkeypatch.setattr(setup, "nearest_existing", lambda root: Path("/proc"))
    assert setup.announce_data(arguments).size == everything, "a copy"
    assert setup.command(arguments)[-2:] == ["--have", str(have)]
    for split in ("train", "val"):
        (tmp_path / f"open/{split}2017").mkdir(parents=True)
        (tmp_path / "open/annotations").mkdir(exist_ok=True)
        (tmp_path / f"open/annotations/instances_{split}2017.json").write_text("{}")
    arguments = setup.parse(["--root", "data", "--release", "release.json", "--have", "open"])
    assert setup.announce_data(arguments).size == everything - 1110, "copies"
    monkeypatch.undo()
    arguments.have = str(tmp_path / "open")
    arguments.root, arguments.release = str(tmp_path / "data"), str(table)
    assert setup.announce_data(arguments).size == 0, "second names"
    monkeypatch.setenv("SETUP_CALLED_FROM", str(tmp_path))
    with pytest.raises(StageError, match="there is no folder"):
        setup.announce_data(setup.parse(["--have", "nothing", "--root", "data"]))
    inside = setup.parse(["--root", f"{have.name}/data", "--release", "release.json", "--have", have.name])
    with pytest.raises(StageError, match="is inside"):
        setup.announce_data(inside)


def test_what_was_chosen_for_a_root_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = Namespace(root=str(tmp_path), splits=None, release=None, mirror=None, have=None)
    assert setup.announce_data(arguments).size == setup.data_cost(COCO_2017.needed(("train", "val")))[1]
    (tmp_path / ".pipeline").mkdir()
    saved_options.write(Settings(tmp_path, Choices(("val",))))
    assert setup.announce_data(arguments).size == setup.data_cost(COCO_2017.needed(("val",)))[1]
    saved_options.write(Settings(tmp_path, Choices(("val",), own=True)))
    assert setup.announce_data(arguments).size == 0, "nothing is fetched for images of one's own"
    assert capsys.readouterr().out.count("\n") == 2


def test_help_has_the_cost_of_every_way(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        setup.parse(["--help"])
    text = capsys.readouterr().out
    for row in ("environment", "--demo", "--sample", "train,val ", "train,val,test"):
        assert any(line.strip().startswith(row) and "GB" in line for line in text.splitlines()), row
    assert " 20.4 GB " in text  # 19,336,861,798 + 815,585,330 + 252,907,541 bytes
