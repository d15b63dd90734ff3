"""The options people type are a promise: adding or removing one changes options.txt, on purpose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FROZEN = Path(__file__).with_name("options.txt")
ADVICE = "if that is meant: python -m tests.house.parsers > tests/house/options.txt"

# The commands of the project that this one succeeds; scripts of its users hold these names.
ANCESTOR = [
    "--dataset-type",
    "--datasets",
    "--data",
    "--net",
    "--mb2-width-mult",
    "--base-net",
    "--pretrained-ssd",
    "--resume",
    "--optim-choose",
    "--lr",
    "--momentum",
    "--weight-decay",
    "--scheduler",
    "--milestones",
    "--gamma",
    "--t-max",
    "--batch-size",
    "--epochs",
    "--workers",
    "--validation-epochs",
    "--debug-steps",
    "--use-cuda",
    "--checkpoint-folder",
    "--model-dir",
]


def test_options_are_the_frozen_ones(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.house.parsers"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    now, frozen = set(done.stdout.splitlines()), set(FROZEN.read_text(encoding="utf-8").splitlines())
    new, gone = sorted(now - frozen), sorted(frozen - now)
    assert not new and not gone, (
        f"new: {', '.join(new) or 'none'}; gone: {', '.join(gone) or 'none'}; {ADVICE}"
    )


def test_the_options_of_the_ancestor_are_all_there() -> None:
    frozen = FROZEN.read_text(encoding="utf-8").splitlines()
    assert not [flag for flag in ANCESTOR if f"train_ssd {flag}" not in frozen]
