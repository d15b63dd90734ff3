"""Each layout → stages → arrays that equal the drawn truth; the same import again; a root that is not free; a kill between."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.__main__ import main as pipeline
from pipeline.data_root import receipts
from pipeline.import_data import driver, writer
from pipeline.import_data.__main__ import main
from pipeline.import_data.request import NAME, Request
from pipeline.stop import NEVER, StageError
from tests.pipeline.foreign import CLASSES, LAYOUTS, Drawn, as_coco, as_voc, as_yolo, draw
from tests.printed import ODD, Printed
from vision.artefacts.data_layout import SPLITS, arrays_path


@pytest.fixture(scope="module")
def images() -> list[Drawn]:
    return draw()


def bring(layout: str, source: Path, root: Path, *more: str) -> int:
    return main(["--from", layout, "--source", str(source), "--root", str(root), "--workers", "1", *more])


def boxes_of(root: Path) -> dict[tuple[str, str], list[tuple[str, list[float]]]]:
    """(split, file name) → class and box of each object, out of the arrays that the trainer reads."""
    found = {}
    for split in SPLITS[:2]:
        folder = root / arrays_path(split)
        record = json.loads((folder / "arrays.json").read_text())
        first, boxes, labels, names = (
            np.load(folder / f"{name}.npy") for name in ("first_box", "boxes_xyxy_px", "labels", "file_names")
        )
        for at, name in enumerate(names):
            span = slice(first[at], first[at + 1])
            found[split, name.decode()] = [
                (record["classes"][label], box.tolist())
                for label, box in zip(labels[span], boxes[span], strict=True)
            ]
    return found


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_arrays_are_what_was_drawn(
    layout: str, images: list[Drawn], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = LAYOUTS[layout](tmp_path / "source", images)
    before, root = tree(source), tmp_path / "root"
    assert bring(layout, source, root) == 0
    said = capsys.readouterr().out
    assert "next: python train_ssd.py" in said and "0 dropped" in said
    found = boxes_of(root)
    expected = {
        (image.split, image.file): image for image in images if image.boxes or layout != "open_images"
    }
    assert {(split, Path(name).name) for split, name in found} == expected.keys()
    for (split, name), boxes in found.items():
        drawn = expected[split, Path(name).name].boxes
        assert [class_ for class_, _ in boxes] == [class_ for class_, *_ in drawn]
        np.testing.assert_allclose(
            [box for _, box in boxes], [box for _, *box in drawn] or np.empty(0), atol=1e-4
        )
    assert tree(source) == before, "originals are as they were"
    for command in ("status", "verify"):
        assert pipeline([command, "--root", str(root)]) == 0
    assert "stale" not in capsys.readouterr().out
    receipt = receipts.read(root, NAME)
    assert (
        receipt is not None and receipt.taken_in == len(found) + sum(map(len, found.values())) == receipt.kept
    )


def test_the_same_import_again_changes_nothing(
    images: list[Drawn], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, root = as_voc(tmp_path / "source", images), tmp_path / "root"
    assert bring("voc", source, root) == 0
    before = {
        path: path.stat().st_mtime_ns for path in root.rglob("*") if path.name not in ("lock", "choices.json")
    }
    capsys.readouterr()
    assert bring("voc", source, root, "--link", "copy") == 0
    said = capsys.readouterr().out
    assert "holds this import already" in said and said.count(": done (") == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("gone", ["annotations/instances_val2017.json", "train2017", "one image"])
def test_an_import_whose_files_are_gone_is_not_called_whole(
    gone: str, images: list[Drawn], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, root = as_voc(tmp_path / "source", images), tmp_path / "root"
    assert bring("voc", source, root, "--no-run") == 0
    path = root / (f"train2017/{images[0].file}" if gone == "one image" else gone)
    path.rename(tmp_path / "kept")
    before = tree(root)
    capsys.readouterr()
    assert bring("voc", source, root, "--no-run") == 1
    said = capsys.readouterr()
    assert "already" not in said.out and f"{6 if gone == 'train2017' else 1} file" in said.err
    assert path.relative_to(root).as_posix() in said.err and len(said.err.splitlines()) == 3
    assert tree(root).keys() == before.keys()
    (tmp_path / "kept").rename(path)
    assert bring("voc", source, root, "--no-run") == 0


def test_clean_leaves_what_was_imported(
    images: list[Drawn], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, root = as_voc(tmp_path / "source", images), tmp_path / "root"
    assert bring("voc", source, root) == 0
    assert pipeline(["clean", "--root", str(root), "--all", "--yes"]) == 0
    assert (
        len(list((root / "train2017").iterdir())) == 6
        and (root / "annotations/instances_val2017.json").is_file()
    )
    assert not (root / "index.sqlite").exists()
    assert bring("voc", source, root) == 0 and (root / "index.sqlite").is_file()


def test_another_source_or_other_options_are_refused(
    images: list[Drawn], tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    source, root = as_voc(tmp_path / "source", images), tmp_path / ODD
    other = as_yolo(tmp_path / "other", images)
    assert bring("voc", source, root, "--no-run") == 0
    before = tree(root)
    for layout, folder, more, words in (
        ("yolo", other, (), "holds another import"),
        ("voc", source, ("--resplit",), "made with --resplit False"),
        ("voc", source, ("--images", str(other)), "holds another import"),
    ):
        assert bring(layout, folder, root, *more) == 1
        said = capsys.readouterr().err
        assert words in said and len(said.splitlines()) == 3
        printed(said, "pipeline/import_data/request.py:Request.again", "--no-run")
    (source / "Annotations" / f"{images[0].stem}.xml").write_text("<annotation/>")
    assert bring("voc", source, root) == 1 and "the source has changed since" in capsys.readouterr().err
    assert tree(root).keys() == before.keys()


@pytest.mark.parametrize("there", ["notes.txt", "train2017/mine.jpg", ".pipeline/index.json"])
def test_a_root_with_something_in_it_is_refused(
    there: str, images: list[Drawn], tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    source, root = as_voc(tmp_path / "source", images), tmp_path / ODD
    (root / there).parent.mkdir(parents=True)
    (root / there).write_bytes(b"mine")
    assert bring("voc", source, root) == 1
    said = capsys.readouterr().err
    assert "cannot hold an import" in said and "Traceback" not in said
    printed(said, "pipeline/import_data/request.py:Request.again", "--no-run")
    assert (root / there).read_bytes() == b"mine" and len(list(root.rglob("*"))) == len(Path(there).parts)


@pytest.mark.parametrize("root", ["source", "source/root", "."])
def test_the_root_stays_out_of_the_source(
    root: str, images: list[Drawn], tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    source = as_voc(tmp_path / "source", images)
    before = tree(tmp_path)
    assert bring("voc", source, tmp_path / root) == 1
    said = capsys.readouterr().err
    assert "one in the other" in said and tree(tmp_path) == before
    source.rename(tmp_path / ODD)
    assert bring("voc", tmp_path / ODD, tmp_path / root.replace("source", ODD)) == 1
    printed(capsys.readouterr().err, "pipeline/import_data/request.py:Request.again", "--no-run")


def test_a_folder_of_images_that_is_not_there_is_said(
    images: list[Drawn], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = as_voc(tmp_path / "source", images)
    assert bring("voc", source, tmp_path / "root", "--images", str(tmp_path / "nowhere")) == 1
    said = capsys.readouterr().err
    assert "there is no folder" in said and "nowhere" in said and "missing" not in said
    assert not (tmp_path / "root").exists()


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("after", range(len(writer.OUTPUTS) + 1))
def test_a_kill_between_two_names_is_resumed(
    after: int, images: list[Drawn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, root = as_voc(tmp_path / "source", images), tmp_path / "root"
    real, calls = os.replace, Counter[str]()

    def replace(one: Path, other: Path) -> None:
        if Path(other).relative_to(root).as_posix() in writer.OUTPUTS:
            if calls["published"] == after:
                _killed()
            calls["published"] += 1
        real(one, other)

    request = Request("voc", source, root)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(writer.os, "replace", replace)
        patch.setattr(driver.receipts, "write", _killed)
        driver.import_data(request, lambda line: None, NEVER)
    assert receipts.read(root, NAME) is None
    if after:
        with pytest.raises(StageError, match="other options"):
            driver.import_data(Request("voc", source, root, resplit=True), lambda line: None, NEVER)
    assert driver.import_data(request, lambda line: None, NEVER).fresh
    assert (
        len(list((root / "train2017").iterdir())) == 6
        and not (root / ".pipeline/staging/import_data").exists()
    )
    assert not driver.import_data(request, lambda line: None, NEVER).fresh


@pytest.mark.parametrize("link", ["hard", "soft", "copy"])
def test_links_in_the_place_of_originals_are_followed(link: str, images: list[Drawn], tmp_path: Path) -> None:
    source, root = as_voc(tmp_path / "source", images), tmp_path / "root"
    store = tmp_path / "store"
    store.mkdir()
    for number, path in enumerate(sorted((source / "JPEGImages").iterdir())):
        path.rename(store / f"{number}")
        path.symlink_to(store / f"{number}")
    assert bring("voc", source, root, "--link", link) == 0
    found = {path.name: path for path in (root / "train2017").iterdir()}
    assert sorted(found) == [image.file for image in images if image.split == "train"]
    assert all(path.is_symlink() == (link == "soft") for path in found.values())
    assert {path.resolve().parent == store for path in found.values()} == {link == "soft"}


def test_a_root_beside_the_file_is_no_place_of_its_images(images: list[Drawn], tmp_path: Path) -> None:
    as_coco(tmp_path / "made", images)
    (tmp_path / "made/train/_annotations.coco.json").rename(tmp_path / "labels.json")
    (tmp_path / "made/train").rename(tmp_path / "photos")
    shutil.rmtree(tmp_path / "made")
    request = Request("coco", tmp_path / "labels.json", tmp_path / "root")
    first = driver.import_data(request, lambda line: None, NEVER)
    again = driver.import_data(request, lambda line: None, NEVER)
    assert (first.fresh, again.fresh) == (True, False) and first.images == again.images == {
        "train": 5,
        "val": 1,
    }


def test_a_layout_that_finds_no_box_where_another_would_is_refused(
    images: list[Drawn], tmp_path: Path, printed: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    """labels.txt is a list of names for YOLO, too: all images would be imported as empty ones."""
    source, root = tmp_path / ODD, tmp_path / "root"
    as_voc(source, images)
    (source / "labels.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    assert bring("yolo", source, root, "--no-run") == 1
    said = capsys.readouterr().err
    assert "no box that --from yolo finds" in said and not root.exists()
    printed(said, "pipeline/import_data/request.py:Request.again", "--no-run")
    assert root.exists()
