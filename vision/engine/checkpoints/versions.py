"""What made the numbers of a run besides its arguments: libraries and processors, so that a change can be named."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

TOOLKIT = Path(__file__).resolve().parents[3]
PIXELS = {
    "opencv": ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
    "simplejpeg": ("simplejpeg",),
    "pillow": ("pillow",),
}  # fmt: skip
"""Libraries that decode and augment images, and the distributions that they come in."""
AUGMENTATION = "2"
"""One more whenever the toolkit's own augmentation makes other pixels of the same draws; checkpoints without it have 1."""


def versions() -> dict[str, str]:
    """Name → version or model; empty where there is none. Imports nothing that is not imported already."""
    with_gpu = torch.cuda.is_available()
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        **{name: _version(name) for name in PIXELS},
        "augmentation": AUGMENTATION,
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "cpu_kernels": torch.backends.cpu.get_cpu_capability(),
        "cuda": str(torch.version.cuda) if with_gpu else "",
        "cudnn": str(torch.backends.cudnn.version() or "") if with_gpu else "",
        "gpu": torch.cuda.get_device_name() if with_gpu else "",
    }


def code() -> str:
    """This copy of the toolkit: its commit, ``-dirty`` where files of it were changed; its version where it is no repository."""
    line = ["git", "-C", str(TOOLKIT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        if (TOOLKIT / ".git").exists():  # not one that this copy merely lies in
            return subprocess.run(line, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        pass
    try:
        written = re.search(r'^version = "(.+)"$', (TOOLKIT / "pyproject.toml").read_text(), re.MULTILINE)
        return f"version {written[1] if written else metadata.version('coco-pretraining-toolkit')}"
    except (OSError, metadata.PackageNotFoundError):
        return "version unknown"


@cache
def _version(name: str) -> str:
    for distribution in PIXELS[name]:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    built = sys.modules.get({"opencv": "cv2"}.get(name, name))  # JetPack's OpenCV is no distribution
    return str(getattr(built, "__version__", ""))


@cache
def cpu_model(info: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name as Linux tells it; on ARM its implementer and part."""
    try:
        text = info.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    for key in ("model name", "CPU part"):
        found = re.search(rf"^{key}\s*:\s*(.+)$", text, flags=re.MULTILINE)
        maker = re.search(r"^CPU implementer\s*:\s*(.+)$", text, flags=re.MULTILINE)
        if found:
            prefix = f"ARM {maker.group(1).strip()} " if maker and key == "CPU part" else ""
            return prefix + found.group(1).strip()
    return platform.processor()


def change(name: str, was: str, now: str) -> str:
    """A sentence about what another version of ``name`` may do to the numbers."""
    what = (
        "the pixels of the images may differ"
        if name in (*PIXELS, "augmentation")
        else "results may differ in the last bits"
    )
    return f"{name} {was or 'none'} → {now or 'none'}: {what}"
