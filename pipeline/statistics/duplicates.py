"""Images that are there twice: the same file, or alike to the eye; and those that are learned and measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.statistics.looks import Look, look_at_all
from pipeline.statistics.perceptual_hash import NEAR_BITS, alike, differing_bits
from pipeline.statistics.splits import Split
from pipeline.stop import Stop

Place = tuple[int, int]
"""Number of the split, number of the image in it."""


def duplicates_of(root: Path, splits: Sequence[Split], workers: int, stop: Stop) -> dict[str, Any]:
    """Groups of images; a group whose images are of several splits is a leak."""
    looks = look_at_all(root, splits, workers, stop)
    every = {(s, image): look for s, of_split in enumerate(looks) for image, look in enumerate(of_split)}
    exact = _exact(every)
    near = _near(every, exact)
    unreadable = [
        splits[s].image_row(image) | {"reason": look.problem}
        for (s, image), look in every.items()
        if look.problem
    ]
    groups = {
        "exact": [_group(splits, places) | {"sha256": digest} for digest, places in exact.items()],
        "near": [_group(splits, places, _differences(every, places)) for places in near],
    }
    return {
        "images": len(every),
        "plain": sum(look.hash is None and not look.problem for look in every.values()),
        "unreadable": unreadable,
        "near_bits": NEAR_BITS,
        **groups,
        "leaks": {kind: sum(len(group["splits"]) > 1 for group in of) for kind, of in groups.items()},
    }


def _exact(every: dict[Place, Look]) -> dict[str, list[Place]]:
    """By digest, the places of two or more files with the same bytes."""
    by_digest: dict[str, list[Place]] = defaultdict(list)
    for place, look in every.items():
        if look.sha256:
            by_digest[look.sha256].append(place)
    return {digest: places for digest, places in by_digest.items() if len(places) > 1}


def _near(every: dict[Place, Look], exact: dict[str, list[Place]]) -> list[list[Place]]:
    """Groups of images that look alike and are not all one file."""
    hashed = [place for place, look in every.items() if look.hash is not None]
    content: dict[Place, object] = {place: digest for digest, places in exact.items() for place in places}
    hashes = np.array([every[place].hash for place in hashed], np.uint64)
    groups = [[hashed[number] for number in group] for group in alike(hashes)]
    return [group for group in groups if len({content.get(place, place) for place in group}) > 1]


def _differences(every: dict[Place, Look], places: Sequence[Place]) -> list[dict[str, Any]]:
    """How many bits of the hash differ from those of the group's first image."""
    hashes = np.array([every[place].hash for place in places], np.uint64)
    return [{"differing_bits": int(bits)} for bits in differing_bits(hashes[0], hashes)]


def _group(
    splits: Sequence[Split], places: Sequence[Place], more: Iterable[dict[str, Any]] = repeat({})
) -> dict[str, Any]:
    rows = [splits[s].image_row(image) | extra for (s, image), extra in zip(places, more, strict=False)]
    return {"splits": sorted({row["split"] for row in rows}), "images": rows}
