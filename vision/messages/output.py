"""stdout and stderr that no letter, no reader and no full disk can turn into a traceback, and that hide secrets.

* A letter that the encoding lacks (C or latin-1 locale) is spelled in ASCII; bytes of a name that are no UTF-8 as ``\\xff``.
* A closed stdout or stderr becomes /dev/null, so that no file of ours gets its number.
* Where nothing can be written any more (``… | head``, /dev/full), a program whose work is worth more than its words
  continues without them and says so once on stderr; one whose words are the result ends (``words_are_the_result``).
* What is secret in the addresses of the command line is never printed, whoever prints it.

Standard library of Python 3.8 on, since the setup uses it before anything is installed.
"""

from __future__ import annotations

import atexit
import codecs
import errno
import io
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from vision.messages.addresses import HIDDEN, secrets_in
from vision.messages.system_errors import reason, said_of

IN_ASCII: dict[str, str] = {
    "…": "...", "·": "-", "→": "->", "←": "<-", "—": "-", "–": "-", "−": "-", "×": "x", "≤": "<=", "≥": ">=", "≈": "~",
    "±": "+-", "✓": "+", "─": "-", "²": "^2", "°": " deg", "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'",
}  # fmt: skip
"""Signs of our own sentences; other letters become ``\\u00e9``."""
_ERRORS = "in-ascii"


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """A handler for ``codecs``: letters that cannot be encoded, spelled."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_spelled, error.object[error.start : error.end])), error.end


def _spelled(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name, as os.fsdecode gives it
        return f"\\x{code - 0xDC00:02x}"
    return IN_ASCII.get(letter) or ascii(letter)[1:-1]


class Output(io.TextIOWrapper):
    """A standard stream; ``lost`` once it has taken nothing any more."""

    lost = False
    ends = False
    hidden: list[str] = []  # noqa: RUF012

    def write(self, text: str) -> int:
        shown = text
        for secret in self.hidden:
            if secret in shown:
                shown = shown.replace(secret, HIDDEN)
        try:
            if not self.lost:
                super().write(shown)
        except OSError as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        """From now on into nothing. What is still in the buffer goes there, too, when the program ends."""
        self.lost, where = True, _behind(self.fileno())
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self.fileno())
        os.close(nothing)
        gone = error.errno == errno.EPIPE  # `... | head`: whoever read has enough
        if self.ends and not gone:
            _say(f"error: {said_of(OSError(error.errno, error.strerror, where))}")
        if self.ends:
            raise SystemExit(128 + signal.SIGPIPE if gone else 1)
        if self is not sys.stderr:
            why = "the reader of stdout has ended" if gone else f"stdout takes no more: {reason(error)}"
            _say(f"note: {why}; the work continues without its lines")


def _behind(descriptor: int) -> str:
    """The file or device that a number stands for; "stdout" where the system does not tell."""
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return "stdout"


def _say(line: str) -> None:
    if sys.stderr is not None:
        print(line, file=sys.stderr, flush=True)


def protect() -> None:
    """Once, at the top of a program, before anything is opened or printed."""
    codecs.register_error(_ERRORS, in_ascii)
    _fill_closed()
    Output.hidden = secrets_in(sys.argv)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        new = _output(stream)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def words_are_the_result() -> None:
    """For a program that only prints: it ends when nobody reads any more, and fails when its lines cannot be written."""
    if isinstance(sys.stdout, Output):
        sys.stdout.ends = True
        atexit.register(_flush_at_the_end)


def _flush_at_the_end() -> None:
    """The interpreter's own last flush would turn what it meets into words of its own and exit code 120."""
    try:
        sys.stdout.flush()
    except SystemExit as ended:
        sys.stderr.flush()
        os._exit(int(ended.code or 0))


def _fill_closed() -> None:
    """Every file that is opened gets the lowest free number: without this, one of ours that of stdout."""
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            os.fstat(descriptor)
            continue
        os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
        with suppress(OSError):
            os.set_inheritable(descriptor, True)


def _output(stream: Any) -> Any:
    if stream is None:  # closed when Python began; its number may be a file's by now
        return Output(Path(os.devnull).open("wb"), encoding="utf-8", errors=_ERRORS)
    if type(stream) is not io.TextIOWrapper:  # somebody's own: a test, a notebook
        return stream
    stream.flush()
    encoding, by_line, unbuffered = stream.encoding, stream.line_buffering, stream.write_through
    return Output(stream.detach(), encoding, _ERRORS, None, by_line, unbuffered)
