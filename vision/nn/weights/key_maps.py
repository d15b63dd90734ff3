"""Published weights of detectors, as data: how each form is told, what its names are here, which numbers it expects.

The one place where such names stand. Forms that keep this toolkit's names need none of it but the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from vision.nn.weights.normalisation import PYTORCH_SSD, PYTORCH_SSD_VGG, Normalisation


@dataclass(frozen=True)
class Form:
    """One published form of a detector's weights.

    * title: whose it is, for people
    * marks: what names of it match, each of these patterns one
    * names: pattern → name here, tried in this order at the beginning of each name; a name that none fits stays as it is
    * normalisation: of the input that the weights were trained on
    * priors: the profile whose boxes its heads know
    """

    title: str
    marks: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    normalisation: Normalisation
    priors: str

    def renamed(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {self._name(name): value for name, value in weights.items()}

    def _name(self, name: str) -> str:
        for pattern, here in self.names:
            if match := re.match(pattern, name):
                return match.expand(here) + name[match.end() :]
        return name


FORMS = (
    Form(
        "pytorch-ssd's vgg16-ssd",
        (r"base_net\.31\.weight", r"base_net\.33\.weight", r"classification_headers\."),
        ((r"source_layer_add_ons\.0\.scale", "extras.norm.weight"),),
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
