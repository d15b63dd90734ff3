"""Files of weights that pytorch-ssd's commands name, by file name: what they are and where they are published.

Nothing is fetched: whoever names one and has it not is told.
"""

from __future__ import annotations

from pathlib import Path

from vision.messages.advice import quoted, shown

HAO = "https://storage.googleapis.com/models-hao/"
PUBLISHED = {
    "mobilenet-v1-ssd-mp-0_675.pth": ("mb1-ssd trained on VOC", HAO),
    "mb2-ssd-lite-mp-0_686.pth": ("mb2-ssd-lite trained on VOC", HAO),
    "vgg16-ssd-mp-0_7726.pth": ("vgg16-ssd trained on VOC", HAO),
    "mobilenet_v1_with_relu_69_5.pth": ("ImageNet weights for mb1-ssd and mb1-ssd-lite", HAO),
    "mb2-imagenet-71_8.pth": ("ImageNet weights for mb2-ssd-lite", HAO),
    "vgg16_reducedfc.pth": ("ImageNet weights for vgg16-ssd", "https://s3.amazonaws.com/amdegroot-models/"),
}
"""File name → what it is, and the folder on the web that holds it (README of qfgaohao/pytorch-ssd)."""


def require_there(path: Path) -> None:
    """Raises FileNotFoundError, three lines, where nothing is at ``path`` and its name is a published one."""
    if path.name not in PUBLISHED or path.exists():
        return
    what, where = PUBLISHED[path.name]
    raise FileNotFoundError(
        f"{shown(path)}: no such file\n  why: the authors of pytorch-ssd publish it ({what}); it is not fetched automatically\n"
        f"  fix: fetch {where}{path.name}, save it as {quoted(path)}, then run the same command"
    )
