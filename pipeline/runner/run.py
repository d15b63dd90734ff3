"""The runner: decide → act → receipt. The only place that knows when a stage has to run.

A decision is a named state and its reason; ``status`` prints it and ``run`` obeys it. A stage is handed a staging
folder that survives a kill as long as version, parameters and inputs are the same, so that half-done work counts.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pipeline.data_root import claims, receipts
from pipeline.data_root.fingerprints import Fingerprints
from pipeline.data_root.receipts import Receipt, Recorded
from pipeline.runner import leftovers, ownership
from pipeline.runner.inputs import (
    disk_time_ns,
    inputs_now,
    last_changes,
    require_unchanged,
    require_unmoved,
    untouched,
)
from pipeline.runner.own_data import require_room
from pipeline.runner.publish import clear, publish
from pipeline.stage import Counts, Last, Settings, Stage, StageContext, StageError
from pipeline.stop import NEVER, Stop
from vision.artefacts import data_layout
from vision.artefacts.data_layout import kept_name
from vision.artefacts.files import publish_json, remove_entry
from vision.artefacts.records import RecordError, read_json
from vision.messages.advice import shown
from vision.messages.command_line import listed, shortened

STAGING = data_layout.STAGING
PLAN = "plan.json"
SHOWN = 120
"""How much of a parameter is printed, in characters."""


@dataclass(frozen=True, slots=True)
class Decision:
    """state: done | stale | missing | own | optional; ``why`` in words; ``receipt`` of the last time it was finished, if any.

    own: there is nothing for the stage to do in this root, since what it would make is the owner's.
    optional: nobody has asked for what it makes.

    ``gone``: outputs of a stage that is done which are not there, since nothing needs them any more.
    """

    stage: str
    state: str
    why: str
    receipt: Receipt | None = None
    gone: tuple[str, ...] = ()

    @property
    def must_run(self) -> bool:
        return self.state in ("stale", "missing")


def decide(
    stage: Stage, settings: Settings, observer: Fingerprints, optional: frozenset[str] = frozenset()
) -> Decision:
    """Whether ``stage`` has to run, looking at its receipt and at the disk; ``optional`` paths may be missing."""
    if (why := stage.unasked(settings)) is not None:
        return Decision(stage.name, "optional", why)
    if (why := stage.not_needed(settings)) is not None:
        return Decision(stage.name, "own", why)
    try:
        receipt = receipts.read(settings.root, stage.name)
    except RecordError as error:
        return Decision(stage.name, "stale", f"its receipt cannot be read: {error}")
    if receipt is None:
        begun = (settings.root / STAGING / stage.name / PLAN).exists()
        return Decision(
            stage.name, "missing", "stopped half-way; it will resume" if begun else "it has not run yet"
        )
    why = (
        _changed_plan(stage, settings, receipt)
        or _changed_files(
            stage, settings, receipt, observer, optional | frozenset(stage.disposable(settings))
        )
        or stage.doubt(settings, receipt.notes)
    )
    if why:
        return Decision(stage.name, "stale", why, receipt)
    summary = f"finished {receipt.finished}: {receipt.kept:,} kept of {receipt.taken_in:,}{_dropped(receipt)}"
    gone = tuple(path for path in stage.outputs(settings) if path in optional and observer.is_gone(path))
    if gone:
        summary += f"; no longer here and not needed: {gone[0]}"
        summary += f" and {len(gone) - 1} more" if len(gone) > 1 else ""
    return Decision(stage.name, "done", summary, receipt, gone)


def _dropped(receipt: Receipt) -> str:
    most = sorted(receipt.dropped.items(), key=lambda item: -item[1])
    said = listed([f"{count:,} {shown(reason)}" for reason, count in most if count], 3)
    return f", dropped {said}" if said else ""


def _changed_plan(stage: Stage, settings: Settings, receipt: Receipt) -> str | None:
    if receipt.version != stage.version:
        return f"made by version {receipt.version} of the stage, this is {stage.version}"
    now = _plain(stage.params(settings))
    for key in sorted({*now, *receipt.params}):
        if now.get(key) != receipt.params.get(key):
            return _change(key, receipt.params, now)
    return None


def _change(key: str, before: dict[str, Any], now: dict[str, Any]) -> str:
    """``classes: all before, now person, car``."""
    old, new = before.get(key), now.get(key)
    if isinstance(old, dict) and isinstance(new, dict):
        others = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
        return f"{key}: {listed(list(map(shown, others)), 3)} changed"
    return f"{key}: {_in_words(before, key)} before, now {_in_words(now, key)}"


def _in_words(params: dict[str, Any], key: str) -> str:
    """A parameter that is None leaves nothing out."""
    value = params.get(key, "not set")
    if isinstance(value, list):
        text = ", ".join(map(str, value)) or "none"
    elif value is None or isinstance(value, bool):
        text = {None: "all", True: "yes", False: "no"}[value]
    else:
        text = str(value)
    return shortened(shown(text), SHOWN)


def _changed_files(
    stage: Stage, settings: Settings, receipt: Receipt, observer: Fingerprints, optional: frozenset[str]
) -> str | None:
    sometimes, proved = frozenset(stage.sometimes(settings)), frozenset(stage.proves(settings))
    for paths, recorded, word in (
        (stage.inputs(settings), receipt.inputs, "input"),
        (stage.outputs(settings), receipt.outputs, "output"),
    ):
        for path in paths:
            if path not in recorded and path in sometimes:
                continue
            if path not in recorded:
                return f"{path} is a new {word}"
            if path in optional and observer.read(path, recorded[path]) is None and observer.is_gone(path):
                continue
            difference = observer.difference(path, recorded[path], path in proved)
            if difference:
                return f"{word} {difference}"
    return None


def _optional_paths(stages: Sequence[Stage], settings: Settings, observer: Fingerprints) -> frozenset[str]:
    """What the finished ones among ``stages`` have used up: it may be missing."""
    users = [stage for stage in stages if tuple(stage.disposable(settings))]
    done = [stage for stage in users if not decide(stage, settings, observer).must_run]
    return frozenset(path for stage in done for path in stage.disposable(settings))


def decide_all(
    stages: Sequence[Stage],
    settings: Settings,
    deep: bool = False,
    stop: Stop = NEVER,
) -> list[Decision]:
    """A decision for each stage; a stage whose input will be made again is stale for that reason.

    Raises:
        Interrupted: asked to stop while files were read.
    """
    observer = Fingerprints(settings.root, deep, stop)
    optional = _optional_paths(stages, settings, observer)
    decisions: dict[str, Decision] = {}
    for stage in stages:
        decision = decide(stage, settings, observer, optional)
        upstream = [name for name in stage.after if name in decisions and decisions[name].must_run]
        if upstream and decision.state == "done":
            decision = replace(decision, state="stale", why=f"{upstream[0]} comes before it and has to run")
        decisions[stage.name] = decision
    return list(decisions.values())


def run_stages(
    stages: Sequence[Stage],
    settings: Settings,
    force: bool,
    say: Callable[[str], None],
    stop: Stop,
) -> list[Decision]:
    """Runs what has to run, in order; returns what was decided for each. The root's lock is held by the caller.

    Raises:
        StageError, Interrupted: what is its owner's is in the way, or from a stage; the stages before it are finished and stay so.
    """
    for stage in stages:
        leftovers.remove_stale(stage, settings, say)
    observer = Fingerprints(settings.root, deep=force, stop=stop)
    optional = frozenset() if force else _optional_paths(stages, settings, observer)
    decisions = []
    for stage in stages:
        decision = decide(stage, settings, observer, optional)
        if force and decision.state == "done":
            decision = replace(decision, state="stale", why="--force")
        decisions.append(decision)
        if decision.must_run:
            say(f"{stage.name}: running, since {decision.why}")
            _act(stage, settings, observer, decision.receipt, force, say, stop)
        else:
            say(f"{stage.name}: {decision.state} ({decision.why})")
            if decision.receipt is not None:
                _pass_over(stage, decision.receipt, settings, observer)
    return decisions


def _pass_over(stage: Stage, receipt: Receipt, settings: Settings, observer: Fingerprints) -> None:
    """Nothing to do: what a kill between receipt and end left goes; new times and inodes are noted."""
    _end_staging(settings.root, stage)
    with suppress(OSError):  # a full disk is no reason to fail when there is nothing to do
        renewed = observer.renewed(receipt)
        if renewed != receipt:
            receipts.write(settings.root, renewed)


def _act(
    stage: Stage,
    settings: Settings,
    observer: Fingerprints,
    receipt: Receipt | None,
    force: bool,
    say: Callable[[str], None],
    stop: Stop,
) -> None:
    started = time.monotonic()
    require_room([stage], settings, stop)
    changed = last_changes(stage, settings)
    began_ns = disk_time_ns(settings.root / data_layout.STATE)
    for path in stage.proves(settings):
        if (
            force and receipt and path in receipt.made
        ):  # the stage itself looks at the list: it has to be that of the content now
            observer.record(path)
    inputs = inputs_now(stage, settings, observer)
    plan: dict[str, Any] = {
        "version": stage.version,
        "params": _plain(stage.params(settings)),
        "inputs": {path: seen.sha256 for path, seen in inputs.items()},
    }
    last = None if force else _last(stage, settings, receipt, observer)
    claims.note(settings.root, stage.name, stage.proves(settings))  # the stage itself gives them their names
    staging = _staging_folder(settings.root, stage, plan, fresh=force)
    context = StageContext(settings, staging, say, stop, last, plan["inputs"])
    clear(stage, context)
    counts = stage.run(context)
    _check_counts(stage, counts)
    kept = {} if force else untouched(inputs, changed, last_changes(stage, settings), began_ns)
    observer.forget(but=kept)
    try:
        with observer.distrusting(began_ns):
            require_unchanged(stage, inputs, inputs_now(stage, settings, observer))
        require_unmoved(stage, changed, last_changes(stage, settings))
    except StageError:
        shutil.rmtree(staging)  # what was found so far may be of what was there for a while
        raise
    aside = publish(stage, context)
    outputs = _outputs_now(stage, settings, observer)
    receipt = Receipt(
        receipts.SCHEMA, stage.name, stage.version, plan["params"], inputs, outputs,
        counts.taken_in, counts.kept, counts.dropped, counts.notes,
        round(time.monotonic() - started, 3), datetime.now(timezone.utc).isoformat(timespec="seconds"),
        {"python": platform.python_version()}, _earlier(settings.root, receipt, outputs),
    )  # fmt: skip
    receipts.write(settings.root, receipt)
    ownership.settle(settings.root, aside, outputs, say)
    claims.note(settings.root, stage.name, outputs, aside={})
    _end_staging(settings.root, stage)
    say(f"{stage.name}: done in {receipt.seconds:.1f} s, {counts.kept:,} kept of {counts.taken_in:,}")


def _last(stage: Stage, settings: Settings, receipt: Receipt | None, observer: Fingerprints) -> Last | None:
    """What of the last time still holds; None where nothing does."""
    if receipt is None or _changed_plan(stage, settings, receipt) or stage.doubt(settings, receipt.notes):
        return None
    if any(observer.difference(path, seen) for path, seen in receipt.inputs.items()):
        return None
    lost = frozenset(path for path, seen in receipt.outputs.items() if observer.difference(path, seen))
    return Last(Counts(receipt.taken_in, receipt.kept, receipt.dropped, receipt.notes), lost)


def _outputs_now(stage: Stage, settings: Settings, observer: Fingerprints) -> dict[str, Recorded]:
    """The outputs, which all have to be there but those that are made sometimes."""
    outputs, sometimes, proved = {}, frozenset(stage.sometimes(settings)), frozenset(stage.proves(settings))
    for path in stage.outputs(settings):
        seen = observer.record(path)
        if seen is None and path in sometimes:
            continue
        if seen is None:
            raise StageError(
                f"{stage.name} ended, but {path} is not there",
                "something else removed it while the stage worked, or the stage is at fault",
                "run the same command again; if it happens again, please report it",
            )
        outputs[path] = observer.members(path, seen) if path in proved else seen
    return outputs


def _earlier(root: Path, before: Receipt | None, outputs: dict[str, Recorded]) -> dict[str, Recorded]:
    """What is on record as the stage's work, is still there and was not made now: other splits, another release."""
    made = before.made if before else {}
    return {path: made[path] for path in made if path not in outputs and os.path.lexists(root / path)}


def _staging_folder(root: Path, stage: Stage, plan: dict[str, Any], fresh: bool) -> Path:
    """The stage's own folder; what another plan left in it is removed, but for what the stage keeps."""
    folder, kept = root / STAGING / stage.name, root / kept_name(stage.name)
    noted = folder / PLAN
    folder.mkdir(parents=True, exist_ok=True)
    if fresh or not _same_plan(noted, plan):
        for entry in folder.iterdir():
            if fresh or entry.name != stage.keeps:
                remove_entry(entry)
    if not noted.exists():
        publish_json(noted, plan)
    if fresh:
        kept.unlink(missing_ok=True)
    elif kept.is_file():
        os.replace(kept, folder / stage.keeps)
    return folder


def _end_staging(root: Path, stage: Stage) -> None:
    folder = root / STAGING / stage.name
    if stage.keeps and (folder / stage.keeps).is_file():
        with suppress(OSError):  # then it has to be found out again
            os.replace(folder / stage.keeps, root / kept_name(stage.name))
    shutil.rmtree(folder, ignore_errors=True)


def _same_plan(noted: Path, plan: dict[str, Any]) -> bool:
    try:
        return bool(read_json(noted) == plan)
    except (OSError, RecordError):
        return False


def _check_counts(stage: Stage, counts: Counts) -> None:
    if counts.taken_in != counts.kept + sum(counts.dropped.values()):
        raise StageError(
            f"{stage.name} lost something silently",
            f"{counts.taken_in:,} in ≠ {counts.kept:,} kept + {counts.dropped} dropped",
            "this is a fault of the program; please report it with the command and this line",
        )


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    """As it comes back from a receipt: tuples are lists there."""
    plain: dict[str, Any] = json.loads(json.dumps(params))
    return plain
