"""``rejects.jsonl`` is proven like every other output: lost or changed, it is named and made again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.__main__ import main as pipeline
from pipeline.data_root.receipts import receipt_path
from pipeline.stage import Counts, StageContext
from pipeline.validate_images import __main__ as validate_images_command
from pipeline.validate_images import table as image_table
from pipeline.validate_images.remake_rejects import write_rows
from tests.pipeline.image_root import make_root
from vision.artefacts.data_layout import REJECTS
from vision.artefacts.files import OutOfSpace

DAMAGE: list[Callable[[Path], object]] = [
    Path.unlink,
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(path.read_bytes()[:-30]),
    lambda path: path.write_bytes(path.read_bytes().replace(b"missing.jpg", b"others_.jpg")),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = make_root(tmp_path / "root", good=3)
    assert validate_images_command.main(["--root", str(made), "--workers", "1"]) == 0
    return made


def never(context: StageContext) -> Counts:
    raise AssertionError("an image would be read again")


@pytest.mark.parametrize("damage", DAMAGE)
def test_lost_or_changed_it_is_named_and_made_again_without_the_images(
    root: Path,
    damage: Callable[[Path], object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rejects, receipt = root / REJECTS, receipt_path(root, "validate_images")
    before, noted = rejects.read_bytes(), json.loads(receipt.read_text())
    assert b"missing.jpg" in before and noted["outputs"][REJECTS]["bytes"] == len(before)
    damage(rejects)
    capsys.readouterr()
    assert pipeline(["verify", "--root", str(root)]) == 1
    said = capsys.readouterr().err
    assert f"validate_images: stale: output {REJECTS}" in said
    monkeypatch.setattr(image_table, "make_table", never)
    assert validate_images_command.main(["--root", str(root)]) == 0
    assert rejects.read_bytes() == before
    again = json.loads(receipt.read_text())
    assert [again[key] for key in ("taken_in", "kept", "dropped", "notes")] == [
        noted[key] for key in ("taken_in", "kept", "dropped", "notes")
    ]


@pytest.mark.parametrize("also", ["train2017/000000000001.jpg", "report/images.jsonl", "--thorough"])
def test_where_more_has_changed_the_images_are_read(root: Path, also: str) -> None:
    before = (root / REJECTS).read_bytes()
    (root / REJECTS).unlink()
    if not also.startswith("--"):
        (root / also).write_bytes(b"changed")
    assert (
        validate_images_command.main(
            ["--root", str(root), "--workers", "1", *[also][: also.startswith("--")]]
        )
        == 0
    )
    rows = [json.loads(line) for line in (root / "report/images.jsonl").read_text().splitlines()]
    rejects = [json.loads(line)["item"] for line in (root / REJECTS).read_text().splitlines()]
    assert rejects == [row["file_name"] for row in rows if row["verdict"] == "reject"]
    assert (before != (root / REJECTS).read_bytes()) == also.startswith("train")


def test_in_a_whole_root_verify_names_it_and_run_mends_it(
    own_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (own_root / REJECTS).read_bytes()
    (own_root / REJECTS).unlink()
    assert pipeline(["verify", "--deep", "--root", str(own_root)]) == 1
    assert f"{REJECTS} is missing" in capsys.readouterr().err
    assert pipeline(["run", "--root", str(own_root), "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert said.count("running") == 1, "what comes after it depends on the table, which is the same"
    assert (own_root / REJECTS).read_bytes() == before
    assert pipeline(["verify", "--deep", "--root", str(own_root)]) == 0


def test_on_a_full_disk_the_table_is_named() -> None:
    with pytest.raises(OutOfSpace, match="no space left to write") as caught:
        write_rows(Path("/dev/full"), [{"file": "a"}])
    assert caught.value.filename == "/dev/full"
