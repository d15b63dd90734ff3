"""Rooms one can walk through: few files, a map in each, no arrow in a circle, and tests in the room of their module."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.house.law import REPOSITORY, file_of, imports_of

MOST_FILES, LONGEST_MAP = 10, 20
ROOTS = ("pipeline", "vision", "tools", "compat", "benchmarks")
COMPOSES = ("pipeline/__main__.py",)
"""Programs in a folder whose rooms they put together: nobody imports them."""
STAGES = (
    "download",
    "extract",
    "validate_images",
    "remap_categories",
    "index",
    "pack",
    "miniature",
    "import_data",
)


def rooms() -> dict[str, list[Path]]:
    found = defaultdict(list)
    for root in ROOTS:
        for file in sorted((REPOSITORY / root).rglob("*.py")):
            found[file.parent.relative_to(REPOSITORY).as_posix()].append(file)
    return dict(found)


def room_of(file: Path) -> str:
    name = file.relative_to(REPOSITORY).as_posix()
    return name if name in COMPOSES else name.rpartition("/")[0]


@pytest.fixture(scope="module")
def arrows() -> dict[tuple[str, str], str]:
    """(room, room it imports) → the first place where."""
    found: dict[tuple[str, str], str] = {}
    for file in (file for files in rooms().values() for file in files if file.name != "__init__.py"):
        for one in imports_of(file):
            target = file_of(one.module)
            if target is not None and target.name != "__init__.py" and room_of(target) != room_of(file):
                found.setdefault((room_of(file), room_of(target)), str(one))
    return found


def test_a_room_has_few_files() -> None:
    crowded = {
        room: len(files) for room, files in rooms().items() if len(files) > MOST_FILES and room != "compat"
    }  # there a file is there for its name, which people type
    assert not crowded


@pytest.mark.parametrize("room", sorted(rooms()))
def test_a_room_has_a_map_of_its_files(room: str) -> None:
    if room == "vision":
        return
    text = ast.get_docstring(ast.parse((REPOSITORY / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert 1 < len(text.splitlines()) <= LONGEST_MAP
    there = {file.name for file in (REPOSITORY / room).glob("*.py")} - {"__init__.py"}
    named = set(re.findall(r"\w+\.py", text))
    assert there <= named, f"{room}/__init__.py names no {', '.join(sorted(there - named))}"
    below = {file.name for file in (REPOSITORY / room).rglob("*.py")}
    assert named <= below | {"train_ssd.py"}, f"{room}/__init__.py names {', '.join(sorted(named - below))}"


def test_no_circle_among_rooms(arrows: dict[tuple[str, str], str]) -> None:
    after: dict[str, set[str]] = defaultdict(set)
    for room, other in arrows:
        after[room].add(other)

    def reached(room: str) -> set[str]:
        seen: set[str] = set()
        todo = [room]
        while todo:
            for other in after[todo.pop()] - seen:
                seen.add(other)
                todo.append(other)
        return seen

    circles = [where for (room, other), where in arrows.items() if room in reached(other)]
    assert not circles, "\n".join(circles)


def test_what_is_shared_imports_no_stage(arrows: dict[tuple[str, str], str]) -> None:
    stages = {f"pipeline/{name}" for name in STAGES}
    wrong = [
        where
        for (room, other), where in arrows.items()
        if other in stages and room.startswith("pipeline/") and room not in COMPOSES
    ]
    assert not wrong, "\n".join(wrong)


def test_the_files_above_the_rooms_of_the_engine_import_its_options_alone(
    arrows: dict[tuple[str, str], str],
) -> None:
    wrong = [
        where
        for (room, other), where in arrows.items()
        if room == "vision/engine" and other.startswith(room) and other != "vision/engine/options"
    ]
    assert not wrong, "\n".join(wrong)


TESTED_BY = {
    "pipeline/annotations/rules.py": "tests/pipeline/remap_categories/test_writer.py",
    "pipeline/data_root/brought.py": "tests/pipeline/runner/test_owners_files.py",
    "pipeline/data_root/claims.py": "tests/pipeline/runner/test_ownership.py",
    "pipeline/extract/already_unpacked.py": "tests/pipeline/extract/test_stage.py",
    "pipeline/image_check/fork_server.py": "tests/pipeline/validate_images/test_own_folder.py",
    "pipeline/index/schema.py": "tests/pipeline/index/test_stage.py",
    "pipeline/statistics/duplicates.py": "tests/pipeline/statistics/test___main__.py",
    "pipeline/remap_categories/category_map.py": "tests/pipeline/remap_categories/test_own_file.py",
    "pipeline/remap_categories/remap.py": "tests/pipeline/remap_categories/test_stage.py",
    "pipeline/remap_categories/report.py": "tests/pipeline/remap_categories/test_stage.py",
    "pipeline/runner/leftovers.py": "tests/pipeline/runner/test_owners_files.py",
    "vision/artefacts/arrays/mapped.py": "tests/datasets/test_coco.py",
    "vision/artefacts/holder.py": "tests/pipeline/data_root/test_lock.py",
    "pipeline/validate_images/entry.py": "tests/pipeline/validate_images/test_table.py",
    "vision/datasets/splits.py": "tests/house/test_printed_training.py",
    "vision/nn/weights/published.py": "tests/tools/foreign/test_weights.py",
    "vision/nn/backbones/tapped.py": "tests/nn/backbones/test_mobilenet_v1.py",
    "vision/engine/evaluation/backends.py": "tests/engine/evaluation/test_scoring.py",
    "vision/engine/runs/plan.py": "tests/engine/runs/test_resume.py",
    **{
        f"vision/engine/options/{group}.py": "tests/engine/options/test_config.py"
        for group in ("data", "machine", "model", "optimisation", "run")
    },
    "vision/nn/backbone_rows.py": "tests/ssd/test_variants.py",
    "vision/ssd/naming/answers.py": "tests/ssd/test_variants.py",
    "vision/export/graphs.py": "tests/export/test_tensorrt.py",
    "vision/images/jpeg.py": "tests/images/test_decode.py",
    "vision/images/raster.py": "tests/images/test_decode.py",
    "vision/images/turbo.py": "tests/images/test_decode.py",
    **{
        f"compat/{script}.py": "tests/compat/test_old_options.py"
        for script in (
            "coco_downloader",
            "convert_to_caffe2_models",
            "onnx_validate",
            "fix_coco_annotations",
            "open_images_downloader",
            "run_ssd_example",
            "run_ssd_live_demo",
            "validate_image_files",
        )
    },
    "tools/compare/side.py": "tests/tools/compare/test___main__.py",
    "tools/report/measured.py": "tests/tools/report/test___main__.py",
    "tools/demo.py": "tests/end_to_end/test_demo.py",
    "tools/models/one_net.py": "tests/tools/models/test___main__.py",
    "tools/models/timing.py": "tests/tools/models/test___main__.py",
    "tools/problem.py": "tests/tools/test_export_onnx.py",
}
"""Modules that are tested through another one: no test of their room imports them."""


def test_every_module_has_its_test() -> None:
    """``test_<module>.py``, ``test_<room>.py``, a test of its room that imports it, or an entry in TESTED_BY."""
    untested = []
    for file in (
        file for room, files in rooms().items() if not room.startswith("benchmarks") for file in files
    ):
        name = file.relative_to(REPOSITORY).as_posix()
        room = REPOSITORY / "tests" / file.parent.relative_to(REPOSITORY).as_posix().removeprefix("vision/")
        if file.name == "__init__.py":
            continue
        own = (room / f"test_{file.name}", room.parent / f"test_{room.name}.py")
        if any(test.is_file() for test in own) or any(
            file in targets(test) for test in room.glob("test_*.py")
        ):
            continue
        if not (REPOSITORY / TESTED_BY.get(name, "?")).is_file():
            untested.append(name)
    assert not untested, f"no test is found for {', '.join(untested)}"
    gone = [name for name in TESTED_BY if not (REPOSITORY / name).is_file()]
    assert not gone, f"TESTED_BY names {', '.join(gone)}, which is not there"


def targets(test: Path) -> set[Path]:
    """The files that a test imports."""
    return {file for one in imports_of(test) if (file := file_of(one.module)) is not None}
