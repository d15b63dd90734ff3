"""An fsync that runs beside the writing: the line does not wait for the disk, and the disk not for the line."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


class SyncBeside:
    """One fsync at a time, by a thread of its own. No lock that ``done`` or ``failed`` takes may be held in ``wait``."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def begin(
        self, data: int, notes: int, done: Callable[[], None], failed: Callable[[OSError], None]
    ) -> None:
        """Brings the file behind descriptor ``data`` to the disk, calls ``done``, which may note so, and brings ``notes`` there.

        Both descriptors are closed at the end. ``failed`` is called with what an fsync or ``done`` raised.
        """
        thread = threading.Thread(target=_sync, args=(data, notes, done, failed), daemon=True)
        thread.start()
        self._thread = thread  # only now: what is not started cannot be waited for

    def wait(self) -> None:
        """Returns when no fsync is running."""
        if self._thread is not None:
            self._thread.join()


def _sync(data: int, notes: int, done: Callable[[], None], failed: Callable[[OSError], None]) -> None:
    try:
        os.fsync(data)
        done()
        os.fsync(notes)
    except OSError as error:
        failed(error)
    finally:
        os.close(data)
        os.close(notes)
