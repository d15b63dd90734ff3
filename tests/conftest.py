"""Fixtures that every room uses."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.faults.harness import Shim, build
from tests.printed import printed as printed

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
settings.register_profile("no clock", deadline=None)  # 200 ms of wall time say nothing on a busy machine
settings.load_profile("no clock")
gc.disable()  # until all tests are collected: a sixth of the time that takes


LONG = [
    "test_all_nets.py",
    "test_parity.py",
    "test_distributed.py",
    "test_interrupt.py",
    "test_resume.py",
    "test_environment.py",
    "test_schema.py",
    "test_printed_training.py",
    "test_export_onnx.py",
    "test_demo.py",
    "test_loop.py",
    "test_not_finite.py",
    "test_classroom.py",
    "test_torchvision_imports.py",
    "test_entries.py",
]
"""Files that take longest: begun first, so that no process works alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def pytest_collection_finish() -> None:
    """What stays to the end (modules of torch, the tests themselves) is not looked through for garbage again and again."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # libraries that count what is left at the end find nothing


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder with README.md."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def coco_mini() -> Path:
    """The folder with real COCO images in the layout of the official release, or a skip."""
    folder = os.environ.get("COCO_MINI")
    if not folder or not Path(folder, "release.json").is_file():
        pytest.skip("COCO_MINI does not name a folder with real COCO images (release.json)")
    return Path(folder)


@pytest.fixture(scope="session")
def miniature_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered release of 16 + 8 images: zips, annotations, release.json, as a server holds them."""
    from pipeline.miniature.render import MiniatureSpec, write_release

    return write_release(tmp_path_factory.mktemp("release"), MiniatureSpec(seed=3, train=16, val=8)).parent


@pytest.fixture(scope="session")
def miniature_root(miniature_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root that the real stages made of it, over loopback HTTP. Read only: other tests share it."""
    from pipeline.__main__ import main
    from tools.demo import mirror

    root = tmp_path_factory.mktemp("data") / "coco-data"
    with mirror(miniature_release) as url:
        table = str(miniature_release / "release.json")
        assert main(["run", "--root", str(root), "--release", table, "--mirror", url, "--workers", "1"]) == 0
    return root


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Shim:
    """What kills a program, or makes its disk fail, at its N-th change of the file system."""
    return build(tmp_path_factory.mktemp("shim"))
