"""The remap on one annotation file of the user's own: no data folder, the same guarantees.

``OUTPUT.json`` is the remapped file; beside it are ``OUTPUT.labels.txt``, ``OUTPUT.category_map.json`` and
``OUTPUT.dropped.jsonl``, a line for each image or annotation that was dropped or changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.annotations.reader import AnnotationError, AnnotationFile
from pipeline.annotations.rules import Change, Drop, file_name_of, image_fault
from pipeline.command.run_stage import reported, say
from pipeline.command.working_folder import working_folder
from pipeline.data_root.saved_options import class_words
from pipeline.remap_categories.category_map import (
    Category,
    CategoryMap,
    NoSuchClass,
    NoSuchImage,
    check_agrees,
    choose,
    given_map,
    read_categories,
    read_rows,
)
from pipeline.remap_categories.published_together import published_together
from pipeline.remap_categories.remap import remap_one
from pipeline.remap_categories.report import report_text
from pipeline.remap_categories.writer import ImageCheck, judged
from pipeline.stage import StageError
from pipeline.stop import Stop
from vision.artefacts.targets import not_ours, require_file_place
from vision.images.formats import EXIF_CHOICES, FITS_UPRIGHT
from vision.messages.advice import Word, command, shown
from vision.messages.system_errors import instead_of
from vision.messages.terminal import counted

BESIDE = {"labels": ".labels.txt", "dropped": ".dropped.jsonl", "map": ".category_map.json"}
"""The map last: it is published first, and says of the others that they are ours."""


@dataclass(frozen=True, slots=True)
class FileRemap:
    """What was asked for.

    * annotations: the file as it is; images: the folder that its ``file_name`` are in; output: the new file
    * classes: a subset by name, None for all; category_map: labels of an earlier remap, None to make them
    * workers: processes that decode the images
    * accept_missing: leave out images that are missing or cannot be read, however many
    * areas: least and largest px² that an image must have an object of, None for all images
    * exif: the frame of photographs that were turned, one of EXIF_CHOICES
    """

    annotations: Path
    images: Path
    output: Path
    classes: list[str] | None = None
    category_map: Path | None = None
    workers: int = 1
    accept_missing: bool = False
    exif: str = EXIF_CHOICES[0]
    areas: tuple[float, float] | None = None

    def outputs(self) -> list[Path]:
        """The files that are written, the remapped one first."""
        return [self.output, *(self.beside(what) for what in BESIDE)]

    def beside(self, what: str) -> Path:
        return self.output.with_name(self.output.name.removesuffix(".json") + BESIDE[what])

    def again(self, **other: Any) -> str:
        """The command, with ``other`` values for some of its fields."""
        if other:
            return replace(self, **other).again()
        words: list[Word] = ["--annotations", self.annotations, "--images", self.images]
        words += ["--output", self.output]
        words += ["--classes", class_words(tuple(self.classes))] if self.classes else []
        for flag, bound in zip(("--min-area", "--max-area"), self.areas or (), strict=False):
            words += [flag, str(bound)] if math.isfinite(bound) else []
        words += ["--category-map", self.category_map] if self.category_map else []
        words += ["--accept-missing"] if self.accept_missing else []
        words += ["--exif", self.exif] if self.exif != EXIF_CHOICES[0] else []
        return command("python -m pipeline.remap_categories", *words)

    def problem(self) -> str | None:
        """What is wrong with the command, before anything is read."""
        if self.classes is not None and self.category_map is not None:
            return "--classes and --category-map exclude each other: the map says which classes there are"
        if self.output.is_dir():  # also what has no name, such as "."
            return f"--output {self.output} is a folder; name the file to make"
        for path in self.outputs():
            if path.is_dir():
                return f"{path} is a folder"
            for given in filter(None, (self.annotations, self.category_map)):
                if path.exists() and given.exists() and path.samefile(given):
                    return f"{path} would replace {given}; originals are never changed: name another --output"
        return None


def remap_file(asked: FileRemap) -> int:
    """Writes the outputs and gives the exit code: 0, 1 where something is in the way, 130 or 143 when interrupted."""
    with Stop() as stop:

        def work() -> None:
            for path in asked.outputs():
                require_file_place(path)
            _require_own(asked)
            try:
                with working_folder(asked.outputs(), "remapping") as working:
                    say(_remap(asked, working, stop))
            except NoSuchClass as error:
                why = f"the classes asked for are {', '.join(asked.classes or ('all',))}"
                fix = f"name others with --classes, or take all of them: {asked.again(classes=None, areas=None)}"
                if isinstance(error, NoSuchImage):
                    fix = f"choose other bounds, or none: {asked.again(areas=None)}"
                raise StageError(str(error), why, fix) from error
            except AnnotationError as error:
                raise StageError(
                    str(error),
                    "the annotations cannot be used as they are",
                    "repair it there, then run the same command again",
                ) from error

        return reported(work, stop)


def _require_own(asked: FileRemap) -> None:
    """Raises NotReplaced where files would be replaced that are not of an earlier remap: they are their owner's."""
    standing = [path for path in asked.outputs() if path.exists()]
    if not standing:
        return
    try:
        read_rows(asked.beside("map"))
    except StageError as error:
        why = f"only an earlier remap gives way, which has its category map beside it: {asked.beside('map').name}"
        raise not_ours(standing[0], shown(why), "--output") from error


def _remap(asked: FileRemap, working: Path, stop: Stop) -> str:
    if not asked.images.is_dir():
        raise StageError(
            instead_of("folder", asked.images), "--images takes the folder with the images", "check the path"
        )
    for option, path in (("--annotations", asked.annotations), ("--category-map", asked.category_map)):
        if path is not None and not path.is_file():
            raise StageError(
                instead_of("file", path), f"{option} takes a file", f"name another one: {option} FILE.json"
            )
    with AnnotationFile(asked.annotations, stop) as file:

        def map_of(categories: tuple[Category, ...]) -> CategoryMap:
            if asked.category_map is not None:
                return given_map(file, categories, asked.category_map)
            map_ = choose(file, categories, asked.classes)
            check_agrees(file, categories, map_, str(asked.annotations))
            return map_

        map_of(read_categories(file))  # a fault there is found before an image is looked at
        check, note = _image_check(asked, file, working, stop)
        # the remapped file gets its name last: where it is new, the others are
        with published_together(asked.outputs()[::-1]) as files:
            out, listing = files[asked.output], files[asked.beside("dropped")]
            counts, map_ = remap_one(file, map_of, "", check, out, listing, asked.images, asked.areas)
            files[asked.beside("labels")].write(map_.labels_text())
            files[asked.beside("map")].write(map_.document_text(asked.annotations.name))
    return "\n".join([report_text([counts], map_).split("\n\n")[0], *map(str, asked.outputs()), *note])


def _image_check(
    asked: FileRemap, file: AnnotationFile, working: Path, stop: Stop
) -> tuple[ImageCheck, list[str]]:
    """Decodes every image; drops those that are no plain file in the folder, or cannot be used.

    Also the lines that say how more of them can be used.
    """
    from pipeline.image_check.absence import OF_A_FILE, require_there
    from pipeline.image_check.check import (
        ImageJob,  # the decoders: a mistake in the command does not wait for them
    )
    from pipeline.image_check.check_many import check_all
    from pipeline.image_check.settings import How

    def job_of(raw: dict[str, Any]) -> ImageJob:
        return ImageJob("", str(asked.images), raw["file_name"], (raw["height"], raw["width"]))

    jobs: list[ImageJob] = []
    named: list[str] = []
    for raw in file.items("images"):
        named.append(file_name_of(raw))
        if image_fault(raw) is None:
            jobs.append(job_of(raw))
    found = check_all(jobs, working, asked.workers, How(exif=asked.exif), stop)
    notes = []
    if not asked.accept_missing:
        notes = require_there(asked.images, list(dict.fromkeys(jobs)), named, found, OF_A_FILE)

    upright = [job for job, verdict in found.items() if (verdict.reason or "").startswith(FITS_UPRIGHT)]
    if upright and all(verdict.verdict == "reject" for verdict in found.values()):
        raise StageError(
            f"no image of {asked.images} can be used",
            f"the first that is labelled upright: {shown(upright[0].name)}: {found[upright[0]].reason}",
            f"use those upright that are labelled so: {asked.again(exif='apply')}",
        )

    def check(raw: dict[str, Any]) -> Drop | Change | None:
        of = found[job_of(raw)]
        return judged(raw["file_name"], of.verdict, of.reason, of.orientation)

    if upright:
        notes.append(f"to use {counted(len(upright), 'image')} labelled upright: {asked.again(exif='apply')}")
    return check, notes
