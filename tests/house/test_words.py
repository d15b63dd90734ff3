"""The words that people read are those of the field; the system's errors are told in words, too."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PLAIN = {
    r"pictures?": "image",
    r"can not": "cannot",
    r"go(es)? on|going on|gone on|went on": "resume, continue",
    r"once more": "again",
    r"for ever": "forever",
    r"pytorch ssd": "pytorch-ssd",
    r"mend(s|ed)?": "fix, repair",
    r"begins? again|begun again": "restart",
}
"""Pattern → what is said instead. Readers are engineers in many countries: one word for one thing, the field's."""
DRAWN = {"tools/detect/__main__.py", "tools/detect/result_names.py", "docs/artefacts.md"}
"""``picture`` is a key of detections.json: a drawing made of an image."""
OF_A_DAY = ("docs/log.md", "benchmarks/results/")
"""What was written or measured on a day stays as it was."""
OLD = re.compile(rf"(?<![\w/.:{{-])(?:{'|'.join(PLAIN)})(?![\w(])(?![./]\w)", re.IGNORECASE)

SYSTEM = {"OSError", "IOError", "FileNotFoundError", "PermissionError", "URLError", "Exception"}
DECODERS = "vision/images/"
"""Decoders of bytes in memory: their OSError is about the bytes, not from the system."""


def files(repository: Path, *kinds: str) -> Iterator[Path]:
    """What people read, beside the tests."""
    tops = ("pipeline", "vision", "tools", "compat", "benchmarks", "configs", "docs", "models")
    found = [path for top in tops for path in (repository / top).rglob("*")]
    for path in sorted([*found, *repository.glob("*")]):
        name = path.relative_to(repository).as_posix()
        if path.suffix in kinds and path.is_file() and not name.startswith(OF_A_DAY):
            yield path


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each string of a Python file: messages, help and docstrings; the names of variables are not."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from enumerate(node.value.splitlines(), node.lineno)


def old_words(path: Path) -> Iterator[str]:
    source = path.read_text(encoding="utf-8")
    lines = texts(source) if path.suffix == ".py" else enumerate(source.splitlines(), 1)
    for number, line in lines:
        for found in OLD.finditer(line):
            yield f"{path.name}:{number}: {found[0]!r} in: {line.strip()[:100]}"


def test_what_people_read_has_the_words_of_the_field(repository: Path) -> None:
    wrong = [
        each
        for path in files(repository, ".py", ".md", ".yaml", ".sh", ".txt")
        for each in old_words(path)
        if not ("'picture'" in each and path.relative_to(repository).as_posix() in DRAWN)
    ]
    assert not wrong, "\n".join([*wrong, *(f"{old}: say {new}" for old, new in PLAIN.items())])


@pytest.mark.parametrize("text", ["a picture", "it can not be", "Goes on from", "is mended", "for ever."])
def test_an_old_word_is_found(tmp_path: Path, text: str) -> None:
    for name, content in (
        ("a.py", f'say(f"{text} {{picture}}")  # names may stay\n'),
        ("a.md", f"x {text}\n"),
    ):
        (tmp_path / name).write_text(content)
        assert len(list(old_words(tmp_path / name))) == 1


# ---------------------------------------------------------------- one image, two images

MANY = re.compile(
    r",? (?:(?!(?:one|all|bytes|of|that|in)\b)[a-z-]+ )?(?:(?:image|file|member|annotation|line|step|epoch|row|detection|time|name|tensor|layer|split|folder"
    r"|archive|object|item|checkpoint|part|value|worker|day|link|record|prior|digit|id|key|parameter|stage|thread|dimension|weight"
    r"|node|function|component|score|error|second|minute|connection|other)s|boxes|batches|classes|processes|entries|are(?! (?:free|left|expected|needed|taken)))\b"
)
"""Behind a number that may be 1; nobody sees one byte."""


def uncounted(source: str) -> Iterator[int]:
    """Lines with a number, ``{len(…)}`` or ``{…:,}``, in front of a plural that is not made by ``counted``."""
    for text in ast.walk(ast.parse(source)):
        parts = text.values if isinstance(text, ast.JoinedStr) else []
        for number, behind in itertools.pairwise(parts):
            if isinstance(number, ast.FormattedValue) and isinstance(behind, ast.Constant):
                value, spec = (
                    ast.unparse(number.value),
                    number.format_spec and ast.unparse(number.format_spec),
                )
                is_count = value.startswith("len(") or spec == "f','"
                if is_count and not value.isupper() and MANY.match(behind.value):
                    yield number.lineno


def test_one_image_is_no_images(repository: Path) -> None:
    wrong = [
        f"{path.relative_to(repository)}:{line}"
        for path in files(repository, ".py")
        if path.relative_to(repository).parts[0] != "benchmarks"
        for line in uncounted(path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join([*wrong, "use vision.messages.terminal.counted, or say it without a plural"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{len(a)} images", True), ("{n:,} bad boxes are", True), ("{n:,} are missing", True),
        ("{n:,} of them", False), ("{counted(n, 'image')} of {name} lines", False), ("{MOST:,} images", False),
    ],
)  # fmt: skip
def test_a_plural_that_is_not_counted_is_found(text: str, found: bool) -> None:
    assert bool(list(uncounted(f'say(f"{text}")'))) == found


# ---------------------------------------------------------------- errors of the system


def raw_errors(source: str, groups: dict[str, set[str]]) -> Iterator[tuple[int, str]]:
    """Where the text of an error that may be the system's (``[Errno 2] …``) gets into a string as it is."""
    for attempt in ast.walk(ast.parse(source)):
        if not isinstance(attempt, ast.Try):
            continue
        taken: set[str] = set()
        for handler in attempt.handlers:
            caught = {name for each in named(handler.type) for name in groups.get(each, {each})}
            if handler.name and caught & SYSTEM and "OSError" not in taken:
                for line in shown_raw(handler, handler.name):
                    yield line, ast.unparse(handler.type) if handler.type else ""
            taken |= caught


def named(node: ast.expr | None) -> set[str]:
    inside = ast.walk(node) if node else ()
    return {
        n.id if isinstance(n, ast.Name) else n.attr
        for n in inside
        if isinstance(n, (ast.Name, ast.Attribute))
    }


def shown_raw(handler: ast.AST, name: str) -> Iterator[int]:
    """Lines on which ``{name}`` or ``str(name)`` is made into text."""
    for node in ast.walk(handler):
        inner = node.value if isinstance(node, ast.FormattedValue) else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("str", "repr"):
            inner = node.args[0] if node.args else None
        if isinstance(inner, ast.Name) and inner.id == name:
            yield inner.lineno


def test_errors_of_the_system_are_told_in_words(repository: Path) -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in files(repository, ".py")}
    groups = {
        node.targets[0].id: named(node.value)
        for source in sources.values()
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Tuple)
    }
    wrong = [
        f"{path.relative_to(repository)}:{line}: except {kind}: use vision/messages/system_errors.py"
        for path, source in sources.items()
        if not path.relative_to(repository).as_posix().startswith(DECODERS)
        for line, kind in raw_errors(source, groups)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("OSError", "f'{error}'", True), ("(ValueError, OSError)", "str(error)", True), ("GROUP", "f'{error}'", True),
        ("OSError", "reason(error)", False), ("OSError", "f'{error.filename}'", False), ("ValueError", "str(error)", False),
    ],
)  # fmt: skip
def test_a_raw_error_is_found(kind: str, text: str, found: bool) -> None:
    source = f"try:\n    go()\nexcept {kind} as error:\n    say({text})\n"
    assert bool(list(raw_errors(source, {"GROUP": {"OSError"}}))) == found
