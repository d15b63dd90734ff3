"""A file that is arriving: ``NAME.part``, and beside it ``NAME.part.jsonl`` that says which of its bytes are there.

The file is cut into spans that arrive one after the other or side by side. A line is noted every 128 KiB and believed
after a kill, since the system still has the bytes; after a restart of the machine only lines that were written after
an fsync are believed. What is noted is never more than what was written, and the digest of the whole decides.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.stage import StageError
from pipeline.transfer.sync_beside import SyncBeside
from vision.artefacts import log
from vision.artefacts.files import fsync_folder, publish_bytes
from vision.artefacts.records import RecordError
from vision.artefacts.targets import require_file_place
from vision.messages.addresses import redacted
from vision.messages.advice import quoted, shown

SCHEMA = 2
NOTE_EVERY = 128 << 10
SYNC_EVERY = 16 << 20
"""Bytes that are written before an fsync begins beside the writing; at most MOST_UNSYNCED wait for one."""
MOST_UNSYNCED = 4


@dataclass(slots=True)
class Segment:
    """Bytes ``start:end`` of the file (``end`` None: up to wherever it ends); ``have`` of them are there."""

    number: int
    start: int
    end: int | None
    have: int = 0
    noted: int = 0
    synced: int = 0

    @property
    def position(self) -> int:
        return self.start + self.have

    @property
    def complete(self) -> bool:
        return self.end is not None and self.position == self.end


class PartialFile:
    """The arriving file of ``output``. Threads may write to different spans; every method takes the lock.

    * identity: what the whole has to be (its digest); a part of something else is not resumed
    * total: bytes of the whole file, None as long as nobody knows
    * spans: in order, without gaps
    * validators: by url without what is secret in it, what its server said identifies the object (a strong ETag or a
      date); a signature that is another one each time is no other object
    * md5: of the whole, in hex, as a server has told it last; "" where none has
    """

    def __init__(self, output: Path, total: int | None, identity: str = "") -> None:
        self.path = output.with_name(output.name + ".part")
        self.record = output.with_name(output.name + ".part.jsonl")
        self.total = self._given = total
        self.identity = identity
        self.spans: list[Segment] = []
        self.validators: dict[str, str] = {}
        self.md5 = ""
        self._lock = threading.RLock()
        self._descriptor = -1
        self._notes: log.JsonLines | None = None
        self._unsynced = 0
        self._syncing = SyncBeside()
        self._failed_sync: OSError | None = None
        self._closing = False

    # What is there

    @property
    def have(self) -> int:
        return sum(span.have for span in self.spans)

    @property
    def complete(self) -> bool:
        return bool(self.spans) and all(span.complete for span in self.spans)

    @property
    def can_go_on(self) -> bool:
        """Whether there are bytes of an object that a server has named."""
        return bool(self.have and self.validators)

    def open(self, span_bytes: int | None) -> None:
        """Resumes what is on the disk and can be believed; else begins, in spans of ``span_bytes``."""
        with self._lock:
            if not self._read_record():
                self.begin(span_bytes)
                return
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            self._write_record()
            self._sync()  # so that what was there survives the next restart of the machine, too

    def require_ours(self) -> None:
        """Raises StageError for bytes that no record of ours speaks of: browsers name their parts so, too."""
        part, *records = traces(self.path.with_suffix(""))
        if os.path.lexists(part) and part.lstat().st_size and not any(map(os.path.lexists, records)):
            raise StageError(
                f"{shown(part)} is not ours to replace",
                f"there is no {records[0].name} beside it that would say so; another program may have begun it",
                f"move it away: mv {quoted(part)} {quoted(part.with_name(part.name + '.mine'))}",
            )

    def begin(self, span_bytes: int | None) -> None:
        """From nothing; one span where ``span_bytes`` is None or the size is not known."""
        with self._lock:
            self.remove()
            self.validators, self.md5 = {}, ""
            self.total = self._given
            self.spans = list(_cut(self.total, span_bytes))
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            self._write_record()

    def _read_record(self) -> bool:
        """Whether there is a part with a record that fits it."""
        try:
            rows = list(log.read(self.record))
            size = self.path.stat().st_size
            return bool(rows) and self._take(rows, size)
        except (OSError, RecordError, KeyError, TypeError, ValueError, IndexError):
            return False

    def _take(self, rows: list[dict[str, Any]], size: int) -> bool:
        head = rows[0]
        total = head["bytes"]
        if head["part"] != SCHEMA or head["sha256"] != self.identity:
            return False
        if self.total is not None and total not in (self.total, None):
            return False
        spans = [Segment(n, start, end) for n, (start, end) in enumerate(head["spans"])]
        same_boot = head["boot"] == boot_id() != ""
        validators, md5 = {}, ""
        noted: list[list[int]] = [[0] for _ in spans]
        for row in rows[1:]:
            if "url" in row:
                validators[redacted(str(row["url"]))] = str(row["validator"])
                md5 = str(row.get("md5", md5))
            elif row["synced"] or same_boot:
                noted[row["span"]].append(int(row["have"]))
        for span, counts in zip(spans, noted, strict=True):
            span.have = span.noted = (
                max(counts) if min(counts) >= 0 else -1
            )  # the note of an fsync comes late
        if not _fit(spans, total, size):
            return False
        self.spans, self.validators, self.md5 = spans, validators, md5
        self.total = total if self.total is None else self.total
        return True

    def _write_record(self) -> None:
        """A new record, compact, and open for notes. What it says of the bytes is believed in this boot only."""
        self._close_notes()
        ends = [[span.start, span.end] for span in self.spans]
        rows = [
            {"part": SCHEMA, "sha256": self.identity, "bytes": self.total, "boot": boot_id(), "spans": ends}
        ]
        told = {"md5": self.md5} if self.md5 else {}
        rows += [{"url": url, "validator": validator, **told} for url, validator in self.validators.items()]
        rows += [{"span": s.number, "have": s.have, "synced": False} for s in self.spans if s.have]
        publish_bytes(self.record, b"".join(log.line(row) for row in rows))
        self._notes = log.JsonLines(self.record)

    # Writing

    def identify(self, span: Segment, url: str, validator: str, md5: str = "") -> None:
        """What the server of ``url`` calls the object, and its MD5; told by the connection that fetches ``span``."""
        shown = redacted(url)
        with self._lock:
            if self._is_current(span) and self.validators.get(shown) != validator:
                self.validators[shown], self.md5 = validator, md5 or self.md5
                self._note({"url": shown, "validator": validator} | ({"md5": md5} if md5 else {}))

    def validator_of(self, url: str) -> str:
        """What the server of ``url`` calls the object; "" where it has not said so."""
        return self.validators.get(redacted(url), "")

    def _is_current(self, span: Segment) -> bool:
        """Not one of before the part was closed or restarted."""
        return self._descriptor >= 0 and span.number < len(self.spans) and self.spans[span.number] is span

    def learn_total(self, span: Segment, total: int) -> None:
        """The size, told by the server of a file whose size nobody knew."""
        with self._lock:
            if not self._is_current(span):
                return
            self.total, self.spans[-1].end = total, total
            self._write_record()

    def write(self, span: Segment, data: bytes) -> bool:
        """Appends to ``span``. False when the part was closed or restarted: the bytes are not wanted any more.

        Raises OSError: the disk refused these bytes, or earlier ones at the fsync beside.
        """
        if self._unsynced >= MOST_UNSYNCED * SYNC_EVERY:
            self._syncing.wait()
        with self._lock, self._named():
            self._raise_failed_sync()
            if not self._is_current(span):
                return False
            view = memoryview(data)
            while view:
                written = os.pwrite(self._descriptor, view, span.position)
                span.have += written
                view = view[written:]
            self._unsynced += len(data)
            if span.have - span.noted >= NOTE_EVERY or span.complete:
                self._note({"span": span.number, "have": span.have, "synced": False})
                span.noted = span.have
            if self._unsynced >= SYNC_EVERY:
                self._begin_sync()
            return True

    def _note(self, row: dict[str, Any]) -> None:
        if self._notes is not None:
            self._notes.append(row)

    def _sync(self) -> None:
        """All that was written is on the disk, and noted so. With the lock, and no fsync beside: one of two gets an error."""
        with self._named():
            self._raise_failed_sync()
            if self._descriptor < 0:
                return
            try:
                os.fsync(self._descriptor)
            except OSError:
                self._forget_unsynced()
                raise
            self._unsynced = 0
            self._note_synced([(span, span.have) for span in self.spans])
            if self._notes is not None:
                self._notes.sync()

    def _begin_sync(self) -> None:
        """Bytes keep arriving meanwhile; nothing where one is running."""
        if self._closing or self._notes is None or self._syncing.is_running:
            return
        self._unsynced = 0
        written = [(span, span.have) for span in self.spans]
        files = os.dup(self._descriptor), self._notes.duplicate()
        self._syncing.begin(*files, lambda: self._note_synced(written), self._keep_failed_sync)

    def _note_synced(self, written: list[tuple[Segment, int]]) -> None:
        with self._lock:
            for span, have in written:
                if self._is_current(span) and have != span.synced:
                    self._note({"span": span.number, "have": have, "synced": True})
                    span.synced = have

    def _keep_failed_sync(self, error: OSError) -> None:
        """For the next one who writes, syncs or closes."""
        with self._lock:
            if self._descriptor >= 0:
                self._failed_sync = error
                self._forget_unsynced()

    def _raise_failed_sync(self) -> None:
        error, self._failed_sync = self._failed_sync, None
        if error is not None:
            raise error

    def _forget_unsynced(self) -> None:
        """A failed fsync may have lost what was written since the last one, and the next one would not say so."""
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)
        for span in self.spans:
            span.have = span.noted = span.synced
        try:
            self._write_record()
        except OSError:  # without a record the bytes are worth nothing, and would look like another program's
            remove_traces(self.path.with_name(self.path.name.removesuffix(".part")))

    @contextmanager
    def _named(self) -> Iterator[None]:
        """The system does not say which file it was when a write or fsync fails."""
        try:
            yield
        except OSError as error:
            error.filename = error.filename or str(self.path)
            raise

    def close(self, sync: bool = True) -> None:
        """Nothing is written any more; what is there stays for the next run."""
        with self._lock:
            self._closing = True  # a connection that still writes begins no fsync
        if sync:
            self._syncing.wait()
        with self._lock:
            try:
                if sync:
                    self._sync()
            finally:
                self._closing, descriptor, self._descriptor = False, self._descriptor, -1
                if descriptor >= 0:
                    os.close(descriptor)
                self._close_notes()

    def _close_notes(self) -> None:
        notes, self._notes = self._notes, None
        if notes is not None:
            notes.close()

    def remove(self) -> None:
        with self._lock:
            self.close(sync=False)
            remove_traces(self.path.with_name(self.path.name.removesuffix(".part")))
            self.spans, self._unsynced = [], 0

    def publish(self, output: Path) -> None:
        """The part becomes ``output``; it has been closed."""
        require_file_place(output)
        os.replace(self.path, output)
        fsync_folder(output.parent)
        remove_traces(output)


def traces(output: Path) -> list[Path]:
    """The part of ``output`` and its record, whether they are there or not."""
    suffixes = (".part", ".part.jsonl", ".part.json")  # the last one: of versions before this
    return [output.with_name(output.name + suffix) for suffix in suffixes]


def was_just_published(output: Path) -> bool:
    """Whether the record of a transfer is still there and its part is not: the part has got the name ``output``."""
    part, record, _ = traces(output)
    return record.exists() and not part.exists()


def remove_traces(output: Path) -> None:
    """Removes what is left of a transfer; a part without a record is another program's, and stays."""
    part, *records = traces(output)
    if any(map(os.path.lexists, records)):
        for path in (part, *records):
            path.unlink(missing_ok=True)


def under_way(folder: Path) -> list[Path]:
    """The parts in ``folder`` that are ours, and their records: a part without a record is another program's."""
    names = {path.name for path in folder.iterdir()}
    outputs = {
        name.removesuffix(end)
        for end in (".part.jsonl", ".part.json")
        for name in names
        if name.endswith(end)
    }
    return sorted(path for name in outputs for path in traces(folder / name) if path.name in names)


def bytes_here(output: Path) -> int:
    """Bytes that a part of ``output`` occupies on the disk."""
    try:
        facts = output.with_name(output.name + ".part").stat()
    except OSError:
        return 0
    return min(facts.st_size, facts.st_blocks * 512)  # it has holes


def boot_id() -> str:
    """Another one after each start of the machine; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _cut(total: int | None, span_bytes: int | None) -> Iterator[Segment]:
    if total is None or span_bytes is None or total < 2 * span_bytes:
        yield Segment(0, 0, total)
        return
    count = total // span_bytes
    bounds = [total * n // count for n in range(count + 1)]
    for number, (start, end) in enumerate(itertools.pairwise(bounds)):
        yield Segment(number, start, end)


def _fit(spans: list[Segment], total: int | None, size: int) -> bool:
    """Without gaps from 0 to ``total``, and no byte claimed that the file does not have."""
    expected = 0
    for span in spans:
        if span.start != expected or span.have < 0 or (span.end is None and span is not spans[-1]):
            return False
        if span.end is not None and (span.end <= span.start or span.position > span.end):
            return False
        if span.have and span.position > size:
            return False
        expected = span.end if span.end is not None else -1
    return bool(spans) and (expected in (total, -1))
