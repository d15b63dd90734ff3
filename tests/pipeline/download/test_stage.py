"""The stage: several files at a time, all of them stop when one fails, wrong archives, the optional test split."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import space
from pipeline.__main__ import main
from pipeline.data_root import brought
from pipeline.download import __main__ as download_command
from pipeline.download import stage as download
from pipeline.release import archive_path, read_release
from pipeline.stage import Choices, Settings, StageContext, StageError
from pipeline.stop import Stop
from pipeline.transfer import fetch
from pipeline.transfer.partial import PartialFile, Segment
from tests.pipeline.fault_server import FaultServer, serving


def context_of(root: Path, release: Path, *urls: str, **options: Any) -> tuple[StageContext, list[str]]:
    """A context as the runner makes it, and what is said in it."""
    said: list[str] = []
    settings = Settings(root, Choices(("val",), read_release(release), mirror=urls), **options)
    root.mkdir(exist_ok=True)
    return StageContext(settings, root, said.append, Stop()), said


def table_of(folder: Path, body: bytes, *paths: str) -> Path:
    """A release whose files all have the same ``body``."""
    row = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    table = folder / "release.json"
    table.write_text(json.dumps({"name": "own", "files": [{"path": path, **row} for path in paths]}))
    return table


ARCHIVES = ("zips/val2017.zip", "annotations/one.zip", "annotations/two.zip")


@pytest.mark.parametrize(("parallel", "most"), [(1, 1), (2, 2), (3, 3)])
def test_so_many_files_at_a_time(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parallel: int, most: int
) -> None:
    lock, under_way, seen = threading.Lock(), [0], [0]
    together = threading.Barrier(parallel)
    run = fetch.Fetch.run

    def counted(self: fetch.Fetch) -> None:
        with lock:
            under_way[0] += 1
            seen[0] = max(seen[0], under_way[0])
            first = under_way[0] <= parallel and seen[0] <= parallel and not met.is_set()
        if first:
            together.wait(timeout=10)  # fails where they come one after the other
            met.set()
        run(self)
        with lock:
            under_way[0] -= 1

    met = threading.Event()
    monkeypatch.setattr(fetch.Fetch, "run", counted)
    table = table_of(tmp_path, fault_server.body, *ARCHIVES)
    context, _ = context_of(tmp_path / "root", table, fault_server.url, parallel=parallel)
    assert download.STAGE.run(context).kept == 3
    assert seen[0] == most
    for path in ARCHIVES:
        assert (tmp_path / "root/archives" / path).read_bytes() == fault_server.body


def test_on_the_command_line_two_come_at_a_time(tmp_path: Path) -> None:
    """With a server that gives nothing before it is asked for two files."""
    body = b"x" * 1000
    with serving(body) as server:
        both = threading.Barrier(2)

        def no_fault_for_two(path: str) -> str:
            both.wait(timeout=3)
            return ""

        server.next_fault = no_fault_for_two  # type: ignore[method-assign]
        table = table_of(tmp_path, body, *ARCHIVES[:2])
        words = [
            "--root",
            str(tmp_path / "root"),
            "--release",
            str(table),
            "--mirror",
            server.url,
            "--splits",
            "val",
        ]
        assert download_command.main(words) == 0
        assert len(server.requests) == 2


def test_when_one_fails_the_others_stop_and_keep_what_they_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "BACKOFF_S", 0.001)
    arriving, write, run = threading.Event(), PartialFile.write, fetch.Fetch.run

    def noted(self: PartialFile, span: Segment, data: bytes) -> bool:
        wanted = write(self, span, data)
        arriving.set()
        return wanted

    def fails_last(self: fetch.Fetch) -> None:
        assert self.output.name != "val2017.zip" or arriving.wait(60)
        run(self)

    monkeypatch.setattr(PartialFile, "write", noted)
    monkeypatch.setattr(fetch.Fetch, "run", fails_last)
    body = b"x" * 4_000_000
    with serving(body) as server:
        server.pause_s = 0.05  # 12 s for a file
        table = table_of(tmp_path, body, *ARCHIVES[:2])
        rows = json.loads(table.read_text())
        rows["files"][0]["bytes"] -= 1  # a wrong size: refused at once
        table.write_text(json.dumps(rows))
        context, _ = context_of(tmp_path / "root", table, server.url, parallel=2)
        with pytest.raises(StageError, match=r"val2017\.zip could not be fetched"):
            download.STAGE.run(context)
        assert server.served < len(body), "it did not wait for the other"
    part = tmp_path / "root/archives/annotations/one.zip.part"
    assert part.stat().st_size > 0 and not part.with_name("one.zip").exists()


def test_an_archive_of_an_earlier_release_makes_room_only_where_there_is_none_for_both(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of(tmp_path, fault_server.body, ARCHIVES[0])
    root, size = tmp_path / "root", len(fault_server.body)
    archive = root / "archives" / ARCHIVES[0]
    for free, goes_first in ((5 * size, False), (2 * size, True), (size // 2, None)):
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.write_bytes(b"y" * size)
        brought.note(root, f"archives/{ARCHIVES[0]}", hashlib.sha256(b"y" * size).hexdigest())
        monkeypatch.setattr(space.shutil, "disk_usage", lambda folder, free=free: SimpleNamespace(free=free))
        context, said = context_of(root, table, fault_server.url)
        if goes_first is None:
            with pytest.raises(StageError, match="not enough space"):
                download.STAGE.run(context)
            assert archive.read_bytes() == b"y" * size, "it would not have helped"
        else:
            download.STAGE.run(context)
            assert archive.read_bytes() == fault_server.body
            assert any("is removed first" in line for line in said) == goes_first
            assert not list(archive.parent.glob("*.replaced-*"))


@pytest.mark.parametrize("own", ["an edited copy", "another file", "a link"])
def test_a_file_of_ones_own_under_the_name_of_an_archive_is_kept_and_a_damaged_archive_is_not(
    own: str, fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Download made one there earlier; what stands there now is proven to be other bytes."""
    body = fault_server.body
    table, root = table_of(tmp_path, body, ARCHIVES[0]), tmp_path / "root"
    archive, kept = (root / "archives" / (ARCHIVES[0] + more) for more in ("", ".replaced-1"))
    context, said = context_of(root, table, fault_server.url)
    download.STAGE.run(context)
    for damaged in (body[:-7], b"\0" * 512 + body[512:]):
        archive.write_bytes(damaged)
        download.STAGE.run(context)
        assert archive.read_bytes() == body and not kept.exists() and "only damaged" in said[-1]
    theirs = {"an edited copy": body + b"mine", "another file": b"mine", "a link": b"elsewhere"}[own]
    archive.unlink()
    if own == "a link":
        (tmp_path / "elsewhere").write_bytes(theirs)
        archive.symlink_to(tmp_path / "elsewhere")
    else:
        archive.write_bytes(theirs)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda folder: SimpleNamespace(free=len(body) // 2))
    with pytest.raises(StageError, match="not enough space"):
        download.STAGE.run(context)
    assert kept.read_bytes() == theirs, "also where there is no room for both"
    monkeypatch.undo()
    download.STAGE.run(context)
    assert (archive.read_bytes(), kept.read_bytes()) == (body, theirs)
    assert any(line.endswith(f"and kept as {kept.name}; it is fetched again") for line in said)


# ---------------------------------------------------------------- the optional split


@pytest.fixture
def with_test(miniature_release: Path, tmp_path: Path) -> Path:
    """The miniature release with a test split as COCO has it: images, and sizes without boxes."""
    import zipfile

    from pipeline.miniature.render import write_zip

    folder = Path(shutil.copytree(miniature_release, tmp_path / "release"))
    with zipfile.ZipFile(folder / "zips/val2017.zip") as val:
        members = [(name.replace("val2017/", "test2017/"), val.read(name)) for name in val.namelist()]
    with zipfile.ZipFile(folder / "annotations/annotations_trainval2017.zip") as archive:
        document = json.loads(archive.read("annotations/instances_val2017.json"))
    del document["annotations"]
    info = {
        "annotations/image_info_test2017.json": json.dumps(document).encode(),
        "annotations/other.json": b"{}",
    }
    write_zip(folder / "zips/test2017.zip", members, zipfile.ZIP_STORED)
    write_zip(folder / "annotations/image_info_test2017.zip", info.items(), zipfile.ZIP_DEFLATED)
    table = json.loads((folder / "release.json").read_text())
    for path in ("zips/test2017.zip", "annotations/image_info_test2017.zip"):
        data = (folder / path).read_bytes()
        table["files"].append({"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    (folder / "release.json").write_text(json.dumps(table))
    return folder


def test_all_stages_work_on_the_test_split_too(with_test: Path, tmp_path: Path) -> None:
    from tools.demo import mirror

    root = tmp_path / "root"
    words = ["--root", str(root), "--release", str(with_test / "release.json"), "--workers", "1"]
    with mirror(with_test) as url:
        assert main(["run", *words, "--mirror", url, "--splits", "train,val,test"]) == 0
    assert main(["verify", "--deep", "--root", str(root)]) == 0


@pytest.mark.parametrize("splits", ["test", "val,test"])
def test_the_test_split_is_fetched_and_unpacked_when_it_is_asked_for(
    with_test: Path, tmp_path: Path, splits: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from tools.demo import mirror

    root = tmp_path / "root"
    words = ["--root", str(root), "--release", str(with_test / "release.json"), "--workers", "1"]
    with mirror(with_test) as url:
        assert main(["run", *words, "--mirror", url, "--splits", splits, "--until", "extract"]) == 0
    images = sorted(path.name for path in (root / "test2017").iterdir())
    listed = json.loads((root / "annotations/image_info_test2017.json").read_text())["images"]
    assert images == sorted(row["file_name"] for row in listed) and len(images) == 8
    fetched = sorted(str(path.relative_to(root / "archives")) for path in (root / "archives").rglob("*.zip"))
    of_test = ["annotations/image_info_test2017.zip", "zips/test2017.zip"]
    of_val = ["annotations/annotations_trainval2017.zip", "zips/val2017.zip"]
    assert fetched == sorted(of_test + of_val * ("val" in splits))
    assert not (root / "train2017").exists() and (root / "val2017").exists() == ("val" in splits)
    assert not (root / "annotations/other.json").exists()
    capsys.readouterr()
    assert main(["run", "--root", str(root), "--until", "extract"]) == 0
    assert "running" not in capsys.readouterr().out


def test_without_being_asked_for_it_is_left_on_the_server(with_test: Path, tmp_path: Path) -> None:
    from tools.demo import mirror

    root = tmp_path / "root"
    words = ["--root", str(root), "--release", str(with_test / "release.json")]
    with mirror(with_test) as url:
        assert download_command.main([*words, "--mirror", url]) == 0
    assert not list((root / "archives").rglob("*test2017*"))


def test_size_and_digest_say_which_archive_it_is(tmp_path: Path) -> None:
    """Damage, and another release, may keep the size."""
    (tmp_path / "other").mkdir()
    context, said = context_of(tmp_path / "root", table_of(tmp_path, b"right", *ARCHIVES))
    other, _ = context_of(tmp_path / "root", table_of(tmp_path / "other", b"wrong", *ARCHIVES))
    file = context.settings.choices.files()[0]
    path = context.root / archive_path(file)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"wrong")
    assert not download._is_here(context, file, {}) and "is not the file of the release" in said[0]
    path.write_bytes(b"right")
    assert download._is_here(context, file, {})
    assert download.STAGE.params(context.settings) != download.STAGE.params(other.settings), "it runs again"
