"""A small checkout whose ``tools/environment.sh`` is run, with installers that only write down their work."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

RUN, DEV = "requirements.txt", "requirements-dev.txt"
VERSION = "{}.{}".format(*sys.version_info[:2])
PINS = f"constraints/python{VERSION}-torch9.txt"
TORCH = "__version__ = '9.0.0+cu132'\ncuda = '13.2'\n"
IMPORTED = ("torchvision", "numpy", "cv2", "onnx", "skimage")

# Stands in for uv and pip: takes down what it was asked, and puts there what is looked for afterwards.
INSTALLER = f"""
import os, pathlib, signal, sys, time
program, python, *words = sys.argv[1:]
with open(os.environ["LOG"], "a") as log:
    log.write(" ".join([program, *words]) + chr(10))
(site,) = pathlib.Path(python).parents[1].glob("lib/python*/site-packages")
(site / "torch").mkdir(exist_ok=True)
(site / "torch/__init__.py").touch()
if not (site / "torch/version.py").exists():
    (site / "torch/version.py").write_text({TORCH!r})
if os.environ.get("CUT"):
    os.kill(int(os.environ["CUT"]) or os.getppid(), signal.SIGKILL)
    sys.exit(1)
time.sleep(float(os.environ.get("SECONDS_TO_INSTALL", 0)))
for name in {IMPORTED!r}:
    (site / (name + ".py")).write_text(os.environ.get("BROKEN", ""))
for name in ("numpy", "pytest", "scipy"):
    (site / (name + "-1.0.dist-info")).mkdir(exist_ok=True)
    (site / (name + "-1.0.dist-info/METADATA")).write_text("Metadata-Version: 2.1\\nName: %s\\nVersion: 1.0\\n" % name)
sys.exit(int(os.environ.get("STATUS_" + program, 0)))
"""
UV = """#!/bin/sh
[ "$1" = pip ] || exit 1
python=$4; shift 4
exec {python} -S {installer} uv "$python" "$@"
"""
PIP = """
import os, subprocess, sys
words = sys.argv[1:]
if words[0] == "--python":
    if os.environ.get("OLD_PIP"):
        sys.exit("no such option: --python")
    python, words = words[1], words[2:]
else:
    python = sys.executable
if words != ["--version"] and "--target" not in words:
    os.execv(sys.executable, [sys.executable, "-S", {installer!r}, "pip", python, *words])
if "--target" in words:
    import shutil
    os.environ["HIDDEN"] = "gone"
    shutil.copytree(os.path.dirname(__file__), words[words.index("--target") + 1] + "/own_pip")
    open(words[words.index("--target") + 1] + "/own.pth", "w").write("import sys; sys.modules.pop('pip', None)")
"""
# In front of everything: modules that this Python is to be without, as Debian's is.
HIDE = """
import importlib.util, os, sys
inside = os.path.realpath(sys.prefix) == os.path.realpath(os.environ["INSIDE"])
hidden = os.environ.get("HIDDEN_IN_VENV" if inside else "HIDDEN", "").split()
there = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in hidden else there(name, *rest)
sys.modules.update({name: None for name in hidden})
"""
SHADOWED = ("python3.10", "python3.11", "python3.12", "python3.13", "python3", "python", "uv")


class Project:
    """A checkout of its own with a small ``requirements.txt``, and the programs that its script finds on PATH."""

    def __init__(self, top: Path, repository: Path) -> None:
        self.folder, self.bin, self.log = top / "a b$(touch X)", top / "bin", top / "log"
        self.venv = self.folder / ".venv"
        (self.folder / "tools").mkdir(parents=True)
        for name in ("environment.sh", "__init__.py", "doctor.py", "machine.py"):
            shutil.copy2(repository / "tools" / name, self.folder / "tools" / name)
        (self.folder / "tools" / "__pycache__").symlink_to(
            repository / "tools" / "__pycache__"
        )  # same files, same times
        (self.folder / "vision").symlink_to(repository / "vision")
        (self.folder / RUN).write_text("numpy\n")
        (self.folder / DEV).write_text("-r requirements.txt\npytest\n")
        (self.folder / PINS).parent.mkdir()
        (self.folder / PINS).write_text("# pins\nnumpy==2.4.6 \\\n    --hash=sha256:00\ntorch==9.0.0\n")
        (top / "hide").mkdir()
        (top / "hide" / "sitecustomize.py").write_text(HIDE)
        self.bin.mkdir()
        for name in SHADOWED:  # as the shims of pyenv are: there on PATH, and nothing behind them
            self.program(name, "#!/bin/sh\nexit 127\n")
        (top / "installer.py").write_text(INSTALLER)
        self.installer = top / "installer.py"
        self.environ = {
            "PATH": f"{self.bin}:/usr/bin:/bin", "PYTHONPATH": str(top / "hide"), "LOG": str(self.log),
            "INSIDE": str(self.venv),
            "HOME": str(top), "LC_ALL": "C.UTF-8",
        }  # fmt: skip

    def program(self, name: str, text: str) -> Path:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)
        return self.bin / name

    def with_uv(self) -> Project:
        self.program("uv", UV.format(python=sys.executable, installer=self.installer))
        return self

    def with_pip(self) -> Project:
        """Beside the base Python alone; without ensurepip, as on Debian."""
        (self.bin / "uv").unlink()
        pip = self.installer.parent / "hide" / "pip"
        pip.mkdir()
        (pip / "__init__.py").touch()
        (pip / "__main__.py").write_text(PIP.format(installer=str(self.installer)))
        self.environ |= {"HIDDEN": "ensurepip", "HIDDEN_IN_VENV": "pip ensurepip"}
        return self

    def pretend(self, name: str, version: tuple[int, ...], hidden: str = "") -> Path:
        """A command ``name`` that is a Python of another version."""
        code = f"import sys; sys.version_info = {version}; sys.executable = '$0'"
        return self.program(
            name,
            f'#!/bin/sh\n[ "$1" = -c ] || exit 1\ncode=$2; shift 2\nexport HIDDEN="{hidden}"\n'
            f'exec {sys.executable} -c "{code}\n$code" "$@"\n',
        )

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        line = [str(self.folder / "tools" / "environment.sh"), *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            line, cwd=self.bin, env=self.environ | environ, stdout=pipe, stderr=pipe, text=True, start_new_session=True,
            preexec_fn=_with_interrupts,
        )  # fmt: skip

    def call(self, *words: str, status: int = 0, **environ: str) -> str:
        """What is said on stderr; stdout holds the path and nothing else."""
        process = self.start("--base", sys.executable, *words, **environ)
        said = process.communicate()
        assert process.returncode == status, said
        assert said[0] == (f"{self.folder}/.venv/bin/python\n" if not status else "")
        return said[1]

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def site(self) -> Path:
        return next(self.venv.glob("lib/python*/site-packages"))


def _with_interrupts() -> None:
    """A shell in the background starts programs that ignore Ctrl-C, and no shell can take that back."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
