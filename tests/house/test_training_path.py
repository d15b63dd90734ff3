"""One way to train is told: README, the end of the stages, ``--help`` and the recipe say the same command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pipeline.command.next_step import RECIPE, after_all, run_folder
from pipeline.stage import Settings
from vision.engine.options import config

COMMAND = (
    f"python train_ssd.py --config {RECIPE} --datasets coco-data --checkpoint-folder models/my-experiment-1"
)
ANCESTORS = (
    "--dataset-type=coco --datasets=coco-data --net=mb2-ssd-lite --epochs=100 --workers=12 "
    "--checkpoint-folder=models/my-experiment-1"
)


def test_all_places_tell_the_same_command(repository: Path) -> None:
    settings = Settings()
    assert after_all(settings)[0] == f"next: {COMMAND}"
    readme = (repository / "README.md").read_text(encoding="utf-8")
    path = readme[readme.index("## The one path") :]
    assert f"\n{COMMAND}\n" in path and path.index("train_ssd.py") == path.index(COMMAND) + len("python ")
    assert COMMAND in config.EXAMPLES
    assert f"command   {COMMAND}\n" in (repository / RECIPE).read_text(encoding="utf-8")


def test_it_trains_by_the_recipe(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    told = config.parse(shlex.split(COMMAND)[2:]).config
    assert (told.optim_choose, told.scheduler, told.ema > 0, told.warmup_steps > 0) == (
        "SGD",
        "cosine",
        True,
        True,
    )
    assert (told.datasets, told.checkpoint_folder) == (("coco-data",), "models/my-experiment-1")


def test_the_ancestors_bare_command_works_and_is_told_too(repository: Path) -> None:
    readme = re.sub(r"\s+", " ", (repository / "README.md").read_text(encoding="utf-8"))
    assert f"python train_ssd.py {ANCESTORS}" in readme
    bare = config.parse(ANCESTORS.split()).config
    assert (bare.optim_choose, bare.lr, bare.scheduler, bare.ema) == ("Adam", 0.001, "none", 0.0)


def test_a_root_of_an_odd_name_is_quoted() -> None:
    root = Path("a b$(touch X)")
    line = after_all(Settings(root))[0]
    words = shlex.split(line.removeprefix("next: python train_ssd.py "))
    told = config.parse(words).config
    assert (told.datasets, told.checkpoint_folder) == ((str(root),), f"models/{root}")


@pytest.mark.parametrize(
    ("root", "run"),
    [
        ("coco-data", "my-experiment-1"),
        ("own/../coco-data", "my-experiment-1"),
        ("link", "my-experiment-1"),
        ("../w/own", "own"),
        ("own/.", "own"),
        ("-own", "-own"),
    ],
)
def test_a_root_in_the_current_folder_gives_its_run_its_name(
    root: str, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "w"
    (place / "coco-data").mkdir(parents=True)
    (place / "link").symlink_to("coco-data")
    monkeypatch.chdir(place)
    assert run_folder(Path(root)) == Path("models", run)
    assert run_folder(place / root) == Path("models", run)


def test_no_two_roots_share_a_run_folder_and_one_root_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    roots = ("own", "a/own", "c/own", "c/coco-data", "coco-data", "my-experiment-1", "a", "..", ".", "/")
    folders = [run_folder(Path(root)) for root in roots]
    assert len({*folders}) == len(roots) and not {Path("models"), Path("models/..")} & {*folders}
    assert all(folder.parent == Path("models") for folder in folders)
    for again in ("b/own", "./a/own", "c/../a/own", tmp_path / "a/own"):
        assert run_folder(Path(again)) == run_folder(Path("a/own"))
    assert run_folder(Path("a/own")).name.startswith("own-")
