"""Train on 32 images of COCO until they are known by heart, and score them: does the trainer learn real images?

    COCO_MINI=/path/to/coco-mini python -m benchmarks.overfit --folder overfit
    … killed or interrupted: the same command resumes

The first 32 train images by id, none chosen, go through the real stages (once as train, once as val under other ids)
into FOLDER/data; ``train_ssd.py`` trains mb2-ssd-lite at 300×300 from scratch by ``configs/overfit.yaml`` into FOLDER/run.
The table gives AP50 by the objects' size, from pycocotools with the area ranges named there. The bar is AP50 ≥ 0.8 on
medium and large objects (at least 32² px); nearly half of COCO's boxes are smaller.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard

    guard()

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.__main__ import main as pipeline
from pipeline.miniature.render import write_table, write_zip
from tools.demo import REPOSITORY, mirror
from vision.ssd.coverage import LARGE_AREA_PX, SMALL_AREA_PX

IMAGES = 32
VAL_IDS_FROM = 10_000_000
BAR = 0.8
SIZES = {
    "all": (0, 1e10),
    "small (< 32² px)": (0, SMALL_AREA_PX),
    "medium": (SMALL_AREA_PX, LARGE_AREA_PX),
    "large (≥ 96² px)": (LARGE_AREA_PX, 1e10),
    "medium and large": (SMALL_AREA_PX, 1e10),
}


def write_release(source: Path, folder: Path) -> Path:
    """The images as a release in COCO's layout; gives its table."""
    name = "annotations/instances_train2017.json"
    with zipfile.ZipFile(source / "annotations" / "annotations_trainval2017.zip") as given:
        train = first_images(json.loads(given.read(name)))
    with zipfile.ZipFile(source / "zips" / "train2017.zip") as given:
        images = {i["file_name"]: given.read(f"train2017/{i['file_name']}") for i in train["images"]}
    files = {"train": train, "val": under_other_ids(train)}
    for split in files:
        members = ((f"{split}2017/{file_name}", data) for file_name, data in images.items())
        write_zip(folder / "zips" / f"{split}2017.zip", members, zipfile.ZIP_STORED)
    documents = (
        (f"annotations/instances_{split}2017.json", json.dumps(file).encode())
        for split, file in files.items()
    )
    write_zip(folder / "annotations" / "annotations_trainval2017.zip", documents, zipfile.ZIP_DEFLATED)
    return write_table(folder, f"first {IMAGES} images")


def first_images(file: dict[str, Any]) -> dict[str, Any]:
    images = sorted(file["images"], key=lambda image: image["id"])[:IMAGES]
    ids = {image["id"] for image in images}
    return {**file, "images": images, "annotations": [a for a in file["annotations"] if a["image_id"] in ids]}


def under_other_ids(file: dict[str, Any]) -> dict[str, Any]:
    return {
        **file,
        "images": [{**i, "id": i["id"] + VAL_IDS_FROM} for i in file["images"]],
        "annotations": [
            {**a, "id": a["id"] + VAL_IDS_FROM, "image_id": a["image_id"] + VAL_IDS_FROM}
            for a in file["annotations"]
        ],
    }


def command(*words: str | Path) -> None:
    subprocess.run([sys.executable, *map(str, words)], cwd=REPOSITORY, check=True)


def ap50_by_size(truth: Path, results: Path) -> dict[str, tuple[float, int]]:
    """Size → (AP50, boxes). Limit of 100 detections an image, as COCO's."""
    import numpy as np
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        scorer = COCOeval(coco, coco.loadRes(str(results)), "bbox")
        scorer.params.iouThrs = np.array([0.5])
        scorer.params.areaRng = [list(span) for span in SIZES.values()]
        scorer.params.areaRngLbl = list(SIZES)
        scorer.evaluate()
        scorer.accumulate()
    found = {}
    for position, (size, (low, high)) in enumerate(SIZES.items()):
        precision = scorer.eval["precision"][0, :, :, position, -1]
        boxes = [a for a in coco.anns.values() if not a["iscrowd"] and low <= a["area"] < high]
        found[size] = (float(precision[precision > -1].mean()), len(boxes))
    return found


def curve(run: Path) -> str:
    """AP50 of all sizes over the training."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    scored = [row for row in rows if "AP50" in row]
    return "\n".join(f"| {row['epoch'] + 1} | {row['AP']:.3f} | {row['AP50']:.3f} |" for row in scored)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overfit",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, required=True, help="where data and run go")
    parser.add_argument(
        "--recipe", type=Path, default=REPOSITORY / "configs" / "overfit.yaml", help="(%(default)s)"
    )
    arguments = parser.parse_args(argv)
    if "COCO_MINI" not in os.environ:
        parser.error("COCO_MINI names no folder with real COCO images (release.json)")
    folder = arguments.folder.resolve()
    data, run = folder / "data", folder / "run"
    if not (folder / "release" / "release.json").is_file():
        write_release(Path(os.environ["COCO_MINI"]), folder / "release")
    with mirror(folder / "release") as url:
        table = str(folder / "release" / "release.json")
        if pipeline(["run", "--root", str(data), "--release", table, "--mirror", url]):
            return 1
    command(
        "train_ssd.py", "--config", arguments.recipe.resolve(), "--datasets", data,
        "--checkpoint-folder", run, "--resume", "auto",
    )  # fmt: skip
    command("-m", "tools.evaluate", run, "--datasets", data)
    scores = ap50_by_size(data / "annotations" / "instances_val2017.json", run / "detections_val2017.json")
    print("\n| epochs | AP | AP50 |\n|---|---|---|\n" + curve(run))
    print("\n| objects | boxes | AP50 |\n|---|---|---|")
    print("\n".join(f"| {size} | {boxes} | {ap50:.3f} |" for size, (ap50, boxes) in scores.items()))
    reached = scores["medium and large"][0]
    print(f"\nmedium and large: {reached:.3f}, the bar is {BAR}: {'reached' if reached >= BAR else 'MISSED'}")
    return 0 if reached >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
