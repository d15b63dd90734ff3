"""Gives what a stage has made its names in the data root: the one place that does, and that removes what is not made any more.

Paths below the staging folder are those below the root. All of it is brought to the disk before the first name changes,
so that a full disk or a request to stop changes nothing. A kill between two names leaves the old or the new one under
each; there is no receipt then, and the next run makes the same again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pipeline.data_root import brought
from pipeline.data_root.claims import Aside
from pipeline.data_root.fingerprints import Fingerprints
from pipeline.runner import ownership
from pipeline.runner.owners_files import rescue_from
from pipeline.stage import Stage, StageContext
from pipeline.stop import Stop
from vision.artefacts.files import (
    fsync_file,
    fsync_folder,
    fsync_tree,
    remove_entry,
    sha256_of,
    space_errors,
    swap_tree,
)
from vision.artefacts.targets import require_file_place


def clear(stage: Stage, context: StageContext) -> None:
    """Before the work: outputs that a run that was stopped has staged go, but those that the stage itself proves."""
    proved = frozenset(stage.proves(context.settings))
    for path in stage.outputs(context.settings):
        if path not in proved:
            remove_entry(context.staging / path)


def publish(stage: Stage, context: StageContext) -> dict[str, Aside]:
    """Claims the outputs of ``stage`` and moves those that are staged into the root; returns what is put aside.

    Those that it makes sometimes and has not staged are removed; the others stay as they are.

    Raises:
        Interrupted, OutOfSpace, OSError while files are brought to the disk: nothing has changed in the root.
        NotReplaced: what stands under a name cannot be replaced.
    """
    observer = Fingerprints(context.root, stop=context.stop)
    aside = ownership.put_aside(stage, context.settings, observer)
    try:
        _publish(stage, context)
    except BaseException:
        ownership.withdraw(context.root, aside)
        raise
    return aside


def _publish(stage: Stage, context: StageContext) -> None:
    root, staging, settings = context.root, context.staging, context.settings
    made = [path for path in stage.outputs(settings) if os.path.lexists(staging / path)]
    for path in made:
        _bring_to_disk(staging / path, context.stop)
    for path in made:
        if stage.name in brought.STAGES:
            brought.note(root, path, sha256_of(staging / path))
        _give_name(staging / path, root, path, context.say)
    for path in stage.sometimes(settings):
        if path not in made and os.path.lexists(root / path):
            (root / path).unlink()
            fsync_folder((root / path).parent)


def _bring_to_disk(staged: Path, stop: Stop) -> None:
    with space_errors(staged):
        stop.check()
        if staged.is_dir():
            fsync_tree(staged, stop.check)
        else:
            fsync_file(staged)


def _give_name(staged: Path, root: Path, path: str, say: Callable[[str], None]) -> None:
    final = root / path
    final.parent.mkdir(parents=True, exist_ok=True)
    if staged.is_dir():
        swap_tree(staged, final, lambda older: rescue_from(older, root, path, say))
        return
    require_file_place(final)
    with space_errors(final):
        os.replace(staged, final)
        fsync_folder(final.parent)
