"""Nothing of the owner's is replaced: refused where no note claims it, kept aside where it is not as noted."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.data_root import claims, receipts
from pipeline.runner import ownership
from pipeline.runner import run as runner
from pipeline.runner.clean import Selection, plan, remove
from pipeline.runner.run import run_stages
from pipeline.stage import Counts, Settings, Stage, StageContext, StageError
from pipeline.stages import NAMES, named
from pipeline.stop import NEVER, Stop
from tests.faults.harness import snapshot


def made(context: StageContext) -> Counts:
    (context.staging / "file").write_bytes((context.root / "source").read_bytes())
    (context.staging / "tree").mkdir(exist_ok=True)
    (context.staging / "tree/a").write_text("a")
    return Counts(1, 1)


STAGE = Stage(
    "stage", "makes", 1, (), lambda _: ["source"], lambda _: ["file", "tree"], lambda _: {}, made
)  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "source").write_text("data")
    return Settings(tmp_path)


def run(settings: Settings, stage: Stage = STAGE) -> list[str]:
    said: list[str] = []
    run_stages([stage], settings, False, said.append, Stop())
    return said


def asides(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob(f"*{ownership.ASIDE}*"))


@pytest.mark.parametrize("name", ["file", "tree"])
@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling link"])
def test_what_no_note_claims_stays_and_is_named(settings: Settings, name: str, kind: str) -> None:
    path, other = settings.root / name, settings.root / "other"
    other.write_text("mine")
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
        (path / "inside").write_text("mine")
    else:
        path.symlink_to(other if kind == "link" else settings.root / "nowhere")
    before = snapshot(settings.root, lambda name: name.startswith(".pipeline"))
    with pytest.raises(StageError, match=f"{name} is not made by the pipeline"):
        run(settings)
    assert snapshot(settings.root, lambda name: name.startswith(".pipeline")) == before


def test_an_empty_folder_is_nothing(settings: Settings) -> None:
    (settings.root / "tree").mkdir()
    run(settings)
    assert asides(settings.root) == []


class Killed(BaseException):
    """As SIGKILL: nothing cleans up behind it."""


@pytest.mark.parametrize("note", ["nothing", "receipt", "staging", "both"])
def test_a_kill_between_publishing_and_the_receipt_needs_no_hand(
    settings: Settings, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the receipt of an earlier run is damaged, or half-done work has been thrown away since."""

    def killed(*_: object) -> None:
        raise Killed

    if note in ("receipt", "both"):
        run(settings)
        (settings.root / "source").write_text("other")
    with monkeypatch.context() as patched:
        patched.setattr(receipts, "write", killed)
        with pytest.raises(Killed):
            run(settings)
    if note in ("receipt", "both"):
        receipts.receipt_path(settings.root, "stage").write_text("{")
    if note in ("staging", "both"):
        shutil.rmtree(settings.root / runner.STAGING)
    assert "running" in run(settings)[0]
    assert asides(settings.root) == [], "the same bytes: nothing was lost and nothing is kept twice"
    assert "done" in run(settings)[0]


def test_many_kills_keep_one_copy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise Killed

    for _ in range(4):
        with monkeypatch.context() as patched:
            patched.setattr(receipts, "write", killed)
            with pytest.raises(Killed):
                run(settings)
    assert len(asides(settings.root)) <= 3  # the file, the folder and what is in it
    run(settings)
    assert asides(settings.root) == []


@pytest.mark.parametrize("receipt", ["whole", "damaged", "gone"])
def test_an_edited_output_is_made_again_and_the_edit_is_kept(settings: Settings, receipt: str) -> None:
    run(settings)
    path = receipts.receipt_path(settings.root, "stage")
    (settings.root / "file").write_text("edited")
    (settings.root / "tree/more").write_text("mine")
    if receipt == "damaged":
        path.write_text("{")
    elif receipt == "gone":
        path.unlink()
    said = run(settings)
    assert (settings.root / "file").read_text() == "data" and not (settings.root / "tree/more").exists()
    assert (settings.root / "file.replaced-1").read_text() == "edited"
    assert (settings.root / "tree.replaced-1/more").read_text() == "mine"
    assert any("the old content is kept" in line and "file.replaced-1" in line for line in said)
    (settings.root / "file").write_text("edited again")
    run(settings)
    assert (settings.root / "file.replaced-1").read_text() == "edited"
    assert (settings.root / "file.replaced-2").read_text() == "edited again"


def test_a_failure_before_publishing_leaves_no_second_name(settings: Settings) -> None:
    run(settings)
    (settings.root / "file").write_text("edited")

    def fails(context: StageContext) -> Counts:
        raise StageError("no", "no", "no")

    with pytest.raises(StageError):
        run(settings, replace(STAGE, run=fails))
    assert asides(settings.root) == [] and (settings.root / "file").read_text() == "edited"


def test_work_of_a_version_without_claims_is_ours(settings: Settings) -> None:
    """Its half-published outputs stand there, its folder of half-done work, and no receipt."""
    (settings.root / "file").write_text("data")
    (settings.root / runner.STAGING / "stage").mkdir(parents=True)
    run(settings)
    assert asides(settings.root) == []


def test_a_root_of_a_version_without_claims_is_ours(settings: Settings) -> None:
    run(settings)
    claims.claim_path(settings.root, "stage").unlink()
    (settings.root / "source").write_text("other")
    run(settings)
    assert (settings.root / "file").read_text() == "other" and asides(settings.root) == []


FOREIGN: list[tuple[str, str]] = [
    (name, path) for name in NAMES[2:] for path in named(name).outputs(Settings(Path("root")))
]


@pytest.mark.parametrize(("stage", "path"), FOREIGN)
def test_under_the_name_of_every_output_of_every_stage(
    own_root: Path, stage: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    remove(plan(own_root, Selection(stages=NAMES[NAMES.index(stage) :])), print, NEVER)
    target = own_root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("mine")
    for words in (["run", "--root", str(own_root)], ["run", "--root", str(own_root), "--force"]):
        assert main(words) == 1
        assert f"{target} is not made by the pipeline" in capsys.readouterr().err
        assert target.read_text() == "mine"


def test_hundreds_of_names_are_a_few_and_a_number() -> None:
    root = Path("r")
    assert ownership.names(["a"], root) == "r/a" and ownership.names(["a", "b"], root) == "r/a and r/b"
    assert ownership.names(list("abcdef"), root) == "r/a, r/b, r/c and 3 more"


@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "socket"])
@pytest.mark.parametrize("path", ["index.sqlite", "rejects.jsonl", "arrays/val2017", "report/images.jsonl"])
def test_what_cannot_be_replaced_in_the_place_of_an_output_is_refused_before_the_work(
    own_root: Path, path: str, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place, is_tree = own_root / path, path.startswith("arrays")
    shutil.rmtree(place) if is_tree else place.unlink()
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.write_text("mine") if is_tree else place.mkdir()
    elif kind == "link":
        place.symlink_to(own_root / "nowhere")
    else:
        monkeypatch.chdir(place.parent)  # a path of a socket is short
        with socket.socket(socket.AF_UNIX) as held:
            held.bind(place.name)
    monkeypatch.setattr(runner, "_act", lambda *_: pytest.fail("it is refused before a stage runs"))
    assert main(["run", "--root", str(own_root)]) == 1
    said = capsys.readouterr().err
    assert f"{place} is a " in said and "is not replaced" in said and said.count("\n") == 3
    move = shlex.split(said.split("run the same command again: ")[1])
    assert move[0] == "mv" and subprocess.run(move, check=True) and not os.path.lexists(place)
