"""The work of the stage on a root: which packs are made, what stays, and what stops it."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.__main__ import main as pipeline
from pipeline.image_check.safe_read import DiskFault
from pipeline.image_check.worker_pool import WorkerCrash, WorkFailed
from pipeline.pack import build
from pipeline.pack.__main__ import main
from pipeline.stop import Interrupted, Stop
from tests.printed import ODD, Printed
from vision.artefacts.arrays.mapped import map_arrays, read_record
from vision.artefacts.data_layout import arrays_path
from vision.images.decode import decode_rgb
from vision.images.packs.file import PackFile
from vision.images.packs.pixels import encode

PACKS = ("packs/train2017.rgb-64", "packs/val2017.rgb-64")
WORDS = ("--format", "rgb", "--size", "64")


class Inline:
    """A pool of no processes that gives its chunks in a wrong order; ``does`` may make something else of an image."""

    made = 0
    does: Any = staticmethod(lambda work, job: work(job))

    def __init__(self, work: Any, workers: int, preload: str) -> None:
        self.work = work

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, jobs: list[Any], stop: Stop) -> Iterator[list[tuple[Any, Any]]]:
        for first in range(0, len(jobs), 8):
            for half in (slice(first + 4, first + 8), slice(first, first + 4)):
                stop.check()
                Inline.made += len(jobs[half])
                yield [(job, Inline.does(self.work, job)) for job in jobs[half]]


@pytest.fixture
def root(miniature_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / ODD / "root"
    shutil.copytree(miniature_root, made)
    monkeypatch.setattr(build, "WorkerPool", Inline)
    monkeypatch.setattr(build, "SAMPLE", 1)
    monkeypatch.setattr(Inline, "made", 0)
    return made


def packed(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.glob("packs/*/*"))}


def states(root: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert pipeline(["status", "--root", str(root)]) == 0
    return capsys.readouterr().out.splitlines()[5]


def test_every_image_in_the_order_of_the_arrays(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(root), *WORDS]) == 0
    said = capsys.readouterr().out
    for path, split in zip(PACKS, ("train", "val"), strict=True):
        pack, folder = PackFile(root / path), root / arrays_path(split)
        names = map_arrays(folder, read_record(folder))["file_names"].tolist()
        assert len(pack) == len(names) and pack.record.split == split
        for index in (0, len(names) // 2, len(names) - 1):
            image = decode_rgb((root / f"{split}2017" / names[index].decode()).read_bytes())
            assert np.array_equal(
                pack.rgb(index), np.frombuffer(encode(image, "rgb", 64), np.uint8).reshape(64, 64, 3)
            )
        assert f"{path}: {len(pack)} images; {len(pack) * (64 * 64 * 3 + 16):,} bytes, about " in said
    assert states(root, capsys).startswith("✓ pack")
    assert pipeline(["verify", "--deep", "--root", str(root)]) == 0


@pytest.mark.parametrize("at", [4, 16, 20])
def test_a_run_that_is_stopped_resumes_to_the_same_bytes(
    at: int, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = root.with_name("whole")
    shutil.copytree(root, whole)
    assert main(["--root", str(whole), *WORDS]) == 0
    total, asked = Inline.made, []

    def stopped(work: Any, job: Any) -> Any:
        asked.append(job)
        if len(asked) == at:
            raise Interrupted
        return work(job)

    monkeypatch.setattr(Inline, "does", staticmethod(stopped))
    monkeypatch.setattr(Inline, "made", 0)
    assert main(["--root", str(root), *WORDS]) == 130
    assert not (root / "packs").exists()
    first = Inline.made
    capsys.readouterr()
    assert main(["--root", str(root), *WORDS]) == 0
    assert ("of them already" in capsys.readouterr().out) == (at > 4)
    assert packed(root) == packed(whole)
    assert at == 4 or Inline.made < total + first, "what was done is not done again"


def test_other_boxes_leave_the_pack_and_other_images_do_not(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(root), *WORDS]) == 0
    before, made = packed(root), Inline.made
    labels = (root / "annotations/labels.txt").read_text().splitlines()
    assert pipeline(["run", "--root", str(root), "--classes", labels[1]]) == 0
    assert "it stays" in capsys.readouterr().out and (packed(root), Inline.made) == (before, made)
    image = sorted((root / "val2017").iterdir())[0]
    Image.open(image).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(image)
    assert "stale" in states(root, capsys)
    assert main(["--root", str(root)]) == 0
    assert {name.split(".")[0] for name in before if before[name] != packed(root)[name]} == {"packs/val2017"}
    assert Inline.made == made + 8


def test_a_damaged_pack_is_made_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(root), *WORDS]) == 0
    before = packed(root)
    with (root / PACKS[0] / "pixels.bin").open("r+b") as file:
        file.write(b"?")
    assert "stale" in states(root, capsys)
    assert pipeline(["run", "--root", str(root)]) == 0
    assert {name: data for name, data in packed(root).items() if "replaced" not in name} == before


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("10×10 px, was 20×20 px", "is not the image that was checked"), (WorkerCrash(-11), "ended by SIGSEGV"),
        (WorkerCrash(-9), "could not be packed"), (DiskFault(5, "Input/output error"), "cannot be read"),
    ],
)  # fmt: skip
def test_an_image_that_stops_it_is_named_and_the_work_is_kept(
    result: Any, status: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def does(work: Any, job: Any) -> Any:
        if job.number != 9:
            return work(job)
        if isinstance(result, OSError):
            raise WorkFailed(job, result, "")
        return result

    monkeypatch.setattr(Inline, "does", staticmethod(does))
    assert main(["--root", str(root), *WORDS]) == 1
    said = capsys.readouterr().err
    assert status in said and "train2017/" in said and "fix:" in said and "Traceback" not in said
    monkeypatch.undo()
    monkeypatch.setattr(build, "WorkerPool", Inline)
    assert main(["--root", str(root), *WORDS]) == 0
    assert "of them already" in capsys.readouterr().out


def test_printed_commands(
    root: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Inline, "does", staticmethod(lambda work, job: "truncated"))
    assert main(["--root", str(root), *WORDS]) == 1
    said = capsys.readouterr().err
    monkeypatch.setattr(Inline, "does", staticmethod(lambda work, job: work(job)))
    printed(said, "pipeline/pack/build.py:_checked")
    (root / "arrays/train2017/arrays.json").write_text("{")
    assert main(["--root", str(root), *WORDS]) == 1
    printed(capsys.readouterr().err, "pipeline/pack/build.py:_arrays")


def test_without_room_it_does_not_begin(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**12, 10**12, 10_000))
    assert main(["--root", str(root), *WORDS]) == 1
    said = capsys.readouterr().err
    assert "not enough space" in said and "--format jpeg" in said and not Inline.made


def test_by_processes_the_bytes_are_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["--root", str(root), *WORDS, "--splits", "val"]) == 0
    expected = packed(root)
    monkeypatch.undo()
    assert pipeline(["clean", "--root", str(root), "--only", "pack", "--yes"]) == 0
    assert main(["--root", str(root), *WORDS, "--splits", "val", "--workers", "2"]) == 0
    assert packed(root) == expected
