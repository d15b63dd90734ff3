"""The statistics as lines for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pipeline.statistics.suspicions import WORDS
from vision.messages.advice import shown
from vision.messages.terminal import counted

WIDTH = 80
CLASSES, NAMES, IDS = 100, 12, 3
"""Rows of classes, names in a sentence and ids of a suspicion that are shown; the JSON has all."""
_MEASURES = {
    "width_px": "object: width, px",
    "height_px": "object: height, px",
    "share_of_image": "object: % of the image",
    "aspect_ratio": "object: width / height",
    "boxes_an_image": "image: boxes",
    "image_width_px": "image: width, px",
    "image_height_px": "image: height, px",
}
_SHOWN_PERCENT = (0, 5, 25, 50, 75, 95, 100)


def table(report: dict[str, Any]) -> list[str]:
    """What is known without the images."""
    splits = report["splits"]
    return [
        *_counts(splits),
        *(line for split, numbers in splits.items() for line in _quantiles(split, numbers)),
        *_classes(splits),
        *_few_and_missing(report["classes"]),
        *_suspicions(report["suspicions"], report["outside"]),
    ]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _counts(splits: dict[str, Any]) -> Iterator[str]:
    yield " " * 26 + "".join(f"{split:>18}" for split in splits)
    for key, words in (
        ("images", "images"), ("images_without_boxes", "  without boxes"), ("objects", "objects"),
        ("small", "  small (< 32² px²)"), ("medium", "  medium (< 96² px²)"), ("large", "  large"),
        ("crowd_regions", "crowd regions"),
    ):  # fmt: skip
        cells = [
            _share(numbers["sizes"][key], numbers["objects"])
            if key in numbers["sizes"]
            else f"{numbers[key]:,}"
            for numbers in splits.values()
        ]
        yield f"{words:26}" + "".join(f"{cell:>18}" for cell in cells)


def _share(count: int, of: int) -> str:
    return f"{count:,} ({count / of:4.0%})" if of else f"{count:,}"


def _quantiles(split: str, numbers: dict[str, Any]) -> Iterator[str]:
    quantiles = numbers["quantiles"]
    places = [quantiles["percent"].index(percent) for percent in _SHOWN_PERCENT]
    names = {0: "least", 50: "median", 100: "most"}
    yield ""
    yield f"{split:24}" + "".join(f"{names.get(each, f'{each} %'):>8}" for each in _SHOWN_PERCENT)
    for key, words in _MEASURES.items():
        if quantiles[key] is not None:
            by = 100 if key == "share_of_image" else 1
            yield f"{words:24}" + "".join(f"{_number(quantiles[key][place] * by):>8}" for place in places)
    sizes = numbers["image_sizes"]
    if sizes:
        most = sizes[0]
        yield f"{'image: most are':24} {most['width']} × {most['height']} ({most['images']:,}), of {counted(len(sizes), 'size')}"


def _number(value: float) -> str:
    if value >= 100 or value == round(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _classes(splits: dict[str, Any]) -> Iterator[str]:
    first = next(iter(splits.values()))["classes"]
    width = WIDTH - 18 * len(splits) - 1
    yield ""
    yield f"{'class':{width}} " + "".join(f"{split + ':':>10}{'images':>8}" for split in splits)
    for place, row in enumerate(first[:CLASSES]):
        cells = "".join(
            f"{numbers['classes'][place]['objects']:>10,}{numbers['classes'][place]['images']:>8,}"
            for numbers in splits.values()
        )
        yield f"{name(row['name'], width):{width}} {cells}"
    if len(first) > CLASSES:
        yield f"… and {counted(len(first) - CLASSES, 'more class')}: --json has all of them"


def name(text: str, width: int) -> str:
    """One line of at most ``width`` letters."""
    text = shown(text)
    return text if len(text) <= width else text[: width - 1] + "…"


def _few_and_missing(classes: dict[str, Any]) -> Iterator[str]:
    yield ""
    learned = classes["split"]
    few = [f"{name(row['name'], 30)} ({row['objects']})" for row in classes["few"]]
    words = f"classes with fewer than {counted(classes['fewer_than'], 'object')} in {learned}: "
    yield from _wrapped(words + (_some(few) or "none"))
    elsewhere = [
        f"{name(row['name'], 30)} ({row['split']}: {row['objects']})" for row in classes["only_elsewhere"]
    ]
    if elsewhere:
        yield from _wrapped(
            f"warning: classes that {learned} lacks and another split has: {_some(elsewhere)}"
        )
    for split in dict.fromkeys(row["split"] for row in classes["not_measured"]):
        lacking = [
            f"{name(row['name'], 30)} ({row['objects']})"
            for row in classes["not_measured"] if row["split"] == split
        ]  # fmt: skip
        yield from _wrapped(
            f"classes that {split} lacks, which no score is about (objects in {learned}): {_some(lacking)}"
        )


def _some(words: Sequence[str], most: int = NAMES) -> str:
    more = [f"and {len(words) - most:,} more"] if len(words) > most else []
    return ", ".join([*words[:most], *more])


def _suspicions(
    suspicions: dict[str, list[dict[str, Any]]], outside: list[dict[str, Any]] | None
) -> Iterator[str]:
    yield ""
    every = suspicions | ({} if outside is None else {"outside": outside})
    if not any(every.values()):
        yield "suspicious boxes: none"
        return
    for kind, rows in every.items():
        if rows:
            yield from _wrapped(f"suspicious: {counted(len(rows), 'box')}, {kind}: {WORDS[kind]}")
            ids = [
                f"{row['split']} annotation {_id(row['annotation_id'])} of image {_id(row['image_id'])}"
                for row in rows
            ]
            yield from (f"    {line}" for line in textwrap.wrap(_some(ids, IDS), WIDTH - 4))


def _id(value: object) -> str:
    """Those of the listing are as they were annotated, whatever that was."""
    return name(str(value), 24)


def duplicate_lines(duplicates: dict[str, Any]) -> Iterator[str]:
    """What was found by looking at the images."""
    yield ""
    for kind, words in (
        ("exact", "the same file"),
        ("near", f"alike (pHash: at most {duplicates['near_bits']} of 64 bits differ)"),
    ):
        groups = duplicates[kind]
        if not groups:
            yield f"images twice, {words}: none"
            continue
        images = sum(len(group["images"]) for group in groups)
        yield from _wrapped(
            f"images twice, {words}: {counted(len(groups), 'group')}, {counted(images, 'image')}"
        )
        leaks = [group for group in groups if len(group["splits"]) > 1]
        if leaks:
            yield from _wrapped(
                f"warning: {counted(len(leaks), 'group')} of them in more than one split: what is learned is measured"
            )
        yield from _examples([*leaks, *(group for group in groups if len(group["splits"]) == 1)])
    if duplicates["plain"]:
        yield f"{counted(duplicates['plain'], 'plain image')} without a pattern that could be compared"
    if duplicates["unreadable"]:
        first = duplicates["unreadable"][0]
        yield from _wrapped(
            f"{counted(len(duplicates['unreadable']), 'image')} could not be read, such as {shown(first['file_name'])} "
            f"of {first['split']}: {shown(first['reason'])}"
        )


def _examples(groups: Iterable[dict[str, Any]]) -> Iterator[str]:
    for group in list(groups)[:IDS]:
        images = [
            f"{row['split']} {row['image_id']} ({name(row['file_name'], 30)})" for row in group["images"]
        ]
        lines = textwrap.wrap(_some(images, 4), WIDTH - 4, subsequent_indent="  ", break_on_hyphens=False)
        yield from (f"    {line}" for line in lines)


def left_out_lines(reasons: Sequence[str]) -> Iterator[str]:
    """What is not in the report, and why."""
    for reason in reasons:
        yield from _wrapped(f"left out: {reason}")
