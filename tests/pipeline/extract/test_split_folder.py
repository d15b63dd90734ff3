"""A folder of images is mended at the cost of what is missing: the others are neither unpacked nor asked for again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import space
from pipeline.__main__ import main
from pipeline.archives import unpack as unpacking
from pipeline.data_root import manifests as trees
from pipeline.extract import split_folder
from pipeline.transfer.fetch import Fetch
from tests.faults.harness import FULL, KILL, Shim, python, snapshot, spread
from tests.printed import ODD, Printed
from vision.artefacts.data_layout import CHOICES, STATE
from vision.artefacts.files import remove_entry

STAGING = ".pipeline/staging/extract/train2017"


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes every disk have so many bytes left."""

    def left(amount: int) -> None:
        monkeypatch.setattr(space.shutil, "disk_usage", lambda folder: SimpleNamespace(free=amount))

    return left


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the members that are unpacked."""
    names: list[str] = []
    unpack = unpacking.unpack

    def noted(archive: object, member: object, *others: object) -> os.stat_result:
        names.append(Path(member.name).name)  # type: ignore[attr-defined]
        return unpack(archive, member, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(unpacking, "unpack", noted)
    return names


def settle(root: Path) -> list[Path]:
    """The images of train, known by time and inode."""
    assert main(["run", "--root", str(root), "--until", "extract", "--workers", "1"]) == 0
    return sorted((root / "train2017").iterdir())


def run(root: Path) -> int:
    return main(["run", "--root", str(root), "--until", "extract", "--workers", "1"])


def test_one_missing_and_one_damaged_image_cost_two(
    own_root: Path,
    free: Callable[[int], None],
    unpacked: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = settle(own_root)
    before = snapshot(own_root / "train2017")
    inodes = {path.name: path.stat().st_ino for path in images}
    all_of_it = sum(path.stat().st_size for path in images)
    images[3].unlink()
    images[5].write_bytes(b"x" * images[5].stat().st_size)
    read: list[str] = []
    crc = trees.crc32_of
    monkeypatch.setattr(
        trees, "crc32_of", lambda path, *tick: (read.append(Path(path).name), crc(path, *tick))[1]
    )
    free(all_of_it // 2)
    assert run(own_root) == 0
    assert unpacked == [images[3].name, images[5].name]
    assert {name for name in read if name.endswith(".jpg")} == {images[5].name}, (
        "what has not changed since it was proven is not read"
    )
    assert snapshot(own_root / "train2017") == before
    now = {path.name: path.stat() for path in (own_root / "train2017").iterdir()}
    same = {name for name, stat in now.items() if stat.st_ino == inodes[name]}
    assert len(same) >= len(images) - 2, "the others are the same files"
    assert {stat.st_nlink for stat in now.values()} == {1}, "no second name is left"


def test_without_second_names_all_of_it_is_unpacked(
    own_root: Path, unpacked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = settle(own_root)
    before = snapshot(own_root / "train2017")
    images[3].unlink()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("no second names here")

    monkeypatch.setattr(split_folder.os, "link", refuse)
    assert run(own_root) == 0
    assert sorted(unpacked) == [path.name for path in images]
    assert snapshot(own_root / "train2017") == before


def test_nothing_of_a_killed_run_but_members_is_published(own_root: Path) -> None:
    images = settle(own_root)
    before = snapshot(own_root / "train2017")
    (own_root / "train2017/notes.txt").write_text("mine")
    images[3].unlink()
    half = own_root / STAGING
    left = {"half.jpg.part": b"half", "gone.txt": b"its owner has removed it since"}
    plan = _interrupted(own_root)
    assert plan.is_file(), "the next run goes on from it"
    for name, data in left.items():
        (half / name).write_bytes(data)
    (half / images[4].name).unlink(missing_ok=True)
    (half / images[4].name).symlink_to(own_root / "train2017/notes.txt")
    (half / "folder").mkdir()
    assert run(own_root) == 0
    (own_root / "train2017/notes.txt").unlink()
    assert snapshot(own_root / "train2017") == before


def _interrupted(root: Path) -> Path:
    """Leaves the staging folder of a run that was stopped before it published; returns its plan."""
    with pytest.MonkeyPatch.context() as patch:

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(split_folder, "publish_tree", stop)
        assert run(root) == 130
    return root / STAGING / "../plan.json"


@pytest.mark.parametrize("what", [KILL, FULL])
def test_killed_or_out_of_disk_while_it_mends_the_originals_stay_whole(
    own_root: Path, tmp_path: Path, shim: Shim, what: str
) -> None:
    images = settle(own_root)
    whole = snapshot(own_root / "train2017")
    images[3].unlink()
    images[5].write_bytes(b"x" * images[5].stat().st_size)
    damaged = snapshot(own_root / "train2017")
    saved = shutil.copytree(own_root, tmp_path / "saved", copy_function=shutil.copy2)
    command = python("-m", "pipeline", "run", "--root", own_root, "--until", "extract", "--workers", "1")
    total = shim.count(command, own_root)
    for at in spread(total, 5, seed=4):
        shutil.rmtree(own_root)
        shutil.copytree(saved, own_root)
        shim.run(command, own_root, at, what)
        aside = own_root / ".tmp-old-train2017"
        stands = own_root / "train2017" if (own_root / "train2017").exists() else aside
        assert snapshot(stands) in (whole, damaged), f"at {at} of {total}"
        assert run(own_root) == 0
        assert snapshot(own_root / "train2017") == whole
        kept = [path.read_bytes() for path in own_root.glob("train2017.replaced-*/*")]
        assert kept == [b"x" * images[5].stat().st_size], (
            f"what may be an edit is kept once, at {at} of {total}"
        )
        assert {path.stat().st_nlink for path in (own_root / "train2017").iterdir()} == {1}


def test_a_file_that_changes_after_it_was_linked_is_not_believed(own_root: Path) -> None:
    """Both names are one file: what its owner writes into it between two runs is read again."""
    images = settle(own_root)
    before = snapshot(own_root / "train2017")
    images[3].unlink()
    _interrupted(own_root)
    assert os.path.samefile(images[4], own_root / STAGING / images[4].name)  # noqa: PTH121
    with images[4].open("r+b") as file:
        file.write(b"changed")
    assert run(own_root) == 0
    assert snapshot(own_root / "train2017") == before


@pytest.mark.parametrize("damage", [False, True])
def test_a_link_in_the_place_of_the_folder_is_never_replaced(
    own_root: Path, tmp_path: Path, damage: bool, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    """The images are kept on another disk: fine while they are right; when they are not, their owner is asked."""
    root = own_root.rename(own_root.with_name(ODD))
    link, other = root / "train2017", tmp_path / "other disk"
    link.rename(other)
    link.symlink_to(other)
    (other / "notes.txt").write_text("mine")
    if damage:
        sorted(other.iterdir())[0].unlink()
    before = snapshot(other)
    assert run(root) == int(damage)
    assert link.readlink() == other and snapshot(other) == before
    if damage:
        said = capsys.readouterr().err
        assert f"{link} is a link to {other}" in said and "1 image is missing or damaged" in said
        printed(said, "pipeline/extract/split_folder.py:_require_own_folder#2")
        assert not link.is_symlink() and run(root) == 0
        assert (link / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("kind", ["file", "dangling", "pipe"])
def test_what_is_no_folder_is_not_replaced_either(
    own_root: Path, kind: str, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    root = own_root.rename(own_root.with_name(ODD))
    place = root / "train2017"
    shutil.rmtree(place)
    if kind == "file":
        place.write_text("mine")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(root / "nowhere")
    assert run(root) == 1
    said = capsys.readouterr().err
    assert f"{place} is " in said and "fix:" in said
    assert place.read_text() == "mine" if kind == "file" else place.is_symlink() or place.is_fifo()
    if kind == "dangling":
        printed(said, "pipeline/extract/split_folder.py:_require_own_folder")
        assert run(root) == 0


def damage(images: list[Path]) -> dict[str, bytes]:
    """Two edited ones, one of them of the same size; three that a disk has cut, emptied and holed. The edited ones."""
    whole = [path.read_bytes() for path in images]
    edits = {
        images[0].name: whole[0] + b"mine",
        images[1].name: whole[1][:600] + b"mine" + whole[1][604:],
    }
    for name, data in edits.items():
        (images[0].parent / name).write_bytes(data)
    images[2].write_bytes(whole[2][:1000])
    images[3].write_bytes(b"")
    images[4].write_bytes(whole[4][:512] + bytes(1024) + whole[4][1536:])
    return edits


def test_an_edited_image_is_kept_beside_the_folder_and_damage_is_not(
    own_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = settle(own_root)
    before = snapshot(own_root / "train2017")
    edits = damage(images)
    capsys.readouterr()
    assert run(own_root) == 0
    aside = own_root / "train2017.replaced-1"
    assert snapshot(own_root / "train2017") == before
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == edits
    said = [line for line in capsys.readouterr().out.splitlines() if "kept" in line and str(aside) in line]
    assert len(said) == 1 and ": 2, such as" in said[0] and images[0].name in said[0]
    images[0].write_bytes(b"again")
    assert run(own_root) == 0
    assert (own_root / f"train2017.replaced-2/{images[0].name}").read_bytes() == b"again"
    assert main(["run", "--root", str(own_root), "--workers", "1"]) == 0, "no later stage stops at them"
    table = (own_root / "report/images.jsonl").read_text()
    assert "replaced" not in table and "not_in_annotations" not in table


def states(root: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """State and reason of download and extract, as status has them."""
    capsys.readouterr()
    assert main(["status", "--root", str(root), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    return {row["stage"]: f"{row['state']}: {row['why']}" for row in rows[:2]}


def are_done(root: Path, capsys: pytest.CaptureFixture[str]) -> bool:
    return all(state.startswith("done") for state in states(root, capsys).values())


def test_what_its_owner_does_with_files_of_their_own_never_fetches_archives_again(
    own_root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(own_root)
    assert main(["clean", "--root", str(own_root), "--archives", "--yes"]) == 0
    monkeypatch.setattr(Fetch, "run", lambda fetch: pytest.fail(f"{fetch.output} is fetched"))
    folder = own_root / "val2017"
    notes = [folder / ".DS_Store", folder / "mine.jpg", folder / "sub/note.txt"]
    notes[2].parent.mkdir()
    changes: list[Callable[[Path], object]] = [
        lambda note: note.write_bytes(b"one"),
        lambda note: note.write_bytes(b"another"),
        lambda note: note.unlink(),
    ]
    for change in changes:
        for note in notes:
            change(note)
        assert are_done(own_root, capsys)
        assert run(own_root) == 0
        assert "running" not in capsys.readouterr().out
        assert main(["run", "--root", str(own_root), "--only", "validate_images", "--workers", "1"]) == 0
        assert are_done(own_root, capsys), "also once another stage has noted what is in the folder"
    assert main(["run", "--root", str(own_root), "--workers", "1"]) == 0
    notes[0].write_bytes(b"one")
    image = sorted(folder.glob("0*.jpg"))[0]
    image.write_bytes(image.read_bytes() + b"edited")
    assert states(own_root, capsys)["extract"] == f"stale: output val2017: {image.name} has other content"
    image.unlink()
    assert states(own_root, capsys)["extract"] == f"stale: output val2017: {image.name} is missing"


def test_an_image_that_was_there_before_is_missed_and_a_file_beside_it_is_not(
    own_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choices = (own_root / CHOICES).read_bytes()
    shutil.rmtree(own_root / STATE)
    (own_root / STATE).mkdir()
    (own_root / CHOICES).write_bytes(choices)
    for path in ("rejects.jsonl", "report", "index.sqlite", "arrays", "annotations"):
        remove_entry(own_root / path)
    folder = own_root / "val2017"
    (folder / "mine.txt").write_bytes(b"mine")
    settle(own_root)
    noted = trees.manifest_path(own_root, "val2017")
    assert trees.read_own(noted) == {}, "nothing there is the stage's"
    assert main(["run", "--root", str(own_root), "--only", "validate_images", "--workers", "1"]) == 0
    (folder / "mine.txt").unlink()
    assert are_done(own_root, capsys)
    image = sorted(folder.iterdir())[0]
    good = image.read_bytes()
    image.unlink()
    assert states(own_root, capsys)["extract"] == f"stale: output val2017: {image.name} is missing"
    assert run(own_root) == 0
    assert image.read_bytes() == good and trees.read_own(noted) is not None
    assert list(trees.read_own(noted) or ()) == [image.name] and are_done(own_root, capsys)
