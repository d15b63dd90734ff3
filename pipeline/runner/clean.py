"""Removes what stages made: first a list with bytes, then, when it is wanted, the files.

Only what a stage has put there and what still is as recorded is removed; whatever else is there stays and is named,
also where a receipt lists it: an archive, annotations or images that were there before are used and stay their owner's.
Links are never followed, and nothing outside the root is touched. The receipt goes last, so that a clean that was
killed can be run again.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.data_root import brought, claims, receipts
from pipeline.data_root import manifests as trees
from pipeline.data_root import saved_options as choices
from pipeline.data_root.receipts import Recorded
from pipeline.runner import leftovers
from pipeline.runner.owners_files import edited, lacking
from pipeline.runner.run import STAGING
from pipeline.stage import Choices, Settings, Stage, StageError
from pipeline.stages import all_stages
from pipeline.stop import NEVER, Stop
from pipeline.transfer import partial as part
from vision.artefacts import data_layout
from vision.artefacts.data_layout import ARCHIVES, LOCK, SPLITS, image_folder
from vision.artefacts.files import TEMPORARY, sha256_of
from vision.artefacts.records import RecordError
from vision.messages.advice import command, shown

SHOWN, ENTRIES = 20, 12
"""How many of the things that stay are named with their reason, and how many entries of the root."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to go: half-done work, the archives, what ``stages`` made, or all that the pipeline knows of.

    ``unpacked``: of the archives those alone that the last run has used.
    """

    staging: bool = False
    archives: bool = False
    stages: tuple[str, ...] = ()
    everything: bool = False
    unpacked: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """Something that goes: ``files`` relative to the root, or, where ``whole``, the folder ``path`` with all in it."""

    path: str
    what: str
    files: tuple[str, ...]
    bytes: int
    whole: bool = False


@dataclass(slots=True)
class Cleaning:
    """What goes, in this order, and what stays and why. ``stop`` is asked while files are read."""

    root: Path
    everything: bool = False
    stop: Stop = NEVER
    items: list[Item] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)
    records: dict[str, trees.Brought] = field(default_factory=dict)
    """What extract has put into a folder and its owner has changed since: by folder, for the run that comes."""

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.items)

    @property
    def files(self) -> int:
        return sum(len(item.files) for item in self.items)

    def add_outputs(self, stage: str, below: str = "", last_alone: bool = False) -> None:
        """What the receipt of ``stage`` claims, below the folder ``below`` only; ``last_alone``: of the last run."""
        try:
            receipt = receipts.read(self.root, stage)
        except RecordError as error:
            self.stays.append(f"what {stage} made, since its receipt cannot be read: {error}")
            return
        noted = brought.read(self.root, receipt if stage == "download" else None)
        made = {} if receipt is None else receipt.outputs if last_alone else receipt.made
        for path, recorded in made.items():
            if not PurePosixPath(path).is_relative_to(below):
                continue
            if recorded.kind == "tree":
                self._add_tree(path, recorded, stage)
            elif stage not in brought.STAGES or recorded.sha256 in noted.get(path, ()):
                self._add_file(path, recorded, f"output of {stage}")
            elif self._regular(path) is not None:
                self.stays.append(
                    f"{path}: it was there before {stage}, or it is not on record who put it there"
                )

    def _add_file(self, path: str, recorded: Recorded, what: str) -> None:
        found = self._regular(path)
        if found is None:
            return
        if self._as_recorded(path, found, recorded):
            self.items.append(Item(path, what, (path,), found.st_size))
        else:
            self.stays.append(f"{path}: it is not the file that the receipt knows")

    def _as_recorded(self, path: str, found: os.stat_result, recorded: Recorded) -> bool:
        """Read only where the size is the same and the rest is not."""
        if found.st_size != recorded.bytes:
            return False
        if (found.st_mtime_ns, found.st_ino) == (recorded.mtime_ns, recorded.inode):
            return True
        return sha256_of(self.root / path, self.stop.check) == recorded.sha256

    def _add_tree(self, path: str, recorded: Recorded, stage: str) -> None:
        """Files that the stage has put there and that are unchanged; the manifest goes with them."""
        if (fault := self._fault(path)) or not (self.root / path).is_dir():
            self.stays += [fault] if fault else []
            return
        manifest = trees.manifest_path(self.root, path)
        known = trees.read_manifest(manifest)
        own = self._brought(path, known, recorded, stage)
        if own is None:
            return
        now = trees.survey(self.root / path, known, tick=self.stop.check)
        gone = [name for name, member in now.items() if trees.content(member) in own.get(name, ())]
        files = tuple(f"{path}/{name}" for name in gone)
        left = sorted({*_leaves(self.root, path)}.difference(files, [path]))
        known_names = {name for each in left if (name := each.removeprefix(f"{path}/")) in own}
        self.stays += [
            f"{shown(each)}: "
            + (
                f"it is not as {stage} left it"
                if each.removeprefix(f"{path}/") in known_names
                else "no stage has put it there"
            )
            for each in left
        ]
        size = sum(now[name].bytes for name in gone)
        self.items.append(Item(f"{path}/", f"output of {stage}", files, size))
        if not left or stage not in brought.STAGES:
            self._add_own(manifest, f"list of the files of {path}")
        else:  # the next run is to know that extract has worked beside its owner's files
            self.records[path] = {name: own[name] for name in known_names}

    def _brought(
        self, path: str, known: trees.Manifest, recorded: Recorded, stage: str
    ) -> trees.Brought | None:
        """What ``stage`` has put into the folder ``path``; None, and said why it stays, where that is not known."""
        own = trees.brought(self.root, path, recorded.sha256)
        if own is not None:
            return own
        if stage in brought.STAGES:
            again = command(f"python -m pipeline.{stage}", "--root", self.root, "--force")
            self.stays.append(
                f"{path}/: it is not on record what {stage} has put there; this notes it: {again}"
            )
        elif trees.content_digest(known) != recorded.sha256:
            self.stays.append(f"{path}/: its list of files is not the one that the receipt knows")
        else:  # the stage alone makes the folder
            return {name: frozenset({trees.content(member)}) for name, member in known.items()}
        return None

    def add_receipt(self, stage: str) -> None:
        """The receipt itself, the claim and what the stage has kept for its next run."""
        self._add_claim(stage)
        self._add_own(self.root / data_layout.kept_name(stage), f"journal of {stage}")
        self._add_own(receipts.receipt_path(self.root, stage), f"receipt of {stage}")

    def _add_claim(self, stage: str) -> None:
        """Not where the claim alone says that something is ours: of a run that was killed, or of older versions."""
        try:
            claim, receipt = claims.read(self.root, stage), receipts.read(self.root, stage)
        except RecordError:
            claim, receipt = None, None
        made = receipt.made if receipt else {}
        left = [path for path in (claim.outputs if claim else ()) if path not in made]
        left = [path for path in left if os.path.lexists(self.root / path)]
        if left:
            why = "was stopped before it was done; the next run resumes it"
            if receipt is not None:
                why = "made it with other choices and has no record of it; the next run that needs it makes it again"
            self.stays.append(f"{left[0]}: {stage} {why}")
        else:
            self._add_own(claims.claim_path(self.root, stage), f"claim of {stage}")

    def add_staging(self, stages: Sequence[Stage], settings: Settings) -> None:
        """Half-done work: staging folders, transfers under way, temporary files."""
        staging = self.root / STAGING
        if not self._fault(STAGING) and staging.is_dir():
            for folder in sorted(staging.iterdir()):
                self._add_whole(folder, "half-done work")
        for folder in _folders_below(self.root / ARCHIVES):
            for path in part.under_way(folder):
                self._add_own(path, "transfer under way")
        for path in leftovers.temporaries(stages, settings):
            if not path.is_dir():
                self._add_own(path, "temporary file of a stopped run")
            elif (folder := path.with_name(path.name.removeprefix(f"{TEMPORARY}old-"))).exists():
                self._add_older(path, folder)
            else:
                self.stays.append(f"{self._name(path)}: the only copy of a folder; the next run puts it back")

    def _add_older(self, older: Path, folder: Path) -> None:
        """A folder that was replaced, unless it holds something of its owner's that the new one lacks."""
        own = trees.read_own(trees.manifest_path(self.root, self._name(folder)))
        others = [] if own is None else [*lacking(older, folder, own), *edited(older, folder, own)]
        if others:
            self.stays.append(f"{self._name(older)}: it alone holds {others[0]!r}; the next run keeps that")
        else:
            self._add_whole(older, "older folder of a stopped run")

    def add_notes(self, chosen: Choices) -> None:
        """What the pipeline notes about the root; not ``chosen``, without which the next run would make another root.

        In an owner's root nothing is made without being told to: there all of it goes.
        """
        self._add_own(self.root / data_layout.BROUGHT, "what the stages have put there")
        for split in SPLITS:
            folder = image_folder(split)
            noted = trees.manifest_path(self.root, folder)
            goes = any(self._name(noted) in item.files for item in self.items)
            if not goes and (self.root / folder).is_dir() and trees.read_own(noted) is not None:  # also empty
                self.stays.append(f"{self._name(noted)}: what extract has put there; the next run needs it")
            else:
                self._add_own(noted, f"list of the files of {folder}")
        if chosen.own or chosen == Choices():
            self._add_own(self.root / data_layout.CHOICES, "choices of the last run")
        else:
            self.stays.append(f"{data_layout.CHOICES}: what was chosen for this root; the next run takes it")
        self._add_own(self.root / LOCK, "lock")

    def _add_whole(self, folder: Path, what: str) -> None:
        path = self._name(folder)
        if (fault := self._fault(path)) is not None:
            self.stays.append(fault)
        elif not folder.is_dir():
            self._add_own(folder, what)
        else:
            found = []
            for each in trees.walk(folder):
                self.stop.check()
                found.append(each)
            names = tuple(f"{path}/{name}" for name, _, _ in found)
            self.items.append(Item(f"{path}/", what, names, sum(s.st_size for _, _, s in found), whole=True))

    def _add_own(self, file: Path, what: str) -> None:
        path = self._name(file)
        found = self._regular(path)
        if found is not None and all(path not in item.files for item in self.items):
            self.items.append(Item(path, what, (path,), found.st_size))

    def _regular(self, path: str) -> os.stat_result | None:
        """None, said where it is worth it, for what is no regular file of this root."""
        if (fault := self._fault(path)) is not None:
            self.stays.append(fault)
            return None
        try:
            found = os.lstat(self.root / path)
        except FileNotFoundError:
            return None
        if stat.S_ISREG(found.st_mode):
            return found
        self.stays.append(f"{path}: no regular file")
        return None

    def _fault(self, path: str) -> str | None:
        """Why nothing below ``path`` may be touched: it leaves the root, or a link is on the way."""
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path:
            return f"{path!r}: no path inside the root"
        for depth in range(1, len(parts) + 1):
            if (self.root / Path(*parts[:depth])).is_symlink():
                return f"{'/'.join(parts[:depth])}: a link; links are not followed"
        return None

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def plan(root: Path, selection: Selection, stop: Stop = NEVER) -> Cleaning:
    """What ``selection`` means on this disk; nothing is touched. Raises Interrupted when asked to stop."""
    try:
        chosen = choices.read(root)
        settings = Settings(root, chosen)
    except StageError:  # they say only where to look for temporary files: everywhere then
        chosen, settings = Choices(), Settings(root, Choices(SPLITS))
    cleaning = Cleaning(root, selection.everything, stop)
    if not root.is_dir():
        return cleaning
    if selection.staging or selection.everything:
        cleaning.add_staging(all_stages(), settings)
    if selection.archives and "download" not in selection.stages:
        cleaning.add_outputs("download", ARCHIVES, selection.unpacked)
    for stage in selection.stages:
        cleaning.add_outputs(stage)
        cleaning.add_receipt(stage)
    if selection.everything:
        cleaning.add_notes(chosen)
    return cleaning


def _folders_below(folder: Path) -> list[Path]:
    """``folder`` and those below it, links left out."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return [folder, *(found for entry in sorted(folder.iterdir()) for found in _folders_below(entry))]


def remove(cleaning: Cleaning, say: Callable[[str], None], stop: Stop) -> None:
    """Does what ``cleaning`` says; the root's lock is held by the caller.

    Raises:
        Interrupted: asked to stop; what is left is still claimed by its receipt.
    """
    for item in cleaning.items:
        for path in item.files:
            stop.check()
            (cleaning.root / path).unlink(missing_ok=True)
        if item.whole:
            shutil.rmtree(cleaning.root / item.path)
        _remove_empty(cleaning.root, [item.path, *item.files])
        if (own := cleaning.records.get(item.path.rstrip("/"))) is not None:
            trees.write_manifest(trees.manifest_path(cleaning.root, item.path), {}, own)
    if cleaning.everything:
        _remove_empty(cleaning.root, [STAGING])
    say(f"removed {cleaning.bytes:,} bytes, files: {cleaning.files:,}")


def _remove_empty(root: Path, paths: Iterable[str]) -> None:
    """The folders on the way to ``paths`` that are empty now, deepest first; the root stays."""
    parents = {parent for path in paths for parent in PurePosixPath(path, "x").parents if parent.parts}
    for parent in sorted(parents, key=lambda parent: len(parent.parts), reverse=True):
        folder = root / parent
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()


def listing(cleaning: Cleaning) -> list[str]:
    """The list for people: a line each for what goes, then what stays."""
    width = max((len(f"{item.bytes:,}") for item in cleaning.items), default=0)
    rows = [
        f"{item.bytes:>{width},} bytes in {len(item.files):>7,}  {item.path}  ({item.what})"
        for item in cleaning.items
    ]
    stays = [f"stays: {line}" for line in cleaning.stays[:SHOWN]]
    if len(cleaning.stays) > SHOWN:
        stays.append(f"stays: {len(cleaning.stays) - SHOWN:,} more")
    return [*rows, *stays, _left(cleaning), f"in all {cleaning.bytes:,} bytes, files: {cleaning.files:,}"]


def _left(cleaning: Cleaning) -> str:
    """Everything that stays in the root, by its entries: ``annotations/ (3), notes.txt``."""
    if not cleaning.root.is_dir():
        return f"there is no folder {shown(cleaning.root)}"
    going = {path for item in cleaning.items for path in item.files}
    going |= {STAGING} if cleaning.everything else set()  # empty, it goes, too
    whole = {item.path.rstrip("/") for item in cleaning.items if item.whole}
    entries = []
    for name in sorted(os.listdir(cleaning.root)):
        path = cleaning.root / name
        if path.is_dir() and not path.is_symlink():
            count = sum(each not in going for each in _leaves(cleaning.root, name, whole))
            entries += [f"{shown(name)}/ ({count:,})"] if count else []
        elif name not in going:
            entries.append(shown(name))
    if len(entries) > ENTRIES:
        entries[ENTRIES:] = [f"{len(entries) - ENTRIES:,} more"]
    return f"stays in {shown(cleaning.root)}: {', '.join(entries) or 'nothing; the folder itself stays'}"


def _leaves(root: Path, path: str, whole: Collection[str] = ()) -> Iterator[str]:
    """Whatever is below ``path`` and no folder, and folders with nothing in them."""
    if path in whole:
        return
    with os.scandir(root / path) as found:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    if not entries:
        yield path
    for name, is_folder in entries:
        yield from _leaves(root, f"{path}/{name}", whole) if is_folder else [f"{path}/{name}"]
