"""``python -m pipeline run | status | verify | clean | list``."""

from __future__ import annotations

if __name__ == "__main__":  # before the imports: they take a while
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../..")
    from vision.messages.early import guard

    guard()

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.command import next_step
from pipeline.command.options import (
    add_common_options,
    add_looking_options,
    add_no_wait,
    add_stage_options,
    add_where,
)
from pipeline.command.run_stage import reported, run_and_report, say, settings_of
from pipeline.data_root.lock import root_lock
from pipeline.runner.clean import Selection, listing, plan, remove
from pipeline.runner.run import Decision, decide_all
from pipeline.stage import Stage
from pipeline.stages import NAMES, OPTIONAL, all_stages, named
from pipeline.stop import Stop
from vision.artefacts.data_layout import REJECTS
from vision.messages.advice import command, shown
from vision.messages.command_line import Parser
from vision.messages.output import words_are_the_result
from vision.messages.system_errors import instead_of
from vision.messages.terminal import counted

CLEAN = """Removes what the stages made. Without --yes it only lists what would go, with bytes. A file goes when
a receipt claims it and it still is as recorded; anything else in the folder stays and is named. Links are not
followed."""
MARKS = {"done": "✓", "own": "✓", "optional": "-", "stale": "~", "missing": "·"}


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m pipeline",
        description="Prepare COCO for training: download, extract, check, remap, index. A stage runs only when something has changed.",
        epilog="One stage alone: python -m pipeline.extract --help. What is on the disk: docs/artefacts.md.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run what is missing or stale, in order")
    status = commands.add_parser("status", help="show what is done, stale or missing, and why")
    verify = commands.add_parser("verify", help="compare the files with the receipts")
    clean_help = "remove what the stages made, or unfinished work"
    add_clean_options(commands.add_parser("clean", help=clean_help, description=CLEAN))
    commands.add_parser("list", help="list the stages")
    add_common_options(run)
    add_stage_options(run)
    for looks in (status, verify):
        add_looking_options(looks)
    run.add_argument("--only", choices=NAMES, metavar="STAGE", help="run only this stage")
    run.add_argument(
        "--from", dest="first", choices=NAMES, metavar="STAGE", help="run this stage and those after it"
    )
    run.add_argument("--until", choices=NAMES, metavar="STAGE", help="run the stages up to this one")
    run.add_argument(
        "--keep-archives", action=argparse.BooleanOptionalAction,
        help="keep the archives after unpacking, so that a repair needs no network; 20 GB for COCO (default: as in the last run, else yes)",
    )  # fmt: skip
    status.add_argument("--json", action="store_true", help="print JSON")
    verify.add_argument(
        "--deep", action="store_true", help="read every byte, even if size and time are unchanged"
    )
    return parser


def chosen(arguments: argparse.Namespace) -> list[Stage]:
    if arguments.only:
        return [named(arguments.only)]
    first = NAMES.index(arguments.first) if arguments.first else 0
    last = NAMES.index(arguments.until) if arguments.until else len(NAMES) - 1
    return [named(name) for name in NAMES[first : last + 1]]


def status(arguments: argparse.Namespace, stop: Stop) -> int:
    """Prints the state of every stage; 0 also when something has to run (``verify`` is the one that fails)."""
    say_if_absent(arguments.root)
    settings = settings_of(arguments)
    decisions = decide_all(all_stages(), settings, stop=stop)
    if arguments.json:
        print(json.dumps([as_plain(decision) for decision in decisions], indent=1))
        return 0
    for decision in decisions:
        print(f"{MARKS[decision.state]} {decision.stage:17} {decision.state:8} {decision.why}")
    if any(decision.must_run for decision in decisions):
        print(f"next: {next_step.run_again(arguments, settings)}")
    return 0


def say_if_absent(root: Path) -> None:
    """A root that was mistyped looks like one in which nothing has run."""
    if not root.is_dir():
        print(f"note: {instead_of('folder', root)}\n  nothing has run there", file=sys.stderr)


def as_plain(decision: Decision) -> dict[str, Any]:
    """For programs: the decision, and the counts of the last time it was finished (null: never)."""
    receipt = decision.receipt
    noted = ("finished", "seconds", "taken_in", "kept", "dropped", "notes")
    return {
        "stage": decision.stage, "state": decision.state, "why": decision.why,
        "last": receipt and {name: getattr(receipt, name) for name in noted},
    }  # fmt: skip


def verify(arguments: argparse.Namespace, stop: Stop) -> int:
    say_if_absent(arguments.root)
    settings = settings_of(arguments)
    decisions = decide_all(all_stages(), settings, arguments.deep, stop)
    wrong = [decision for decision in decisions if decision.must_run]
    for decision in wrong:
        print(f"{decision.stage}: {decision.state}: {decision.why}", file=sys.stderr)
    if wrong:
        seen = decide_all(all_stages(), settings, stop=stop) if arguments.deep else decisions
        reads = (
            "" if all(each in seen for each in wrong) else " --force"
        )  # without it, a run trusts size and time
        print(f"fix: {next_step.run_again(arguments, settings)}{reads}", file=sys.stderr)
        return 1
    gone = [path for decision in decisions for path in decision.gone]
    without = f"; not here any more, and not needed: {', '.join(gone)}" if gone else ""
    checked = [decision for decision in decisions if decision.state == "done"]
    own = "; images and annotations are your own" if settings.choices.own else ""
    print(f"{counted(len(checked), 'stage')} verified: every file is what its receipt says{own}{without}")
    for decision in checked:
        if decision.receipt and (lost := decision.receipt.dropped.get("missing")):
            where = shown(arguments.root / REJECTS)
            print(
                f"note: {counted(lost, 'image')} that the annotations name {'is' if lost == 1 else 'are'} missing, as {where} says"
            )
    return 0


def add_clean_options(parser: Parser) -> None:
    what = parser.add_argument_group("what to remove (without any of these: an overview)")
    what.add_argument(
        "--staging", action="store_true",
        help="unfinished work of stopped runs: staging folders, partial downloads, temporary files",
    )  # fmt: skip
    what.add_argument("--archives", action="store_true", help="the archives; unpacked files stay")
    what.add_argument("--only", choices=NAMES, metavar="STAGE", help="what this stage made, and its receipt")
    what.add_argument("--all", action="store_true", help="everything that the pipeline made")
    how = add_where(parser)
    how.add_argument("--yes", action="store_true", help="remove; without this, only list")
    add_no_wait(how)


def selected(arguments: argparse.Namespace) -> Selection:
    """What the options of ``clean`` mean."""
    only = (arguments.only,) if arguments.only else ()
    return Selection(arguments.staging, arguments.archives, NAMES if arguments.all else only, arguments.all)


def clean(arguments: argparse.Namespace, stop: Stop) -> None:
    """Lists what goes; with ``--yes`` it goes, under the lock."""
    root, selection = arguments.root, selected(arguments)
    again = next_step.after_clean(root, selection.everything)
    if selection == Selection():
        overview(root, stop)
    elif not root.is_dir():
        print(f"there is no folder {root}")
    elif not arguments.yes:
        print("\n".join(listing(plan(root, selection, stop))))
        print("nothing was removed; add --yes to remove")
    else:
        with root_lock(root, not arguments.no_wait, say, stop):
            cleaning = plan(root, selection, stop)
            print("\n".join(listing(cleaning)), flush=True)
            remove(cleaning, say, stop)
        if selection.stages:
            print(f"next: {again}")


def discard_archives(arguments: argparse.Namespace, stop: Stop) -> None:
    """After ``run --no-keep-archives``, or once that was chosen: they go when extract is done with them, not before."""
    settings, selection = settings_of(arguments), Selection(archives=True, unpacked=True)
    if settings.choices.keep_archives or not plan(settings.root, selection, stop).items:
        return
    decisions = decide_all(all_stages(), settings, stop=stop)
    unpacked = next(decision for decision in decisions if decision.stage == "extract")
    if unpacked.must_run:
        print(f"the archives stay: extract is {unpacked.state} ({unpacked.why})")
        return
    with root_lock(arguments.root, not arguments.no_wait, say, stop):
        cleaning = plan(settings.root, selection, stop)
        print("\n".join(listing(cleaning)), flush=True)
        remove(cleaning, say, stop)


def overview(root: Path, stop: Stop) -> None:
    """How much each selection of ``clean`` would free."""
    rows = [("--staging", Selection(staging=True)), ("--archives", Selection(archives=True))]
    rows += [(f"--only {name}", Selection(stages=(name,))) for name in NAMES]
    rows.append(("--all", Selection(stages=NAMES, everything=True)))
    for option, selection in rows:
        cleaning = plan(root, selection, stop)
        print(f"{option:24} {cleaning.bytes:>18,} bytes {cleaning.files:>11,} files")
    one = command("python -m pipeline clean", "--root", root, "--staging")
    print(f"what would go: {one}, or another of these; with --yes it goes")


def list_stages() -> int:
    for stage in all_stages():
        after = f" (after {', '.join(stage.after)})" if stage.after else ""
        print(f"{stage.name:17} {stage.summary}{after}")
    return 0


def check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Options that contradict each other are usage errors, never passed over."""
    if arguments.command == "run" and arguments.only and (arguments.first or arguments.until):
        parser.error("--only names one stage; --from and --until a range: choose")
    if arguments.command == "run" and not chosen(arguments):
        parser.error(f"--until {arguments.until} comes before --from {arguments.first}: nothing to run")
    if arguments.command == "clean":
        if arguments.only and arguments.all:
            parser.error("--only and --all: choose one")
        if arguments.yes and selected(arguments) == Selection():
            parser.error("--yes alone removes nothing: name what to remove, e.g. --staging")


def main(argv: Sequence[str] | None = None) -> int:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    check(parser, arguments)
    if arguments.command in ("list", "status"):
        words_are_the_result()
    if arguments.command == "list":
        return list_stages()
    if arguments.command == "run":
        stages = chosen(arguments)
        code = run_and_report(stages, arguments)
        if not code and OPTIONAL.issuperset(NAMES[NAMES.index(stages[-1].name) + 1 :]):
            print("\n".join(next_step.after_all(settings_of(arguments))))
        if code:
            return code
        with Stop() as stop:
            return reported(lambda: discard_archives(arguments, stop), stop)
    codes: list[int] = []
    with Stop() as stop:
        if arguments.command == "clean":
            return reported(lambda: clean(arguments, stop), stop)
        look = status if arguments.command == "status" else verify
        return reported(lambda: codes.append(look(arguments, stop)), stop) or codes[0]


if __name__ == "__main__":
    sys.exit(main())
