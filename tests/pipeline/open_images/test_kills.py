"""The command is killed at changes of the file system spread over all of them; the same command ends in the same files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.open_images.release import CACHE
from tests.faults.harness import KILL, Shim, python, snapshot, spread
from tests.pipeline.fault_server import FaultServer


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_killed_again_and_again_it_ends_in_the_same_files(
    shim: Shim, server: FaultServer, tmp_path: Path
) -> None:
    def line(root: Path) -> list[str]:
        words = ("--classes", "Apple,Orange", "--mirror", server.url, "--root", root, "--num-workers", "3")
        return python("-m", "pipeline.open_images", *words)

    def made(root: Path) -> dict[str, str]:
        return snapshot(root, lambda name: name.startswith(CACHE))

    whole = tmp_path / "whole"
    changes = shim.count(line(whole), whole)
    for at in spread(changes, 24):
        root = tmp_path / f"at {at}"
        assert shim.run(line(root), root, at, KILL).returncode == -9, at
        for name, digest in made(root).items():  # nothing half under a name of its own
            assert ".tmp-" in name or made(whole)[name] == digest, (at, name)
        assert shim.run(line(root), root, 0, "").returncode == 0, at
        assert made(root) == made(whole), at
