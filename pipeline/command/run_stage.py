"""What ``python -m pipeline`` and each single stage share when they run: signals, settings, exit codes.

Exit codes: 0 done, 1 a stage failed, 2 usage, 130 after Ctrl-C, 143 after SIGTERM.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from pipeline.command.options import OPTIONS, add_common_options, add_stage_options
from pipeline.command.own_file import OwnFile
from pipeline.data_root import saved_options as choices
from pipeline.data_root.lock import root_lock
from pipeline.data_root.on_disk import require_usable
from pipeline.runner import own_data, unpacked
from pipeline.runner.run import decide_all, run_stages
from pipeline.stage import Interrupted, Settings, Stage, StageError
from pipeline.stages import NAMES, named
from pipeline.stop import Stop
from vision.artefacts.data_layout import foreign_layout, import_wanted
from vision.messages.advice import shown
from vision.messages.command_line import Parser
from vision.messages.system_errors import NO_THREAD, said_of, said_of_no_thread
from vision.messages.terminal import painted


def say(line: str) -> None:
    """Prints a line for people; a progress bar is moved out of the way, where a stage has imported what draws it."""
    write = sys.modules["tqdm"].tqdm.write if "tqdm" in sys.modules else print
    write(line, file=sys.stdout)
    sys.stdout.flush()


def settings_of(arguments: argparse.Namespace) -> Settings:
    """What is named, and what is remembered of the root. Raises StageError when a table or a note cannot be read."""
    named = (field.name for field in fields(Settings) if hasattr(arguments, field.name))
    settings = Settings(
        choices=choices.chosen(arguments), **{name: getattr(arguments, name) for name in named}
    )
    if settings.have is not None:
        require_usable(settings.root, settings.have, settings.choices.release.files)
    return settings


def stage_main(stage: Stage, argv: Sequence[str] | None = None, own: OwnFile | None = None) -> int:
    """``python -m pipeline.<stage>``: that stage alone, or what it does with a file of the user's own."""
    parser = Parser(
        prog=f"python -m pipeline.{stage.name}",
        description=f"Stage {stage.name}: {stage.summary}.",
        epilog=own.epilog
        if own
        else "The whole pipeline: python -m pipeline run. What is done and why: python -m pipeline status.",
    )
    of_stage = [flag for flag, (stages, _) in OPTIONS.items() if stage.name in stages]
    if own:
        own.add_to(parser, of_stage)
    add_common_options(parser, stage.name)
    add_stage_options(parser, of_stage)
    arguments = parser.parse_args(argv)
    if own and own.is_meant(parser, sys.argv[1:] if argv is None else argv):
        return own.run(parser, arguments)
    return run_and_report([stage], arguments)


def run_and_report(stages: Sequence[Stage], arguments: argparse.Namespace) -> int:
    """Runs ``stages`` under the lock; turns what can go wrong into lines for people and an exit code."""
    force, wait = arguments.force, not arguments.no_wait
    with Stop() as stop:

        def work() -> None:
            require_no_foreign_layout(arguments.root)
            settings = settings_of(arguments)
            no_pack = (
                getattr(arguments, "pack_format", None) == choices.NONE
            )  # remembered, and nothing is made
            if len(stages) == 1 and not no_pack:
                settings = stages[0].alone(settings)
            settings = own_data.noticed(stages, settings, named("extract"))
            if settings.choices.own or not any(s.name in own_data.SOURCES for s in stages):
                own_data.require_splits(settings, named("extract"))
            with root_lock(settings.root, wait, say, stop):
                settings = unpacked.taken_over(stages, settings, say, stop)
                own_data.require_room(stages, settings, stop)
                with choices.noted_while(settings):
                    say_what_is_left_out(stages, settings, stop)
                    run_stages(stages, settings, force, say, stop)

        return reported(work, stop)


def require_no_foreign_layout(root: Path) -> None:
    """COCO is not fetched into somebody's folder of photographs."""
    if foreign := import_wanted(root):
        raise StageError(
            f"{shown(root)} is a data set in another layout ({foreign_layout(root)})",
            "the stages work in a data root of their own, and change nothing in such a folder",
            f"import it, which runs the stages, too: {foreign}",
        )


def say_what_is_left_out(stages: Sequence[Stage], settings: Settings, stop: Stop) -> None:
    """A single stage uses the inputs on disk even if upstream stages are stale, and warns about those."""
    chosen = {stage.name for stage in stages}
    before = [named(name) for name in NAMES if any(name in stage.after for stage in stages)]
    left_out = [stage for stage in before if stage.name not in chosen]
    for decision in decide_all(left_out, settings, stop=stop):
        if decision.must_run:
            say(f"note: {decision.stage} is {decision.state} and not part of this run: {decision.why}")


RESUMES = "interrupted; finished work is kept: run the same command to resume"


def reported(work: Callable[[], None], stop: Stop, interrupted: str = RESUMES) -> int:
    """Calls ``work``; returns 0, or says what went wrong and returns its exit code."""
    try:
        work()
        return 0
    except Interrupted:
        print(interrupted, file=sys.stderr)
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
