"""A package that is not there: three lines from every program, with a command that works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.parsers import programs
from vision.messages import imports
from vision.messages.imports import required_distributions, said_of_import
from vision.messages.system_errors import said_of

BARE = [sys.executable, "-S"]
"""Without site-packages: the standard library alone."""
ON_THEIR_OWN = {
    "tools.curves", "tools.demo", "tools.doctor", "tools.setup", "benchmarks.deliberate_faults", "benchmarks.feed_accuracy", "pipeline.extract", "pipeline.pack",
}  # fmt: skip
"""These work with the standard library alone, ``pipeline.pack`` until it has found its root; one of them would install here."""
THREE_LINES = re.compile(
    r"error: cannot import \w+\n  why: No module named '.+'; .+ lacks these of requirements.txt: torch, .+\n  fix: .+\n"
)
IMAGE = "../image.jpg"
"""One that is there: names are looked up first."""
ASKED = {
    "train_ssd": ["--datasets=data", "--checkpoint-folder=run"],
    "tools.detect": ["model.onnx", IMAGE, "--output=found"],
    "tools.evaluate": ["run"],
    "tools.export_onnx": ["run"],
    "tools.inspect_checkpoint": ["file.pth"],
    "tools.prior_coverage": ["data"],
    "tools.fit_priors": ["data", "--net=mb2-ssd-lite", "--output=priors.json"],
    "tools.report": ["run"],
    "tools.compare": ["run", "run2"],
    "tools.import_weights": ["file.pth", "--net=mb2-ssd-lite", "--output=run"],
    "pipeline": ["list"],
    "pipeline.download": ["--url=http://127.0.0.1:9/x", f"--sha256={'0' * 64}", "--output=x"],
    "pipeline.import_data": ["--from=voc", "--source=photos", "--root=data"],
    "pipeline.miniature": ["--output=mini"],
    "pipeline.open_images": ["--classes=Apple"],
}


def benchmarks() -> list[str]:
    files = sorted((imports.REPOSITORY / "benchmarks").glob("*.py"))
    return [f"benchmarks.{file.stem}" for file in files if "__main__" in file.read_text(encoding="utf-8")]


@pytest.mark.parametrize("program", sorted({*programs(), *benchmarks()} - ON_THEIR_OWN))
def test_every_program_says_it_in_three_lines(program: str, tmp_path: Path) -> None:
    (tmp_path / IMAGE).touch()
    done = subprocess.run(
        [*BARE, "-m", program, *ASKED.get(program, [])], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(imports.REPOSITORY)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert THREE_LINES.search(done.stderr) and "Traceback" not in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_it_says_of_other_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_is_installed", lambda name: True)
    ours = ModuleNotFoundError("No module named 'vision.nothing'", name="vision.nothing")
    assert said_of_import(ours) is None, "a fault of ours keeps its traceback"
    built = said_of_import(ModuleNotFoundError("No module named '_sqlite3'", name="_sqlite3")) or ""
    assert "built without it" in built
    damaged = said_of_import(ImportError("libGL.so.1: cannot open shared object file", name="cv2")) or ""
    assert damaged.startswith("cannot import cv2\n  why: libGL.so.1: cannot open") and "damaged" in damaged
    cuda = said_of(OSError("libcurand.so.10: cannot open shared object file: No such file or directory"))
    assert cuda.startswith("a library cannot be imported\n  why: libcurand.so.10") and "\n  fix: " in cuda
    assert all(said.count("\n") == 2 for said in (built, damaged, cuda))


def test_required_distributions_are_names_only(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text(
        "-r other.txt\n# text\nnumpy>=2.1,<2.6   # why\nopencv-python-headless\n\nonnx==1\n"
    )
    assert required_distributions(tmp_path / "r.txt") == ("numpy", "opencv-python-headless", "onnx")
    assert required_distributions(tmp_path / "none.txt") == ()


PYTHON_OF_VENV = '#!/bin/sh\nprintf "%s\\n" "$PWD" "$@"\n'
MAKES_IT = f"""#!/bin/sh
mkdir -p .venv/bin
cat >.venv/bin/python <<'EOF'
{PYTHON_OF_VENV}EOF
chmod +x .venv/bin/python
"""


@pytest.mark.parametrize("there", [True, False])
def test_the_printed_command_works(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a ``.venv`` beside the code, and without: then it is made first."""
    checkout, words = tmp_path / "a b$(touch X)", ["-m", "pipeline", "run", "--root", "c d$(touch Y)"]
    (checkout / "tools").mkdir(parents=True)
    (checkout / "tools" / "environment.sh").write_text(MAKES_IT)
    (checkout / "tools" / "environment.sh").chmod(0o755)
    (checkout / "requirements.txt").write_text("nobody-has-this>=1\n")
    if there:
        subprocess.run(["tools/environment.sh"], cwd=checkout, check=True)
    monkeypatch.setattr(imports, "REPOSITORY", checkout)
    monkeypatch.setattr(imports, "required_distributions", lambda _: ("nobody-has-this",))
    monkeypatch.setattr(sys, "orig_argv", ["python", *words])
    said = said_of_import(ModuleNotFoundError("No module named 'orjson'", name="orjson")) or ""
    fix = said.partition("\n  fix: ")[2]
    done = subprocess.run(["bash", "-c", fix], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [str(tmp_path), *words], done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [checkout.name]
