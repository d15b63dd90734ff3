"""What is said of a name that is no net's: those that were probably meant, or why there is no such net."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vision.nn.backbone_rows import BackboneRow

LIST = "all nets: python -m tools.models"
_SPELLINGS = {
    "mobilenetv": "mb", "mobilenet": "mb", "mbv": "mb", "yolov": "yolo", "squeezenet": "sq", "vgg16": "vgg",
    "fpnlite": "fpn",
}  # fmt: skip
_WORDS = re.compile(
    r"bifpn|fpn|fssd|rfb|ssd|yolo\d?|lite|depthwise|mb\d?|resnet\d*|darknet\d*|vgg|sq|large|small|classroom"
)
"""What squeezed names are made of."""
MOST = 3
"""Names of nets that an answer shows."""


@dataclass(frozen=True)
class Names:
    """``kinds`` of detectors, each with the sources it may take; all ``nets``, each with its backbone; those of other
    projects (``published``)."""

    kinds: Mapping[str, Sequence[tuple[str, ...]]]
    backbones: Mapping[str, BackboneRow]
    nets: Mapping[str, str]
    published: Sequence[str]

    def answer(self, name: str) -> str:
        """What is wrong with ``name``, which is no net's: one line, or three."""
        shown = repr(name if len(name) <= 60 else name[:59] + "…")
        near = self._meant(name)
        if near:
            return f"no net is called {shown}: {_question(near)}{LIST}"
        for kind, backbone in self._taken_apart(name):
            return self._why_not(kind, self.backbones[backbone])
        for part, what in (
            *((kind, "kind of detector") for kind in self.kinds),
            *((row, "backbone") for row in self.backbones),
        ):
            if name and _squeezed(part) == _squeezed(name):
                nets = [
                    net
                    for net in self.nets
                    if net in (f"{part}-{self.nets[net]}", *(f"{kind}-{part}" for kind in self.kinds))
                ]
                nets += [net for net in self.published if self.nets[net] == part]
                more = ", …" * (len(nets) > MOST)
                return f"{shown} is a {what}, not a net: {_joined(nets[:MOST])}{more}; {LIST}"
        near = self._with(name) or self._of_its_words(name) or self._alike(name[:100].lower())
        return f"no net is called {shown}: {_question(near)}{LIST}"

    def _why_not(self, kind: str, backbone: BackboneRow) -> str:
        """Three lines: why ``kind`` does not stand on ``backbone``, and what does."""
        if any(set(sources) <= set(backbone.strides) for sources in self.kinds[kind]):
            why = f"nobody has said how its extra layers and prior boxes fit {backbone.name}"
        else:
            strides = [stride for name, stride in backbone.strides.items() if name == str(stride)]
            taken = " or ".join(dict.fromkeys(_joined(sources) for sources in self.kinds[kind]))
            why = (
                f"it takes maps of stride {taken}, and {backbone.name} offers {_joined(strides) or 'others'}"
            )
        near = [net for net, its in self.nets.items() if net == f"{kind}-{its}"][: MOST - 1]
        near = [*near, *(net for net, its in self.nets.items() if its == backbone.name)][:MOST]
        return f"{kind} does not stand on {backbone.name}\n  why: {why}\n  there is: {_joined(near)}; {LIST}"

    def _taken_apart(self, name: str) -> Iterator[tuple[str, str]]:
        """The kind of detector and the backbone that ``name`` may mean, in either order."""
        plain = _squeezed(name)
        for kind in sorted(self.kinds, key=len, reverse=True):
            for backbone in self.backbones:
                parts = _squeezed(kind), _squeezed(backbone)
                if plain in (parts[0] + parts[1], parts[1] + parts[0]):
                    yield kind, backbone

    def written_otherwise(self, name: str) -> str | None:
        """The one net whose name has the same letters and digits, whatever their case, hyphens and underscores."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name):
            return None
        same = [known for known in self.nets if _plain(known) == _plain(name)]
        return same[0] if len(same) == 1 else None

    def _meant(self, name: str) -> list[str]:
        """The nets whose names are ``name`` but for spelling or order, the likeliest first: mb2 is pytorch-ssd's word."""
        plain, short = _squeezed(name), "mb" in name[:100].lower()
        same = [known for known in self.nets if _squeezed(known) == plain]
        same += [net for pair in self._taken_apart(name) if (net := "-".join(pair)) in self.nets]
        if short:
            same += difflib.get_close_matches(
                name[:100].lower(),
                [net for net in self.published if _digits(net) == _digits(name)],
                n=1 if same else 2,
            )
        return sorted(dict.fromkeys(same), key=lambda known: short and "mb" not in known)

    def _with(self, name: str) -> list[str]:
        """The first nets that ``name`` is a part of: all of it, its beginning, any; without digits it means all of them."""
        part, places = _squeezed(name), {}
        for known in self.nets if len(_plain(name)) > 2 else ():
            whole = _squeezed(known) if _digits(name) else re.sub(r"\d", "", _squeezed(known))
            if part and part in whole:
                places[known] = (part != whole, not whole.startswith(part))
        return sorted(places, key=places.__getitem__)[:MOST]

    def _of_its_words(self, name: str) -> list[str]:
        """The first nets that have all words of ``name``, in any order, the shortest first; little may be left of it."""
        plain = _squeezed(name)
        words = _WORDS.findall(plain)
        if not words or len(re.sub(r"\d|x", "", _WORDS.sub("", plain))) > 4:
            return []
        theirs = {known: _WORDS.findall(_squeezed(known)) for known in self.nets}
        fitting = [
            known
            for known, has in theirs.items()
            if all(word in has or any(re.fullmatch(rf"{word}\d+", each) for each in has) for word in words)
        ]
        return sorted(fitting, key=lambda known: len(theirs[known]))[:MOST]

    def _alike(self, name: str) -> list[str]:
        """The nearest name; another digit is another net (mb1, mb2), not a slip of the finger."""
        near = [known for known in self.nets if _digits(name) in ("", _digits(known))]
        return difflib.get_close_matches(name, near, n=1, cutoff=0.75)


def _question(near: Sequence[str]) -> str:
    """``did you mean 'a', 'b' or 'c'? ``, or nothing."""
    first = ", ".join(map(repr, near[:-1]))
    return f"did you mean {first}{' or ' if first else ''}{near[-1]!r}? " if near else ""


def _joined(names: Sequence[object]) -> str:
    return ", ".join(map(str, names))


def _squeezed(name: str) -> str:
    """Only what tells nets apart: ``ssd_lite_mobilenetv2_train_coco.yml`` and ``ssd-lite-mobilenet-v2`` → ``ssdlitemb2``."""
    plain = _plain(re.sub(r"(\.pth|\.ya?ml)$", "", name[:100].lower()))
    plain = (
        re.sub(r"(train|test)?(coco|voc)?[\d.]*(train|test)?$", "", plain)
        if "coco" in plain or "voc" in plain
        else plain
    )
    for long, short in _SPELLINGS.items():
        plain = plain.replace(long, short)
    return plain


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name[:100].lower())


def _digits(name: str) -> str:
    return re.sub(r"\D", "", name)
