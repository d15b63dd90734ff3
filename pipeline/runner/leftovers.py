"""What a killed run leaves beside the files that it published, and how it goes away.

Temporary files are in the folder of the file that they would have become. A folder that was being replaced has its
older self beside it, which is put back when the new one never got the name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.runner.owners_files import recover_folder
from pipeline.stage import Settings, Stage
from vision.artefacts.data_layout import CLAIMS, MANIFESTS, STATE
from vision.artefacts.files import is_temporary, older_of, remove_stale_temporaries
from vision.messages.terminal import counted

OWN = ("", STATE, MANIFESTS, CLAIMS)
"""Folders in which the runner and the stages publish whatever their outputs are."""


def folders(stages: Iterable[Stage], settings: Settings) -> list[Path]:
    """The folders below the root in which ``stages`` and the runner publish, those that are there."""
    parents = {os.path.dirname(path) for stage in stages for path in stage.outputs(settings)}  # noqa: PTH120
    found = (settings.root / name for name in sorted({*parents, *OWN}))
    return [folder for folder in found if folder.is_dir()]


def remove_stale(stage: Stage, settings: Settings, say: Callable[[str], None]) -> None:
    """Removes what a kill left in the folders of ``stage``; the root's lock is held by the caller."""
    for path in stage.outputs(settings):
        recover_folder(settings.root, path, say)
    removed = [path for folder in folders([stage], settings) for path in remove_stale_temporaries(folder)]
    if removed:
        say(f"{stage.name}: removed {counted(len(removed), 'temporary file')} of a run that was killed")


def temporaries(stages: Iterable[Stage], settings: Settings) -> list[Path]:
    """The temporary files and older folders that ``sweep`` would deal with; nothing is touched."""
    stages = list(stages)
    found = [
        entry for folder in folders(stages, settings) for entry in folder.iterdir()
        if is_temporary(entry.name) and entry.is_file()
    ]  # fmt: skip
    outputs = (settings.root / path for stage in stages for path in stage.outputs(settings))
    found += [older for path in outputs if (older := older_of(path)).is_dir()]
    return sorted(found)
