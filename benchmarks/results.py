"""Where results go: ``benchmarks/results/<subject>_<device>_<date>.md``, one file a subject, device and day."""

from __future__ import annotations

import platform
from datetime import datetime, timezone
from pathlib import Path

from vision.artefacts.files import publish_bytes

RESULTS = Path(__file__).parent / "results"


def device() -> str:
    """The processor's name in a form that a file can have."""
    name = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1] for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        name = names[0] if names else name
    return slug(name)


def slug(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name).split())


def today() -> str:
    return datetime.now(timezone.utc).date().isoformat()


def publish(subject: str, command: str, text: str, say: bool = True) -> Path:
    """Writes ``text`` below the command that gave it, in the place of an older one of the day; prints where, unless told not to."""
    path = RESULTS / f"{subject}_{device()}_{today()}.md"
    publish_bytes(path, f"`{command}`\n\n{text}\n".encode())
    if say:
        print(path)
    return path
