"""Measure how fast the stages are, beside the naive way, in the same run on the same images.

    python -m benchmarks.stages                    # prints a table, writes benchmarks/results/stages_<device>_<date>.md
    COCO_MINI=/path/to/coco-mini python -m benchmarks.stages --copies 8

Images are those of COCO_MINI where that is set, else rendered ones. Ways are measured in turns, so that whatever
else the machine does falls on all of them; the median of the rounds counts.

* extract: ``zipfile.extractall``, and the same brought to the disk, against the stage (plan, CRC-32, fsync, rename)
* validate: ``skimage.io.imread`` in one thread; the bare strict decodes in as many processes as the stage; the stage
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard

    guard()

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.images import ImageSet, image_set, linked
from benchmarks.results import device, publish, today
from pipeline.extract import stage as extract
from pipeline.image_check.check import ImageJob, check
from pipeline.image_check.check_many import check_all
from pipeline.image_check.safe_read import read_image
from pipeline.image_check.settings import PLAIN
from pipeline.release import read_release
from pipeline.stage import Choices, Settings, StageContext
from pipeline.stop import Stop
from vision.artefacts.files import fsync_file

LINKS = 5
"""Names of each image for the ways that use several processes."""
OVERHEAD_LIMIT, SHARE_LIMIT = 0.25, 0.8


class Way(NamedTuple):
    """One way to do a job: median seconds for one set of images, and how many cores it may use."""

    name: str
    seconds: float
    cores: int


def in_turns(
    ways: dict[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    before: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Median seconds of each way by ``clock``; ``before`` each of them is not counted, nor is a first round."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(rounds + 1):
        for name, way in ways.items():
            before()
            began = clock()
            way()
            if round_:
                seconds[name].append(clock() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def read_with_skimage(paths: Sequence[Path]) -> None:
    import skimage.io

    for path in paths:
        skimage.io.imread(path)


def decode_strictly(paths: Sequence[str]) -> int:
    """What the check cannot do without: reading the bytes, and libjpeg-turbo's strict pass."""
    import numpy as np
    import simplejpeg

    scratch = np.empty(2**20, np.uint8)
    for path in paths:
        data, _ = read_image(os.path.dirname(path), os.path.basename(path))  # noqa: PTH119, PTH120
        simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1, min_factor=8, buffer=scratch)
    return len(paths)


def decode_in(pool: ProcessPoolExecutor, paths: Sequence[Path]) -> None:
    chunks = [[str(path) for path in paths[start : start + 16]] for start in range(0, len(paths), 16)]
    assert sum(pool.map(decode_strictly, chunks)) == len(paths)


def check_anew(jobs: Sequence[ImageJob], workers: int, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as staging:
        found = check_all(jobs, Path(staging), workers)
    assert all(of.verdict != "reject" for of in found.values())


def measure_validation(images: ImageSet, folder: Path, workers: int, rounds: int) -> list[Way]:
    paths = sorted(images.folder.iterdir())
    many = linked(images, LINKS)
    jobs = [ImageJob("train", str(path.parent), path.name, None) for path in many]
    with ProcessPoolExecutor(workers) as pool:
        seconds = in_turns(
            {
                "naive: skimage.io.imread": partial(read_with_skimage, paths),
                "bare strict decodes": partial(decode_in, pool, many),
                "validate_images": partial(check_anew, jobs, workers, folder),
            },
            rounds,
        )
    naive, bare, stage = seconds.values()
    return [
        Way("naive: skimage.io.imread", naive, 1),
        Way("bare strict decodes", bare / LINKS, workers),
        Way("validate_images", stage / LINKS, workers),
    ]


def processor_table(images: ImageSet, folder: Path, rounds: int) -> list[str]:
    """Milliseconds of processor an image: what stays true while other programs use the machine, too."""
    paths = sorted(images.folder.iterdir())
    jobs = [ImageJob("train", str(path.parent), path.name, None) for path in paths]
    gate = str(folder / "large.lock")
    ways: dict[str, Callable[[], object]] = {
        "naive: skimage.io.imread": partial(read_with_skimage, paths),
        "bare strict decode": partial(decode_strictly, [str(path) for path in paths]),
        "the check in a worker": lambda: [check(job, PLAIN, gate) for job in jobs],
        "its parent (hands out, journal)": partial(check_anew, jobs, 1, folder),
    }
    seconds = in_turns(ways, rounds, time.process_time)
    naive, bare, worker, parent = seconds.values()
    lines = ["### Validate, processor time", "", "| what | ms an image |", "|---|---|"]
    lines += [f"| {name} | {1000 * value / images.files:.2f} |" for name, value in seconds.items()]
    total = worker + parent
    return [
        *lines, "",
        f"* naive over check and parent: {naive / total:.2f}, wanted ≥ {SHARE_LIMIT}: {_verdict(naive / total >= SHARE_LIMIT)}",
        f"* check and parent over the bare decode: {total / bare - 1:+.0%}, wanted ≤ {OVERHEAD_LIMIT:.0%}: "
        + _verdict(total / bare - 1 <= OVERHEAD_LIMIT),
        "",
    ]  # fmt: skip


def extract_naively(archive: Path, folder: Path) -> None:
    target = folder / "naive"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(target)


def extract_durably(archive: Path, folder: Path) -> None:
    """As ``extractall``, and then onto the disk, one file after the other."""
    extract_naively(archive, folder)
    for path in (folder / "naive").rglob("*"):
        if path.is_file():
            fsync_file(path)


def clear(images: ImageSet, folder: Path) -> None:
    """What the last way has made is gone and on nobody's account: its bytes would be written in the next one's time."""
    for path in (folder / "naive", images.root / "train2017", images.root / "staging"):
        shutil.rmtree(path, ignore_errors=True)
    os.sync()


def extract_stage(root: Path, release: Path, workers: int) -> None:
    (root / "staging").mkdir()
    settings = Settings(root, Choices(("train",), read_release(release)), workers)
    extract.STAGE.run(StageContext(settings, root / "staging", lambda line: None, Stop()))


def measure_extraction(images: ImageSet, folder: Path, workers: int, rounds: int) -> list[Way]:
    seconds = in_turns(
        {
            "naive: zipfile.extractall": partial(extract_naively, images.archive, folder),
            "the same, then fsync": partial(extract_durably, images.archive, folder),
            "extract": partial(extract_stage, images.root, images.release, workers),
        },
        rounds,
        before=partial(clear, images, folder),
    )
    return [Way(name, value, workers if name == "extract" else 1) for name, value in seconds.items()]


def table(title: str, ways: Sequence[Way], images: ImageSet) -> list[str]:
    lines = [
        f"### {title}",
        "",
        "| way | cores | images/s | images/s a core | MB/s a core | × naive |",
        "|---|---|---|---|---|---|",
    ]
    naive = ways[0].seconds
    for way in ways:
        rate, bytes_rate = images.files / way.seconds, images.bytes / 1e6 / way.seconds
        lines.append(
            f"| {way.name} | {way.cores} | {rate:,.0f} | {rate / way.cores:,.0f} "
            f"| {bytes_rate / way.cores:,.1f} | {naive / way.seconds:.2f} |"
        )
    return [*lines, ""]


def targets(ways: Sequence[Way]) -> list[str]:
    naive, bare, stage = ways
    speed_up, floor = naive.seconds / stage.seconds, SHARE_LIMIT * stage.cores
    overhead = stage.seconds / bare.seconds - 1
    against = f"{speed_up:.2f} ×, wanted ≥ {SHARE_LIMIT} × {stage.cores} cores = {floor:.1f}"
    over = f"{overhead:+.0%}, wanted ≤ {OVERHEAD_LIMIT:.0%} (process start and journal included)"
    return [
        f"* validation against the naive way: {against}: {_verdict(speed_up >= floor)}",
        f"* validation over the bare decodes: {over}: {_verdict(overhead <= OVERHEAD_LIMIT)}",
        "",
    ]


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def report(images: ImageSet, workers: int, rounds: int, sections: Sequence[str]) -> str:
    facts = (
        f"{device()}, {os.cpu_count()} cores, {workers} workers, Python {platform.python_version()}",
        f"{images.files:,} {images.kind} images, {images.bytes / 1e6:,.0f} MB",
        f"median of {rounds} rounds in turns",
        f"load average {os.getloadavg()[0]:.1f} at the end",
    )
    title = f"## Stages, {today()}"
    return "\n".join([title, "", "; ".join(facts), "", *sections])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--copies", type=int, default=6, help="how often each image is used (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; their median counts (%(default)s)")
    parser.add_argument(
        "--workers",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="processes of the stages (%(default)s)",
    )
    parser.add_argument("--no-file", action="store_true", help="print only")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="stages-") as name:
        folder = Path(name)
        images = image_set(folder, asked.copies)
        extraction = measure_extraction(images, folder, asked.workers, asked.rounds)
        validation = measure_validation(images, folder, asked.workers, asked.rounds)
        sections = [
            *table("Extract", extraction, images),
            *table("Validate", validation, images), *targets(validation),
            *processor_table(images, folder, asked.rounds),
        ]  # fmt: skip
        text = report(images, asked.workers, asked.rounds, sections)
    print(text)
    if not asked.no_file:
        publish(
            "stages", f"python -m benchmarks.stages --copies {asked.copies} --rounds {asked.rounds}", text
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
