"""Published weights of detectors, as data: how each form is told, what its names are here, which numbers it expects.

The one place where such names stand. Forms that keep this toolkit's names need none of it but the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from vision.nn.weights.normalisation import (
    DEPLOYED,
    PYTORCH_SSD,
    PYTORCH_SSD_VGG,
    TORCHVISION_SSD300,
    Normalisation,
)


@dataclass(frozen=True)
class Form:
    """One published form of a detector's weights.

    * title: whose it is, for people
    * marks: what names of it match, each of these patterns one
    * names: pattern → name here, tried in this order at the beginning of each name; a name that none fits stays as it is
    * normalisation: of the input that the weights were trained on
    * priors: the profile whose boxes its heads know
    * by_id: its heads have a row for each number from 0 to 90, COCO's category ids, those included that no class has
    """

    title: str
    marks: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    normalisation: Normalisation
    priors: str
    by_id: bool = False

    def renamed(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {self._name(name): value for name, value in weights.items()}

    def _name(self, name: str) -> str:
        for pattern, here in self.names:
            if match := re.match(pattern, name):
                return match.expand(here) + name[match.end() :]
        return name


_TORCHVISION_HEADS = (r"head\.(classification|regression)_head\.module_list\.", r"\1_headers.")

FORMS = (
    Form(
        "torchvision's ssd300_vgg16",
        (r"backbone\.scale_weight", r"backbone\.extra\.0\.7\.1\.", _TORCHVISION_HEADS[0]),
        (
            (r"backbone\.scale_weight", "extras.norm.weight"),
            (r"backbone\.features\.", "base_net."),
            (r"backbone\.extra\.0\.1\.", "base_net.24."),  # conv5_1 to fc7: after the fourth pooling
            (r"backbone\.extra\.0\.3\.", "base_net.26."),
            (r"backbone\.extra\.0\.5\.", "base_net.28."),
            (r"backbone\.extra\.0\.7\.1\.", "base_net.31."),
            (r"backbone\.extra\.0\.7\.3\.", "base_net.33."),
            (r"backbone\.extra\.1\.", "extras.0."),
            (r"backbone\.extra\.2\.", "extras.1."),
            (r"backbone\.extra\.3\.", "extras.2."),
            (r"backbone\.extra\.4\.", "extras.3."),
            _TORCHVISION_HEADS,
        ),
        TORCHVISION_SSD300,
        "published",
        by_id=True,
    ),
    Form(
        "torchvision's ssdlite320_mobilenet_v3_large",
        (r"backbone\.features\.0\.13\.0\.", r"backbone\.extra\.0\.0\.", _TORCHVISION_HEADS[0]),
        (
            (r"backbone\.features\.0\.13\.", "base_net.13.block.0."),  # cut behind the expansion of block 13
            (r"backbone\.features\.0\.", "base_net."),
            (r"backbone\.features\.1\.0\.1\.", "base_net.13.block.1."),
            (r"backbone\.features\.1\.0\.2\.", "base_net.13.block.2."),
            (r"backbone\.features\.1\.0\.3\.", "base_net.13.block.3."),
            (r"backbone\.features\.1\.1\.", "base_net.14."),
            (r"backbone\.features\.1\.2\.", "base_net.15."),
            (r"backbone\.features\.1\.3\.", "base_net.16."),
            (r"backbone\.extra\.", "extras."),
            _TORCHVISION_HEADS,
        ),
        DEPLOYED,
        "published",
        by_id=True,
    ),
    Form(
        "pytorch-ssd's vgg16-ssd",
        (r"base_net\.31\.weight", r"base_net\.33\.weight", r"classification_headers\."),
        (
            (
                r"source_layer_add_ons\.0\.scale",
                "extras.norm.weight",
            ),  # of 2018: the paper's, as ssd300_vgg16 has it
            (r"source_layer_add_ons\.0\.", "extras.norm."),
        ),
        PYTORCH_SSD_VGG,
        "ancestor",
    ),
    Form(
        "pytorch-ssd's",
        (r"base_net\.", r"classification_headers\."),
        (),
        PYTORCH_SSD,
        "ancestor",
    ),
)


def form_of(names: Iterable[str]) -> Form | None:
    """The first form whose marks are all there; None where none fits."""
    names = list(names)
    for form in FORMS:
        if all(any(re.match(mark, name) for name in names) for mark in form.marks):
            return form
    return None
