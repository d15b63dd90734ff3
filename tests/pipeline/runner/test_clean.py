"""Clean: only what a receipt claims, as it was recorded; never a link, never outside, never without --yes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.data_root import receipts
from pipeline.data_root.lock import root_lock
from pipeline.runner import clean
from pipeline.runner.clean import Selection, plan, remove
from pipeline.stage import Choices, Interrupted
from pipeline.stages import NAMES
from pipeline.stop import Stop
from tests.printed import Printed
from tools.demo import mirror
from vision.artefacts.data_layout import CHOICES, receipt_name
from vision.artefacts.files import publish_json
from vision.artefacts.records import to_plain


@pytest.fixture
def root(miniature_root: Path, tmp_path: Path) -> Path:
    """A copy whose receipts know it: the first run looks at the new inodes and finds the old content."""
    shutil.copytree(miniature_root, tmp_path / "root")
    return tmp_path / "root"


def everything(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def run(root: Path, *options: str) -> int:
    return main(["clean", "--root", str(root), *options])


@pytest.mark.parametrize("options", [(), ("--staging",), ("--archives",), ("--only", "index"), ("--all",)])
def test_nothing_is_removed_without_yes(
    root: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(root)
    assert run(root, *options) == 0
    assert everything(root) == before
    assert "--yes" in capsys.readouterr().out


def test_one_stage_goes_with_its_receipt_and_nothing_else(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(root)
    assert run(root, "--only", "index", "--yes") == 0
    gone = set(before) - set(everything(root))
    assert gone == {
        name for name in before
        if name.startswith(("arrays/", ".pipeline/manifests/arrays")) or name in ("index.sqlite", ".pipeline/index.json", ".pipeline/claims/index.json")
    }  # fmt: skip
    size = sum(len(before[name]) for name in gone)
    assert f"removed {size:,} bytes, files: {len(gone)}" in capsys.readouterr().out
    assert not (root / "arrays").exists()


def test_what_was_cleaned_is_made_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = {name: data for name, data in everything(root).items() if not name.startswith(".pipeline")}
    for stage in NAMES[1:]:
        assert run(root, "--only", stage, "--yes") == 0
    assert not (root / "train2017").exists() and (root / "archives").is_dir()
    assert main(["run", "--root", str(root), "--workers", "1"]) == 0
    again = {name: data for name, data in everything(root).items() if not name.startswith(".pipeline")}
    assert again == kept


def test_all_leaves_what_the_pipeline_did_not_make(root: Path) -> None:
    own = [root / "notes.txt", root / "train2017/mine.jpg", root / "report/mine.txt"]
    for path in own:
        path.write_bytes(b"mine")
    assert run(root, "--all", "--yes") == 0
    kept = [name for name in everything(root) if not name.startswith(".pipeline/")]
    assert sorted(root / name for name in kept) == sorted(own)
    assert run(root, "--all", "--yes") == 0


def test_all_leaves_an_empty_root_when_there_is_nothing_else(root: Path) -> None:
    publish_json(root / CHOICES, to_plain(Choices()))
    assert run(root, "--all", "--yes") == 0
    assert os.listdir(root) == []


def test_after_all_of_it_the_printed_command_brings_the_root_back_as_it_was(
    miniature_root: Path,
    miniature_release: Path,
    tmp_path: Path,
    printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Release, mirror, splits and classes are remembered; the owner's files are beside it and stop nothing."""
    root = tmp_path / "a b$(touch X)"
    shutil.copytree(miniature_root, root)
    image = sorted((root / "val2017").iterdir())[0]
    with mirror(miniature_release) as url:
        chosen = ("--splits", "val", "--classes", "person", "--thorough", "--mirror", url)
        assert main(["run", "--root", str(root), "--workers", "1", *chosen]) == 0
        before = {name: data for name, data in everything(root).items() if "pipeline" not in name}
        own = {"val2017/notes.txt": b"mine", "mine/a": b"a", f"val2017/{image.name}": b"edited"}
        for name, data in own.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(data)
        (root / "val2017/link").symlink_to("/etc/hosts")
        capsys.readouterr()
        assert run(root, "--all", "--yes") == 0
        said = capsys.readouterr().out
        printed(said, "pipeline/command/next_step.py:after_clean", "--workers", "1")
    again = {name: data for name, data in everything(root).items() if "pipeline" not in name}
    assert again.pop(f"val2017.replaced-1/{image.name}") == b"edited"
    assert (again.pop("val2017/notes.txt"), again.pop("mine/a")) == (b"mine", b"a")
    assert again.pop("val2017/link") and (root / "val2017/link").is_symlink()
    assert again == {name: data for name, data in before.items() if "train2017" not in name}
    summary = next(line for line in said.splitlines() if line.startswith("stays in "))
    assert all(each in summary for each in ("val2017/ (3)", "mine/ (1)", ".pipeline/"))


def stays(said: str) -> list[str]:
    return [
        line.removeprefix("stays: ").split(": ")[0]
        for line in said.splitlines()
        if line.startswith("stays: ")
    ]


@pytest.mark.parametrize("recorded", [True, False])
def test_what_was_made_with_other_splits_goes_too(
    recorded: bool, root: Path, miniature_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where older versions kept no record of it, it stays, and the next run takes it for ours."""
    with mirror(miniature_release) as url:
        again = ["run", "--root", str(root), "--mirror", url, "--workers", "1", "--splits"]
        assert main([*again, "val"]) == 0
        made = [name for name in NAMES if (root / receipt_name(name)).is_file()]
        for path in [] if recorded else map(root.joinpath, map(receipt_name, made)):
            publish_json(path, json.loads(path.read_text()) | {"earlier": {}})
        capsys.readouterr()
        assert run(root, "--all", "--yes") == 0
        assert (set(everything(root)) == {CHOICES}) == recorded
        assert ("with other choices" in capsys.readouterr().out) != recorded
        assert main([*again, "train,val"]) == 0
    assert main(["verify", "--root", str(root)]) == 0 and not list(root.rglob("*.replaced-*"))


def test_an_archive_that_the_last_run_did_not_use_goes_when_it_is_asked_for(root: Path) -> None:
    """Not by --no-keep-archives: it may not be unpacked yet."""
    archives = root / "archives/zips"
    words = ["--splits", "val", "--no-keep-archives", "--workers", "1"]
    assert main(["run", "--root", str(root), *words]) == 0
    assert [path.name for path in archives.iterdir()] == ["train2017.zip"]
    assert run(root, "--archives", "--yes") == 0 and not archives.exists()


@pytest.mark.parametrize("first", [("--all",), ("--only", "extract")])
def test_a_second_clean_keeps_the_record_without_which_the_printed_command_would_stop(
    first: tuple[str, ...],
    miniature_root: Path,
    miniature_release: Path,
    tmp_path: Path,
    printed: Printed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file of the owner's keeps its folder: that the pipeline has worked there is known by an empty record alone."""
    root = tmp_path / "a b$(touch X)"
    shutil.copytree(miniature_root, root)
    (root / "val2017/own.txt").write_text("mine")
    for options in (first, ("--all",), ("--all",)):
        assert run(root, *options, "--yes") == 0
    said = capsys.readouterr().out
    assert stays(said)[-2:] == [".pipeline/manifests/val2017.tsv", CHOICES]
    with mirror(miniature_release) as url:
        printed(said, "pipeline/command/next_step.py:after_clean", "--workers", "1", "--mirror", url)
    assert (root / "val2017/own.txt").read_text() == "mine" and len(list((root / "val2017").iterdir())) == 9


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("chosen", [("train", "val"), ("val",)])
def test_nothing_that_goes_is_said_to_stay(own: bool, chosen: tuple[str, ...], root: Path) -> None:
    """Of a split that is no longer chosen the last receipt knows nothing: its images stay, and their record."""
    noted = json.loads(receipts.receipt_path(root, "extract").read_text())
    noted["outputs"] = {
        path: of for path, of in noted["outputs"].items() if any(f"{split}2017" in path for split in chosen)
    }
    receipts.receipt_path(root, "extract").write_text(json.dumps(noted))
    if own:
        (root / "val2017/own.txt").write_text("mine")
    left = [split for split in ("train", "val") if split not in chosen or (own and split == "val")]
    cleaning = plan(root, Selection(stages=NAMES, everything=True))
    going = {path for item in cleaning.items for path in item.files}
    said = stays("\n".join(clean.listing(cleaning)))
    assert not going.intersection(said)
    records = {f".pipeline/manifests/{split}2017.tsv" for split in ("train", "val")}
    assert records.intersection(said) == {f".pipeline/manifests/{split}2017.tsv" for split in left}
    remove(cleaning, print, Stop())
    assert {name for name in everything(root) if "manifests" in name} == records.intersection(said)


def test_every_entry_that_stays_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "mine").mkdir()
    assert run(root, "--only", "index") == 0
    assert (
        "annotations/ (6), archives/ (3), mine/ (1), rejects.jsonl, report/ (3), train2017/ (16)"
        in capsys.readouterr().out
    )
    for number in range(clean.ENTRIES):
        (root / f"z{number}").touch()
    assert run(root, "--all", "--yes") == 0
    assert ", 2 more\n" in capsys.readouterr().out


def test_a_file_that_is_not_as_recorded_stays_and_is_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = sorted((root / "val2017").iterdir())[0]
    for path in (image, root / "annotations/labels.txt"):
        path.write_bytes(b"my own")
    for stage in NAMES[1:]:
        assert run(root, "--only", stage, "--yes") == 0
    said = capsys.readouterr().out
    assert f"stays: val2017/{image.name}" in said and "stays: annotations/labels.txt" in said
    assert os.listdir(root / "val2017") == [image.name]
    assert os.listdir(root / "annotations") == ["labels.txt"]


def test_a_touched_file_with_its_old_content_goes(root: Path) -> None:
    os.utime(sorted((root / "val2017").iterdir())[0], (1, 1))
    os.utime(root / "annotations/instances_val2017.json", (1, 1))
    assert run(root, "--only", "extract", "--yes") == 0
    assert not (root / "val2017").exists() and not (root / "annotations/instances_val2017.json").exists()


@pytest.mark.parametrize("linked", ["val2017", "archives", "annotations", "arrays"])
def test_links_are_not_followed(root: Path, tmp_path: Path, linked: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.move(root / linked, elsewhere)
    (root / linked).symlink_to(elsewhere)
    before = everything(elsewhere)
    assert run(root, "--all", "--yes") == 0
    assert everything(elsewhere) == before and (root / linked).is_symlink()


def test_a_linked_file_in_the_place_of_an_image_stays(root: Path, tmp_path: Path) -> None:
    image = sorted((root / "val2017").iterdir())[0]
    shutil.move(image, tmp_path / "original")
    image.symlink_to(tmp_path / "original")
    assert run(root, "--only", "extract", "--yes") == 0
    assert image.is_symlink() and (tmp_path / "original").is_file()


@pytest.mark.parametrize("path", ["../outside", "/outside", "", ".", "a/../../outside", "a\0b"])
@pytest.mark.parametrize("kind", ["file", "tree"])
def test_a_hostile_receipt_removes_nothing_outside(root: Path, path: str, kind: str) -> None:
    outside = root.parent / "outside"
    outside.write_bytes(b"abc")
    noted = json.loads(receipts.receipt_path(root, "index").read_text())
    claim = noted["outputs"]["index.sqlite"] | {"kind": kind, "bytes": 3, "inode": outside.stat().st_ino}
    claim |= {"mtime_ns": outside.stat().st_mtime_ns}
    name = str(outside) if path.startswith("/") else path
    receipts.receipt_path(root, "index").write_text(json.dumps(noted | {"outputs": {name: claim}}))
    before = everything(root)
    cleaning = plan(root, Selection(stages=("index",)))
    remove(cleaning, print, Stop())
    assert outside.read_bytes() == b"abc"
    assert set(before) - set(everything(root)) == {".pipeline/index.json"}, "the claim says whose the rest is"


def test_without_a_readable_receipt_its_outputs_stay(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receipts.receipt_path(root, "index").write_text("{")
    assert run(root, "--only", "index", "--yes") == 0
    assert "its receipt cannot be read" in capsys.readouterr().out
    assert (root / "index.sqlite").exists() and not receipts.receipt_path(root, "index").exists()


def test_archives_go_and_the_rest_stays_done(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "archives/zips/mine.zip").write_bytes(b"mine")
    assert run(root, "--archives", "--yes") == 0
    assert [path for path in everything(root) if path.startswith("archives")] == ["archives/zips/mine.zip"]
    capsys.readouterr()
    assert main(["run", "--root", str(root), "--workers", "1"]) == 0
    assert "running" not in capsys.readouterr().out, "no network is needed for what is unpacked"
    assert main(["verify", "--deep", "--root", str(root)]) == 0
    assert main(["clean", "--root", str(root), "--archives"]) == 0


def test_archives_that_are_needed_again_are_fetched_again(root: Path, miniature_release: Path) -> None:
    assert run(root, "--archives", "--yes") == 0
    image = sorted((root / "val2017").iterdir())[0]
    good = image.read_bytes()
    image.unlink()
    with mirror(miniature_release) as url:
        assert main(["run", "--root", str(root), "--mirror", url, "--workers", "1"]) == 0
    assert image.read_bytes() == good


def test_half_done_work_goes_and_the_only_copy_of_a_folder_stays(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = [
        ".pipeline/staging/extract/train2017/1.jpg", ".pipeline/staging/extract/plan.json", ".tmp-0123456789ab-rejects.jsonl",
        "annotations/.tmp-abcdef012345-labels.txt", "archives/zips/x.zip.part", "archives/zips/x.zip.part.jsonl",
    ]  # fmt: skip
    (root / ".tmp-old-val2017").mkdir()
    os.replace(root / "arrays/val2017", root / "arrays/.tmp-old-val2017")
    (root / ".tmp-of-another-program").touch()
    before = everything(root)
    for name in half:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    older = sorted((root / "val2017").iterdir())[0]
    shutil.copy2(older, root / ".tmp-old-val2017" / older.name)
    assert run(root, "--staging", "--yes") == 0
    assert set(everything(root)) - {".pipeline/lock"} == set(before) - {".pipeline/lock"}
    assert "arrays/.tmp-old-val2017: the only copy" in capsys.readouterr().out


def test_a_clean_that_was_stopped_is_completed_by_the_same_command(root: Path) -> None:
    selection, asked = Selection(stages=NAMES, everything=True), []

    def stop_soon() -> bool:
        asked.append(1)
        return len(asked) > 10

    with pytest.raises(Interrupted):
        remove(plan(root, selection), print, Stop(stop_soon))
    assert len(everything(root)) > 0
    remove(plan(root, selection), print, Stop())
    assert list(everything(root)) == [CHOICES]


def test_it_waits_for_the_lock(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything(root)
    with root_lock(root, True, print, Stop()):
        assert run(root, "--all", "--yes", "--no-wait") == 1
        assert "is in use" in capsys.readouterr().err
        assert run(root, "--all") == 0
    assert set(everything(root)) == set(before)


@pytest.mark.parametrize("options", [("--yes",), ("--only", "index", "--all"), ("--only", "no_stage")])
def test_options_that_do_not_go_together_are_usage_errors(root: Path, options: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as end:
        run(root, *options)
    assert end.value.code == 2


def test_a_root_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "no", "--all", "--yes") == 0
    assert run(tmp_path / "no") == 0
    assert not (tmp_path / "no").exists()


def test_the_list_names_only_some_of_what_stays(root: Path) -> None:
    for number in range(clean.SHOWN + 5):
        (root / f"val2017/mine{number}").touch()
    shown = [line for line in clean.listing(plan(root, Selection(stages=("extract",)))) if "stays:" in line]
    assert len(shown) == clean.SHOWN + 1 and "5 more" in shown[-1]


def test_it_is_left_while_files_are_read(root: Path) -> None:
    """A copied root: nothing is as recorded by time and inode, so that everything has to be read."""
    archive = max((root / "archives/zips").iterdir(), key=lambda path: path.stat().st_size)
    with pytest.raises(Interrupted):
        plan(root, Selection(archives=True), Stop(lambda: True))
    for path in (root / "val2017").iterdir():
        os.utime(path, (1, 1))
    with pytest.raises(Interrupted):
        plan(root, Selection(stages=("extract",)), Stop(lambda: True))
    (root / ".pipeline/staging/extract").mkdir(parents=True)
    (root / ".pipeline/staging/extract/half.jpg").write_bytes(b"x")
    with pytest.raises(Interrupted):
        plan(root, Selection(staging=True), Stop(lambda: True))
    cleaning = plan(root, Selection(staging=True))
    with pytest.raises(Interrupted):
        remove(cleaning, print, Stop(lambda: True))
    assert archive.exists() and (root / ".pipeline/staging/extract/half.jpg").exists()


def test_a_file_of_another_size_is_not_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(path: Path, tick: object = None) -> str:
        raise AssertionError(f"{path} was read")

    for path in (root / "archives").rglob("*.zip"):
        path.write_bytes(b"another")
    monkeypatch.setattr(clean, "sha256_of", never)
    cleaning = plan(root, Selection(archives=True))
    assert not cleaning.items and len(cleaning.stays) == 3
