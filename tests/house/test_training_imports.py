"""A training imports what it trains with, and not what torch keeps for others: its compiler is 1,000 modules, seconds and
100 MB in each process, and one wrapped method is enough to import it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.engine.tiny_runs import TINY
from tests.house.test_help_speed import imported_and_printed

NOT_NEEDED = {
    "albumentations", "matplotlib", "numba", "onnx", "onnxruntime", "pandas", "pycocotools", "requests", "scipy", "skimage",
    "sympy", "torch._dynamo", "torch._inductor.compile_fx", "torchvision", "triton",
}  # fmt: skip
MOST_MODULES = 1_900


def test_an_epoch_with_its_evaluation_needs_no_compiler(
    miniature_root: Path, repository: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable, "train_ssd.py", "--datasets", str(miniature_root), "--checkpoint-folder", str(tmp_path / "run"), *TINY,
        "--epochs=1", "--validation-map=true", "--optim-choose=Adam", "--ema=0.9",
    ]  # fmt: skip
    modules, printed = imported_and_printed(command, repository, expected=0)
    assert {"torch", "vision.engine.memory.peak"} <= modules and " AP50 " in printed, "nothing was measured"
    assert not NOT_NEEDED & modules, sorted(NOT_NEEDED & modules)
    assert len(modules) <= MOST_MODULES, len(modules)
