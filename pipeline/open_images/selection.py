"""Which images are taken: ``--max-images`` and ``--max-annotations-per-class``, the same ones each time.

Images come in an order that a hash of seed and ImageID gives, so that neither the order of the table nor that of the
classes matters, and the images of a smaller number are among those of a larger one.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping

Images = Mapping[str, str]
"""ImageID → a letter for each box."""


def place(seed: int) -> Callable[[str], bytes]:
    """The key by which images are ordered."""
    return lambda image: hashlib.blake2b(f"{seed} {image}".encode(), digest_size=8).digest()


def shares(available: Mapping[str, int], most: int) -> dict[str, int]:
    """``most`` images over the splits by their share, as the ancestors do; what rounding leaves goes to the largest remainders.

    A split that has images gets one at least, where there are enough for that.
    """
    total = sum(available.values())
    if total <= most:
        return dict(available)
    exact = {split: most * count / total for split, count in available.items()}
    sizes = {split: int(share) for split, share in exact.items()}
    by_remainder = sorted(exact, key=lambda split: sizes[split] - exact[split])
    for split in by_remainder[: most - sum(sizes.values())]:
        sizes[split] += 1
    for split, count in available.items():
        largest = max(sizes, key=lambda each: sizes[each])
        if count and not sizes[split] and sizes[largest] > 1:
            sizes[split], sizes[largest] = 1, sizes[largest] - 1
    return sizes


def limit_images(images: Images, most: int, seed: int) -> set[str]:
    """``most`` of ``images``; as with any random draw, classes keep their shares roughly."""
    return set(images) if len(images) <= most else set(heapq.nsmallest(most, images, key=place(seed)))


def limit_boxes(images: Images, chosen: Collection[str], most: int, seed: int) -> set[str]:
    """Of ``chosen``, images with at most ``most`` boxes of each class in all.

    Whole images, so that no object of the classes is without its box in an image that is taken: the ancestors draw single
    boxes, and what they leave out is learned as background. The rarest class comes first, so that one which has fewer
    boxes loses as little as can be.
    """
    boxes: Counter[str] = Counter()
    holders: dict[str, list[str]] = defaultdict(list)
    for image in sorted(chosen, key=place(seed)):
        for letter, count in Counter(images[image]).items():
            boxes[letter] += count
            holders[letter].append(image)
    room, taken = dict.fromkeys(boxes, most), set[str]()
    for letter in sorted(boxes, key=lambda each: (boxes[each], each)):
        for image in holders[letter]:
            if not room[letter]:
                break
            counts = Counter(images[image])
            if image not in taken and all(count <= room[each] for each, count in counts.items()):
                taken.add(image)
                for each, count in counts.items():
                    room[each] -= count
    return taken
