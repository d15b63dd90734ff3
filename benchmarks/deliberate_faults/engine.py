"""Deliberate faults of checkpoints, runs, training, data sets and published files."""

from __future__ import annotations

from benchmarks.deliberate_faults.fault import Fault, rows

ENGINE: tuple[Fault, ...] = (
    *rows(
        "vision/engine/checkpoints/folder.py", "tests/engine/checkpoints/test_checkpoint.py",
        ("the digest of the record is not compared", "if digest != record.sha256:", "if not digest:"),
        ("the best checkpoint is removed", "[*ends[-keep_last:], *best[-1:], *records[-2:]]", "[*ends[-keep_last:], *records[-2:]]"),
        ("the oldest checkpoint is taken first", "for record in reversed(records):", "for record in records:"),
        ("older ones are removed although the newest is damaged", "self.verify(records[-1])\n", "pass\n"),
        ("a rewind loses the checkpoint that it resumes", "self.write_records(records[: names.index(file) + 1])", "self.write_records(records[: names.index(file)])"),
    ),
    *rows(
        "vision/engine/checkpoints/checkpoint.py", "tests/engine/checkpoints/test_checkpoint.py",
        ("the average is saved as the weights", "weights=_plain(state.model.state_dict())", "weights=_plain(state.evaluated_model.state_dict())"),
        ("the scaler's state is not saved", "scaler=_plain(state.scaler.state_dict()) if state.scaler is not None else {}", "scaler={}"),
        ("the optimiser's moments are not put back", "state.optimizer.load_state_dict(saved)\n", "pass\n"),
        ("the count of the average is not put back", 'state.ema.n_averaged.fill_(checkpoint.ema["count"])', "pass"),
        ("the random generators are not put back", "restore_rng(checkpoint.rng)", "pass"),
        ("a file that holds code is taken", "file.require_no_code()", "pass"),
    ),
    *rows(
        "vision/engine/checkpoints/fit.py", "tests/engine/checkpoints/test_schema.py",
        ("moments of another shape are taken", "if value.shape != parameter.shape or", "if value.dim() != parameter.dim() or"),
    ),
    *rows(
        "vision/engine/runs/resume.py", "tests/engine/runs/test_resume.py",
        ("a resume on other data", '_check_digest("", "trained on", plan.checkpoint.dataset_digest, train.digest)', "pass"),
        ("a run may become another one", 'if rules[name] == "fixed"]', 'if rules[name] == "settled"]'),
        ("a session that trained meanwhile is not noticed", "if _record(plan.run) != plan.seen:", "if not plan.run:"),
    ),
    *rows(
        "vision/engine/runs/truncate_logs.py", "tests/engine/runs/test_truncate_logs.py",
        ("the log is cut one row too early", "row_step == step and (of_a_step or epoch_finished)", "row_step == step and epoch_finished"),
        ("the log is cut one row too late", "row_step == step and (of_a_step or epoch_finished)", "row_step == step"),
    ),
    *rows(
        "vision/engine/runs/lock.py", "tests/engine/runs/test_lock.py",
        ("data workers keep the lock of a run that was killed", "take_lock(path, kind=fcntl.lockf)", "take_lock(path)"),
    ),
    *rows(
        "vision/engine/training/step.py", "tests/engine/training/test_step.py",
        ("the norm is taken of scaled gradients", "state.scaler.unscale_(state.optimizer)", "pass"),
        ("the rate of the next step", "state.schedule.apply(state.optimizer, state.step)", "state.schedule.apply(state.optimizer, state.step + 1)"),
        ("each part of a step is a step of its own", "if len(parts) > 1 or session.group.world > 1 else None", "if session.group.world > 1 else None"),
        ("the average stands still", "state.ema.update_parameters(state.model)", "pass"),
    ),
    *rows(
        "vision/engine/training/not_finite.py", "tests/engine/training/test_not_finite.py",
        ("an infinite gradient is a step", 'math.isfinite(losses["total"]) and (math.isfinite(losses["grad_norm"]) or state.scaler is not None)', 'math.isfinite(losses["total"])'),
    ),
    *rows(
        "vision/engine/training/loop.py", "tests/engine/training/test_loop.py",
        ("the highest loss is the best", '-metrics["val_loss"]]', 'metrics["val_loss"]]'),
        ("a resume sees the first images of its epoch again", "session.order.set_epoch(state.epoch, state.step_in_epoch)", "session.order.set_epoch(state.epoch)"),
        ("weights that are NaN are saved", "    require_finite_weights(state, session)\n    if", "    if", "tests/engine/training/test_not_finite.py"),
    ),
    *rows(
        "vision/engine/training/validation.py", "tests/engine/training/test_validation.py",
        ("each batch is divided by its own positives", "batch, normaliser=1.0)", "batch)"),
    ),
    *rows(
        "vision/datasets/sampling.py", "tests/datasets/test_sampling.py",
        ("the same order in every epoch", "counter=[0, 0, 0, epoch]", "counter=[0, 0, 0, 0]"),
        ("the last part of a batch is a batch although it is to be left out", "(rest > 1 and not drop_last)", "rest > 1"),
    ),
    *rows(
        "vision/datasets/loading.py", "tests/datasets/test_loading.py",
        ("boxes in fractions of the other side", "np.array([width, height, width, height], np.float32)", "np.array([height, width, height, width], np.float32)"),
        ("crowds are learned as objects", "_pad([boxes[~is_crowd] for", "_pad([boxes[is_crowd | ~is_crowd] for"),
    ),
    *rows(
        "vision/datasets/coco.py", "tests/datasets/test_coco.py",
        ("an image that was turned since is taken", "if image.shape[:2] != (height, width):", "if image.size != 3 * height * width:"),
        ("the digest changes with what nothing is made of", 'for source in ("annotations", "annotations_sha256"):', 'for source in ("annotations",):'),
    ),
    *rows(
        "vision/artefacts/files.py", "tests/artefacts/test_files.py",
        ("a file is named before it is on the disk", "fsync_file(temporary)\n", "pass\n"),
        ("a link that came meanwhile is replaced", "            require_file_place(path)\n            os.replace", "            os.replace"),
        ("a tree is named before it is on the disk", "fsync_tree(staging, between)\n", "pass\n"),
        ("NaN is published as JSON", "ensure_ascii=False, allow_nan=False)", "ensure_ascii=False, allow_nan=True)"),
    ),
    *rows(
        "vision/artefacts/log.py", "tests/artefacts/test_log.py",
        ("the line after a torn one is torn, too", "end = start + found + 1\n", "end = start + found\n"),
    ),
    *rows(
        "vision/artefacts/targets.py", "tests/artefacts/test_targets.py",
        ("a link is taken for what it leads to", "mode = os.lstat(path).st_mode", "mode = os.stat(path).st_mode"),
    ),
    *rows(
        "vision/artefacts/holder.py", "tests/pipeline/data_root/test_lock.py",
        ("two processes hold one lock", "kind(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)", "kind(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)"),
    ),
)  # fmt: skip
