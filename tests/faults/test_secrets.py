"""A password or token in an address: used, and then nowhere to be found, after success, failure, a signal and a kill."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import warm
from tests.faults.harness import REPOSITORY
from tests.pipeline.fault_server import FaultServer, serving

SECRET = "s3cr3tXYZ"
ARCHIVE = "zips/val2017.zip"
WAYS = ("login", "token")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[FaultServer]:
    """Serves one archive to whoever may; ``tmp_path / "release.json"`` lists it."""
    with serving(random.Random(0).randbytes(700_000)) as server:
        row = {"path": ARCHIVE, "bytes": len(server.body), "sha256": server.sha256}
        (tmp_path / "release.json").write_text(json.dumps({"name": "own", "files": [row]}))
        yield server


def address(server: FaultServer, way: str, path: str = "") -> str:
    """The address with its secret, and the server asks for it."""
    if way == "login":
        server.login = f"user:{SECRET}"
        return server.url.replace("//", f"//user:{SECRET}@") + path
    server.token = f"token={SECRET}"
    return f"{server.url}{path}?token={SECRET}"


def started(tmp_path: Path, *words: str, netrc: str = "") -> subprocess.Popen[str]:
    (tmp_path / "netrc").write_text(netrc)
    known = {**os.environ, "NETRC": str(tmp_path / "netrc"), "HOME": str(tmp_path)}
    return warm.Popen(
        [sys.executable, "-m", *words], cwd=REPOSITORY, env=known, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(tmp_path: Path, *words: str, netrc: str = "") -> tuple[int, str]:
    process = started(tmp_path, *words, netrc=netrc)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return process.returncode, out + err


def stage(tmp_path: Path, *mirror: str) -> list[str]:
    table = ["--release", str(tmp_path / "release.json"), "--splits", "val"] if mirror else []
    return ["pipeline", "run", "--only", "download", "--root", str(tmp_path / "root"), *table, *mirror]


def assert_nowhere(folder: Path, *said: str) -> None:
    assert SECRET not in "".join(said)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "netrc"]
    assert files
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path
        assert SECRET not in path.name


@pytest.mark.parametrize("way", WAYS)
def test_after_success_it_is_nowhere(guarded: FaultServer, tmp_path: Path, way: str) -> None:
    code, said = run(tmp_path, *stage(tmp_path, "--mirror", address(guarded, way)))
    assert code == 0, said
    assert (tmp_path / "root/archives" / ARCHIVE).read_bytes() == guarded.body
    assert_nowhere(tmp_path, said)
    for words in (("status",), ("verify",), ("status", "--json")):
        assert_nowhere(tmp_path, run(tmp_path, "pipeline", *words, "--root", str(tmp_path / "root"))[1])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", ["404", "redirect file:///etc/passwd", "flip", "html", "401"])
def test_after_a_failure_it_is_nowhere(guarded: FaultServer, tmp_path: Path, way: str, fault: str) -> None:
    guarded.always = fault
    code, said = run(tmp_path, *stage(tmp_path, f"--mirror={address(guarded, way)}"))
    assert code == 1 and "fix: " in said
    assert_nowhere(tmp_path, said)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_after_a_signal_it_is_nowhere(guarded: FaultServer, tmp_path: Path, way: str, number: int) -> None:
    guarded.faults, guarded.always = ["cut"], "hang"
    process = started(tmp_path, *stage(tmp_path, "--mirror", address(guarded, way)))
    until = time.monotonic() + 60
    while len(guarded.requests) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert_nowhere(tmp_path)
    assert list((tmp_path / "root").rglob("*.part.jsonl")), "a transfer is under way, and noted"
    waiting = run(tmp_path, *stage(tmp_path, "--mirror", address(guarded, way)), "--no-wait")
    assert waiting[0] == 1 and "is in use" in waiting[1]
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert_nowhere(tmp_path, out, err, waiting[1])
    guarded.always = ""
    code, said = run(tmp_path, *stage(tmp_path, "--mirror", address(guarded, way)))
    assert code == 0 and guarded.served < 1.4 * len(guarded.body), "gone on with, but for what a kill loses"
    assert_nowhere(tmp_path, said)


@pytest.mark.parametrize("way", WAYS)
def test_a_file_of_ones_own_likewise(guarded: FaultServer, tmp_path: Path, way: str) -> None:
    words = [
        "pipeline.download",
        "--url",
        address(guarded, way, "/own.bin"),
        "--output",
        str(tmp_path / "own.bin"),
    ]
    code, said = run(tmp_path, *words, "--sha256", hashlib.sha256(b"other").hexdigest())
    assert code == 1
    assert_nowhere(tmp_path, said)
    code, said = run(tmp_path, *words, "--sha256", guarded.sha256)
    assert code == 0, said
    assert_nowhere(tmp_path, said)


@pytest.mark.parametrize(
    "words",
    [
        ["pipeline", "run", "--mirror", f"https://u:{SECRET}@host:0/"],
        ["pipeline", "run", "--mirror", f"https://u:p/{SECRET}@host/"],
        ["pipeline", "run", "--miror", f"https://u:{SECRET}@host/"],
        ["pipeline", f"https://u:{SECRET}@host/"],
        ["pipeline.download", "--url", f"ftp://u:{SECRET}@host/"],
        ["pipeline.download", "--url", f"https://host/x?sig={SECRET}"],
        ["tools.setup", "--mirror", f"https://u:{SECRET}@host/", "--demo"],
    ],
)
def test_a_mistake_in_the_command_does_not_show_it(tmp_path: Path, words: list[str]) -> None:
    code, said = run(tmp_path, *words)
    assert code == 2 and SECRET not in said


def test_a_remembered_mirror_says_where_its_login_belongs_and_finds_it_there(
    guarded: FaultServer, tmp_path: Path
) -> None:
    assert run(tmp_path, *stage(tmp_path, "--mirror", address(guarded, "login")))[0] == 0
    noted = json.loads((tmp_path / "root/.pipeline/choices.json").read_text())
    assert noted["mirror"] == [guarded.url.replace("//", "//***@")]
    (tmp_path / "root/archives" / ARCHIVE).unlink()
    code, said = run(tmp_path, *stage(tmp_path))
    assert code == 1 and "~/.netrc" in said and "machine 127.0.0.1 login USER" in said
    code, said = run(tmp_path, *stage(tmp_path), netrc=f"machine 127.0.0.1 login user password {SECRET}\n")
    assert code == 0, said
    assert_nowhere(tmp_path, said)


def test_a_remembered_mirror_says_that_its_token_is_not_kept(guarded: FaultServer, tmp_path: Path) -> None:
    assert run(tmp_path, *stage(tmp_path, "--mirror", address(guarded, "token")))[0] == 0
    (tmp_path / "root/archives" / ARCHIVE).unlink()
    code, said = run(tmp_path, *stage(tmp_path))
    assert code == 1 and "never stored" in said and "--mirror" in said
    assert len(said.splitlines()[-3:]) == 3


def test_a_login_in_netrc_needs_no_address_with_it(guarded: FaultServer, tmp_path: Path) -> None:
    guarded.login = f"user:{SECRET}"
    netrc = f"machine 127.0.0.1 login user password {SECRET}\n"
    code, said = run(tmp_path, *stage(tmp_path, "--mirror", guarded.url), netrc=netrc)
    assert code == 0, said
    assert_nowhere(tmp_path, said)
