"""What ``python -m pipeline`` and each single stage share on the command line: options, signals, exit codes.

Exit codes: 0 done, 1 a stage failed, 2 usage, 130 after Ctrl-C, 143 after SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from types import FrameType

from tqdm import tqdm

from pipeline.data_root import saved_options as choices
from pipeline.data_root.lock import root_lock
from pipeline.runner import own_data
from pipeline.runner.run import decide_all, run_stages
from pipeline.stage import Interrupted, Settings, Stage, StageError
from pipeline.stages import NAMES, named
from vision.artefacts.data_layout import SPLITS
from vision.images.formats import EXIF_CHOICES
from vision.messages.addresses import fault_of, redacted
from vision.messages.advice import shown
from vision.messages.command_line import Parser, no_such_choice, whole_from
from vision.messages.system_errors import NO_THREAD, said_of, said_of_no_thread
from vision.messages.terminal import painted

DEFAULTS = Settings()


class StopFlag:
    """Set by SIGINT and SIGTERM; nothing else happens in the handler."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __enter__(self) -> StopFlag:
        self._before = {
            number: signal.signal(number, self._set) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _set(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number

    def __call__(self) -> bool:
        return self.signal is not None


def say(line: str) -> None:
    """Prints a line for people; a progress bar is moved out of the way."""
    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """--root, --splits, --workers, --no-wait, --force: the same for all stages."""
    group = parser.add_argument_group("where and how")
    add_root_option(group)
    group.add_argument(
        "--splits", type=split_list, metavar="LIST",
        help="comma-separated list of train, val, test (default: as in the last run in this root, else train,val)",
    )  # fmt: skip
    group.add_argument(
        "--workers",
        type=count,
        default=DEFAULTS.workers,
        metavar="N",
        help="processes per stage (%(default)s, one per core)",
    )
    group.add_argument("--force", action="store_true", help="run even if nothing has changed")
    add_no_wait(group)


def add_root_option(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--root", type=data_folder, default=DEFAULTS.root, metavar="DIR", help="data folder (%(default)s)"
    )


def data_folder(text: str) -> Path:
    """A folder that is there or can be made; the empty word of a shell variable that is not set is none."""
    path = Path(text)
    if not text:
        raise argparse.ArgumentTypeError("the name is empty: expected the data folder")
    above = next((each for each in (path, *path.parents) if os.path.lexists(each)), path)
    if os.path.lexists(above) and not above.is_dir():
        raise argparse.ArgumentTypeError(f"{shown(text)!r}: {shown(above)} is no folder")
    return path


def add_no_wait(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--no-wait", action="store_true", help="fail instead of waiting when another process uses the root"
    )


def add_stage_options(parser: argparse.ArgumentParser) -> None:
    """What single stages understand."""
    group = parser.add_argument_group("options of single stages")
    group.add_argument(
        "--release", type=Path, metavar="FILE",
        help="download, extract: use the files of this table, not COCO's (JSON: path, bytes, sha256 of each); the word coco "
        "for COCO's (that of the last run)",
    )  # fmt: skip
    group.add_argument(
        "--mirror", action="append", type=mirror, default=[], metavar="URL",
        help="download: fetch from here; sizes and digests stay those of the release; may be given more than once; the "
        "word default for COCO's own server (those of the last run). A login belongs in ~/.netrc; one that is part of the "
        "URL holds for this run and is neither stored nor shown",
    )  # fmt: skip
    group.add_argument(
        "--connections", type=positive, metavar="N", default=DEFAULTS.connections,
        help="download: connections per file, if the server supports range requests (%(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--parallel",
        type=positive,
        metavar="N",
        default=DEFAULTS.parallel,
        help="download: files at a time (%(default)s)",
    )
    group.add_argument(
        "--thorough", action=argparse.BooleanOptionalAction,
        help="validate_images: check every image with a second decoder, too (default: as in the last run, else no)",
    )  # fmt: skip
    group.add_argument(
        "--exif", choices=EXIF_CHOICES,
        help="validate_images: photographs that their camera marked as turned, as stored (COCO's boxes are so) or upright as "
        "viewers and labelling tools show them, where the annotated size does not say otherwise (as in the last run, else stored)",
    )  # fmt: skip
    group.add_argument(
        "--accept-missing", action="store_true",
        help="validate_images: continue without images that are missing or cannot be read; otherwise more than a few stop the stage",
    )  # fmt: skip
    group.add_argument(
        "--classes", type=class_list, metavar="LIST",
        help="remap_categories: only these, e.g. person,car; the word all for all of them (those of the last run, else all)",
    )  # fmt: skip


def settings_of(arguments: argparse.Namespace) -> Settings:
    """What is named, and what is remembered of the root. Raises StageError when a table or a note cannot be read."""
    named = (field.name for field in fields(Settings) if hasattr(arguments, field.name))
    return Settings(choices=choices.chosen(arguments), **{name: getattr(arguments, name) for name in named})


count, positive = whole_from(0), whole_from(1)


def mirror(text: str) -> str:
    """A server's address, or the word for the release's own."""
    return text if text == choices.DEFAULT else web_address(text)


def web_address(text: str) -> str:
    """What can be fetched at all: http or https, and a host."""
    if wrong := fault_of(text):
        raise argparse.ArgumentTypeError(
            f"{redacted(text)!r}: {wrong}; expected http://HOST… or https://HOST…"
        )
    return text


def class_list(text: str) -> tuple[str, ...]:
    """``person,car`` → ("car", "person"); () for the word ``all``."""
    if text.strip() == choices.ALL:
        return ()
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected comma-separated names, or {choices.ALL}; one is empty"
        )
    return tuple(sorted(set(names)))


def split_list(text: str) -> tuple[str, ...]:
    """``train,val`` → ("train", "val"), in the order of the release."""
    asked = {name.strip() for name in text.split(",")}
    unknown = asked - set(SPLITS)
    if unknown:
        raise argparse.ArgumentTypeError(no_such_choice(sorted(unknown)[0], SPLITS))
    return tuple(name for name in SPLITS if name in asked)


def refuse_others(parser: Parser, words: Sequence[str], taken: Sequence[str]) -> None:
    """A usage error for an option of ``--root`` that a file of one's own would ignore."""
    for word in words:
        name = parser.hyphened(word).split("=")[0]
        if name.startswith("--") and name in parser._option_string_actions and name not in taken:
            parser.error(f"{name}: means nothing for a file of your own; it goes with --root")


def stage_main(stage: Stage, argv: Sequence[str] | None = None) -> int:
    """``python -m pipeline.<stage>``: that stage alone."""
    parser = Parser(
        prog=f"python -m pipeline.{stage.name}",
        description=f"Stage {stage.name}: {stage.summary}.",
        epilog="The whole pipeline: python -m pipeline run. What is done and why: python -m pipeline status.",
    )
    add_common_options(parser)
    add_stage_options(parser)
    return run_and_report([stage], parser.parse_args(argv))


def run_and_report(stages: Sequence[Stage], arguments: argparse.Namespace) -> int:
    """Runs ``stages`` under the lock; turns what can go wrong into lines for people and an exit code."""
    force, wait = arguments.force, not arguments.no_wait
    with StopFlag() as stop:

        def work() -> None:
            settings = own_data.noticed(stages, settings_of(arguments), named("extract"))
            if settings.choices.own or not any(s.name in own_data.SOURCES for s in stages):
                own_data.require_splits(settings, named("extract"))
            with root_lock(settings.root, wait, say, stop):
                own_data.require_room(stages, settings, stop)
                with choices.noted_while(settings):
                    say_what_is_left_out(stages, settings, stop)
                    run_stages(stages, settings, force, say, stop)

        return reported(work, stop)


def say_what_is_left_out(stages: Sequence[Stage], settings: Settings, stop: StopFlag) -> None:
    """A single stage uses the inputs on disk even if upstream stages are stale, and warns about those."""
    chosen = {stage.name for stage in stages}
    before = [named(name) for name in NAMES if any(name in stage.after for stage in stages)]
    left_out = [stage for stage in before if stage.name not in chosen]
    for decision in decide_all(left_out, settings, should_stop=stop):
        if decision.must_run:
            say(f"note: {decision.stage} is {decision.state} and not part of this run: {decision.why}")


def reported(work: Callable[[], None], stop: StopFlag) -> int:
    """Calls ``work``; returns 0, or says what went wrong and returns its exit code."""
    try:
        work()
        return 0
    except Interrupted:
        print("interrupted; finished work is kept: run the same command to resume", file=sys.stderr)
        return 128 + (stop.signal or signal.SIGINT)
    except KeyboardInterrupt:
        return 130
    except StageError as error:
        print(f"{painted('error:', 'red', sys.stderr)} {error}", file=sys.stderr)
    except OSError as error:
        print(f"{painted('error:', 'red', sys.stderr)} {said_of(error)}", file=sys.stderr)
    except RuntimeError as error:
        if NO_THREAD not in str(error):
            raise
        print(f"{painted('error:', 'red', sys.stderr)} {said_of_no_thread()}", file=sys.stderr)
    return 1
