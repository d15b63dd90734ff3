"""The page with names that are no friends, without anything to show, with many classes and with one."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.engine.analysis.made import drawn, found, truth_of
from tests.tools.report.browser import chromium, looked_at
from tools.report import failures, sections
from tools.report.charts import Series, line_chart, ticks
from tools.report.history import History, history_of
from tools.report.page import page
from tools.report.sections import Told
from vision.artefacts.files import publish_bytes
from vision.artefacts.log import line
from vision.engine.analysis.analyse import Analysis, analyse
from vision.engine.evaluation.ground_truth import GroundTruth
from vision.engine.evaluation.results import Results

EVIL = '</title><script>document.title="x"</script><img src=x onerror=alert(1)>"\'&\n'


def renamed(truth: GroundTruth) -> GroundTruth:
    return replace(
        truth, categories=tuple({**row, "name": f"{EVIL}{row['name']}"} for row in truth.categories)
    )


def of(analysis: Analysis | None, classes: int = 3, **more: object) -> bytes:
    """All parts of a page."""
    epochs = [
        {"epoch": n, "step": 4 * n + 4, "train_total": 9.0 - n, "val_loss": 8.0 - n, "AP": 0.1 * n}
        for n in range(3)
    ]
    history = History(Path(EVIL), {}, [], {"loss": ([0.5, 1.0], [9.0, 8.0])}, epochs)
    metrics = {"AP": 0.25, "AP50": 0.5, "APs": -1.0}
    told = Told(
        history=history,
        net="net",
        data=EVIL,
        classes=classes,
        analysis=analysis,
        metrics=metrics,
        recipe=EVIL,
    )
    told = replace(told, facts=[("run", EVIL)], **more)  # type: ignore[arg-type]
    parts = [
        sections.training(told), failures.errors(told), sections.classes(told), sections.thresholds(told),
        failures.confusion(told), failures.groups(told), failures.worst(told, []), sections.deployment(told), sections.provenance(told),
    ]  # fmt: skip
    return page(f"Report: {EVIL}", sections.head(told), parts)


@pytest.fixture(scope="module")
def pages() -> dict[str, bytes]:
    results, truth = drawn(1, images=30, classes=80)
    few, few_truth = drawn(2, images=30, classes=5)
    one = truth_of([1], [5], [[0, 0, 50, 50]])
    one = replace(one, categories=one.categories[:1])
    return {
        "80 classes": of(analyse(results, renamed(truth)), 80),
        "5 classes": of(analyse(few, renamed(few_truth)), 5),
        "one class": of(analyse(found([(1, 5, [0, 0, 50, 50], 0.9)]), one), 1),
        "nothing found": of(analyse(Results.empty(), one), 1),
        "nothing there": of(analyse(found([(1, 5, [0, 0, 50, 50], 0.9)]), replace(truth_of([], [], []), categories=one.categories)), 1),
        "no detections": of(None, lacking="none are kept"),
        "no log": of(None, history=History(Path("x"), {}, []), metrics={}),
    }  # fmt: skip


class Tags(HTMLParser):
    """Counts elements; every one that is opened has to be closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")], attrs
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_page_is_well_formed_and_names_are_text(pages: dict[str, bytes]) -> None:
    for name, data in pages.items():
        tags = Tags()
        tags.feed(data.decode())
        assert not tags.open, name
        assert tags.seen.count("script") == 1 and "img" not in tags.seen, name
        assert not re.search(rb"\bnan\b", data.lower()), name


def test_what_is_not_there_is_said(pages: dict[str, bytes]) -> None:
    assert "none are kept" in pages["no detections"].decode()
    assert "no log of a training" in pages["no log"].decode()
    assert "No detection is right" not in pages["5 classes"].decode()
    assert "<svg" in pages["nothing there"].decode()  # the training
    assert pages["80 classes"].count(b"<figcaption>") >= 50, "each class has a curve of its own"


def test_charts_hold_any_numbers() -> None:
    assert line_chart("nothing", [Series("a", [], [])]) == ""
    for values in ([0.0, 0.0], [5.0, 5.0], [-3.0, 2.0], [1e-9, 1e9], [1e-300, 1e-300], [float("nan"), 1.0]):
        chart = line_chart("x", [Series("a", [1.0, 2.0], values)])
        assert "nan" not in chart and "inf" not in chart
    close = line_chart("x", [Series("a", [1.0, 2.0], [10.927, 10.947])])
    labels = re.findall(r'text-anchor="end">([^<]*)<', close)
    assert len(labels) >= 3 and len(set(labels)) == len(labels), "labels that are told apart"
    assert ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_a_chart_of_the_first_epoch_begins_at_0(tmp_path: Path) -> None:
    """Of a run that was interrupted there too, whose steps are a part of the epoch; of an older run all that were done."""
    chart = line_chart("AP", [Series("AP", [1.0], [0.3])], "epochs done")
    labels = re.findall(r'text-anchor="middle">([^<]*)<', chart)
    assert labels == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0", "epochs done"]
    steps = [{"kind": "step", "step": step, "loss": 9.0} for step in (10, 20)]
    publish_bytes(tmp_path / "metrics.jsonl", b"".join(map(line, steps)))
    assert history_of(tmp_path).steps["loss"][0] == [0.5, 1.0]
    session = {"step": 0, "steps_per_epoch": 100, "command": "c", "code": "x"}
    publish_bytes(tmp_path / "sessions.jsonl", line(session))
    assert history_of(tmp_path).steps["loss"][0] == [0.1, 0.2]
    publish_bytes(
        tmp_path / "metrics.jsonl", b"".join(map(line, [*steps, {"kind": "epoch", "epoch": 0, "step": 20}]))
    )
    assert history_of(tmp_path).steps["loss"][0] == [0.5, 1.0]


@pytest.mark.skipif(chromium() is None, reason="no chromium on PATH (apt install chromium)")
def test_no_page_is_wider_than_its_window_and_none_complains(pages: dict[str, bytes], tmp_path: Path) -> None:
    """In a browser, at 360, 800 and 1400 px; the sorting is tried too."""
    assert looked_at(pages, tmp_path, (360, 800, 1400)) == []
