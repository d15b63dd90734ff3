"""Deliberate faults of checkpoints, runs, training, data sets and published files."""

from __future__ import annotations

from benchmarks.deliberate_faults.fault import Fault, rows

ENGINE: tuple[Fault, ...] = (
    *rows(
        "vision/engine/checkpoints/folder.py", "tests/engine/checkpoints/test_checkpoint.py",
        ("the digest of the record is not compared", "if digest != record.sha256:", "if not digest:", "tests/engine/checkpoints/test_checkpoint.py::test_pruning_waits_for_a_new_one_that_reads_back"),
        ("the best checkpoint is removed", "[*ends[-keep_last:], *best[-1:], *records[-2:]]", "[*ends[-keep_last:], *records[-2:]]", "tests/engine/checkpoints/test_checkpoint.py::test_pruning_keeps_the_last_and_the_best"),
        ("the oldest checkpoint is taken first", "for record in reversed(records):", "for record in records:", "tests/engine/checkpoints/test_checkpoint.py::test_pruning_keeps_the_last_and_the_best"),
        ("older ones are removed although the newest is damaged", "self.verify(records[-1])\n", "pass\n", "tests/engine/checkpoints/test_checkpoint.py::test_pruning_waits_for_a_new_one_that_reads_back"),
        ("a rewind loses the checkpoint that it resumes", "self.write_records(records[: names.index(file) + 1])", "self.write_records(records[: names.index(file)])", "tests/engine/checkpoints/test_checkpoint.py::test_what_comes_after_a_checkpoint_is_moved_aside"),
    ),
    *rows(
        "vision/engine/checkpoints/checkpoint.py", "tests/engine/checkpoints/test_checkpoint.py",
        ("the average is saved as the weights", "weights=_plain(state.model.state_dict())", "weights=_plain(state.evaluated_model.state_dict())", "tests/engine/checkpoints/test_checkpoint.py::test_a_state_comes_back_whole"),
        ("the scaler's state is not saved", "scaler=_plain(state.scaler.state_dict()) if state.scaler is not None else {}", "scaler={}", "tests/engine/checkpoints/test_checkpoint.py::test_a_state_comes_back_whole"),
        ("the optimiser's moments are not put back", "state.optimizer.load_state_dict({**saved, ", "state.optimizer.load_state_dict({**saved, \"state\": {}, ", "tests/engine/checkpoints/test_checkpoint.py::test_a_state_comes_back_whole"),
        ("the checkpoint's own settings of an optimiser win", "{**old, **now, ", "{**now, **old, ", "tests/engine/checkpoints/test_checkpoint.py::test_a_counter_of_steps_lies_where_the_optimiser_of_this_session_wants_it"),
        ("the count of the average is not put back", 'state.ema.n_averaged.fill_(checkpoint.ema["count"])', "pass", "tests/engine/checkpoints/test_checkpoint.py::test_a_state_comes_back_whole"),
        ("the random generators are not put back", "restore_rng(checkpoint.rng)", "pass", "tests/engine/checkpoints/test_checkpoint.py::test_a_state_comes_back_whole"),
        ("a file that holds code is taken", "file.require_no_code()", "pass", "tests/engine/checkpoints/test_checkpoint.py::test_a_pickle_that_runs_code_is_refused_unrun"),
    ),
    *rows(
        "vision/engine/checkpoints/fit.py", "tests/engine/checkpoints/test_schema.py",
        ("moments of another shape are taken", "if value.shape != parameter.shape or", "if value.dim() != parameter.dim() or", "tests/engine/checkpoints/test_schema.py::test_a_moment_has_the_shape_of_its_parameter"),
    ),
    *rows(
        "vision/engine/runs/resume.py", "tests/engine/runs/test_resume.py",
        ("a resume on other data", '_check_digest("", "trained on", plan.checkpoint.dataset_digest, was.get("train"), train)', "pass", "tests/engine/runs/test_resume.py::test_other_data_are_refused"),
        ("a run may become another one", 'if rules[name] == "fixed"]', 'if rules[name] == "settled"]', "tests/engine/runs/test_resume.py::test_what_makes_it_another_run_is_refused_with_the_difference"),
        ("a session that trained meanwhile is not noticed", "if _record(plan.run) != plan.seen:", "if not plan.run:", "tests/engine/runs/test_lock.py::test_what_was_planned_before_another_session_ended_is_not_done"),
    ),
    *rows(
        "vision/engine/runs/truncate_logs.py", "tests/engine/runs/test_truncate_logs.py",
        ("the log is cut one row too early", "row_step == step and (of_a_step or epoch_finished)", "row_step == step and epoch_finished", "tests/engine/runs/test_truncate_logs.py::test_the_cut_is_right_behind_the_checkpoint"),
        ("the log is cut one row too late", "row_step == step and (of_a_step or epoch_finished)", "row_step == step", "tests/engine/runs/test_truncate_logs.py::test_the_cut_is_right_behind_the_checkpoint"),
    ),
    *rows(
        "vision/engine/runs/metric_logger.py", "tests/engine/runs/test_metric_logger.py",
        ("an epoch's end that was not saved stands in TensorBoard twice", "Events(run, step + 1 if epoch_finished else step)", "Events(run, step + 1)", "tests/engine/runs/test_metric_logger.py::test_an_end_of_an_epoch_that_was_not_saved_is_forgotten"),
        ("a saved epoch's end is forgotten", "Events(run, step + 1 if epoch_finished else step)", "Events(run, step)", "tests/engine/runs/test_metric_logger.py::test_an_end_of_an_epoch_that_was_saved_is_kept"),
        ("the step of a resume is lost to TensorBoard", 'if last is not None and last["step"] == step:', "if last is None:", "tests/engine/runs/test_metric_logger.py::test_an_end_of_an_epoch_that_was_not_saved_is_forgotten"),
    ),
    *rows(
        "vision/engine/memory/fit.py", "tests/engine/memory/test_fit.py",
        ("processes decide by what each of them holds", "(self.resident,) = host.group.all_reduce_max(resident, device=host.device)", "self.resident = resident", "tests/engine/memory/test_fit.py::test_processes_that_hold_more_and_less_choose_the_same_batch"),
        ("more blocks are tried although they need more", "if self.more(batch, again) > self.more(batch, least):", "if again < 0:", "tests/engine/memory/test_fit.py::test_trying_ends_where_more_blocks_need_more"),
    ),
    *rows(
        "vision/engine/memory/free.py", "tests/engine/memory/test_free.py",
        ("the limit of a container is not looked at", "min([free, *_left_of_limits()])", "free", "tests/engine/memory/test_free.py::test_the_narrowest_limit_above_a_process_counts_and_cached_files_are_free"),
    ),
    *rows(
        "vision/engine/memory/peak.py", "tests/engine/memory/test_peak.py",
        ("gradients count as activations of each image", "held.most(gradients) // IMAGES", "held.most(set()) // IMAGES", "tests/engine/memory/test_peak.py::test_it_grows_with_the_pixels_and_not_with_the_weights"),
    ),
    *rows(
        "vision/nn/recompute.py", "tests/nn/test_recompute.py",
        ("running statistics are updated twice", "torch.autocast(kind, dtype, enabled), _buffers_untouched(block):", "torch.autocast(kind, dtype, enabled):", "tests/nn/test_recompute.py::test_gradients_and_statistics_are_the_plain_nets_to_the_bit"),
    ),
    *rows(
        "vision/engine/panels/panels.py", "tests/engine/panels/test_panels.py",
        ("a panel that fails ends the run", "except Exception as error:", "except ZeroDivisionError as error:", "tests/engine/panels/test_panels.py::test_what_fails_is_a_warning_and_reaches_no_log"),
        ("a panel takes the last room on the disk", "+ SPARE_BYTES", "", "tests/engine/panels/test_panels.py::test_a_full_disk_is_left_to_the_next_checkpoint"),
    ),
    *rows(
        "vision/engine/panels/matches.py", "tests/engine/panels/test_matches.py",
        ("forced priors look like all others", "AMBER if forced[index] else GREEN, 2", "GREEN, 2"),
        ("an object without a prior is not red", "RED if not priors else", "RED if priors < 0 else"),
    ),
    *rows(
        "vision/engine/panels/pr_curves.py", "tests/engine/panels/test_pr_curves.py",
        ("precision of the first recall", "precision[last], 1.0", "precision[0], 1.0"),
    ),
    *rows(
        "vision/engine/panels/predictions.py", "tests/engine/panels/test_matches.py",
        ("a cell has the colour of the class before", "% (of_image.shape[1] - 1) + 1", "% (of_image.shape[1] - 1)"),
    ),
    *rows(
        "vision/engine/analysis/matching.py", "tests/engine/analysis/test_precision.py tests/engine/analysis/test_analyse.py",
        ("of equal overlaps the first object is taken", "np.lexsort((-pairs.truth, -pairs.iou,", "np.lexsort((pairs.truth, -pairs.iou,"),
        ("a crowd region is taken once", "gone[truth[served]] = ~reusable[truth[served]]", "gone[truth[served]] = True"),
    ),
    *rows(
        "vision/engine/analysis/precision.py", "tests/engine/analysis/test_precision.py",
        ("crowds count as false detections", "seen = seen - (", "seen = seen - 0 * ("),
        ("one object more is needed for each step of recall", "return np.maximum(needed, 0)", "return np.maximum(needed, 0) + 1"),
    ),
    *rows(
        "vision/engine/analysis/error_types.py", "tests/engine/analysis/test_error_types.py",
        ("a far detection is no background", "<= LEAST_IOU, \"background\")", "< 0, \"background\")"),
        ("fixed detections keep their class", "np.where(fixed, scene.true_class[about], label)", "np.where(fixed, label, label)"),
    ),
    *rows(
        "vision/engine/analysis/thresholds.py", "tests/engine/analysis/test_analyse.py",
        ("a score of the threshold is left out", '-THRESHOLDS, "right")', '-THRESHOLDS, "left")'),
    ),
    *rows(
        "tools/report/page.py", "tests/tools/report/test_page.py",
        ("names are HTML", "return html.escape(shown(str(value)), quote=True)", "return shown(str(value))"),
    ),
    *rows(
        "vision/drawing/boxes.py", "tests/drawing/test_boxes.py",
        ("names hide each other", "if not _hides(area, placed):", "if area:"),
        ("names leave the image", "max(0.0, min(x, size[0] - width)), max(0.0, min(y, size[1] - height))", "x, y"),
    ),
    *rows(
        "vision/engine/runs/lock.py", "tests/engine/runs/test_lock.py",
        ("data workers keep the lock of a run that was killed", "take_lock(path, kind=fcntl.lockf)", "take_lock(path)", "tests/engine/runs/test_lock.py::test_a_killed_trainer_holds_nothing_though_its_workers_live"),
    ),
    *rows(
        "vision/engine/training/step.py", "tests/engine/training/test_step.py",
        ("the norm is taken of scaled gradients", "state.scaler.unscale_(state.optimizer)", "pass", "tests/engine/training/test_step.py::test_a_gradient_scaler_changes_neither_norm_nor_step"),
        ("the rate of the next step", "state.schedule.apply(state.optimizer, state.step)", "state.schedule.apply(state.optimizer, state.step + 1)", "tests/engine/training/test_step.py::test_a_step_has_its_own_rate_and_moves_the_average"),
        ("each part of a step is a step of its own", "if len(parts) > 1 or session.group.world > 1 else None", "if session.group.world > 1 else None", "tests/engine/training/test_step.py::test_accumulation_is_the_large_batch_up_to_batch_statistics"),
        ("a step that is read later takes what is not finite", "1 - numbers[[0, -1]].isfinite().all().float()", "0 * numbers[0]", "tests/engine/training/test_unread.py::test_no_weight_takes_a_step_that_is_not_finite"),
        ("the flag of a step holds for all after it", 'state.optimizer.__dict__.pop("found_inf", None)', "pass", "tests/engine/training/test_unread.py::test_no_weight_takes_a_step_that_is_not_finite"),
        ("what is read later is not counted", "        state.window.add(losses, session.config.batch_size, int(losses[\"positives\"]))\n        whole", "        whole", "tests/engine/training/test_unread.py::test_rows_and_weights_are_those_of_steps_that_are_waited_for"),
        ("the batch statistics of a run see what is measured", "copy.deepcopy(state.model).train()", "state.model.train()", "tests/engine/training/test_compiled.py::test_measuring_the_step_that_is_not_compiled_changes_nothing"),
        ("the average stands still", "state.ema.update_parameters(state.model)", "pass", "tests/engine/training/test_step.py::test_a_step_has_its_own_rate_and_moves_the_average"),
    ),
    *rows(
        "vision/engine/training/not_finite.py", "tests/engine/training/test_not_finite.py",
        ("an infinite gradient is a step", 'math.isfinite(losses["total"]) and (math.isfinite(losses["grad_norm"]) or state.scaler is not None)', 'math.isfinite(losses["total"])', "tests/engine/training/test_step.py::test_a_gradient_that_is_not_finite_is_caught_though_the_loss_is"),
    ),
    *rows(
        "vision/engine/training/loop.py", "tests/engine/training/test_loop.py",
        ("the highest loss is the best", '-metrics["val_loss"]]', 'metrics["val_loss"]]', "tests/engine/training/test_loop.py::test_the_first_map_is_better_than_any_loss"),
        ("a resume sees the first images of its epoch again", "session.order.set_epoch(state.epoch, state.step_in_epoch)", "session.order.set_epoch(state.epoch)", "tests/engine/runs/test_resume.py::test_resume_at_any_step"),
        ("generators continue from what was drawn", "        seed_step(config.seed, state.step, session.group.rank)\n", "", "tests/engine/checkpoints/test_versions.py::test_what_a_library_draws_at_its_first_use_changes_nothing"),
        ("a checkpoint holds what others drew", "    seed_step(session.config.seed, state.step, session.group.rank)\n", "", "tests/engine/checkpoints/test_versions.py::test_what_a_library_draws_at_its_first_use_changes_nothing"),
        ("weights that are NaN are saved", "    require_finite_weights(state, session)\n    if", "    if", "tests/engine/training/test_not_finite.py::test_such_weights_are_not_even_written"),
    ),
    *rows(
        "vision/engine/training/validation.py", "tests/engine/training/test_validation.py",
        ("each batch is divided by its own positives", "batch, normaliser=1.0)", "batch)", "tests/engine/training/test_validation.py::test_the_loss_is_that_of_all_batches_together"),
    ),
    *rows(
        "vision/datasets/sampling.py", "tests/datasets/test_sampling.py",
        ("the same order in every epoch", "_ORDER_STREAM], counter=[0, 0, 0, epoch]", "_ORDER_STREAM], counter=[0, 0, 0, 0]", "tests/datasets/test_sampling.py::test_the_order_is_philox_sorted"),
        ("the last part of a batch is a batch although it is to be left out", "(rest > 1 and not drop_last)", "rest > 1"),
        ("the same repeats in every epoch", "_BALANCE_STREAM], counter=[0, 0, 0, epoch]", "_BALANCE_STREAM], counter=[0, 0, 0, 0]"),
        ("boxes are counted, not images", "np.unique(np.stack([owner, labels], axis=1), axis=0)", "np.stack([owner, labels], axis=1)"),
    ),
    *rows(
        "vision/datasets/loading.py", "tests/datasets/test_loading.py",
        ("boxes in fractions of the other side", "np.tile(objects.frames_hw[:, ::-1], 2)", "np.tile(objects.frames_hw, 2)", "tests/datasets/test_loading.py::test_a_batch_pads_and_parts_objects_from_crowds"),
        ("an image looks the same each time that it is repeated", "key.index + key.repeat * len(self)", "key.index", "tests/datasets/test_loading.py::test_each_time_is_another_augmentation"),
        ("crowds are learned as objects", "objects.only(~objects.is_crowd), ", "objects, ", "tests/datasets/test_loading.py::test_a_batch_pads_and_parts_objects_from_crowds"),
    ),
    *rows(
        "vision/images/packs/file.py", "tests/images/packs/test_bus_error.py",
        ("a pack that was cut is whole", "return self.record.bytes - self._mapped.size()", "return 0 * self._mapped.size()"),
    ),
    *rows(
        "vision/images/packs/bus_error.py", "tests/images/packs/test_bus_error.py",
        ("a process that is ended by SIGBUS says nothing", "os.write(2, line)", "pass"),
        ("words of an earlier run are said", "change(signal.SIGBUS, before)", "pass"),
    ),
    *rows(
        "vision/engine/machine.py", "tests/engine/training/test_compiled.py",
        ("a graph writes over gradients of a part", "if config.accumulate > 1:", "if config.accumulate > 2:", "tests/engine/training/test_compiled.py::test_graphs_that_parts_write_over_are_refused_where_a_training_begins"),
    ),
    *rows(
        "vision/datasets/packed/threads.py", "tests/datasets/packed/test_threads.py",
        ("batches of threads come as they are done", "begun.popleft().result()", "begun.pop().result()"),
    ),
    *rows(
        "vision/datasets/merged.py", "tests/datasets/packed/test_detection.py",
        ("the objects of a batch stay in the order of their data sets", "joined(found).at(np.argsort(order))", "joined(found)", "tests/datasets/packed/test_detection.py::test_a_batch_is_its_samples_one_by_one"),
    ),
    *rows(
        "vision/datasets/coco.py", "tests/datasets/test_coco.py",
        ("an image that was turned since is taken", "if image.shape[:2] != frame_hw:", "if image.size != 3 * frame_hw[0] * frame_hw[1]:", "tests/datasets/test_coco.py::test_pixels_and_boxes_are_in_one_frame"),
        ("the digest changes with what nothing is made of", 'for source in ("annotations", "annotations_sha256"):', 'for source in ("annotations",):', "tests/datasets/test_coco.py::test_the_digest_says_what_defines_the_data"),
    ),
    *rows(
        "vision/artefacts/files.py", "tests/artefacts/test_files.py",
        ("a file is named before it is on the disk", "fsync_file(temporary)\n", "pass\n", "tests/artefacts/test_files.py::test_the_order_is_file_then_name_then_folder"),
        ("a link that came meanwhile is replaced", "            require_file_place(path)\n            os.replace", "            os.replace", "tests/artefacts/test_targets.py::test_what_comes_while_the_work_is_done_is_not_replaced_either"),
        ("a tree is named before it is on the disk", "fsync_tree(staging, between)\n", "pass\n", "tests/artefacts/test_files.py::test_the_order_is_file_then_name_then_folder"),
        ("NaN is published as JSON", "ensure_ascii=False, allow_nan=False)", "ensure_ascii=False, allow_nan=True)", "tests/artefacts/test_files.py::test_nan_is_no_json"),
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
        ("two processes hold one lock", "kind(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)", "kind(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)", "tests/pipeline/data_root/test_lock.py::test_a_lock_has_one_holder"),
    ),
)  # fmt: skip
