"""Real Python programs that begin where an interpreter has imported what takes long: a fork, in the place of a start.

``warm.Popen`` and ``warm.run`` take what those of ``subprocess`` take, for ``[sys.executable, "-m" | "-c" | SCRIPT, …]``.
What they start is a process of its own and a child of the caller, with its own session, standard streams,
environment and exit status; it is forked from a template that has imported the libraries and none of our modules, so
that ours are imported as in any program. Not for tests of what an interpreter itself does first or last (its options but
``-u``, streams that are closed, variables like PYTHONHASHSEED; taking modules apart, which takes seconds with torch):
those take ``subprocess``.

The templates are this file as a program. There is one for what needs no torch, one for the rest, and one for each
library that is put before the C library (LD_PRELOAD). With ``-p tests.warm`` a process of pytest-xdist imports what the rest
needs before anything else, since its own tests need it too, and forks that template from itself.
"""

from __future__ import annotations

import atexit
import faulthandler
import functools
import gc
import importlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, NoReturn

REPOSITORY = Path(__file__).resolve().parents[1]
OURS = {"benchmarks", "pipeline", "tests", "tools", "train_ssd", "vision"}
LIGHT = (
    "pipeline.__main__",
    "pipeline.image_check.check",
    "pipeline.extract.__main__",
    "pipeline.validate_images.__main__",
)
HEAVY = (
    "pytest", "torch._dynamo", "torch._decomp", "torch._refs.nn.functional", "torch.utils.tensorboard",
    "albumentations", "hotcoco", "train_ssd", "tools.demo", "tools.detect", "tools.evaluate", "tools.export_onnx",
    "vision.engine.training.loop", "vision.engine.training.report",
    "vision.engine.training.start", "vision.datasets.splits", "vision.ssd.build", "vision.transforms.presets",
)  # fmt: skip
"""Modules whose imports a template makes; those of ours are forgotten again."""
SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2): orphans among the descendants become children of this process."""


class Popen(subprocess.Popen[Any]):
    """``subprocess.Popen`` of a Python program, on Linux forked from a template. ``light``: it needs no torch."""

    def __init__(self, command: Sequence[str], *, light: bool | None = None, **options: Any) -> None:
        words = [str(word) for word in command]
        assert words[0] == sys.executable, f"{words[0]} is not the Python of the tests"
        self._light = words[1:3] != [] and _is_light(words) if light is None else light
        super().__init__(words, **options)

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest) -> None:  # type: ignore[no-untyped-def]
        if not sys.platform.startswith("linux"):
            super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest)  # type: ignore[misc]
            return
        given = dict(os.environ if env is None else env)
        pipes = rest[3:9]  # p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite
        streams = [own if own != -1 else number for number, own in enumerate((pipes[0], pipes[3], pipes[5]))]
        request = {"words": args[1:], "cwd": str(cwd or Path.cwd()), "env": given}
        self.pid = _template(self._light, given.get("LD_PRELOAD", "")).fork(request, streams)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def run(
    command: Sequence[str], *, check: bool = False, timeout: float | None = None, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """``subprocess.run`` of a Python program, forked from a template."""
    if options.pop("capture_output", False):
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Popen(command, **options) as process:
        try:
            out, errors = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, out, errors)
    if check:
        done.check_returncode()
    return done


def _is_light(words: Sequence[str]) -> bool:
    """Whether it is a command of the stages."""
    return any(word == "pipeline" or word.startswith("pipeline.") for word in words[1:4])


class Template:
    """A process that has imported modules and forks itself into programs, and waits to be told so by ``channel``."""

    def __init__(self, channel: socket.socket, wait: Callable[[], object]) -> None:
        self.socket, self._wait = channel, wait
        atexit.register(self.close)

    @classmethod
    def started(cls, modules: Sequence[str], preloaded: str) -> Template:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        known = {**os.environ, "OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}
        known |= {"LD_PRELOAD": preloaded} if preloaded else {}
        command = [sys.executable, "-u", str(Path(__file__).resolve()), str(theirs.fileno()), *modules]
        with theirs:
            process = subprocess.Popen(
                command, cwd=REPOSITORY, env=known, pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        return cls(ours, process.wait)

    @classmethod
    def forked(cls, modules: Sequence[str]) -> Template:
        """Of this process, in which they are then imported, too. For its very beginning: what it has by then, programs have."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        forget = _remember_code()
        for name in modules:
            importlib.import_module(name)
        sys.stdout.flush()
        sys.stderr.flush()
        if (process := os.fork()) == 0:
            ours.close()
            _as_if_started(theirs.fileno())
            _serve_and_end(theirs, ())
        forget()
        theirs.close()
        return cls(ours, functools.partial(os.waitpid, process, 0))

    def fork(self, request: dict[str, Any], streams: Sequence[int]) -> int:
        """The process id of a new child of this process that runs what ``request`` says on ``streams``."""
        import ctypes

        prctl = ctypes.CDLL(None).prctl
        assert prctl(SUBREAPER, 1, 0, 0, 0) == 0
        try:
            socket.send_fds(self.socket, [json.dumps(request).encode()], list(streams))
            answer = self.socket.recv(64)
        finally:
            prctl(SUBREAPER, 0, 0, 0, 0)
        assert answer, "the template of programs has ended; what it said is on stderr"
        return int(answer)

    def close(self) -> None:
        self.socket.close()
        self._wait()


@functools.cache
def _template(light: bool, preloaded: str) -> Template:
    if _prepared and not light and not preloaded:
        return _prepared[0]
    return Template.started(LIGHT if light else HEAVY, preloaded)


_prepared: list[Template] = []


def pytest_addoption() -> None:
    """The first that pytest calls of a plugin: nothing is captured yet, no warning held back, no module of ours imported."""
    if "PYTEST_XDIST_WORKER" in os.environ and sys.platform.startswith("linux"):
        _prepared.append(Template.forked(HEAVY))


# ---------------------------------------------------------------- the template, a program


def serve(channel: socket.socket, modules: Sequence[str]) -> dict[str, Any] | None:
    """Forks for each request; comes back in each fork with it, and with None in the template when nobody asks any more."""
    sys.path[0] = str(REPOSITORY)
    for name in modules:
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, 1 << 20, 3)
        if not data:
            return None
        reading, writing = os.pipe()
        between = os.fork()  # it ends at once, and the program becomes a child of who asked for it
        if between == 0:
            program = os.fork()
            if program == 0:
                channel.close()
                _take(descriptors)
                os.write(writing, str(os.getpid()).encode())
                os.close(reading)
                os.close(writing)
                return json.loads(data)
            os._exit(0)
        for descriptor in (writing, *descriptors):
            os.close(descriptor)
        os.waitpid(between, 0)
        channel.send(os.read(reading, 64))
        os.close(reading)


def _as_if_started(channel: int) -> None:
    """Takes from a fork of pytest-xdist what a program has not: its files, its session, what it does with Ctrl-C and imports."""
    os.setsid()
    for descriptor in [int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2]:
        if descriptor != channel:
            with suppress(OSError):  # the one that listed them
                os.close(descriptor)
    faulthandler.disable()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.meta_path[:] = [one for one in sys.meta_path if "pytest" not in type(one).__module__]
    sys.path[:] = [str(REPOSITORY), *(place for place in sys.path if place not in ("", str(REPOSITORY)))]
    gc.enable()


def _remember_code() -> Callable[[], None]:
    """What was compiled in the template need not be in its forks, also where no byte code is written to the disk.

    Returns what ends it.
    """
    found, get_code = {}, SourceFileLoader.get_code

    def remembered(loader: SourceFileLoader, name: str) -> types.CodeType | None:
        facts = Path(loader.path).stat()
        key = (name, loader.path, facts.st_mtime_ns, facts.st_size)
        if key not in found:
            found[key] = get_code(loader, name)
        return found[key]

    SourceFileLoader.get_code = remembered  # type: ignore[assignment, method-assign]
    return functools.partial(setattr, SourceFileLoader, "get_code", get_code)


def _take(descriptors: Sequence[int]) -> None:
    os.setsid()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)


def become(words: list[str], cwd: str, env: dict[str, str]) -> None:
    """What the interpreter does for ``python WORDS``, up to its end."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    unbuffered = words[0] == "-u" or bool(env.get("PYTHONUNBUFFERED"))
    words = words[1:] if words[0] == "-u" else words
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _stream(1, unbuffered)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, True, errors="backslashreplace")  # type: ignore[misc]
    kind = words.pop(0) if words[0] in ("-m", "-c") else "script"
    what, *sys.argv[1:] = words
    places = [place for place in env.get("PYTHONPATH", "").split(os.pathsep) if place]
    first = {"-m": cwd, "-c": ""}.get(kind, str(Path(what).resolve().parent))
    sys.path[0:1] = [first, *places]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if kind == "-m":
        import runpy

        sys.argv[0] = "-m"
        runpy._run_module_as_main(what)  # type: ignore[attr-defined]
        return
    sys.argv[0] = "-c" if kind == "-c" else what
    text, name = (what, "<string>") if kind == "-c" else (Path(what).read_text(encoding="utf-8"), what)
    if kind == "script":
        main.__file__ = name
    exec(compile(text, name, "exec"), main.__dict__)


def ended(program: Callable[[], None]) -> NoReturn:
    """Runs ``program`` and ends this process as the interpreter does, but for taking its modules apart."""
    code: object
    code, interrupted = 0, False
    try:
        program()
    except SystemExit as end:
        code = end.code or 0
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        code, interrupted = 1, isinstance(error, KeyboardInterrupt)
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        code = 120
    sys.stderr.flush()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code & 0xFF)


def _stream(number: int, at_once: bool, errors: str = "strict") -> io.TextIOWrapper:
    raw = io.FileIO(number, "w", closefd=False)
    buffer = io.BufferedWriter(raw)
    return io.TextIOWrapper(buffer, "utf-8", errors, line_buffering=at_once, write_through=at_once)


def _serve_and_end(channel: socket.socket, modules: Sequence[str]) -> NoReturn:
    asked = serve(channel, modules)
    if asked is None:
        os._exit(0)
    ended(functools.partial(become, **asked))


if __name__ == "__main__":
    _remember_code()
    _serve_and_end(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
