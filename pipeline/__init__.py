"""Room 1: the stages, bytes on a server → files on disk. No torch; stages meet on disk and never import each other.

stage.py (what a stage is), stages.py (their order), __main__.py (run | status | verify | clean | list),
stop.py (how a stage is asked to stop, and its errors), release.py (what is fetched), plain_paths.py (which paths of an archive meet), space.py (disk space), bar.py (progress)

runner/        decides, acts, publishes, writes the receipt      data_root/     what a root holds, and our records of it
command/       what all commands share                           transfer/      one file over HTTP, resumable
archives/      reads hostile zips safely (library)               annotations/   COCO JSON as a strict stream (library)
image_check/   the check of images by processes (library)        miniature/     a rendered release for trying everything
import_data/   a foreign data set → a data root           formats/       one reader per foreign layout
statistics/    what is in a root: numbers, duplicates, suspicions (a command that writes nothing there)
open_images/   classes of Open Images in the ancestors' layout, fetched before an import (no stage)
download/, extract/, validate_images/, remap_categories/, index/, pack/   one room per stage: __main__.py, stage.py, own_*.py
"""

from vision.messages import supported_python as supported_python
