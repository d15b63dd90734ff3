"""A walk over the markers of a JPEG (ITU T.81, annex B): what is known without decoding a pixel."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from vision.images.formats import STORED, BadImage
from vision.images.orientation import read_exif

MAX_SCANS = 100
"""A progressive image of more scans is refused: each scan costs a pass over all coefficients."""

_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_BARE_MARKERS = frozenset(range(0xD0, 0xD8)) | {0x01}
_APP1, _APP14, _EOI, _SOS = 0xE1, 0xEE, 0xD9, 0xDA
_DHT = 0xC4
_ZERO_RUN = bytes(64)
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(slots=True)
class Frame:
    """What the header says.

    * width, height: px, as stored (the frame that COCO's boxes are in)
    * components: identifiers of the colour components in order; 1 = grey, 3 = YCbCr or RGB, 4 = CMYK or YCCK
    * bits: a sample, 8 for everything common
    * eob_is_zeros: every AC Huffman table spells "rest of the block is zero" as zero bits, so that a run of zero
      bytes can be a plain area
    * adobe: true when an Adobe segment is present; its CMYK is stored inverted
    * orientation: EXIF's, 1 = upright
    * first_scan: offset of the first SOS marker
    """

    width: int = 0
    height: int = 0
    components: tuple[int, ...] = ()
    bits: int = 8
    progressive: bool = False
    eob_is_zeros: bool = True
    adobe: bool = False
    orientation: int = STORED
    first_scan: int = 0


def read_frame(data: bytes) -> Frame:
    """The header up to the first scan.

    :raises BadImage: ``truncated``, ``no_frame``, ``lying_header``
    """
    frame = Frame()
    exif: list[bytes] = []
    for marker, start, end in _segments(data):
        if marker in _FRAME_MARKERS:
            if frame.components:
                raise BadImage("lying_header: two frame headers")
            _read_sof(frame, marker, data[start:end])
        elif marker == _APP1 and data.startswith(b"Exif\0\0", start):
            exif.append(
                data[start + 6 if exif else start : end]
            )  # what one segment cannot hold goes on in the next
        elif marker == _APP14 and data.startswith(b"Adobe", start):
            frame.adobe = True
        elif marker == _DHT:
            frame.eob_is_zeros &= _first_ac_codes_are_eob(data[start:end])
        elif marker == _SOS:
            if end - start < 6 or end - start != 4 + 2 * data[start]:
                raise BadImage("lying_header: the scan header has a wrong length")
            frame.first_scan = start - 4
            break
    if not frame.components:
        raise BadImage("no_frame: no frame header before the first scan")
    frame.orientation = read_exif(b"".join(exif))
    return frame


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment's payload; a truncated one raises."""
    position = 2
    while True:
        position = data.find(b"\xff", position)
        while 0 <= position < len(data) and data[position] == 0xFF:
            position += 1
        if position < 0 or position + 3 > len(data):
            raise BadImage("truncated: the header ends before the first scan")
        marker = data[position]
        if marker in _BARE_MARKERS or marker == 0:
            position += 1
            continue
        if marker == _EOI:
            raise BadImage("truncated: end of image before the first scan")
        (length,) = struct.unpack_from(">H", data, position + 1)
        start, end = position + 3, position + 1 + length
        if length < 2 or end > len(data):
            raise BadImage("truncated: a header segment reaches behind the end of the file")
        yield marker, start, end
        position = end


def _read_sof(frame: Frame, marker: int, payload: bytes) -> None:
    if len(payload) < 6 or len(payload) < 6 + 3 * payload[5]:
        raise BadImage("lying_header: the frame header is too short")
    frame.bits, frame.height, frame.width, count = struct.unpack_from(">BHHB", payload)
    frame.components = tuple(payload[6 + 3 * n] for n in range(count))
    frame.progressive = marker in _PROGRESSIVE
    if not (frame.width and frame.height and count):
        raise BadImage(f"lying_header: {frame.width}×{frame.height} px with {count} components")


def _first_ac_codes_are_eob(payload: bytes) -> bool:
    """Codes are canonical (T.81, annex C): the first value of a table is the one spelled with zero bits alone."""
    position = 0
    while position + 17 <= len(payload):
        values = sum(payload[position + 1 : position + 17])
        is_ac = payload[position] >> 4 == 1
        if is_ac and values and payload[position + 17 : position + 18] != b"\0":
            return False
        position += 17 + values
    return True


def refuse_zero_run(data: bytes, frame: Frame) -> None:
    """A block of lost bytes that reads as zeros can keep the bits in step; most of the time the tables tell.

    Where zero bits are not the code for "rest of the block is zero", 64 zero bytes are blocks of 63 equal
    coefficients each, which no image holds. Not for progressive images: their correction bits may be zeros.

    :raises BadImage: ``zero_run``
    """
    if frame.progressive or frame.eob_is_zeros or not _has_zero_word(data, frame.first_scan):
        return
    found = data.find(_ZERO_RUN, frame.first_scan)
    end = data.find(b"\xff\xd9", frame.first_scan)
    if 0 <= found < end:
        raise BadImage(f"zero_run: zeros in place of pixels from byte {found}")


def _has_zero_word(data: bytes, start: int) -> bool:
    """Eight zero bytes at a multiple of eight from ``start``, as every run of 64 has: ten times faster than looking for the run."""
    return not np.frombuffer(data, np.uint64, (len(data) - start) // 8, start).all()


def with_usual_header(data: bytes, frame: Frame) -> bytes:
    """A copy with JFIF revision 1 and, in a sequential image's first scan, the only parameters that can be."""
    usual = bytearray(data)
    if data[6:11] == b"JFIF\0":
        usual[11] = 1
    if not frame.progressive:
        end = frame.first_scan + 5 + 2 * data[frame.first_scan + 4]
        usual[end : end + 3] = b"\0\x3f\0"
    return bytes(usual)


@dataclass(slots=True)
class _Scans:
    """What the scans of an image have delivered: for each component the lowest bit of each coefficient."""

    count: int = 0
    low_bit: dict[int, list[int | None]] = field(default_factory=dict)

    def add(self, payload: bytes) -> None:
        self.count += 1
        components = [payload[1 + 2 * n] for n in range(payload[0])]
        first, last, bits = payload[-3], payload[-2], payload[-1]
        for component in components:
            levels = self.low_bit.setdefault(component, [None] * 64)
            levels[first : min(last, 63) + 1] = [bits & 15] * (min(last, 63) - first + 1)


def require_all_scans(data: bytes, frame: Frame) -> None:
    """An image cut between two scans and closed with an end marker decodes without a warning; this finds it.

    :raises BadImage: ``early_eoi`` when a component or coefficient never came in full, ``truncated``,
        ``too_many_scans``
    """
    scans = _Scans()
    position = frame.first_scan
    while True:
        found = _NEXT_MARKER.search(data, position)
        if found is not None and data[found.end() - 1] == _EOI:
            break
        if found is None or found.end() + 2 > len(data):
            raise BadImage("truncated: no end marker")
        start = found.end() + 2
        (length,) = struct.unpack_from(">H", data, found.end())
        payload = data[start : start + length - 2]
        if data[found.end() - 1] == _SOS and payload and len(payload) == 4 + 2 * payload[0]:
            scans.add(payload)
        if scans.count > MAX_SCANS:
            raise BadImage(f"too_many_scans: more than {MAX_SCANS}")
        position = found.end() + max(length, 2)
    _require_complete(scans, frame)


def _require_complete(scans: _Scans, frame: Frame) -> None:
    for component in frame.components:
        levels = scans.low_bit.get(component)
        if levels is None:
            raise BadImage(f"early_eoi: no scan of colour component {component}")
        # AC coefficients may be left out by an encoder that has only zeros there; DC and begun ones may not
        if frame.progressive and (levels[0] != 0 or any(level for level in levels)):
            raise BadImage(f"early_eoi: component {component} ends before its last scan")
