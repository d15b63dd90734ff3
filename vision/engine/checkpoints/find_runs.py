"""Where a checkpoint was asked for and there is none: what is there instead, and the command that was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from vision.artefacts.data_layout import is_data_root
from vision.artefacts.file_kinds import kind_of_place
from vision.artefacts.records import RecordError, read_json
from vision.engine.checkpoints.folder import RECORD_NAME, NoCheckpoint, RunFolder
from vision.messages.advice import command, shown
from vision.messages.system_errors import nearest_path

MOST_LOOKED_AT = 2000
SHOWN_RUNS = 5

Ask = Callable[[Path], str]
"""A run folder or checkpoint → the command line that asks for it."""


def resume_with(path: Path) -> str:
    return command("python train_ssd.py --resume", path)


def runs_below(folder: Path) -> list[Path]:
    """Run folders up to two levels below ``folder``, the one that was trained last first."""
    places = islice(_folders_below(folder, levels=2), MOST_LOOKED_AT)
    found = [
        (record.stat().st_mtime_ns, place) for place in places if (record := place / RECORD_NAME).is_file()
    ]
    return [place for _, place in sorted(found, reverse=True)]


def _folders_below(folder: Path, levels: int) -> Iterator[Path]:
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return
    yield from inside
    for path in inside if levels > 1 else []:
        yield from _folders_below(path, levels - 1)


def no_checkpoint_in(folder: Path, ask: Ask, net: str | None = None) -> NoCheckpoint:
    """Three lines about a folder without recorded checkpoints; ``net``: the only one that is looked for."""
    runs, strays = runs_below(folder), RunFolder(folder).strays()
    if strays:
        why, fix = f"it has {strays[-1].name}, but no {RECORD_NAME}", ask(strays[-1])
    elif runs:
        names = ", ".join(shown(run.relative_to(folder)) for run in runs[:SHOWN_RUNS])
        more = f", … {len(runs) - SHOWN_RUNS} more" if len(runs) > SHOWN_RUNS else ""
        why, fix = f"it is no run folder; below it, newest first: {names}{more}", _advised(runs, ask, net)
    elif is_data_root(folder):
        why, fix = "it is a data root; runs are where --checkpoint-folder put them", "name a run folder"
    else:
        why, fix = (
            f"it is no run folder: there is no {RECORD_NAME}, nor a run below it",
            "name a run folder or a .pth file",
        )
    return NoCheckpoint(f"{shown(folder)}: holds no checkpoint\n  why: {why}\n  fix: {fix}")


def no_checkpoint_at(path: Path, ask: Ask, net: str | None = None) -> NoCheckpoint:
    """Three lines about what is neither a file nor a folder; ``net``: the only one that is looked for."""
    try:
        why = f"it is {kind_of_place(path)}"
    except OSError:
        why = "there is no such file or run folder"
    return NoCheckpoint(
        f"{shown(path)}: holds no checkpoint\n  why: {why}\n  fix: {_advised(_meant(path), ask, net)}"
    )


def _meant(path: Path) -> list[Path]:
    """The run or checkpoint of nearly that name; else the runs below a folder of nearly that name, or beside it."""
    near = nearest_path(path)
    if near and ((near.suffix == ".pth" and near.is_file()) or (near / RECORD_NAME).is_file()):
        return [near]
    places = filter(None, (near, nearest_path(path.parent)))
    return next(filter(None, map(runs_below, places)), [])


def _advised(meant: list[Path], ask: Ask, net: str | None) -> str:
    """The command for the first of ``meant`` that is a run of ``net``; one of another net would be refused with it."""
    for place in meant:
        if net is None or _net_of(place) in (net, None):
            return ask(place)
    if not meant:
        return "check the path"
    return f"leave out --net {net}, this is a run of {_net_of(meant[0])}: {ask(meant[0])}"


def _net_of(place: Path) -> str | None:
    """What the arguments of a run, or of the one that a checkpoint lies in, say; None where they say nothing."""
    run = place if place.is_dir() else place.parent
    try:
        return shown(read_json(run / "training_args.json", max_bytes=1 << 20)["net"])
    except (OSError, RecordError, LookupError, TypeError):
        return None


def with_run_of(error: Exception, path: Path, ask: Ask) -> str:
    """The message about a file that cannot be used, its fix being the run in whose folder it is, if it is in one."""
    others = [
        record
        for record in RunFolder(path.parent).records()
        if record.file != path.name and not record.pruned
    ]
    if not others:
        return str(error)
    lines = [line for line in str(error).splitlines() if not line.startswith("  fix: ")]
    return "\n".join([*lines, f"  fix: the newest good checkpoint of its run: {ask(path.parent)}"])
