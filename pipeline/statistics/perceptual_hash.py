"""64 bits by which images that look alike are found: pHash, as ImageHash's ``phash`` defines it, and its groups.

The eight by eight slowest waves of the cosine transform of 32 × 32 grey pixels, each above their median or not. What is
saved again, resized, or a little brighter keeps nearly all bits; what is turned, mirrored or cropped does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

SIDE, WAVES = 32, 8
PLAIN = 2.0
"""Grey levels: an image whose 32 × 32 pixels scatter less shows nothing that a hash could be of."""
NEAR_BITS = 4
"""So many of the 64 bits may differ between two images that look alike."""
SQUARE = 256
"""So many hashes of one bucket are compared all at once; more of them one after the other, see ``_walked``."""
_BITS = np.array([bin(value).count("1") for value in range(1 << 16)], np.uint8)


def perceptual_hash(pixels: np.ndarray) -> int | None:
    """The hash of (H, W, 3) uint8 RGB as a whole number of 64 bits, the slowest wave first; None for a plain image."""
    small = Image.fromarray(pixels).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    grey = np.asarray(small, np.float64)
    if grey.std() < PLAIN:
        return None
    waves = cv2.dct(grey)[:WAVES, :WAVES].copy()
    waves[0] *= np.sqrt(
        2
    )  # cv2's transform is orthonormal, that of the definition leaves the first wave larger
    waves[:, 0] *= np.sqrt(2)
    above = waves > np.median(waves)
    return int.from_bytes(np.packbits(above).tobytes(), "big")


def differing_bits(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How many bits differ, uint8, of uint64 arrays that broadcast."""
    words = np.ascontiguousarray(one ^ other)[..., None].view(np.uint16)
    found: np.ndarray = _BITS[words].sum(axis=-1, dtype=np.uint8)
    return found


def alike(hashes: np.ndarray, bits: int = NEAR_BITS) -> list[list[int]]:
    """Groups of two or more places of ``hashes`` (N,) uint64, each rising: those within ``bits`` of one of the group.

    Two hashes within b bits are equal in one of b + 1 bands of bits, so only those that share a band are compared: with
    hashes that are spread, N² / 2^13 of them. Equal ones count as one. Many alike in one bucket are walked over, each
    leaving the others when it is found, so that a film of one camera takes no time either.
    """
    known, inverse = np.unique(hashes, return_inverse=True)
    leader = np.arange(len(known))
    for bucket in _buckets(known, bits + 1):
        for one, other in (_squared if len(bucket) <= SQUARE else _walked)(known, bucket, bits):
            first, second = _root(leader, one), _root(leader, other)
            leader[max(first, second)] = min(first, second)
    roots = np.array([_root(leader, each) for each in range(len(known))], np.int64)[inverse]
    order = np.argsort(roots, kind="stable")
    cuts = np.flatnonzero(np.diff(roots[order])) + 1
    return sorted(group.tolist() for group in np.split(order, cuts) if len(group) > 1)


def _root(leader: np.ndarray, place: int) -> int:
    while leader[place] != place:
        leader[place] = leader[leader[place]]
        place = int(leader[place])
    return place


def _buckets(known: np.ndarray, bands: int) -> Iterator[np.ndarray]:
    """Places of hashes that are equal in a band, two or more, for each band of bits."""
    edges = [64 * band // bands for band in range(bands + 1)]
    for low, high in itertools.pairwise(edges):
        keys = (known >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]], append=~keys[order[-1:]]))
        for start in np.flatnonzero(np.diff(starts) > 1).tolist():
            yield order[starts[start] : starts[start + 1]]


def _squared(known: np.ndarray, bucket: np.ndarray, bits: int) -> Iterator[tuple[int, int]]:
    """Every pair of the bucket that is near."""
    near = differing_bits(known[bucket][:, None], known[bucket][None]) <= bits
    for one, other in np.argwhere(np.triu(near, 1)).tolist():
        yield int(bucket[one]), int(bucket[other])


def _walked(known: np.ndarray, bucket: np.ndarray, bits: int) -> Iterator[tuple[int, int]]:
    """As many pairs of the bucket as make the same groups: what is found once is not looked for again."""
    rest = bucket
    while len(rest):
        todo, rest = [int(rest[0])], rest[1:]
        while todo and len(rest):
            one = todo.pop()
            near = differing_bits(known[one], known[rest]) <= bits
            for other in rest[near].tolist():
                yield one, other
                todo.append(other)
            rest = rest[~near]
