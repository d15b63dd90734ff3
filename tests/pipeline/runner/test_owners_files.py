"""The owner's files in a data root: used where they are right, never replaced, moved or removed; whatever the moment."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.data_root import brought, receipts
from pipeline.data_root import manifests as trees
from pipeline.data_root.fingerprints import Fingerprints
from pipeline.extract import split_folder
from pipeline.runner.leftovers import remove_stale
from pipeline.runner.owners_files import bring_back, in_the_way, is_ours
from pipeline.stage import Settings
from pipeline.stages import NAMES, named
from tests.faults.harness import snapshot
from tests.printed import ODD, Printed
from tools.demo import mirror
from vision.artefacts import data_layout
from vision.artefacts.data_layout import REJECTS

EVERYTHING = [("--only", "extract"), ("--all",)]


def run(root: Path, *options: str) -> int:
    return main(["run", "--root", str(root), "--workers", "1", *options])


def clean(root: Path, *options: str) -> int:
    return main(["clean", "--root", str(root), *options, "--yes"])


def first(folder: Path) -> Path:
    return sorted(path for path in folder.iterdir() if path.is_file())[0]


def put_own_things(folder: Path, outside: Path) -> dict[str, str]:
    """Files, folders and links of the owner's; what ``snapshot`` finds of them."""
    before = set(snapshot(folder))
    shutil.copy(first(folder), folder / "mine.jpg")  # the bytes of an image of the archive
    (folder / "mine.txt").write_text("mine")
    (folder / "empty").mkdir()
    (folder / "deep/er").mkdir(parents=True)
    shutil.copy(first(folder), folder / "deep/er" / first(folder).name)  # and its name, elsewhere
    outside.write_text("outside")
    (folder / "link.jpg").symlink_to(outside)
    return {name: digest for name, digest in snapshot(folder).items() if name not in before}


# ---------------------------------------------------------------- clean


@pytest.mark.parametrize("options", EVERYTHING)
@pytest.mark.parametrize("again", [(), ("--force",)], ids=["run", "run by force"])
def test_what_was_put_beside_the_images_stays_when_they_are_cleaned(
    own_root: Path, tmp_path: Path, options: tuple[str, ...], again: tuple[str, ...]
) -> None:
    own = put_own_things(own_root / "train2017", tmp_path / "outside")
    assert run(own_root, "--until", "extract", *(again and ("--from", "extract", *again))) == 0
    assert clean(own_root, *options) == 0
    assert snapshot(own_root / "train2017") == own
    assert (tmp_path / "outside").read_text() == "outside" and not (own_root / "val2017").exists()


@pytest.mark.parametrize("options", EVERYTHING)
def test_what_its_owner_has_unpacked_himself_is_used_and_stays(
    miniature_release: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Images, annotations and archives that were there before the first run, all of them right; one is missing."""
    root, names = (
        tmp_path / ODD,
        ["zips/train2017.zip", "zips/val2017.zip", "annotations/annotations_trainval2017.zip"],
    )
    for name in names:
        shutil.copytree(
            miniature_release / Path(name).parent, root / "archives" / Path(name).parent, dirs_exist_ok=True
        )
        with zipfile.ZipFile(miniature_release / name) as archive:
            archive.extractall(root)
    missing = first(root / "train2017")
    missing.unlink()
    (root / "archives" / names[1]).unlink()
    own = {name: digest for name, digest in snapshot(root).items() if not name.endswith("/")}
    with mirror(miniature_release) as url:
        table = str(miniature_release / "release.json")
        assert run(root, "--release", table, "--mirror", url, "--until", "extract", "--no-keep-archives") == 0
    assert missing.is_file()
    assert clean(root, *options) == 0
    left = {name: digest for name, digest in snapshot(root).items() if not name.endswith("/")}
    assert {name: digest for name, digest in left.items() if not name.startswith(".pipeline")} == own


def test_archives_that_were_there_before_stay_and_those_that_were_fetched_go(
    miniature_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, own = tmp_path / "root", "archives/zips/val2017.zip"
    (root / own).parent.mkdir(parents=True)
    shutil.copy(miniature_release / "zips/val2017.zip", root / own)
    with mirror(miniature_release) as url:
        words = ("--release", str(miniature_release / "release.json"), "--mirror", url)
        assert run(root, *words, "--until", "extract") == 0
        assert run(root, *words, "--from", "download", "--until", "download", "--force") == 0
    assert run(root, "--no-keep-archives", "--until", "extract") == 0
    assert [str(path.relative_to(root)) for path in (root / "archives").rglob("*.zip")] == [own]
    assert f"stays: {own}: it was there before download" in capsys.readouterr().out


def test_a_fetch_that_was_killed_before_it_was_noted_is_noted_by_the_next_run(own_root: Path) -> None:
    """The part has its name, its record is still there; the archive is ours."""
    archive = own_root / "archives/zips/val2017.zip"
    (own_root / data_layout.BROUGHT).unlink()
    (own_root / ".pipeline/download.json").unlink()
    archive.with_name(archive.name + ".part.jsonl").write_text("{}\n")
    assert main(["run", "--root", str(own_root), "--only", "download"]) == 0
    assert list(brought.read(own_root)) == ["archives/zips/val2017.zip"]
    assert clean(own_root, "--archives") == 0
    assert not archive.exists() and (own_root / "archives/zips/train2017.zip").exists()


@pytest.mark.parametrize("damage", ["flipped", "a folder", "gone"])
def test_where_it_is_not_on_record_who_brought_the_archives_they_stay(own_root: Path, damage: str) -> None:
    noted = own_root / data_layout.BROUGHT
    data = noted.read_bytes()
    noted.unlink()
    if damage == "flipped":
        noted.write_bytes(b"\xff" + data)
    elif damage == "a folder":
        noted.mkdir()
    before = snapshot(own_root / "archives")
    receipt = own_root / ".pipeline/download.json"
    if damage == "gone":  # a version before told what it fetched in its receipt, of its last run
        receipt.write_text(
            re.sub(r'"fetched": \[[^]]*\]', '"fetched": ["zips/val2017.zip"]', receipt.read_text())
        )
        before = {name: digest for name, digest in before.items() if name != "zips/val2017.zip"}
    assert clean(own_root, "--archives") == 0
    assert snapshot(own_root / "archives") == before


@pytest.mark.parametrize("record", ["names alone", "none", "lost", "damaged"])
def test_a_root_of_an_earlier_version(
    own_root: Path, record: str, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is on record goes; where nothing is, all of it stays until the command that is printed has noted it."""
    root = own_root.rename(own_root.with_name(ODD))
    folder, noted = root / "val2017", trees.manifest_path(root, "val2017")
    (folder / "mine.txt").write_bytes(b"mine")
    assert run(root, "--until", "extract") == 0
    names = sorted(set(os.listdir(folder)) - {"mine.txt"})
    receipt, whole = receipts.read(root, "extract"), Fingerprints(root).read("val2017")
    assert receipt is not None and whole is not None and receipt.outputs["val2017"].files < whole.files
    receipts.write(root, replace(receipt, outputs=receipt.outputs | {"val2017": whole}))
    if record in ("names alone", "none"):
        rows = noted.read_bytes().split(b"\n", 1)[1].split(b"\n\n")[0] + b"\n"
        rows += b"".join(f"{name}\n".encode() for name in ["", *names]) if record == "names alone" else b""
        noted.write_bytes(f"manifest 1 sha256 {hashlib.sha256(rows).hexdigest()}\n".encode() + rows)
    elif record == "lost":
        noted.unlink()
    else:
        noted.write_bytes(noted.read_bytes()[:-1])
    before = sorted(os.listdir(folder))
    capsys.readouterr()
    assert main(["clean", "--root", str(root), "--only", "extract"]) == 0
    said = capsys.readouterr().out
    if record != "names alone":
        printed(said, "pipeline/runner/clean.py:Cleaning._brought")
        assert sorted(os.listdir(folder)) == before
    assert clean(root, "--only", "extract") == 0
    assert os.listdir(folder) == ["mine.txt"]


@pytest.mark.parametrize(
    "name", ["index.sqlite", "annotations/labels.txt", "arrays/val2017/labels.npy", "val2017/mine"]
)
@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_has_taken_the_place_of_an_output_stays(
    own_root: Path, tmp_path: Path, name: str, kind: str
) -> None:
    place, mine = own_root / name, tmp_path / "mine"
    mine.write_text("mine")
    place.unlink(missing_ok=True)
    if kind == "file":
        place.write_text("mine")
    elif kind == "link":
        place.symlink_to(mine)
    else:
        place.mkdir()
        (place / "file").write_text("mine")
    before = snapshot(own_root)
    assert clean(own_root, "--all") == 0
    left = {
        key: digest
        for key, digest in snapshot(own_root).items()
        if not key.endswith("/") and ".pipeline" not in key
    }
    assert (
        left == {key: before[key] for key in before if key == name or key == f"{name}/file"} and mine.exists()
    )


def test_lines_of_its_owner_stay_in_the_list_of_rejects(own_root: Path) -> None:
    with (own_root / REJECTS).open("ab") as rejects:
        rejects.write(b'ask Anna\n{"mine": 1}\n')
    before = (own_root / REJECTS).read_bytes()
    assert clean(own_root, "--all") == 0
    assert (own_root / REJECTS).read_bytes() == before


def test_a_part_of_another_program_is_neither_cleaned_nor_replaced(
    own_root: Path, miniature_release: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    """Browsers name what they fetch so, too."""
    root = own_root.rename(own_root.with_name(ODD))
    part = root / "archives/zips/val2017.zip.part"
    part.with_name("val2017.zip").unlink()
    part.write_bytes(b"of a browser")
    assert clean(root, "--staging") == 0
    with mirror(miniature_release) as url:
        words = ("--only", "download", "--mirror", url)
        assert run(root, *words) == 1
        said = capsys.readouterr().err
        assert "is not ours to replace" in said and part.read_bytes() == b"of a browser"
        printed(said, "pipeline/transfer/partial.py:PartialFile.require_ours")
        assert run(root, *words) == 0
    assert part.with_name(part.name + ".mine").read_bytes() == b"of a browser"


# ---------------------------------------------------------------- extract


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
@pytest.mark.parametrize("when", ["before the first run", "instead of an image of ours"])
def test_under_the_name_of_an_image_it_is_not_replaced(
    own_root: Path, tmp_path: Path, kind: str, when: str, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    root = own_root.rename(own_root.with_name(ODD))
    place, mine = first(root / "val2017"), tmp_path / "mine.jpg"
    good = place.read_bytes()
    shutil.copy(place, mine)
    if when == "before the first run":
        assert all(clean(root, "--only", stage) == 0 for stage in NAMES[1:])
        place.parent.mkdir()
    else:
        place.unlink()
    if kind == "file":
        place.write_bytes(b"mine")
    elif kind == "link":
        place.symlink_to(mine)  # the right bytes, elsewhere
    else:
        place.mkdir()
        (place / "file").write_text("mine")
    before = snapshot(root / "val2017")
    if kind == "file" and when != "before the first run":
        assert run(root, "--until", "extract") == 0, "the name is on record: what is damaged is mended"
        return
    if kind == "link" and when != "before the first run":
        assert run(root, "--until", "extract") == 0, "an image behind a link is an image: it is right"
        assert snapshot(root / "val2017") == before
        return
    assert run(root, "--until", "extract") == 1
    said = capsys.readouterr().err
    assert "is not what the archive has under this name" in said and snapshot(root / "val2017") == before
    printed(said, "pipeline/extract/split_folder.py:_require_room")
    assert run(root, "--until", "extract") == 0
    kept = root / f"val2017-{place.name}"
    assert place.read_bytes() == good and mine.exists()
    assert {"file": kept.is_file, "link": kept.is_symlink, "folder": kept.is_dir}[kind]()


@pytest.mark.parametrize("killed", [False, True])
def test_what_comes_while_the_folder_is_replaced_stays(
    own_root: Path, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the minutes that a hundred thousand files take to the disk; also after a kill before the older one is gone."""
    folder = own_root / "val2017"
    (folder / "notes.txt").write_text("old")
    first(folder).unlink()
    publish = split_folder.publish_tree

    def late(staging: Path, final: Path, between: object, rescue: object) -> None:
        if final == folder:
            (folder / "late.jpg").write_bytes(b"late")
            (folder / "notes.new").write_text("new")
            os.replace(folder / "notes.new", folder / "notes.txt")  # as editors save
            os.utime(folder / "notes.txt", ns=(1, 2**62))
        if killed and final == folder:
            publish(staging, final, between, lambda older: os._exit(9))  # type: ignore[arg-type]
        publish(staging, final, between, rescue)  # type: ignore[arg-type]

    monkeypatch.setattr(split_folder, "publish_tree", late)
    child = os.fork() if killed else 0
    if not child:
        code = run(own_root, "--until", "extract")
        if killed:
            os._exit(code)
    if killed:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        assert not (folder / "late.jpg").exists(), "it stands in the older folder alone"
        assert main(["clean", "--root", str(own_root), "--staging", "--yes"]) == 0
        remove_stale(named("extract"), Settings(own_root), print)
    assert (folder / "late.jpg").read_bytes() == b"late" and (folder / "notes.txt").read_text() == "new"
    monkeypatch.undo()
    assert run(own_root, "--until", "extract") == 0
    assert len(os.listdir(folder)) == 10 and not list(own_root.glob(".tmp-*"))


def test_of_an_earlier_release_only_what_is_still_as_it_was_goes(own_root: Path, tmp_path: Path) -> None:
    """A name that the stage once gave, and now another file under it: its owner's."""
    noted = trees.manifest_path(own_root, "val2017")
    folder = own_root / "val2017"
    old, taken = trees.Member(3, 0x352441C2, 0, 0), trees.Member(4, 1, 0, 0)  # the CRC-32 of b"abc"
    own = dict(trees.read_own(noted) or {})
    own |= {
        "old.jpg": frozenset({trees.content(taken), trees.content(old)}),
        "taken.jpg": frozenset({(4, 1)}),
    }
    trees.write_manifest(noted, trees.read_manifest(noted), own)
    for name in ("old.jpg", "taken.jpg"):
        (folder / name).write_bytes(b"abc")
    assert run(own_root, "--until", "extract") == 0
    assert not (folder / "old.jpg").exists() and (folder / "taken.jpg").read_bytes() == b"abc"


# ---------------------------------------------------------------- the parts


def test_ours_is_a_name_with_its_content(tmp_path: Path) -> None:
    file, own = tmp_path / "abc", {"abc": frozenset({(3, 0x352441C2), (9, 9)})}
    file.write_bytes(b"abc")
    assert is_ours(file, "abc", own) and not is_ours(file, "other", own)
    assert not is_ours(file, "abc", {"abc": frozenset({(3, 1)})}) and not is_ours(
        file, "abc", {"abc": frozenset()}
    )
    (tmp_path / "link").symlink_to(file)
    assert not is_ours(tmp_path / "link", "abc", own)
    assert in_the_way(tmp_path, {"abc", "link"}, own | {"link": own["abc"]}) == ["link"]
    assert in_the_way(tmp_path / "none", {"abc"}, own) == []


def test_bringing_back_takes_nothing_of_ours(tmp_path: Path) -> None:
    older, folder = tmp_path / "older", tmp_path / "folder"
    for place in (older, folder):
        (place / "sub").mkdir(parents=True)
        (place / "both").write_text(place.name)
    os.utime(older / "both", ns=(1, 1))
    (older / "abc").write_bytes(b"abc")
    (older / "sub/late").write_text("late")
    own = {"abc": frozenset({(3, 0x352441C2)})}
    assert bring_back(older, folder, own) == ["sub/late"]
    assert (
        snapshot(folder).keys() == {"sub/", "both", "sub/late"} and (folder / "both").read_text() == "folder"
    )
