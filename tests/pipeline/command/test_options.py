"""A command takes only what it uses; what it refuses it says who takes."""

from __future__ import annotations

import importlib
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.command import run_stage
from pipeline.command.options import OPTIONS
from pipeline.stage import Settings, Stage
from pipeline.stages import NAMES

VALUES = {
    "--release": ["coco"], "--mirror": ["http://x"], "--connections": ["3"], "--parallel": ["3"], "--thorough": [],
    "--no-thorough": [], "--exif": ["apply"], "--accept-missing": [], "--classes": ["car"], "--min-area": ["9"], "--max-area": ["none"],
}  # fmt: skip
COMMON = ["--root", "x", "--splits", "val", "--workers", "1", "--force", "--no-wait"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Namespace]:
    """What the stages would be run with."""
    found: list[Namespace] = []

    def run(stages: Sequence[Stage], arguments: Namespace) -> int:
        found.append(arguments)
        return 0

    monkeypatch.setattr(run_stage, "run_and_report", run)
    return found


@pytest.mark.parametrize("option", VALUES)
@pytest.mark.parametrize("stage", NAMES)
def test_a_stage_takes_its_own_options_and_refuses_others(
    stage: str, option: str, asked: list[Namespace], capsys: pytest.CaptureFixture[str]
) -> None:
    run: Any = importlib.import_module(f"pipeline.{stage}.__main__").main
    takers, _ = OPTIONS[option.replace("--no-", "--")]
    if stage in takers:
        assert run([*COMMON, option, *VALUES[option]]) == 0
        assert len(asked) == 1
        return
    with pytest.raises(SystemExit) as end:
        run([*COMMON, option.replace("accept-", "accept_"), *VALUES[option]])
    first, second = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and not asked
    assert f"pipeline.{takers[0]}" in first and "pipeline run take it" in first and "--help" in second


@pytest.mark.parametrize("command", ["status", "verify"])
@pytest.mark.parametrize(
    "option", ["--workers=1", "--force", "--no-wait", "--connections=2", "--accept-missing"]
)
def test_looking_takes_no_option_of_running(
    command: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, option])
    assert end.value.code == 2 and "not used here; pipeline" in capsys.readouterr().err


def test_every_default_is_that_of_the_settings(asked: list[Namespace]) -> None:
    """One place for each: what no command line names is what a stage gets without one."""
    for stage in NAMES:
        importlib.import_module(f"pipeline.{stage}.__main__").main([])
    assert [run_stage.settings_of(each) for each in asked] == [Settings()] * len(NAMES)


@pytest.mark.parametrize("command", ["run", "status", "verify", "clean", "list"])
def test_a_folder_without_its_option_is_told_the_option(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "coco-data"])
    said = capsys.readouterr().err
    assert end.value.code == 2 and ("named by --root DIR" in said) == (command != "list"), said
