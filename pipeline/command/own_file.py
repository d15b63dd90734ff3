"""The command line of a stage on a file or folder of the user's own, in place of a data root."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.command.options import OPTIONS
from vision.messages.command_line import Parser


@dataclass(frozen=True, slots=True)
class OwnFile:
    """What a stage asks for beside a data root.

    * title: of its options in ``--help``; epilog: what stands below them
    * needs: its options, which go together, with what argparse is told; more: those that may be left out
    * takes: options of stages that mean something here, too
    * run: the work; returns the exit code
    """

    title: str
    epilog: str
    needs: Mapping[str, dict[str, Any]]
    takes: tuple[str, ...]
    run: Callable[[Parser, Namespace], int]
    more: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def add_to(self, parser: Parser, of_stage: Collection[str]) -> None:
        """Its options, and those that it takes and the stage does not."""
        group = parser.add_argument_group(self.title)
        for flag, about in {**self.needs, **self.more}.items():
            group.add_argument(flag, **about)
        for flag in self.takes:
            if flag in OPTIONS and flag not in of_stage:
                group.add_argument(flag, **OPTIONS[flag][1])

    def is_meant(self, parser: Parser, words: Sequence[str]) -> bool:
        """Whether ``words`` name an option of its own; a usage error where they mix it with those of a root, or lack one."""
        known = parser._option_string_actions
        typed = {known[flag].option_strings[0]: flag for flag in map(parser.flag_of, words) if flag in known}
        own = {*self.needs, *self.more}
        if not own & typed.keys():
            for flag in parser.elsewhere.keys() & typed.keys():
                parser.refuse_unknown(typed[flag])
            return False
        for flag in (flag for flag in self.needs if flag not in typed):
            parser.error(f"{flag} is missing: {self._together()} go together")
        for flag in (flag for flag in typed if flag not in own.union(self.takes)):
            parser.error(f"{typed[flag]}: has no meaning for a file of your own; use it with --root")
        return True

    def _together(self) -> str:
        *first, last = (f"{flag} {about['metavar']}" for flag, about in self.needs.items())
        return f"{', '.join(first)} and {last}"
