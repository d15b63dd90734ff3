"""Commands that are printed for people to copy: every word that is not ours is quoted, here and nowhere else."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from shlex import quote
from typing import Union

HOME = Path(__file__).resolve().parents[2]
"""The toolkit's folder, in which ``python -m`` finds it."""


class UserError(ValueError):
    """What a user can fix; the text says what, why and how. Commands print it, without a traceback, and end with 1."""


Word = Union[str, Path, int, float]  # noqa: UP007  (the setup runs with a Python of before "|")


def command(program: str, *words: Word) -> str:
    """``program`` as it is, and ``words`` quoted so that a shell hands over exactly them.

    * program: written by us and printed as it is, ``python -m pipeline run``
    * words: options as text; paths as ``Path``, so that one which begins with a dash is no option

    Example: ``command("python -m pipeline run", "--root", root)``.
    """
    return " ".join([here(program), *map(quoted, words)])


def here(program: str) -> str:
    """``program`` for the folder in which it will be typed.

    Where this process was started as a file (``python …/compat/eval_ssd.py``) from outside of the toolkit's folder,
    ``python -m`` would find nothing there: then it is started as a file, too.
    """
    known = re.match(r"(python3? )-m ([\w.]+)|(python3? |)(?:\./)?(\w+\.\w+)", program)
    if known is None or not _is_elsewhere():
        return program
    start, module, begin, name = known.groups()
    place = HOME.joinpath(*module.split(".")) if module else HOME / name
    file = place if place.exists() else place.with_suffix(".py")
    return f"{start or begin}{quoted(file)}{program[known.end() :]}" if file.exists() else program


def at_home(path: str) -> str | Path:
    """``path`` of a file of the toolkit, such as a recipe, for the folder in which it will be typed."""
    return HOME / path if _is_elsewhere() else path


def _is_elsewhere() -> bool:
    main = sys.modules["__main__"]
    file, name = getattr(main, "__file__", None), getattr(getattr(main, "__spec__", None), "name", "__main__")
    if file is None or name != "__main__" or HOME not in Path(file).resolve().parents:  # named: by python -m
        return False
    try:
        return Path.cwd() != HOME
    except FileNotFoundError:  # the folder is gone
        return True


def quoted(word: Word) -> str:
    r"""One word for a POSIX shell; what cannot be printed (line breaks, bytes that are no UTF-8) as bash's ``$'\n'``."""
    text = _path(word) if isinstance(word, Path) else str(word)
    if text.isprintable():  # not so: control characters, other separators than the space, lone surrogates
        return quote(text)
    return "$'" + "".join(map(_escaped, text)) + "'"


def _path(path: Path) -> str:
    text = os.fspath(straight(path))
    return f"./{text}" if text.startswith("-") else text


def straight(path: Path) -> Path:
    """As short as it can be: ``b`` for ``a/../b``, unless ``a`` is a link to elsewhere."""
    text = os.fspath(path)
    if ".." in path.parts:
        short = os.path.normpath(text)
        same = (os.path.realpath(os.path.dirname(each) or ".") for each in (text, short))  # noqa: PTH120
        if path.name == ".." or len(set(same)) == 1:
            text = short if os.path.realpath(short) == os.path.realpath(text) else text
    return Path(text)


def _escaped(letter: str) -> str:
    if letter in "\\'":
        return "\\" + letter
    if letter.isprintable():
        return letter
    return "".join(f"\\{byte:03o}" for byte in letter.encode("utf-8", "surrogateescape"))


def shown(name: Word) -> str:
    r"""A name inside a sentence: one line whatever it holds; what cannot be printed becomes ``\n``, ``\xff``, ``\u202e``."""
    text = str(name)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _named(letter) for letter in text)


def _named(letter: str) -> str:
    byte = re.fullmatch(r"\\udc([89a-f][0-9a-f])", ascii(letter)[1:-1])
    return f"\\x{byte[1]}" if byte else ascii(letter)[1:-1]


class NotFiniteOutputs(UserError):
    """A network gave NaN or infinite values, which no post-processing may hide. ``where``: for which images."""

    def __init__(self, where: str) -> None:
        super().__init__(
            "the network's outputs are not finite\n"
            f"  why: for {where} it gives NaN or infinite values: its weights or batch statistics are damaged, or grew "
            "until they overflow\n"
            "  fix: name another checkpoint of the run (or export it again), or train again with a smaller --lr"
        )
