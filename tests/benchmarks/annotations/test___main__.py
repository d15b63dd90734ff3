"""Memory of the remap and the index against the size of the file: what ``json.load`` takes is six times the file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.annotations import __main__ as benchmark
from benchmarks.annotations.synthetic import write_annotations
from tests.pipeline.image_root import REPOSITORY
from vision.artefacts.data_layout import original_path

SMALL, LARGE = 0.005, 0.05
"""Of COCO's length: 2 MB and 22 MB."""

MEASURED = """
import re, sys
from pathlib import Path
from pipeline.annotations import scan as annotation_bytes
annotation_bytes.RELEASE_BYTES = 1 << 20  # pages of the file that may stay: 32 MiB is more than these files have
root = Path(sys.argv[1])
from pipeline.index.build import build_index
from pipeline.remap_categories.stage import remap

def peak():
    return 1024 * int(re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0])

remap(root, ("train",))
first = peak()
build_index(root, ("train",), None, root)
print(first, peak())
"""


def peaks(root: Path, share: float) -> tuple[int, list[int]]:
    """Bytes of the file, and of memory at most in the remap, and in both."""
    path = root / original_path("train")
    path.parent.mkdir(parents=True)
    size = write_annotations(path, round(118_287 * share), round(860_001 * share))
    command = [sys.executable, "-c", MEASURED, str(root)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return size, [int(word) for word in done.stdout.split()]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """What grows are ids, names and sizes of images, and numbers, a part of the text, and SQLite's sorting."""
    small_size, (small_remap, small_index) = peaks(tmp_path / "small", SMALL)
    large_size, (large_remap, large_index) = peaks(tmp_path / "large", LARGE)
    grown = large_size - small_size
    assert grown > 15e6
    assert large_remap - small_remap < 0.5 * grown
    assert large_index - small_index < 1.2 * grown


def test_the_benchmark_runs_the_real_stages(tmp_path: Path) -> None:
    benchmark.make_root(tmp_path, 0.0005)
    for stage in benchmark.STAGES:
        cost = benchmark.cost_of(stage, tmp_path)
        assert 0 < cost.processor < 60 and 20e6 < cost.peak < 500e6
    assert (tmp_path / ".pipeline/index.json").is_file()
    counts = json.loads((tmp_path / ".pipeline/remap_categories.json").read_text())
    assert counts["notes"]["train"]["images"] == 59 and counts["notes"]["train"]["annotations"] == 430


def test_a_stage_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        benchmark.cost_of("pipeline.index", tmp_path)
