"""``python -m pipeline run | status | verify | list``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from pipeline.command import (
    StopFlag,
    add_common_options,
    add_stage_options,
    reported,
    run_and_report,
    settings_of,
)
from pipeline.runner import decide_all
from pipeline.stage import Stage
from pipeline.stages import NAMES, all_stages, named

MARKS = {"done": "✓", "stale": "~", "missing": "·"}


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="COCO from the server to files that can be trained on, in stages that know when they have to run.",
        epilog="One stage alone: python -m pipeline.extract --help. What is on the disk: docs/artefacts.md.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run what is missing or stale, in order", allow_abbrev=False)
    status = commands.add_parser("status", help="done, stale or missing — and why", allow_abbrev=False)
    verify = commands.add_parser("verify", help="compare the files with the receipts", allow_abbrev=False)
    commands.add_parser("list", help="the stages, a line each")
    for command in (run, status, verify):
        add_common_options(command)
        add_stage_options(command)
    run.add_argument("--only", choices=NAMES, metavar="STAGE", help="this stage alone")
    run.add_argument(
        "--from", dest="first", choices=NAMES, metavar="STAGE", help="this stage and those after it"
    )
    run.add_argument("--until", choices=NAMES, metavar="STAGE", help="the stages up to this one")
    status.add_argument("--json", action="store_true", help="for programs")
    verify.add_argument("--deep", action="store_true", help="read every byte, whatever size and time say")
    return parser


def chosen(arguments: argparse.Namespace) -> list[Stage]:
    if arguments.only:
        return [named(arguments.only)]
    first = NAMES.index(arguments.first) if arguments.first else 0
    last = NAMES.index(arguments.until) if arguments.until else len(NAMES) - 1
    return [named(name) for name in NAMES[first : last + 1]]


def status(arguments: argparse.Namespace) -> int:
    """Prints the state of every stage; 0 also when something has to run (``verify`` is the one that fails)."""
    decisions = decide_all(all_stages(), settings_of(arguments))
    if arguments.json:
        print(json.dumps([{"stage": d.stage, "state": d.state, "why": d.why} for d in decisions], indent=1))
        return 0
    for decision in decisions:
        print(f"{MARKS[decision.state]} {decision.stage:17} {decision.state:8} {decision.why}")
    if any(decision.must_run for decision in decisions):
        print(f"next: python -m pipeline run --root {arguments.root}")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    decisions = decide_all(all_stages(), settings_of(arguments), deep=arguments.deep)
    wrong = [decision for decision in decisions if decision.must_run]
    for decision in wrong:
        print(f"{decision.stage}: {decision.state}: {decision.why}", file=sys.stderr)
    if wrong:
        print(f"mend it: python -m pipeline run --root {arguments.root}", file=sys.stderr)
        return 1
    print(f"{len(decisions)} stages verified: every file is what its receipt says")
    return 0


def list_stages() -> int:
    for stage in all_stages():
        after = f" (after {', '.join(stage.after)})" if stage.after else ""
        print(f"{stage.name:17} {stage.summary}{after}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if arguments.command == "list":
        return list_stages()
    if arguments.command == "run":
        return run_and_report(chosen(arguments), arguments)
    codes: list[int] = []
    with StopFlag() as stop:
        check = status if arguments.command == "status" else verify
        return reported(lambda: codes.append(check(arguments)), stop) or codes[0]


if __name__ == "__main__":
    sys.exit(main())
