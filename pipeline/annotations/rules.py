"""The rules for single images and annotations: what is kept, what is clipped, what is dropped and why.

Everything here is a function of one JSON value. Reasons are short words that appear in ``report/annotations.jsonl`` and
in the counts; ``detail`` is for people. A whole number that is written as a float (``640.0``: CVAT and others do) is that
whole number, and becomes it in place.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

MAX_ID = 2**63 - 1
MAX_EXACT = 2**53
"""Up to here a float holds every whole number."""
MAX_SIDE = 65_535
"""Pixels; what a JPEG can have at most."""
MAX_COORDINATE = 1e7
"""Pixels; beyond it a box is no box."""
MAX_AREA = MAX_COORDINATE**2
ROUNDING_PX = 0.011
"""COCO rounds x and width apart, to 0.01 px: a box that leaves the image by no more is not touched."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Why something is left out."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Change:
    """What was changed in something that is kept."""

    reason: str
    detail: str


def whole(value: Any) -> Any:
    """``640.0`` → ``640``; anything else as it is, also beyond 2⁵³, where a float may have been another number."""
    exact = type(value) is float and value.is_integer() and abs(value) <= MAX_EXACT
    return int(value) if exact else value


def id_problem(value: Any) -> str | None:
    """What is wrong with an id: it must be a whole number in 0..2⁶³ − 1 (True and 5.0 are none, see ``whole``)."""
    if type(value) is int:
        return None if 0 <= value <= MAX_ID else f"{value} is out of range (0..2^63-1)"
    if value is None:
        return "missing or null"
    return f"expected a whole number, found {shown(value)} ({type(value).__name__})"


def shown(value: Any) -> str:
    """A value for a message, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def file_name_problem(name: Any) -> str | None:
    """What is wrong with an image's ``file_name``: it must be a plain relative path inside the image folder."""
    if not isinstance(name, str) or not name:
        return "missing, empty or not a text"
    if not name.isprintable() or len(name.encode()) > 1024:
        return "unprintable characters or longer than 1024 bytes"
    if "\\" in name or "://" in name or name[1:2] == ":":
        return "a backslash, a drive or an address: no plain relative path"
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "leaves the image folder, or is no plain relative path"
    if any(len(part.encode()) > 255 for part in parts):
        return "a part longer than 255 bytes"
    return None


def file_name_of(raw: Any) -> str:
    """What an entry of ``images`` names, sound or not; "" for nothing."""
    name = raw.get("file_name") if isinstance(raw, dict) else None
    return name if isinstance(name, str) else ""


ENTRY_FAULTS = frozenset({"not_an_object", "bad_id", "bad_file_name", "bad_size"})
"""The reasons of ``image_fault``."""


def image_fault(raw: Any) -> Drop | None:
    """What is wrong with one entry of ``images``, looked at alone."""
    if not isinstance(raw, dict):
        return Drop("not_an_object", f"expected an object, found {shown(raw)}")
    for key in ("id", "width", "height"):
        if type(raw.get(key)) is float:
            raw[key] = whole(raw[key])
    problem = id_problem(raw.get("id"))
    if problem:
        return Drop("bad_id", f"id: {problem}")
    problem = file_name_problem(raw.get("file_name"))
    if problem:
        return Drop("bad_file_name", f"file_name {shown(raw.get('file_name'))}: {problem}")
    for key in ("width", "height"):
        side = raw.get(key)
        if type(side) is not int or not 1 <= side <= MAX_SIDE:
            return Drop("bad_size", f"{key}: expected a whole number in 1..{MAX_SIDE}, found {shown(side)}")
    return None


def annotation_fault(raw: Any) -> Drop | None:
    """What is wrong with one entry of ``annotations`` but for its box, looked at alone."""
    if not isinstance(raw, dict):
        return Drop("not_an_object", f"expected an object, found {shown(raw)}")
    for key, reason in (("id", "bad_id"), ("image_id", "bad_image_id"), ("category_id", "bad_category_id")):
        value = raw.get(key)
        if type(value) is float:
            value = raw[key] = whole(value)
        if type(value) is not int or not 0 <= value <= MAX_ID:
            return Drop(reason, f"{key}: {id_problem(value)}")
    crowd = whole(raw.get("iscrowd", 0))
    if crowd not in (0, 1) or type(crowd) not in (int, bool):
        return Drop("bad_iscrowd", f"iscrowd: expected 0 or 1, found {shown(crowd)}")
    return None


Box = tuple[float, float, float, float]
NUMBERS = {int, float}


def fits(x: float, y: float, w: float, h: float, width: int, height: int) -> bool:
    """Whether a box lies in the image and is not tiny: nearly all."""
    return x >= 0 and y >= 0 and w > 0.1 and h > 0.1 and x + w <= width and y + h <= height


def check_box(box: Any, width: int, height: int) -> tuple[Box, Change | None] | Drop:
    """A box ``[x, y, w, h]`` in px of a width × height image: kept, clipped to the image, or dropped."""
    if type(box) is not list or len(box) != 4 or not NUMBERS.issuperset(map(type, box)):
        return Drop("bad_box", f"bbox: expected four numbers, found {shown(box)}")
    x, y, w, h = box
    if fits(x, y, w, h, width, height):
        return (x, y, w, h), None  # nothing of what follows can be so
    far = MAX_COORDINATE
    if not (-far <= x <= far and -far <= y <= far and -far <= w <= far and -far <= h <= far):
        return Drop("bad_box", f"bbox: {shown(box)} is beyond ±{MAX_COORDINATE:.0f} px")
    if w < 0 or h < 0:
        return Drop("negative_box", f"bbox: width and height of {shown(box)} must be positive")
    if w == 0 or h == 0:
        return Drop("empty_box", f"bbox: {shown(box)} has no area")
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        return Drop("box_outside", f"bbox: {shown(box)} is outside the image of {width}×{height} px")
    change = None
    if min(x, y) < -ROUNDING_PX or x + w > width + ROUNDING_PX or y + h > height + ROUNDING_PX:
        left, top = max(x, 0), max(y, 0)
        clipped = (left, top, min(x + w, width) - left, min(y + h, height) - top)
        change = Change("box_clipped", f"bbox: {shown(box)} to {shown(list(clipped))}, {width}×{height} px")
        x, y, w, h = clipped
    if not _has_area_in_float32(x, y, w, h, width, height):
        return Drop("empty_box", f"bbox: {shown(box)} has no area left in single precision")
    return (x, y, w, h), change


def _has_area_in_float32(x: float, y: float, w: float, h: float, width: int, height: int) -> bool:
    """Whether the corners stay apart as the index stores them; only tiny boxes need the exact look."""
    if w > 0.1 and h > 0.1:
        return True
    left, top, right, bottom = corners_float32(x, y, w, h, width, height)
    return left < right and top < bottom


def corners_float32(x: float, y: float, w: float, h: float, width: int, height: int) -> Box:
    """The corners in single precision, clamped to the image; as the index stores them."""
    left, top, right, bottom = struct.unpack("4f", struct.pack("4f", x, y, x + w, y + h))
    return (
        min(max(left, 0), width), min(max(top, 0), height), min(max(right, 0), width), min(max(bottom, 0), height),
    )  # fmt: skip


def check_area(raw: dict[str, Any], box: Box, clipped: bool) -> tuple[float, Change | None]:
    """The area in px²: that of the mask where it is given and makes sense, else that of the box."""
    of_box = box[2] * box[3]
    if "area" not in raw:
        return of_box, None
    area = raw["area"]
    if type(area) not in (int, float) or not 0 <= area <= MAX_AREA:
        return of_box, Change("area_replaced", f"area: {shown(area)} to {of_box:.2f}")
    return (min(area, of_box) if clipped else area), None
