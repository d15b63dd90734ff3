"""No source file turns the checks of TLS off."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

OFF = re.compile(
    r"verify\s*=\s*(False|0|None)\b|\.verify\b\s*=|CERT_NONE|_create_unverified|check_hostname\s*=\s*False|"
    r"disable_warnings|--no-check-certificate|\bcurl\b[^\n]*\s(-k|--insecure)\b|InsecureRequestWarning|http\.sslVerify"
)
KINDS = {".py", ".sh", ".yml", ".yaml", ".toml", ".cfg", ".txt"}
LEFT_OUT = {".git", ".venv", "__pycache__"}


def sources(repository: Path) -> list[Path]:
    """What the repository holds that could fetch something, this file left out."""
    found = []
    for folder, below, names in os.walk(repository):
        below[:] = [name for name in below if name not in LEFT_OUT]
        found += [path for name in names if (path := Path(folder, name)).suffix in KINDS]
    return [path for path in found if path != Path(__file__)]


def test_no_source_file_turns_tls_off(repository: Path) -> None:
    files = sources(repository)
    assert repository / "pipeline/transfer/request.py" in files
    wrong = [
        f"{path}: {hit[0]}"
        for path in files
        if (hit := OFF.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert not wrong


@pytest.mark.parametrize(
    "line",
    ["get(url, verify=False)", "session.verify = False", "ssl.CERT_NONE", "curl -sk x".replace("-sk", "-k"),
     "wget --no-check-certificate x", "verify = None", "context.check_hostname=False"],
)  # fmt: skip
def test_what_is_looked_for_is_found(line: str) -> None:
    assert OFF.search(line)
