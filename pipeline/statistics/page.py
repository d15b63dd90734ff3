"""One HTML file of images with their boxes: some of each class, of each suspicion and of the duplicates.

It needs nothing else: images are inlined, boxes are SVG, nothing is a script. Names are data of others, and escaped.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pipeline.image_check.check import ImageJob
from pipeline.image_check.check_many import thumbnails_of
from pipeline.statistics.splits import Split
from pipeline.statistics.suspicions import WORDS
from pipeline.stop import Stop
from vision.drawing.palette import hex_colour
from vision.images.orientation import upright
from vision.messages.advice import shown
from vision.messages.terminal import counted

MARK = "<!DOCTYPE html>\n<!-- statistics 1 -->\n"
"""How a page begins that we have made: only such a one gives way to another."""
OF_CLASSES, OF_A_CLASS, OF_A_KIND, OF_A_GROUP = 320, 4, 12, 4
"""Images at most: of all classes, of one, of a suspicion (groups, of duplicates), of a group."""
BOXES = 200
"""Boxes at most that are drawn on one image."""
THUMBNAIL_WH = (320, 240)

HEAD = """<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title><style>
body {{ font: 14px sans-serif; margin: 1em; color: #222; background: #fff }}
section {{ display: flex; flex-wrap: wrap; gap: 8px; border-bottom: 1px solid #ccc; padding-bottom: 8px }}
h2 {{ font-size: 16px; margin: 12px 0 4px; width: 100% }} figure {{ margin: 0; width: 240px }}
svg {{ width: 240px; height: 180px; background: #eee }} figcaption {{ font-size: 11px; overflow-wrap: anywhere }}
rect {{ fill: transparent; stroke-width: 1.5; vector-effect: non-scaling-stroke }}
rect.crowd {{ stroke-dasharray: 4 3 }} rect.hot {{ stroke-width: 4 }} svg.store {{ display: none }}
</style></head><body>
"""


class Tile(NamedTuple):
    """An image of a split, and the boxes on it that are meant, by their places in the arrays."""

    split: Split
    image: int
    hot: frozenset[int] = frozenset()


def pages_tiles(splits: Sequence[Split], report: dict[str, Any]) -> list[tuple[str, list[Tile]]]:
    """(heading, images) of each section, as many as the bounds above allow, evenly spread over what there is."""
    by_name = {split.name: split for split in splits}
    suspicious = report["suspicions"] | {"outside": report["outside"] or []}
    sections = []
    for kind, rows in suspicious.items():
        tiles = [_tile(by_name[row["split"]], row) for row in _spread(rows, OF_A_KIND)]
        sections.append((f"{kind}: {counted(len(rows), 'box')}, {WORDS[kind]}", list(filter(None, tiles))))
    for kind in ("exact", "near") if report["duplicates"] else ():
        groups = sorted(report["duplicates"][kind], key=lambda group: -len(group["splits"]))
        for number, group in enumerate(groups[:OF_A_KIND], 1):
            many = counted(len(group["images"]), "image")
            tiles = [_tile(by_name[row["split"]], row) for row in group["images"][:OF_A_GROUP]]
            heading = (
                f"images twice ({kind}), {number} of {len(groups)}: {many} of {' and '.join(group['splits'])}"
            )
            sections.append((heading, list(filter(None, tiles))))
    return [section for section in [*sections, *_of_classes(splits)] if section[1]]


def _of_classes(splits: Sequence[Split]) -> Iterator[tuple[str, list[Tile]]]:
    classes = splits[0].classes
    each = min(OF_A_CLASS, max(1, OF_CLASSES // max(1, len(classes))))
    for label, name in list(enumerate(classes, 1))[: OF_CLASSES // each]:
        tiles = []
        for split in splits:
            boxes = np.flatnonzero(split.arrays["labels"] == label)
            for image in _spread(np.unique(split.image_of_box[boxes]).tolist(), each):
                tiles.append(
                    Tile(split, image, frozenset(boxes[split.image_of_box[boxes] == image].tolist()))
                )
        yield f"class {label}: {shown(name)}", _spread(tiles, each)


def _spread(items: list[Any], most: int) -> list[Any]:
    if len(items) <= most:
        return items
    return [items[len(items) * number // most] for number in range(most)]


def _tile(split: Split, row: Mapping[str, Any]) -> Tile | None:
    """None for an image that is not in the arrays: ids of the listing are whatever was annotated."""
    ids, wanted = split.arrays["image_ids"], row["image_id"]
    if type(wanted) is not int or not 0 <= wanted < 2**63:
        return None
    image = int(np.searchsorted(ids, wanted))
    if image == len(ids) or ids[image] != wanted:
        return None
    hot = [
        box
        for box in _boxes_of(split, image)
        if split.arrays["annotation_ids"][box] == row.get("annotation_id")
    ]
    return Tile(split, image, frozenset(hot))


def _boxes_of(split: Split, image: int) -> range:
    first, end = split.arrays["first_box"][image : image + 2].tolist()
    return range(first, end)


def page(
    title: str, lines: Sequence[str], sections: Sequence[tuple[str, list[Tile]]], workers: int, stop: Stop
) -> Iterator[str]:
    """The file in pieces; ``lines``: the table. Images are read when the first piece is asked for."""
    tiles = {(tile.split.name, tile.image): tile for _, of in sections for tile in of}
    jobs = {key: _job(tile) for key, tile in tiles.items()}
    seen = thumbnails_of(jobs.values(), workers, stop, THUMBNAIL_WH)
    yield MARK + HEAD.format(title=html.escape(title))
    yield f"<h1>{html.escape(title)}</h1>\n<pre>{html.escape(chr(10).join(lines))}</pre>\n"
    yield '<svg class="store">\n'
    for key, tile in tiles.items():
        yield _stored(tile, seen[jobs[key]])
    yield "</svg>\n"
    for heading, of in sections:
        yield f"<section><h2>{html.escape(heading)}</h2>\n"
        yield from map(_figure, of)
        yield "</section>\n"
    yield "</body></html>\n"


def _job(tile: Tile) -> ImageJob:
    return ImageJob(tile.split.name, str(tile.split.folder), tile.split.file_names[tile.image], None)


def _key(tile: Tile) -> str:
    return f"{tile.split.name}-{tile.image}"


def _stored(tile: Tile, pixels: np.ndarray | None) -> str:
    """Once for all figures that show it: in the frame and the size that its boxes are in."""
    width, height = tile.split.wh_of(tile.image)
    if pixels is None:
        return f'<text id="{_key(tile)}" x="5%" y="50%" font-size="{height // 12 + 1}">no image to be read</text>\n'
    encoded = io.BytesIO()
    Image.fromarray(upright(pixels, tile.split.orientation(tile.image))).save(encoded, "JPEG", quality=75)
    data = base64.b64encode(encoded.getvalue()).decode()
    return (
        f'<image id="{_key(tile)}" width="{width}" height="{height}" preserveAspectRatio="none" '
        f'href="data:image/jpeg;base64,{data}"/>\n'
    )


def _figure(tile: Tile) -> str:
    split = tile.split
    width, height = split.wh_of(tile.image)
    boxes = _boxes_of(split, tile.image)
    drawn = sorted(boxes, key=lambda box: (box not in tile.hot, box))[:BOXES]
    rects = "".join(
        _rect(split, box, box in tile.hot) for box in reversed(drawn)
    )  # those that are meant on top
    row = split.image_row(tile.image)
    more = f", {BOXES} of {counted(len(boxes), 'box')} drawn" if len(boxes) > BOXES else ""
    caption = f"{split.name} {row['image_id']}: {shown(row['file_name'])}, {width} × {height} px{more}"
    return (
        f'<figure><svg viewBox="0 0 {width} {height}"><use href="#{_key(tile)}"/>{rects}</svg>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>\n"
    )


def _rect(split: Split, box: int, hot: bool) -> str:
    row, crowd = split.box_row(box), bool(split.arrays["is_crowd"][box])
    x0, y0, x1, y1 = row["box_xyxy_px"]
    colour = hex_colour(int(split.arrays["labels"][box]))
    kinds = " ".join(kind for kind, holds in (("hot", hot), ("crowd", crowd)) if holds)
    title = f"{shown(row['class'])}, annotation {row['annotation_id']}{', crowd region' if crowd else ''}"
    return (
        f'<rect class="{kinds}" stroke="{colour}" x="{x0:g}" y="{y0:g}" width="{x1 - x0:g}" height="{y1 - y0:g}">'
        f"<title>{html.escape(title)}</title></rect>"
    )
