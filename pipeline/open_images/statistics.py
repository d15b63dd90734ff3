"""Images and boxes by class and split, as the ancestors' downloader prints them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from pipeline.open_images.boxes import Boxes
from vision.messages.advice import shown
from vision.messages.terminal import counted

RULE = "-" * 37


def table(found: Mapping[str, Boxes], chosen: Mapping[str, Collection[str]]) -> list[str]:
    """The lines: a block for each split, one for all of them."""
    lines: list[str] = []
    total = 0
    for split, boxes in found.items():
        in_all, in_images = _counts(boxes, chosen[split])
        count = sum(in_all.values())
        total += count
        lines += _title(f"{split!r} set statistics")
        lines += [f"  Image count:  {len(chosen[split])}", f"  Bounding box count:  {count}"]
        lines += ["  Bounding box distribution:"]
        lines += [
            f"    {shown(name)}:  {number}/{count} = {number / max(1, count):.2f} (in {counted(in_images[name], 'image')})"
            for name, number in sorted(in_all.items(), key=lambda each: (-each[1], each[0]))
        ]
    lines += _title("Overall statistics")
    return [*lines, f"  Image count:  {sum(map(len, chosen.values()))}", f"  Bounding box count:  {total}"]


def _title(text: str) -> list[str]:
    return ["", RULE, f" {text}", RULE]


def _counts(boxes: Boxes, chosen: Collection[str]) -> tuple[Counter[str], Counter[str]]:
    """Boxes, and images with one, by class; also of classes that have none."""
    names = {letter: name for name, letter in boxes.letters.items()}
    in_all, in_images = Counter(dict.fromkeys(names.values(), 0)), Counter[str]()
    for image in chosen:
        for letter, count in Counter(boxes.images[image]).items():
            in_all[names[letter]] += count
            in_images[names[letter]] += 1
    return in_all, in_images
