"""The options of the pipeline's commands: which there are, which stages take them, and what their words mean."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pipeline.data_root import saved_options as choices
from pipeline.stage import Settings
from vision.artefacts.data_layout import SPLITS
from vision.images.formats import EXIF_CHOICES
from vision.images.packs.record import LARGEST, SIZES, SMALLEST
from vision.messages.addresses import fault_of, redacted
from vision.messages.advice import shown
from vision.messages.command_line import Parser, comma_list, no_such_choice, read_number, whole_from
from vision.messages.system_errors import instead_of

DEFAULTS = Settings()
count, positive = whole_from(0), whole_from(1)


def mirror(text: str) -> str:
    """A server's address, or the word for the release's own."""
    return text if text == choices.DEFAULT else web_address(text)


def release(text: str) -> str | Path:
    """The word for COCO's own release, or a file; one that is called so is ``./coco``."""
    return text if text == choices.COCO else Path(text)


def own_output(text: str) -> Path:
    """A name on the disk for what gets its name when it is whole."""
    if text == "-":
        raise argparse.ArgumentTypeError("it is made on the disk and not printed: expected a name, not -")
    return Path(text)


def web_address(text: str) -> str:
    """What can be fetched at all: http or https, and a host."""
    if wrong := fault_of(text):
        raise argparse.ArgumentTypeError(
            f"{redacted(text)!r}: {wrong}; expected http://HOST… or https://HOST…"
        )
    return text


def class_list(text: str) -> tuple[str, ...]:
    """``person,car`` → ("car", "person"); () for the word ``all`` without quotes."""
    return () if text.strip() == choices.ALL else tuple(sorted(set(name_list(text))))


def name_list(text: str) -> list[str]:
    """``comma_list`` for argparse."""
    try:
        return comma_list(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def area(text: str) -> float | str:
    """Square pixels, or the word for no bound."""
    if text.strip().lower() == choices.NONE:
        return choices.NONE
    try:
        number = read_number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, or the word {choices.NONE}") from None
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(
            f"expected square pixels from 0 on, or the word {choices.NONE}, found {shown(text)!r}"
        )
    return number


def pack_size(text: str) -> int:
    """An even number of px, as halves of planes need it."""
    size = int(positive(text))
    if size % 2 or not SMALLEST <= size <= LARGEST:
        raise argparse.ArgumentTypeError(
            f"expected an even number from {SMALLEST} to {LARGEST} px, found {size}"
        )
    return size


def split_list(text: str) -> tuple[str, ...]:
    """``train,val`` → ("train", "val"), in the order of the release."""
    asked = name_list(text)
    if unknown := set(asked) - set(SPLITS):
        raise argparse.ArgumentTypeError(no_such_choice(sorted(unknown)[0], SPLITS))
    return tuple(name for name in SPLITS if name in asked)


def packed_list(text: str) -> tuple[str, ...]:
    """``split_list``; () for the word ``all``."""
    return () if text.strip() == choices.ALL else split_list(text)


OPTIONS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "--release": (("download", "extract"), {
        "type": release, "metavar": "FILE",
        "help": "use the files of this table, not COCO's (JSON: path, bytes, sha256 of each); the word coco selects COCO's "
        "(default: that of the last run)",
    }),
    "--mirror": (("download",), {
        "action": "append", "type": mirror, "default": [], "metavar": "URL",
        "help": "fetch from here; sizes and digests stay those of the release; may be given more than once; the word default "
        "selects COCO's own server (default: those of the last run). Put a login into ~/.netrc; a login inside the URL holds for "
        "this run and is neither stored nor shown",
    }),
    "--have": (("download",), {
        "type": Path, "metavar": "DIR",
        "help": "use files of the release that are on this disk already, in this folder or up to two deeper: verify each, give it "
        "a second name in the root or copy it, and fetch only the others. If DIR has no archives of images but all "
        "splits unpacked (DIR/train2017, DIR/annotations), pipeline run uses those. Nothing in DIR is changed, and later runs do "
        "not need it",
    }),
    "--connections": (("download",), {
        "type": positive, "metavar": "N", "default": DEFAULTS.connections,
        "help": "connections per file, if the server supports range requests (%(default)s)",
    }),
    "--parallel": (("download",), {
        "type": positive, "metavar": "N", "default": DEFAULTS.parallel, "help": "files at a time (%(default)s)",
    }),
    "--thorough": (("validate_images",), {
        "action": argparse.BooleanOptionalAction,
        "help": "check every image with a second decoder, too (default: as in the last run, else no)",
    }),
    "--exif": (("validate_images",), {
        "choices": EXIF_CHOICES,
        "help": "use photographs that their camera marked as rotated as stored (as COCO does), or upright as viewers and "
        "labelling tools show them, unless the annotated size says otherwise (default: as in the last run, else stored)",
    }),
    "--accept-missing": (("validate_images",), {
        "action": "store_true",
        "help": "continue without images that are missing or cannot be read; otherwise more than a few stop it",
    }),
    "--classes": (("remap_categories",), {
        "type": class_list, "metavar": "LIST",
        "help": "only these, e.g. person,car; quote a name that holds a comma: '\"traffic light, red\",car'; the word all selects "
        "all (default: those of the last run, else all)",
    }),
    "--min-area": (("remap_categories",), {
        "type": area, "metavar": "PX2",
        "help": "keep only images with an object of the classes that covers at least so many px² of the original image, with all "
        "their boxes of the classes; the word none removes the bound (default: that of the last run, else none, which also keeps "
        "images without objects)",
    }),
    "--max-area": (("remap_categories",), {
        "type": area, "metavar": "PX2", "help": "the same for the largest area; with --min-area one object must be within both",
    }),
    "--format": (("pack",), {
        "choices": (*SIZES, choices.NONE), "dest": "pack_format",
        "help": "make a pack, which the trainer reads in place of the images: yuv420 (1.5 bytes a pixel), rgb (3), grey (1, for nets of "
        "one channel) or jpeg (about 0.3, decoded again each time); the word none for no pack (that of the last run, else none)",
    }),
    "--size": (("pack",), {
        "type": pack_size, "metavar": "PX", "dest": "pack_size",
        "help": "both sides of a packed image, which is stretched as the networks stretch it, and the longer side of a jpeg, which keeps "
        "its aspect (384, for jpeg 512; that of the last run while the format is the same)",
    }),
}  # fmt: skip
"""Option → the stages that take it, and what argparse is told. Each other command refuses it, with their names."""
CHOICES = (
    "--release",
    "--mirror",
    "--thorough",
    "--exif",
    "--classes",
    "--min-area",
    "--max-area",
    "--format",
    "--size",
)
"""What defines a root beside its splits: ``status`` and ``verify`` compare with these."""


def add_looking_options(parser: Parser) -> None:
    """What says which root is looked at, and by which choices."""
    add_splits_option(add_where(parser))
    add_stage_options(parser, CHOICES)
    runs = "not used here; pipeline run and the stages take it"
    parser.elsewhere |= dict.fromkeys(("--workers", "--force", "--no-wait"), runs)


def add_stage_options(parser: Parser, flags: Collection[str] = tuple(OPTIONS)) -> None:
    """Those of ``flags``; the others are refused with the commands that take them."""
    group = parser.add_argument_group("options of single stages")
    for flag, (stages, about) in OPTIONS.items():
        if flag in flags:
            group.add_argument(flag, **about | {"help": f"{', '.join(stages)}: {about['help']}"})
        else:
            takers = ", ".join(f"pipeline.{stage}" for stage in stages)
            parser.elsewhere[flag] = f"not used here; {takers} and pipeline run take it"
    parser.elsewhere["--keep-archives"] = "not used here; pipeline run takes it"


def add_splits_option(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--splits", type=split_list, metavar="LIST",
        help="comma-separated list of train, val, test (default: as in the last run in this root, else train,val)",
    )  # fmt: skip


def add_pack_splits_option(group: argparse._ActionsContainer) -> None:
    """The same option, where the root's splits are settled and some of them are chosen."""
    group.add_argument(
        "--splits", type=packed_list, metavar="LIST", dest="pack_splits",
        help="which of the root's splits are packed, a comma-separated list of train, val, test; training reads the pack of train, validation "
        "the image files. The root's own splits stay as they are; the word all selects all of them (default: those of the last pack, else all)",
    )  # fmt: skip


def add_common_options(parser: Parser, stage: str = "") -> None:
    """--root, --splits, --workers, --no-wait, --force: the same for all stages, but for what ``--splits`` of pack means."""
    group = add_where(parser)
    (add_pack_splits_option if stage == "pack" else add_splits_option)(group)
    add_workers(group)
    group.add_argument(
        "--force", action="store_true", help="run even if nothing has changed; reads every byte"
    )
    add_no_wait(group)


def add_workers(group: argparse._ActionsContainer, what: str = "for stages that use several") -> None:
    group.add_argument(
        "--workers", type=count, default=DEFAULTS.workers, metavar="N",
        help=f"processes {what} (%(default)s, one per core)",
    )  # fmt: skip


def add_depictions(group: argparse._ActionsContainer, of: str = "") -> None:
    group.add_argument("--include-depiction", action="store_true", help=f"{of}include drawings of objects")


def add_where(parser: Parser) -> argparse._ArgumentGroup:
    """A group with --root, for a command that takes no folder in another way, and says so."""
    parser.words = "a data root is named by --root DIR"
    parser.elsewhere["--path"] = (
        "an option of pytorch-ssd's scripts\n  why: a data root is named by --root DIR, images alone by pipeline.validate_images --images DIR\n"
        "  fix: name one of these, or put compat/ before the old script's name"
    )
    group = parser.add_argument_group("where and how")
    add_root_option(group)
    return group


def add_root_option(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--root", type=data_folder, default=DEFAULTS.root, metavar="DIR", help="data root (%(default)s)"
    )


def data_folder(text: str) -> Path:
    """A folder that is there or can be made."""
    path = Path(text)
    above = next((each for each in (path, *path.parents) if os.path.lexists(each)), path)
    if os.path.lexists(above) and not above.is_dir():
        raise argparse.ArgumentTypeError(f"{shown(text)!r}: {instead_of('folder', above)}")
    return path


def add_no_wait(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--no-wait", action="store_true", help="fail instead of waiting when another process uses the root"
    )
