"""A disk that is too small is found before the work, not at its end, and only what is still to come is asked for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import space
from pipeline.__main__ import main
from pipeline.release import archive_path, read_release
from pipeline.space import on_disk, require_space
from pipeline.stage import StageError


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes every disk have so many bytes left."""

    def left(amount: int) -> None:
        monkeypatch.setattr(space.shutil, "disk_usage", lambda folder: SimpleNamespace(free=amount))

    return left


def test_the_limit_itself(free: Callable[[int], None], tmp_path: Path) -> None:
    for needed, wanted in ((1000, 1100), (1 << 40, (1 << 40) + (64 << 20))):
        free(wanted)
        require_space(tmp_path, needed, "for it", "-")
        free(wanted - 1)
        with pytest.raises(StageError, match=f"(?s)not enough space.*{wanted:,} bytes"):
            require_space(tmp_path, needed, "for it", "-")
    free(0)
    require_space(tmp_path, 0, "for nothing", "-")
    assert on_disk([1, 4096, 4097, 0]) == 4 * 4096


def asked_for(root: Path, capsys: pytest.CaptureFixture[str], *more: str) -> int:
    """The bytes that the pipeline misses on a full disk."""
    capsys.readouterr()
    assert main(["run", "--root", str(root), *more]) == 1
    found = re.search(r"why: ([\d,]+) bytes are needed", capsys.readouterr().err)
    assert found, "it fails for lack of space"
    wanted = int(found[1].replace(",", ""))
    return next(
        n for n in range(wanted * 10 // 11, wanted + 1) if n + n // 10 == wanted
    )  # less what is to be left


def test_a_download_asks_for_what_will_come_out_of_it(
    own_root: Path, miniature_release: Path, free: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    files = {file.path: file for file in read_release(miniature_release / "release.json").files}
    train = next(file for path, file in files.items() if "train2017" in path and file.split())
    annotations = next(file for file in files.values() if file.split() is None)
    val = next(file for path, file in files.items() if "val2017" in path and file.split())
    archive = own_root / archive_path(train)
    archive.unlink()
    shutil.rmtree(own_root / "train2017")
    free(0)
    all_of_train = train.bytes + train.unpacked_bytes + annotations.unpacked_bytes
    assert asked_for(own_root, capsys) == all_of_train, "images of val are there and need no room"
    shutil.rmtree(own_root / "val2017")
    assert asked_for(own_root, capsys) == all_of_train + val.unpacked_bytes, "though its archive is here"
    archive.with_name(archive.name + ".part").write_bytes(b"x" * 8192)
    assert asked_for(own_root, capsys) == all_of_train + val.unpacked_bytes - 8192, (
        "what has arrived is not asked for again"
    )


def test_unpacking_asks_for_what_is_not_there_yet(
    own_root: Path, free: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    images = sorted((own_root / "train2017").iterdir())
    sizes = [path.stat().st_size for path in images]
    kept = own_root / "kept.jpg"
    images[0].rename(kept)
    shutil.rmtree(own_root / "train2017")
    annotations = [path for path in own_root.glob("annotations/instances_*2017.json")]
    free(on_disk(path.stat().st_size for path in annotations) * 11 // 10)  # these come first
    assert asked_for(own_root, capsys) == on_disk(sizes)
    [staging] = [
        path for path in (own_root / ".pipeline").rglob("*") if path.is_dir() and "extract" in path.name
    ]
    (staging / "train2017").mkdir(exist_ok=True)
    kept.rename(staging / "train2017" / images[0].name)
    assert asked_for(own_root, capsys) == on_disk(sizes[1:])
    free(1 << 40)
    assert main(["run", "--root", str(own_root)]) == 0
    assert sorted((own_root / "train2017").iterdir()) == images
