"""Images that are not there just now: a few are listed, many are a question, none at all is another folder."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.image_check import absence
from pipeline.image_check import check_many as image_survey
from pipeline.image_check.check import Checked, ImageJob
from pipeline.image_check.settings import readable_again
from pipeline.remap_categories import __main__ as remap_categories_command
from pipeline.stage import Settings, StageError
from pipeline.validate_images import __main__ as validate_images_command
from tests.images.corpus import HEIGHT, WIDTH, encoded, pixels
from tests.printed import Printed
from vision.images.decode import ImageVerdict

ODD = "a b$(touch X)"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """30 images in train and in val, by hand; all may be missing but one."""
    root = tmp_path / ODD
    (root / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        (root / f"{split}2017").mkdir()
        images = [{"id": n, "file_name": f"{n:03}.jpg", "width": WIDTH, "height": HEIGHT} for n in range(30)]
        for image in images:
            (root / f"{split}2017" / str(image["file_name"])).write_bytes(encoded(pixels(1), "JPEG"))
        boxes = [{"id": 1, "image_id": 29, "category_id": 7, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}]
        document = {"images": images, "annotations": boxes, "categories": [{"id": 7, "name": "thing"}]}
        (root / f"annotations/instances_{split}2017.json").write_text(json.dumps(document))
    return root


def run(root: Path, *options: str) -> int:
    return main(["run", "--root", str(root), "--from", "validate_images", "--workers", "1", *options])


def images(root: Path) -> list[Path]:
    return sorted((root / "train2017").iterdir())


def verdicts(root: Path) -> list[str]:
    rows = [json.loads(line) for line in (root / "report/images.jsonl").read_text().splitlines()]
    return [row["verdict"] for row in rows if row["split"] == "train"]


def test_more_than_a_handful_is_a_question_and_nothing_is_published(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in images(root)[:6]:
        path.rename(root / path.name)
    assert run(root) == 1
    said = capsys.readouterr().err
    assert "6 of 30 images cannot be read" in said and "6 missing, such as 000.jpg" in said
    assert f"run --root '{root}' --from validate_images --accept-missing" in said
    assert not (root / "report/images.jsonl").exists()
    for path in sorted(root.glob("*.jpg")):
        path.rename(root / "train2017" / path.name)
    assert run(root) == 0 and verdicts(root) == ["ok"] * 30


def test_accepted_they_are_listed_and_back_they_are_looked_at_again(root: Path) -> None:
    for path in images(root)[:6]:
        path.rename(root / path.name)
    assert run(root, "--accept-missing") == 0
    assert verdicts(root).count("reject") == 6
    assert run(root) == 0, "what is done stays done"
    for path in sorted(root.glob("*.jpg")):
        path.rename(root / "train2017" / path.name)
    assert run(root) == 0 and verdicts(root) == ["ok"] * 30


def test_a_few_are_listed_and_said_from_then_on(
    root: Path, capsys: pytest.CaptureFixture[str], printed: Printed
) -> None:
    lost = images(root)[:5]
    for path in lost:
        path.rename(root / path.name)
    assert run(root) == 0
    said = capsys.readouterr().out
    assert verdicts(root).count("reject") == 5 and "are not in" in said
    assert all(f"{path.name} (missing)" in said for path in lost)
    assert main(["status", "--root", str(root)]) == main(["verify", "--root", str(root)]) == 0
    later = capsys.readouterr().out
    assert "55 kept of 60, dropped 5 missing" in later
    assert "note: 5 images that the annotations name are missing, as " in later
    for path in lost:
        (root / path.name).rename(path)
    printed(said, "pipeline/image_check/absence.py:advice", "--workers", 1)
    assert verdicts(root) == ["ok"] * 30


def test_links_whose_target_is_not_mounted_are_missing(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in images(root):
        path.rename(elsewhere / path.name)
        path.symlink_to(elsewhere / path.name)
    elsewhere.rename(tmp_path / "unmounted")
    assert run(root) == 1
    (tmp_path / "unmounted").rename(elsewhere)
    assert run(root) == 0 and verdicts(root) == ["ok"] * 30
    first = elsewhere / images(root)[0].name
    first.write_bytes(b"<html>")
    assert run(root) == 0, "what a link leads to has changed: that is noticed"
    assert verdicts(root).count("reject") == 1


def test_another_folder_is_told_from_missing_images(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "cat.jpg").write_bytes(b"x")
    words = ["--annotations", str(root / "annotations/instances_train2017.json"), "--workers", "1"]
    words += ["--output", str(tmp_path / "made.json")]
    assert remap_categories_command.main([*words, "--images", str(other)]) == 1
    said = capsys.readouterr().err
    assert f"no image of the 30 that the annotations name is in {other}" in said
    assert "it holds 1 other, such as 'cat.jpg'" in said and "repair the file" not in said
    assert remap_categories_command.main([*words, "--images", str(root)]) == 1
    said = capsys.readouterr().err
    assert "'000.jpg', and the folder: it holds 62 others, such as 'train2017/000.jpg'" in said
    assert (
        "of them" not in said
        and "fix: name the folder that the file names are relative to: --images DIR" in said
    )
    for path in (root / "val2017").iterdir():
        path.unlink()
    assert remap_categories_command.main([*words, "--images", str(root)]) == 1
    said = capsys.readouterr().err
    assert (
        "30 of them are there under names that differ in the folder: '000.jpg' is 'train2017/000.jpg'" in said
    )
    assert "--images DIR" in said and not (tmp_path / "made.json").exists()


def renamed(root: Path, change: Callable[[str], str], count: int = 30) -> None:
    """The first ``count`` images of train have other names in the annotations than on the disk."""
    path = root / "annotations/instances_train2017.json"
    document = json.loads(path.read_text())
    for image in document["images"][:count]:
        image["file_name"] = change(image["file_name"])
    path.write_text(json.dumps(document))


ALMOST: dict[str, tuple[Callable[[str], str], str]] = {
    "case": (str.upper, "differ in upper and lower case: '000.JPG' is '000.jpg' on the disk"),
    "ending": (
        lambda name: name.replace("jpg", "JPEG"),
        "differ in the ending: '000.JPEG' is '000.jpg' on the disk",
    ),
    "folder": (
        lambda name: f"train2017/{name}",
        "differ in the folder: 'train2017/000.jpg' is '000.jpg' on the disk",
    ),
    "both": (
        lambda name: f"x/{name[:3]}.png",
        "differ in the folder and the ending: 'x/000.png' is '000.jpg' on the disk",
    ),
}


@pytest.mark.parametrize("count", [30, 7, 2], ids=["all", "many", "a few"])
@pytest.mark.parametrize(("change", "words"), ALMOST.values(), ids=ALMOST)
def test_names_that_are_almost_those_on_the_disk(
    change: Callable[[str], str], words: str, count: int, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    renamed(root, change, count)
    code, said = run(root), capsys.readouterr()
    assert code == (0 if count == 2 else 1)
    text = said.out if count == 2 else said.err
    assert f"{count} of them are there under names that {words}" in text
    assert "write the names into the annotations as they are on the disk" in text
    renamed(root, lambda name: name.rpartition("/")[2][:3] + ".jpg")
    assert run(root) == 0 and verdicts(root) == ["ok"] * 30


def in_sequences(root: Path) -> None:
    """Frames 000 to 014 of two sequences: every name without its folder is there twice."""
    renamed(root, lambda name: f"seq{1 + int(name[:3]) // 15}/{int(name[:3]) % 15:03}.jpg")
    for number, path in enumerate(images(root)):
        to = root / f"train2017/seq{1 + number // 15}/{number % 15:03}.jpg"
        to.parent.mkdir(exist_ok=True)
        path.rename(to)


def without_second_sequence(root: Path) -> None:
    in_sequences(root)
    shutil.rmtree(root / "train2017/seq2")


def second_sequence_elsewhere(root: Path) -> None:
    """Frames that no annotation names, under a third folder, are as little those of the second."""
    in_sequences(root)
    (root / "train2017/seq2").rename(root / "train2017/seq3")


def labels_beside(root: Path) -> None:
    for path in images(root)[:15]:
        path.rename(path.with_suffix(".txt"))


def metadata_of_macos(root: Path) -> None:
    renamed(root, lambda name: f"._{name}" if int(name[:3]) < 15 else name)
    for path in images(root)[:15]:
        path.rename(path.with_name(f"._{path.stem}.JPG"))


def folders_with_its_name(root: Path) -> None:
    for path in images(root)[:15]:
        path.unlink()
        path.with_suffix(".JPG").mkdir()


def links_that_lead_nowhere(root: Path) -> None:
    for path in images(root)[:15]:
        path.unlink()
        path.symlink_to("nowhere")


def two_files_for_each(root: Path) -> None:
    for path in images(root)[:15]:
        path.with_suffix(".JPG").write_bytes(path.read_bytes())
        path.rename(path.with_suffix(".JPEG"))
    renamed(root, lambda name: name.replace("jpg", "png"), 15)


def two_names_for_each(root: Path) -> None:
    renamed(root, lambda name: f"{int(name[:3]) // 2:03}.{'png' if int(name[:3]) % 2 else 'gif'}")


@pytest.mark.parametrize(
    "change",
    [
        without_second_sequence, second_sequence_elsewhere, labels_beside, metadata_of_macos, folders_with_its_name,
        links_that_lead_nowhere, two_files_for_each, two_names_for_each,
    ],
)  # fmt: skip
def test_what_may_be_another_image_or_none_is_not_offered(
    change: Callable[[Path], None], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(root)
    assert run(root) == 1
    said = capsys.readouterr().err
    assert "of them" not in said and "rename the files" not in said
    assert ("this may be temporary" in said and "fix: restore them, then: " in said) or (
        change is two_names_for_each and "it holds 30 others, such as '000.jpg'" in said
    )


def test_a_few_that_are_labels_are_not_offered_either(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in images(root)[:3]:
        path.rename(path.with_suffix(".txt"))
    assert run(root) == 0
    said = capsys.readouterr()
    assert "there under names" not in said.out + said.err and verdicts(root).count("reject") == 3


@pytest.mark.parametrize("gone", [30, 20], ids=["all", "many"])
def test_those_that_are_not_there_under_another_name_are_asked_for_as_ever(
    gone: int, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, path in enumerate(images(root)[:gone]):
        path.rename(path.with_suffix(".JPG")) if number < 7 else path.unlink()
    assert run(root) == 1
    said = capsys.readouterr().err
    assert "7 of them are there under names that differ in upper and lower case" in said
    rest = (
        "the first is '007.jpg', and the folder: it holds 7 others" if gone == 30 else "this may be temporary"
    )
    assert f"of the others: {rest}" in said
    assert f"the others: {'put them there' if gone == 30 else 'restore them'}" in said
    assert ("--accept-missing" in said) == (gone == 20)


def test_one_file_is_not_offered_for_two_names(tmp_path: Path) -> None:
    """Not even where the one differs in its ending and the other in its folder."""
    (tmp_path / "x").mkdir()
    (tmp_path / "x/a.jpg").touch()
    names = ["x/a.png", "y/a.jpg"]
    told = list(absence._near_misses(tmp_path, names, ["x/a.jpg"], dict.fromkeys(names, 1)))
    assert [list(of) for _, of in told] == [["x/a.png"]]


@pytest.mark.parametrize("own_file", [False, True])
def test_names_of_entries_that_cannot_be_used_count_too(
    own_file: bool, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is that of the entry whose width is missing: it is not offered to the one that has another ending."""
    name = root / "annotations/instances_train2017.json"
    made = json.loads(name.read_text())
    for image in made["images"][:2]:
        image["file_name"] = image["file_name"].replace("jpg", "png")
        made["images"].append(
            {"id": 100 + image["id"], "file_name": image["file_name"].replace("png", "jpg")}
        )
    made["images"].pop()  # of 001.png: its file may be it
    name.write_text(json.dumps(made))
    if own_file:
        output = root.parent / "out.json"
        words = ("--annotations", name, "--images", root / "train2017", "--output", output, "--workers", 1)
        assert remap_categories_command.main(list(map(str, words))) == 0
    else:
        assert run(root) == 0
    said = capsys.readouterr().out
    assert "1 of them is there under names that differ in the ending: '001.png' is '001.jpg'" in said


def test_a_name_in_the_unicode_form_of_macos(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "train2017/000.jpg").rename(root / "train2017/é.jpg")
    renamed(root, lambda name: unicodedata.normalize("NFD", "é.jpg"), 1)
    assert run(root) == 0
    assert r"NFD of macOS): 'e\u0301.jpg' is '\xe9.jpg' on the disk" in capsys.readouterr().out


@pytest.mark.parametrize("prefix", ["/data/", "C:\\data\\", "../"])
def test_names_that_are_no_paths_below_the_folder(
    prefix: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    renamed(root, lambda name: prefix + name)
    assert run(root) == 1
    said = capsys.readouterr().err
    assert (
        "30 bad_file_name" in said
        and f"write file_name as it counts from {root / 'train2017'}, with /" in said
    )
    renamed(root, lambda name: name.removeprefix(prefix))
    assert run(root) == 0 and verdicts(root) == ["ok"] * 30


BLIPS: list[Callable[[Path], None]] = [
    lambda path: path.unlink(),
    lambda path: path.write_bytes(b"<html>"),
]


@pytest.mark.parametrize("blip", BLIPS)
def test_what_was_gone_or_another_file_only_for_a_while_is_looked_at_again(
    root: Path, blip: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blip between the start of the check and its end leaves no verdict behind."""
    place = images(root)[3]
    whole = place.read_bytes()
    real, rounds = image_survey._said, []

    def blinking(*arguments: object) -> object:
        if not rounds:
            blip(place)
        rounds.append(1)
        yield from real(*arguments)  # type: ignore[arg-type]
        if len(rounds) == 1:
            place.write_bytes(whole)

    monkeypatch.setattr(image_survey, "_said", blinking)
    assert validate_images_command.main(["--root", str(root), "--workers", "1"]) == 0
    assert len(rounds) >= 2 and verdicts(root) == ["ok"] * 30


def test_what_never_stops_changing_ends_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    job = ImageJob("", str(tmp_path), "a.jpg", None)
    absent = Checked(ImageVerdict("reject", "missing: no such file", None, None), None)
    monkeypatch.setattr(image_survey, "_said", lambda *_: iter([[(job, absent)]]))
    with pytest.raises(StageError, match=r"1 image changes during the check, such as .*a\.jpg"):
        image_survey.check_all([job], tmp_path, 1)


def test_permissions_are_no_change_of_a_file_and_are_asked_again(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    settings = Settings(tmp_path)
    assert readable_again(settings, {}) is None
    assert readable_again(settings, {"unreadable": ["gone.jpg"]}) is None
    assert readable_again(settings, {"unreadable": ["a.jpg"]}) == "a.jpg could not be read, and can be now"
    if os.geteuid():
        (tmp_path / "a.jpg").chmod(0)
        assert readable_again(settings, {"unreadable": ["a.jpg"]}) is None
