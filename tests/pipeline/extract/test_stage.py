"""Another release over an older one: what it lacks is named, and nothing of the older one is taken for its own."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Collection
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.data_root import manifests as trees
from pipeline.extract.__main__ import main as extract
from pipeline.miniature.render import write_table, write_zip
from tests.faults.harness import KILL, Shim, python, snapshot
from tests.printed import ODD, Printed

ANNOTATIONS = "annotations/annotations_trainval2017.zip"
VAL = "zips/val2017.zip"


class Releases:
    """Makes releases out of the miniature one, and puts them into the place of its archives in a root."""

    def __init__(self, base: Path, folder: Path, root: Path) -> None:
        self.base, self.folder, self.root = base, folder, root

    def make(
        self, name: str, images: Collection[int] = range(8), annotations: dict[str, bytes] | None = None
    ) -> Path:
        """A release with these images of val, by place, and these annotation files; returns its table."""
        folder = self.folder / name
        shutil.copytree(self.base, folder)
        members = contents(self.base / VAL)
        chosen = [pair for index, pair in enumerate(members.items()) if index in images]
        write_zip(folder / VAL, chosen, zipfile.ZIP_STORED)
        if annotations is not None:
            write_zip(folder / ANNOTATIONS, annotations.items(), zipfile.ZIP_DEFLATED)
        return write_table(folder, name)

    def extract(self, table: Path) -> int:
        """The archives of this release lie in the root now; the stage is run alone."""
        shutil.copytree(table.parent, self.root / "archives", dirs_exist_ok=True)
        return extract(["--root", str(self.root), "--release", str(table), "--workers", "1"])


@pytest.fixture
def releases(miniature_release: Path, own_root: Path, tmp_path: Path) -> Releases:
    return Releases(miniature_release, tmp_path / "releases", own_root)


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def published(root: Path) -> dict[str, str]:
    """Images and annotations, without what the runner notes and without the archives."""
    return snapshot(root, lambda name: name.startswith((".pipeline", "archives", "report", "rejects")))


def val_names(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "val2017").iterdir())


@pytest.mark.parametrize("fresh", [False, True])
def test_a_release_without_its_annotations_is_refused_by_name_and_nothing_is_published(
    releases: Releases, fresh: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if fresh:
        releases.root = tmp_path / "fresh"
    table = releases.make("B", range(2), {"annotations/captions_val2017.json": b"{}"})
    before = {} if fresh else published(releases.root)
    assert releases.extract(table) == 1
    said = capsys.readouterr().err
    assert f"{releases.root / 'archives' / ANNOTATIONS} lacks annotations/instances_train2017.json" in said
    assert "nothing was published" in said and "report it" not in said
    assert published(releases.root) == before
    assert main(["verify", "--root", str(releases.root)]) == 1


def test_a_release_without_the_annotations_of_one_split_names_the_command_for_the_other(
    releases: Releases, tmp_path: Path, capsys: pytest.CaptureFixture[str], printed: Printed
) -> None:
    releases.root = tmp_path / ODD
    name = "annotations/instances_val2017.json"
    val_only = {name: contents(releases.base / ANNOTATIONS)[name]}
    assert releases.extract(releases.make("B", range(8), val_only)) == 1
    printed(capsys.readouterr().err, "pipeline/extract/stage.py:_without", "--workers=1")
    assert (releases.root / "val2017").is_dir() and not (releases.root / "train2017").exists()


def test_an_image_outside_the_folder_of_its_split_is_named(
    releases: Releases, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = releases.make("B").parent
    write_zip(folder / VAL, [("val2017/a.jpg", b"x"), ("val2018/b.jpg", b"y")], zipfile.ZIP_STORED)
    before = published(releases.root)
    assert releases.extract(write_table(folder, "B")) == 1
    assert "member 'val2018/b.jpg': expected below val2017/" in capsys.readouterr().err
    assert published(releases.root) == before


def test_an_annotation_file_that_two_archives_have_must_be_the_same(
    releases: Releases, capsys: pytest.CaptureFixture[str]
) -> None:
    table = releases.make("B")
    noted = json.loads(table.read_text())
    second = table.parent / "annotations/more.zip"
    good = contents(table.parent / ANNOTATIONS)
    for data, code in ((b"{}", 1), (good["annotations/instances_val2017.json"], 0)):
        write_zip(second, [("annotations/instances_val2017.json", data)], zipfile.ZIP_STORED)
        more = {"path": "annotations/more.zip", "bytes": second.stat().st_size, "sha256": "0" * 64}
        table.write_text(json.dumps(noted | {"files": [*noted["files"], more]}))
        assert releases.extract(table) == code
        assert ("have different files annotations/instances_val2017.json" in capsys.readouterr().err) == bool(
            code
        )


def test_an_archive_without_an_image_is_refused(
    releases: Releases, capsys: pytest.CaptureFixture[str]
) -> None:
    before = published(releases.root)
    assert releases.extract(releases.make("B", ())) == 1
    assert "there is no file in it" in capsys.readouterr().err
    assert published(releases.root) == before


@pytest.mark.parametrize("damaged", [False, True])
def test_images_of_an_earlier_release_go_and_those_of_the_owner_stay(
    releases: Releases, damaged: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also when every image of the new release is right already, and the folder need not be made again."""
    root, names = releases.root, val_names(releases.root)
    (root / "val2017/mine.jpg").write_bytes((root / "val2017" / names[0]).read_bytes())
    (root / "val2017/notes.txt").write_text("mine")
    if damaged:
        (root / "val2017" / names[1]).write_bytes(b"damaged")
    table = releases.make("B", range(2))
    assert releases.extract(table) == 0
    assert val_names(root) == sorted([*names[:2], "mine.jpg", "notes.txt"])
    said = capsys.readouterr().out
    assert f"val2017: removed 6 images of an earlier release, such as '{names[2]}'" in said
    assert (
        main(["run", "--root", str(root), "--from", "validate_images", "--accept-missing", "--workers", "1"])
        == 0
    )
    rows = [json.loads(line) for line in (root / "report/images.jsonl").read_text().splitlines()]
    verdicts = {row["file_name"]: row["verdict"] for row in rows if row["split"] == "val"}
    assert [name for name, verdict in verdicts.items() if verdict != "reject"] == names[:2]
    reasons = {row["file_name"]: row["reason"] for row in rows}
    assert reasons["mine.jpg"].startswith("not_in_annotations")


def test_killed_between_two_releases_nothing_of_either_stays_in_a_third(
    releases: Releases, own_root: Path, tmp_path: Path, shim: Shim
) -> None:
    root, names = releases.root, val_names(releases.root)
    (root / "val2017/notes.txt").write_text("mine")
    first, second = releases.make("first", range(4)), releases.make("second", range(3, 6))
    assert releases.extract(first) == 0
    saved = shutil.copytree(root, tmp_path / "saved")
    shutil.copytree(second.parent, saved / "archives", dirs_exist_ok=True)
    command = python("-m", "pipeline.extract", "--root", root, "--release", second, "--workers", "1")

    def again() -> None:
        shutil.rmtree(root)
        shutil.copytree(saved, root)

    again()
    total = shim.count(command, root)
    third = releases.make("third", [6])
    for at in range(1, total + 1, 7):  # between publishing and noting lie a dozen
        again()
        shim.run(command, root, at, KILL)
        assert releases.extract(third) == 0
        assert val_names(root) == sorted([names[6], "notes.txt"]), f"killed at {at} of {total}"


@pytest.mark.parametrize("record", ["of an older program", "damaged", "gone"])
def test_where_it_is_not_on_record_whose_the_images_are_the_owner_is_asked(
    releases: Releases, record: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root, noted = releases.root, trees.manifest_path(releases.root, "val2017")
    (root / "val2017/._a.jpg").write_bytes(b"what macOS writes beside an image is none")
    if record == "of an older program":
        trees.write_manifest(noted, trees.survey(root / "val2017", {}))
    else:
        noted.write_bytes(noted.read_bytes()[:-9]) if record == "damaged" else noted.unlink()
    before = val_names(root)
    assert releases.extract(releases.make("B", range(2))) == 1
    said = capsys.readouterr().err
    assert "holds 6 images beside those of the archive" in said and "no record says" in said
    assert val_names(root) == before


def test_a_folder_that_the_stage_never_made_is_its_owners(releases: Releases) -> None:
    """Images that somebody else has unpacked there are taken over, and those beside them stay."""
    shutil.rmtree(releases.root / ".pipeline")
    before = val_names(releases.root)
    table = releases.make("B", range(2))
    for _ in range(2):
        assert releases.extract(table) == 0
        assert val_names(releases.root) == before


def test_nothing_of_a_refused_archive_stays_in_the_staging_folder(
    releases: Releases, capsys: pytest.CaptureFixture[str]
) -> None:
    root, table = releases.root, releases.make("B")
    archive = table.parent / VAL
    shutil.rmtree(root / "val2017")
    data = archive.read_bytes()
    at = data.index(b"PK\1\2") - 9  # in the last image
    archive.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    assert releases.extract(table) == 1
    said = capsys.readouterr().err
    assert f"{root / 'archives' / VAL} is refused" in said
    assert f"python -m pipeline.download --root {root}" in said
    staging = root / ".pipeline/staging/extract"
    assert [path.name for path in staging.iterdir() if path.name != "annotations"] == ["plan.json"]
    assert not (root / "val2017").exists()
