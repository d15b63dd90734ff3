"""Results never lie among the files of a data root, whichever tool writes them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from vision.artefacts.data_layout import (
    data_at,
    foreign_layout,
    import_root,
    import_wanted,
    require_no_data,
    root_meant,
)
from vision.messages.advice import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Of somebody's own, before any stage has run."""
    root = tmp_path / "own"
    (root / "val2017/more").mkdir(parents=True)
    (root / "val2017/a.jpg").write_bytes(b"theirs")
    return root


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("tools.detect.__main__", ""),
        ("tools.evaluate.__main__", ""),
        ("tools.export_onnx", "net.onnx"),
    ],
)
@pytest.mark.parametrize("inside", [".", "val2017", "val2017/more", "val2017/new", "annotations"])
def test_no_tool_writes_into_a_data_root(
    module: str, name: str, inside: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(root.rglob("*"))
    (tmp_path / "link").symlink_to(root)
    images = [str(root / "val2017")] if "detect" in module else []
    for place in (root / inside, tmp_path / "link" / inside):
        assert import_module(module).main(["a-run", *images, "--output", str(place / name)]) == 1
        what, why, fix = capsys.readouterr().err.splitlines()
        assert what.endswith("cannot hold results") and "data root" in why and "--output" in fix
    assert sorted(root.rglob("*")) == before


def test_a_data_root_that_was_meant(root: Path, tmp_path: Path) -> None:
    """Of nearly the name, above or below what was typed; never one far away, nor in the place of a data root."""
    for typed in ("owns", "onw", "own/val2017", "own/val207", "wn/val2017/more", "."):
        assert root_meant(tmp_path / typed) == root, typed
    (tmp_path / "onward/train2017").mkdir(parents=True)
    (tmp_path / "zoo").mkdir()
    for typed in ("own", "onward", "zoo", "nothing/like/it"):
        assert root_meant(tmp_path / typed) is None, typed


def test_the_import_is_beside_what_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fruit").mkdir()
    Path("labels.json").touch()
    assert import_root(Path("fruit/")) == Path("fruit-imported") and import_root(Path("labels.json")) == Path(
        "labels-imported"
    )
    assert import_root(Path("x/fruit")) == Path("fruit-imported"), "nothing can be made beside it: here"
    monkeypatch.chdir("fruit")
    assert (
        import_root(Path())
        == tmp_path / "fruit-imported"
        == import_root(Path("../fruit/").absolute()).resolve()
    )
    assert import_root(Path("..")).name == f"{tmp_path.name}-imported"


def test_an_import_is_told_to_go_where_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fruit = tmp_path / "fruit"
    (fruit / "Annotations").mkdir(parents=True)
    (fruit / "Annotations/a.xml").touch()
    monkeypatch.chdir(fruit)
    told = f"python -m pipeline.import_data --from voc --source . --root {import_root(Path())}"
    assert import_wanted(Path()) == told and import_wanted(tmp_path) is None


def test_beside_it_and_in_other_folders_of_it_there_is_room(root: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "found", root / "models/run", tmp_path, Path("found")):
        assert data_at(place) is None
        require_no_data(place, "found")
    with pytest.raises(UserError, match="such as found"):
        require_no_data(root, "found")


@pytest.mark.parametrize(
    ("kind", "mark"),
    [
        ("voc", "Annotations/a.xml"),
        ("open_images", "sub-train-annotations-bbox.csv"),
        ("yolo", "data.yaml"),
        ("yolo", "obj.names"),
        ("cvat", "annotations.xml"),
        ("coco", "train/_annotations.coco.json"),
        (None, "notes.txt"),
        (None, "train2017/a.jpg"),
    ],
)
def test_a_layout_is_known_by_its_marks(kind: str | None, mark: str, tmp_path: Path) -> None:
    (tmp_path / mark).parent.mkdir(exist_ok=True)
    (tmp_path / mark).touch()
    assert foreign_layout(tmp_path) == kind
