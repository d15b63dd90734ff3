"""The whole export: what is published, when, and what is left where it was."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from tests import warm
from tests.export.made import CLASSES, HW, make_opened
from vision.artefacts.files import OutOfSpace, sha256_of
from vision.engine.checkpoints.open_detector import LoadedDetector
from vision.export import contract, parity
from vision.export import onnx as room
from vision.export.contract import ContractBroken
from vision.export.labels import labels_text, read_labels
from vision.export.onnx import export
from vision.export.parity import ParityBroken

Images = list[np.ndarray]


def _agree(folder: Path) -> bool:
    """As many names in labels.txt as classes in the scores, read by neither module under test."""
    scores = onnxruntime.InferenceSession(str(folder / "net.onnx")).get_outputs()[0].shape
    return (folder / "labels.txt").read_bytes().count(b"\n") == scores[2]


def test_all_that_is_published(opened: LoadedDetector, images: Images, tmp_path: Path) -> None:
    report = export(opened, tmp_path / "new" / "net.onnx", images)
    folder = tmp_path / "new"
    assert sorted(path.name for path in folder.iterdir()) == ["export_report.json", "labels.txt", "net.onnx"]
    assert read_labels((folder / "labels.txt").read_bytes(), "") == CLASSES and _agree(folder)
    written = json.loads((folder / "export_report.json").read_text())
    assert written["sha256"] == report.sha256 == sha256_of(folder / "net.onnx")
    assert written["checkpoint_sha256"] == sha256_of(opened.path)
    assert written["graph"]["input_shape"] == [1, 3, *HW] and written["parity"]["images"] == 2


@pytest.mark.parametrize("opset", [11, 13, 17, 20])  # the first, the default, JetPack 6's, the last
def test_every_opset_that_is_offered(
    opened: LoadedDetector, images: Images, tmp_path: Path, opset: int
) -> None:
    """The version that was asked for, the IR of its time, onnx's own operators alone, no second file."""
    export(opened, tmp_path / "net.onnx", images[:1], opset)
    model = onnx.load(str(tmp_path / "net.onnx"))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]
    assert model.ir_version <= max(ir for _, ir, version, *_ in onnx.helper.VERSION_TABLE if version == opset)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".onnx", ".txt"]
    assert not {node.op_type for node in model.graph.node} & {"NonMaxSuppression", "If", "Loop"}


@pytest.mark.parametrize("opset", [11, 13])
def test_a_grey_net_is_exported_for_rgb(images: Images, tmp_path: Path, opset: int) -> None:
    """Its outputs are those of the grey net itself on the grey of the image: the shares are in the first convolution."""
    opened = make_opened(tmp_path, channels=1)
    report = export(opened, tmp_path / "net.onnx", images, opset)
    assert report.graph.input_shape == (1, 3, *HW)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    for image in images:
        shares = 0.299 * image[:, :1] + 0.587 * image[:, 1:2] + 0.114 * image[:, 2:]
        with torch.no_grad():
            logits, offsets = opened.detector(torch.from_numpy(shares))
        boxes = opened.detector.coder.decode(offsets, opened.detector.priors_cxcywh)
        found = session.run(["scores", "boxes"], {"input_0": image})
        np.testing.assert_allclose(found[0], torch.softmax(logits, dim=-1).numpy(), atol=1e-5)
        np.testing.assert_allclose(found[1], boxes.numpy(), atol=1e-5)
    assert opened.detector.input_spec.channels == 1, "the detector itself stays grey"


def _older(folder: Path) -> dict[str, bytes]:
    network = b"older network"
    report = {
        "onnx": "net.onnx",
        "sha256": hashlib.sha256(network).hexdigest(),
    }  # as earlier versions wrote it
    older = {
        "net.onnx": network,
        "labels.txt": labels_text(CLASSES),
        "export_report.json": json.dumps(report).encode(),
    }
    for name, data in older.items():
        (folder / name).write_bytes(data)
    return older


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _refuse_contract(patch: pytest.MonkeyPatch) -> type[Exception]:
    patch.setitem(contract.IR_OF_OPSET, 13, 3)
    return ContractBroken


def _refuse_parity(patch: pytest.MonkeyPatch) -> type[Exception]:
    patch.setattr(parity, "TIMES_THE_ROUNDING", 1e-6)
    patch.setattr(parity, "LAST_DIGITS", 0.0)
    return ParityBroken


def _fill_disk(patch: pytest.MonkeyPatch) -> type[Exception]:
    """Half of the network fits."""

    def write(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    patch.setattr(Path, "write_bytes", write)
    return OutOfSpace


def _cut_short(patch: pytest.MonkeyPatch) -> type[Exception]:
    """A write that says it went well and did not."""
    whole = room.as_onnx
    patch.setattr(room, "as_onnx", lambda *arguments: whole(*arguments)[:-1000])
    return ContractBroken


def _interrupt(patch: pytest.MonkeyPatch) -> type[BaseException]:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    patch.setattr(parity, "compare", stop)
    return KeyboardInterrupt


@pytest.mark.parametrize("fault", [_refuse_contract, _refuse_parity, _fill_disk, _cut_short, _interrupt])
def test_a_fault_leaves_everything_as_it_was(
    opened: LoadedDetector,
    images: Images,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[..., type],
) -> None:
    older = _older(tmp_path)
    with monkeypatch.context() as patch:
        kind = fault(patch)
        with pytest.raises(kind):
            export(opened, tmp_path / "net.onnx", images)
    assert _contents(tmp_path) == older


POINTS = 9
"""More than an export makes: the last ones finish."""


def test_a_kill_at_any_point_leaves_a_network_with_its_names(images: Images, tmp_path: Path) -> None:
    """SIGKILL before each change to the disk: the old network or the new one, whole, beside names that are its own."""
    start = tmp_path / "start"
    start.mkdir()
    old = make_opened(tmp_path)
    export(old, start / "net.onnx", images)
    command = [sys.executable, "-m", "tests.export.killed", str(tmp_path), str(POINTS)]
    done = warm.run(command, cwd=warm.REPOSITORY, capture_output=True, text=True, timeout=200)
    outcomes = done.stdout.split("\n")[:-1]
    assert outcomes.count("killed") >= 4 and outcomes[-1] == "finished 0", done.stdout + done.stderr
    assert outcomes == sorted(outcomes, reverse=True)  # first all that were killed, then those that finished
    new = sha256_of(tmp_path / str(POINTS) / "net.onnx")
    assert new != sha256_of(start / "net.onnx")
    seen = set()
    for point in range(1, POINTS + 1):
        folder = tmp_path / str(point)
        seen.add(sha256_of(folder / "net.onnx"))
        assert _agree(folder) and read_labels((folder / "labels.txt").read_bytes(), "") == CLASSES
        left = [path for path in folder.iterdir() if path.name.startswith(".tmp-")]
        assert len(left) == 0 or outcomes[point - 1] == "killed"
        assert room._require_own(folder / "net.onnx", CLASSES, str), "the next export takes it for its own"
    assert seen == {new, sha256_of(start / "net.onnx")}


def test_what_a_kill_left_is_removed_later(opened: LoadedDetector, images: Images, tmp_path: Path) -> None:
    names = ("net.onnx", "labels.txt", "net.onnx", "x.pth")
    left, half, young, other = (tmp_path / f".tmp-{number}-{name}" for number, name in enumerate(names))
    for path in (left, half, young, other):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - 7200,) * 2)
    os.utime(young)
    export(opened, tmp_path / "net.onnx", images)
    assert [path.exists() for path in (left, half, young, other)] == [False, False, True, True]


@pytest.mark.parametrize(
    "names", ["BACKGROUND\ndog\ncat\n", "BACKGROUND\ntraffic light\n", "BACKGROUND\ntraffic\nlight dog\n"]
)
def test_names_of_another_model_are_not_overwritten(
    opened: LoadedDetector, images: Images, tmp_path: Path, names: str
) -> None:
    (tmp_path / "labels.txt").write_text(names)
    with pytest.raises(
        ValueError, match=r"names other classes than the checkpoint .*\n  fix: export to another"
    ):
        export(opened, tmp_path / "net.onnx", images)
    assert _contents(tmp_path) == {"labels.txt": names.encode()}


@pytest.mark.parametrize("foreign", ["network", "edited", "renamed", "report", "damaged report"])
def test_what_no_export_has_made_is_not_replaced(
    opened: LoadedDetector, images: Images, tmp_path: Path, foreign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a network of ours under a name that its owner gave it, such as a backup."""
    if foreign != "network":
        _older(tmp_path)
    if foreign in ("network", "edited"):
        (tmp_path / "net.onnx").write_bytes(b"mine")
    elif foreign == "renamed":
        (tmp_path / "net.onnx").rename(tmp_path / "best.onnx")
    else:
        text = '{"mine": 1}' if foreign == "report" else "{"
        (tmp_path / "export_report.json").write_text(text)
    before = _contents(tmp_path)
    monkeypatch.setattr(room, "as_onnx", lambda *_: pytest.fail("it is refused before the work"))
    name = "best.onnx" if foreign == "renamed" else "net.onnx"
    with pytest.raises(
        ValueError, match=r"is not replaced\n  why: .*\n  fix: export to another place: --output"
    ):
        export(opened, tmp_path / name, images)
    assert _contents(tmp_path) == before


def test_several_networks_of_one_folder_are_all_its_own(
    opened: LoadedDetector, images: Images, tmp_path: Path
) -> None:
    for name in ("a.onnx", "b.onnx", "a.onnx"):
        export(opened, tmp_path / name, images[:1])
    written = json.loads((tmp_path / "export_report.json").read_text())
    digest = sha256_of(tmp_path / "a.onnx")
    assert written["onnx"] == "a.onnx" and written["exported"] == {"a.onnx": [digest], "b.onnx": [digest]}


def test_the_same_names_written_otherwise_are_put_right(
    opened: LoadedDetector, images: Images, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_bytes(b"\xef\xbb\xbfBACKGROUND\r\ntraffic light\r\ndog\r\n\r\n")
    export(opened, tmp_path / "net.onnx", images)
    assert (tmp_path / "labels.txt").read_bytes() == labels_text(CLASSES)


@pytest.mark.parametrize(("name", "opset", "message"), [
    ("net.onnx", 10, "--opset 10: 11 to 20"), ("net.onnx", 21, "--opset 21: 11 to 20"),
    ("net.pb", 13, "must end in .onnx"), ("net", 13, "must end in .onnx"),
])  # fmt: skip
def test_what_is_not_offered(
    opened: LoadedDetector, images: Images, tmp_path: Path, name: str, opset: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        export(opened, tmp_path / name, images, opset)
    assert not list(tmp_path.iterdir())
