"""Deliberate faults of the stages (``pipeline/``): what is fetched, unpacked, checked, remapped, indexed, and published."""

from __future__ import annotations

from benchmarks.deliberate_faults.fault import Fault, rows

STAGES: tuple[Fault, ...] = (
    *rows(
        "pipeline/transfer/request.py", "tests/pipeline/transfer/test_request.py tests/pipeline/transfer/test_fetch.py",
        ("a range asks for one byte too many", "else str(end - 1))", "else str(end))", "tests/pipeline/transfer/test_fetch.py::test_several_connections_share_the_work"),
        ("a Content-Range from elsewhere is taken", "if span is None or int(span[1]) != start:", "if span is None:", "tests/pipeline/transfer/test_request.py::test_a_range_that_begins_elsewhere_is_not_taken"),
        ("a weak ETag identifies the object", 'if etag and not etag.startswith("W/"):', "if etag:", "tests/pipeline/transfer/test_partial.py::test_weak_validators_start_again"),
        ("a redirect from https to http is followed", '== ("https", "http")', '== ("http", "https")', "tests/pipeline/transfer/test_request.py::test_redirects_that_are_not"),
        ("a 416 is tried again as it is", 'return NotResumable(f"HTTP 416: the server{told} has', 'return TransientError(f"HTTP 416: the server{told} has', "tests/pipeline/transfer/test_request.py::test_a_416_is_no_reason_to_ask_for_the_same_again"),
    ),
    *rows(
        "pipeline/transfer/partial.py", "tests/pipeline/transfer/test_partial.py",
        ("what no fsync has proven is believed after a restart of the machine", 'elif row["synced"] or same_boot:', "else:", "tests/pipeline/transfer/test_partial.py::test_after_a_restart_of_the_machine_only_synced_bytes_are_believed"),
        ("the part of another file is resumed", ' or head["sha256"] != self.identity:', ":", "tests/pipeline/transfer/test_partial.py::test_what_is_resumed_is_of_the_same_file_and_there_to_the_last_byte"),
        ("a byte is believed that the part does not have", "span.position > size:", "span.position > size + 1:", "tests/pipeline/transfer/test_partial.py::test_what_is_resumed_is_of_the_same_file_and_there_to_the_last_byte"),
        ("a failed fsync is forgotten", "            except OSError:\n                self._forget_unsynced()\n", "            except OSError:\n                pass\n", "tests/pipeline/transfer/test_partial.py::test_bytes_whose_last_fsync_failed_are_not_believed"),
        ("a failed fsync beside the writing is forgotten", "                self._failed_sync = error\n                self._forget_unsynced()\n", "                self._failed_sync = error\n", "tests/pipeline/transfer/test_partial.py::test_bytes_whose_fsync_failed_are_not_believed"),
    ),
    *rows(
        "pipeline/transfer/sync_beside.py", "tests/pipeline/transfer/test_sync_beside.py",
        ("noted as safe before the disk has it", "        os.fsync(data)\n        done()\n", "        done()\n        os.fsync(data)\n", "tests/pipeline/transfer/test_sync_beside.py::test_the_data_then_what_is_noted_then_the_notes"),
    ),
    *rows(
        "pipeline/transfer/running_digest.py", "tests/pipeline/transfer/test_running_digest.py",
        ("the digest continues over a part that began anew", "if self._spans is not self._part.spans:", "if self._spans is None:", "tests/pipeline/transfer/test_running_digest.py::test_of_a_part_that_begins_anew"),
        ("the digest runs over a gap", "            return span.position\n", "            continue\n", "tests/pipeline/transfer/test_running_digest.py::test_not_beyond_a_gap"),
    ),
    *rows(
        "pipeline/transfer/fetch.py", "tests/pipeline/transfer/test_fetch.py",
        ("the digest is not compared where the size is right", "return None if found == expected else", "return None if have == self.bytes else", "tests/pipeline/transfer/test_fetch.py::test_a_wrong_digest_is_fetched_once_more_and_then_refused"),
        ("a server that asks to be left alone is not", "return min(after_s, RETRY_AFTER_LIMIT_S)", "return BACKOFF_S", "tests/pipeline/transfer/test_fetch.py::test_the_pauses_grow_and_are_never_the_same"),
        ("named before it is on the disk", "part.close()\n", "part.close(sync=False)\n", "tests/pipeline/transfer/test_partial.py::test_on_the_disk_before_it_has_its_name"),
    ),
    *rows(
        "pipeline/transfer/mirrors.py", "tests/pipeline/transfer/test_mirrors.py",
        ("a mirror that cannot resume is asked again", "out = self._barred | self._dead", "out = self._dead", "tests/pipeline/transfer/test_mirrors.py::test_the_order"),
    ),
    *rows(
        "pipeline/download/stage.py", "tests/pipeline/download/test_stage.py",
        ("an archive of the right size is taken for the right one", "if digest == file.sha256:", "if path.stat().st_size == file.bytes:", "tests/pipeline/download/test_stage.py::test_size_and_digest_say_which_archive_it_is"),
        ("another digest in the release makes nothing stale", "files = {file.path: file.sha256 for", "files = {file.path: file.bytes for", "tests/pipeline/download/test_stage.py::test_size_and_digest_say_which_archive_it_is"),
    ),
    *rows(
        "pipeline/archives/unpack_member.py", "tests/pipeline/archives/test_unpack.py tests/pipeline/archives/test_archive.py",
        ("the CRC of a member is not compared", "if left or crc != member.crc32:", "if left:", "tests/pipeline/archives/test_archive.py::test_damaged_members_never_get_their_name"),
        ("a chunk is unpacked whole, however large it becomes", "inflate.decompress(chunk, CHUNK)", "inflate.decompress(chunk)", "tests/pipeline/archives/test_archive.py::test_however_well_it_is_packed_little_is_unpacked_at_a_time"),
    ),
    *rows(
        "pipeline/archives/unpack.py", "tests/pipeline/archives/test_unpack.py tests/pipeline/extract/test_split_folder.py",
        ("a file of the right size is taken for the member", "return now if known == now or trees.crc32_of", "return now if True or trees.crc32_of", "tests/pipeline/extract/test_split_folder.py::test_a_file_that_changes_after_it_was_linked_is_not_believed"),
    ),
    *rows(
        "pipeline/archives/archive.py", "tests/pipeline/archives/test_archive.py",
        ("members that swell are counted one by one", "swollen += entry.size if", "swollen = entry.size if", "tests/pipeline/archives/test_archive.py::test_hostile_archives_are_refused_before_a_byte_is_written"),
        ("members may overlap by one byte", "if gap < 0:", "if gap < -1:", "tests/pipeline/archives/test_archive.py::test_two_members_do_not_share_a_byte"),
    ),
    *rows(
        "pipeline/archives/zip_directory.py", "tests/pipeline/archives/test_zip_directory.py",
        ("bytes in front of the archive shift no member", "attributes, offset + shift, second), end", "attributes, offset, second), end", "tests/pipeline/archives/test_archive.py::test_odd_archives_give_the_right_bytes_all_the_same"),
    ),
    *rows(
        "pipeline/archives/local_header.py", "tests/pipeline/archives/test_local_header.py",
        ("a header may name another compression", "method != member.method\n        or flags", "flags", "tests/pipeline/archives/test_local_header.py::test_an_archive_that_means_two_things_is_refused"),
    ),
    *rows(
        "pipeline/plain_paths.py", "tests/pipeline/test_plain_paths.py",
        ("a duplicate name in another normal form is none", 'unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())', "path.casefold()", "tests/pipeline/test_plain_paths.py::test_paths_that_meet"),
    ),
    *rows(
        "pipeline/extract/split_folder.py", "tests/pipeline/extract/test_split_folder.py",
        ("the owner's file is removed by its name alone", "if is_ours(folder / name, name, own, stop.check)]", "if name in own]", "tests/pipeline/runner/test_owners_files.py::test_of_an_earlier_release_only_what_is_still_as_it_was_goes"),
        ("what a kill left half written is taken over", "if e.name not in files or not", "if not", "tests/pipeline/extract/test_split_folder.py::test_nothing_of_a_killed_run_but_members_is_published"),
    ),
    *rows(
        "pipeline/image_check/journal.py", "tests/pipeline/image_check/test_journal.py",
        ("a verdict holds whatever the file is now", "if known is None or known.facts != facts_now(folder, job.name):", "if known is None:"),
        ("a verdict holds of what may not be read any more", "return known if os.access(folder / job.name, os.R_OK) else None", "return known"),
        ("the verdict on an image that is missing is kept", "if checked.facts is not None:", "if True:"),
    ),
    *rows(
        "pipeline/image_check/check_many.py", "tests/pipeline/image_check/test_check_many.py tests/pipeline/image_check/test_absence.py",
        ("an image that is there meanwhile stays missing", "other = is_absent(checked.verdict.reason) and is_readable(folder, job.name)", "other = False", "tests/pipeline/image_check/test_absence.py::test_what_was_gone_or_another_file_only_for_a_while_is_looked_at_again"),
        ("an image is bad when the system kills its process", "if result.crashed:", "if True:", "tests/pipeline/validate_images/test_stage.py::test_a_killed_worker_stops_the_stage_and_rejects_nothing"),
    ),
    *rows(
        "pipeline/image_check/worker_pool.py", "tests/pipeline/image_check/test_worker_pool.py",
        ("what a dead worker had waiting is lost", "self._again.extend(waiting)\n", "pass\n", "tests/pipeline/image_check/test_worker_pool.py::test_a_worker_that_was_killed_once_costs_nothing"),
    ),
    *rows(
        "pipeline/image_check/absence.py", "tests/pipeline/image_check/test_absence.py",
        ("a disk that is not mounted makes rejects", "if len(absent) <= HANDFUL and 4", "if len(absent) <= HANDFUL or 4", "tests/pipeline/image_check/test_absence.py::test_more_than_a_handful_is_a_question_and_nothing_is_published"),
        ("another image under almost the name is offered for a missing one", "if key and times[key] == 1", "if key", "tests/pipeline/image_check/test_absence.py::test_what_may_be_another_image_or_none_is_not_offered"),
    ),
    *rows(
        "pipeline/validate_images/table.py", "tests/pipeline/validate_images/test_table.py tests/pipeline/validate_images/test_stage.py",
        ("rejects are counted as kept", 'if of.verdict == "reject":', 'if of.verdict == "rejected":', "tests/pipeline/validate_images/test_stage.py::test_in_is_kept_and_dropped"),
        ("height and width are compared the wrong way round", '(raw["height"], raw["width"]))', '(raw["width"], raw["height"]))', "tests/pipeline/validate_images/test_stage.py::test_the_table"),
    ),
    *rows(
        "pipeline/validate_images/image_splits.py", "tests/pipeline/validate_images/test_image_splits.py",
        ("images in two splits are told by content alone", 'keys = {"content": trees.content(member)} | keys', 'keys = {"content": trees.content(member)}'),
    ),
    *rows(
        "pipeline/annotations/rules.py", "tests/pipeline/remap_categories/test_writer.py::test_an_odd_file",
        ("boxes are clipped at −1", "left, top = max(x, 0), max(y, 0)", "left, top = max(x, -1), max(y, -1)"),
        ("the mask's area is lost", "return (min(area, of_box) if clipped else area), None", "return of_box, None"),
    ),
    *rows(
        "pipeline/annotations/json_strict.py", "tests/pipeline/remap_categories/test_writer.py::test_an_odd_file",
        ("a key that comes twice is taken", "return quotes == 2 * outside_lists or", "return True or"),
    ),
    *rows(
        "pipeline/remap_categories/writer.py", "tests/pipeline/remap_categories/test_writer.py::test_an_odd_file",
        ("crowds become objects", "counts.crowds += crowd", 'raw["iscrowd"] = 0', "tests/pipeline/remap_categories/test_writer.py::test_nothing_is_lost_silently"),
        ("boxes are clipped to the turned image", 'raw["width"] * SIDES + raw["height"]', 'raw["height"] * SIDES + raw["width"]'),
        ("an id may come twice", "self._seen.add(id_)", "pass"),
        ("crowd regions select images", "area <= self.areas[1] and not crowd", "area <= self.areas[1]", "tests/pipeline/remap_categories/test_remap.py"),
        ("images of just the largest area are left out", "area <= self.areas[1]", "area < self.areas[1]", "tests/pipeline/remap_categories/test_remap.py"),
        ("refused images stay", 'if verdict == "reject":', 'if verdict == "rejected":', "tests/pipeline/remap_categories/test_stage.py::test_what_lies_in_a_rejected_image_is_listed"),
    ),
    *rows(
        "pipeline/remap_categories/category_map.py", "tests/pipeline/remap_categories/test_stage.py",
        ("labels are shifted by one", "{category.id: label for label, category in enumerate(self.chosen, start=1)}", "{category.id: label for label, category in enumerate(self.chosen, start=0)}", "tests/pipeline/remap_categories/test_stage.py::test_one_map_from_train_holds_for_val_in_another_order"),
        ("a split may mean something else by an id", "elif first.name != category.name:", "elif first.id != category.id:", "tests/pipeline/remap_categories/test_stage.py::test_val_that_means_something_else_is_refused_and_nothing_is_published"),
    ),
    *rows(
        "pipeline/remap_categories/stage.py", "tests/pipeline/remap_categories/test_stage.py",
        ("other classes make nothing stale", '{"splits": list(settings.splits), "classes": _classes(settings)}', '{"splits": list(settings.splits)}', "tests/pipeline/remap_categories/test_stage.py::test_counts_and_exit_codes_of_the_command"),
    ),
    *rows(
        "pipeline/index/columns.py", "tests/pipeline/index/test_stage.py tests/pipeline/index/test_arrays.py",
        ("images in the order of the file", "self.images = sorted(", "self.images = list(", "tests/pipeline/index/test_stage.py::test_arrays_hold_what_pycocotools_reads"),
        ("boxes in the order of their ids", "np.lexsort((ids, image_ids))", "np.lexsort((image_ids, ids))", "tests/pipeline/index/test_stage.py::test_arrays_hold_what_pycocotools_reads"),
    ),
    *rows(
        "pipeline/index/arrays.py", "tests/pipeline/index/test_stage.py tests/pipeline/index/test_arrays.py",
        ("an image has the boxes of the next one", 'columns.image_ids, side="left")', 'columns.image_ids, side="right")', "tests/pipeline/index/test_stage.py::test_arrays_hold_what_pycocotools_reads"),
        ("width and height in the place of the far corner", "np.concatenate([low, low + size], axis=1)", "np.concatenate([low, size], axis=1)", "tests/pipeline/index/test_stage.py::test_arrays_hold_what_pycocotools_reads"),
    ),
    *rows(
        "pipeline/index/tables.py", "tests/pipeline/index/test_stage.py",
        ("the original id is the label", "labels, original[labels],", "labels, labels,", "tests/pipeline/index/test_stage.py::test_the_database_holds_the_same"),
    ),
    *rows(
        "pipeline/index/build.py", "tests/pipeline/index/test_stage.py",
        ("the arrays of a split have another one's orientations", "_orientations(of, (verdicts or {}).get(of.split, {}))", "_orientations(of, (verdicts or {}).get(splits[0], {}))", "tests/pipeline/index/test_arrays.py::test_each_split_has_its_own"),
    ),
    *rows(
        "pipeline/runner/run.py", "tests/pipeline/runner/test_run.py",
        ("a newer version of a stage makes nothing stale", "if receipt.version != stage.version:", "if receipt.version > stage.version:", "tests/pipeline/runner/test_run.py::test_a_changed_stage_is_stale"),
        ("inputs are not looked at again after the work", "require_unchanged(stage, inputs, inputs_now(stage, settings, observer))", "pass", "tests/pipeline/runner/test_inputs.py::test_an_input_that_changes_while_the_stage_works_ends_without_a_receipt"),
        ("an input that was away for a while is not noticed", "require_unmoved(stage, changed, last_changes(stage, settings))", "pass", "tests/pipeline/runner/test_inputs.py::test_an_input_that_is_moved_away_and_back_ends_without_a_receipt"),
        ("an input that nobody touched is read twice", "{} if force else untouched(inputs, changed, last_changes(stage, settings), began_ns)", "{}", "tests/pipeline/runner/test_inputs.py::test_an_input_that_nobody_touched_is_read_once"),
        ("half-done work of another plan is resumed", "if fresh or not _same_plan(noted, plan):", "if fresh:", "tests/pipeline/runner/test_run.py::test_half_done_work_is_kept_for_the_same_plan_and_dropped_for_another"),
        ("what a stage keeps goes with another plan", "if fresh or entry.name != stage.keeps:", "if True:", "tests/pipeline/image_check/test_journal.py::test_what_a_stopped_run_knows_is_not_lost_to_another_plan"),
        ("a receipt forgets what earlier runs made", "_earlier(settings.root, receipt, outputs),", "{},", "tests/pipeline/runner/test_clean.py::test_what_was_made_with_other_splits_goes_too"),
        ("a stage does not wait for a stale one before it", "and decisions[name].must_run]", 'and decisions[name].state == "missing"]', "tests/pipeline/runner/test_run.py::test_a_changed_input_makes_everything_behind_it_stale_and_says_why"),
    ),
    *rows(
        "pipeline/runner/publish.py", "tests/pipeline/runner/test_publish.py",
        ("named before it is on the disk, in the root", "_bring_to_disk(staging / path, context.stop)\n", "pass\n", "tests/pipeline/runner/test_publish.py::test_on_the_disk_before_the_first_name_changes"),
        ("the folder of a new name is not brought to the disk", "os.replace(staged, final)\n        fsync_folder(final.parent)", "os.replace(staged, final)", "tests/pipeline/runner/test_publish.py::test_on_the_disk_before_the_first_name_changes"),
    ),
    *rows(
        "pipeline/runner/inputs.py", "tests/pipeline/runner/test_inputs.py",
        ("an input changed within a tick of the clock is not read again", " and before[path][1] < since_ns", "", "tests/pipeline/runner/test_inputs.py::test_an_input_that_is_written_with_its_time_put_back_ends_without_a_receipt"),
        ("an input that was written is not read again", "before[path] == after.get(path) and ", "", "tests/pipeline/runner/test_inputs.py::test_an_input_that_is_written_with_its_time_put_back_ends_without_a_receipt"),
    ),
    *rows(
        "pipeline/runner/ownership.py", "tests/pipeline/runner/test_ownership.py",
        ("what was put aside is removed although it differs", "and now is not None and now.sha256 == each.sha256:", "and now is not None:", "tests/pipeline/runner/test_ownership.py::test_an_edited_output_is_made_again_and_the_edit_is_kept"),
    ),
    *rows(
        "pipeline/data_root/fingerprints.py", "tests/pipeline/data_root/test_fingerprints.py",
        ("another file of the same size and time is the same", "if now == (recorded.bytes, recorded.mtime_ns, recorded.inode):", "if now[:2] == (recorded.bytes, recorded.mtime_ns):", "tests/pipeline/data_root/test_fingerprints.py::test_one_changed_fact_is_enough_to_read"),
    ),
    *rows(
        "pipeline/data_root/manifests.py", "tests/pipeline/data_root/test_manifests.py",
        ("other content of the same size is the same", "\\t{m[0]}\\t{m[1]:08x}\\n\" for name, m in", "\\t{m[0]}\\n\" for name, m in", "tests/pipeline/data_root/test_manifests.py::test_the_digest_is_that_of_the_documented_lines"),
        ("a time that was put back hides a change", "and (since_ns is None or now.st_ctime_ns < since_ns)", "and True", "tests/pipeline/runner/test_inputs.py::test_a_file_of_a_folder_that_is_written_with_its_time_put_back_ends_without_a_receipt"),
    ),
    *rows(
        "pipeline/data_root/receipts.py", "tests/pipeline/data_root/test_receipts.py",
        ("a receipt whose counts do not add up is believed", "receipt.taken_in != receipt.kept + sum", "receipt.taken_in < receipt.kept + sum"),
    ),
    *rows(
        "pipeline/command/working_folder.py", "tests/pipeline/command/test_working_folder.py::test_one_at_a_time_and_what_is_half_done_is_the_first_ones",
        ("two processes make one file", "if descriptor is None:", "if descriptor == -1:"),
    ),
    *rows(
        "pipeline/formats/voc.py", "tests/pipeline/formats/test_voc.py",
        ("VOC's corners count from 0", "(x0 - 1, y0 - 1, x1, y1)", "(x0, y0, x1, y1)"),
        ("trainval keeps what val measures", "return [each for each in named[\"trainval\"] if each not in measured]", "return named[\"trainval\"]", "tests/pipeline/formats/test_voc.py::test_trainval_gives_what_val_has_not"),
        ("val comes before test", "for name in (\"test\", \"val\") if name", "for name in (\"val\", \"test\") if name", "tests/pipeline/formats/test_voc.py::test_which_lists_are_used"),
    ),
    *rows(
        "pipeline/formats/documents.py", "tests/pipeline/formats/test_voc.py::test_an_odd_file_is_listed",
        ("a document type is read", "fromstring(data, forbid_dtd=True)", "fromstring(data)"),
    ),
    *rows(
        "pipeline/formats/yolo.py", "tests/pipeline/formats/test_yolo.py::test_the_formula",
        ("YOLO's centre is the left edge", "= cx - w / 2, cy - h / 2", "= cx, cy - h / 2"),
    ),
    *rows(
        "pipeline/formats/open_images.py", "tests/pipeline/formats/test_open_images.py",
        ("a group is an object", 'crowd=row.get("IsGroupOf"', 'crowd=row.get("IsOccluded"', "tests/pipeline/formats/test_open_images.py::test_groups_are_crowds_and_drawings_can_be_kept"),
    ),
    *rows(
        "pipeline/formats/image_files.py", "tests/pipeline/formats/test_image_files.py::test_find",
        ("a name leads out of its folder", 'while ".." in parts:', 'while "..." in parts:'),
    ),
    *rows(
        "pipeline/import_data/split.py", "tests/pipeline/import_data/test_split.py",
        ("each image of a class is measured", "lacking[label] >= held[label] / 2", "lacking[label] >= -held[label]", "tests/pipeline/import_data/test_split.py::test_a_drawn_split_has_its_share_of_each_class"),
        ("the same bytes are on both sides", "groups[first.get(image.path, image.path)].append", "groups[image.path].append", "tests/pipeline/import_data/test_split.py::test_the_same_bytes_stay_on_one_side"),
    ),
    *rows(
        "pipeline/import_data/driver.py", "tests/pipeline/import_data/test_driver.py::test_another_source_or_other_options_are_refused",
        ("a source that has changed is taken for the same", 'if made.params.get("digest") == digest:', "if made.params:"),
    ),
    *rows(
        "pipeline/import_data/judge.py", "tests/pipeline/import_data/test_judge.py",
        ("difficult objects count", 'box.crowd or (box.ignored and self.difficult == "ignore")', "box.crowd", "tests/pipeline/import_data/test_judge.py::test_difficult"),
        ("two images get one name", "while folded(name) in taken | folders:", "while False:", "tests/pipeline/import_data/test_judge.py::test_names_are_plain_and_each_once"),
    ),
    *rows(
        "pipeline/stage.py", "tests/pipeline/pack/test_stage.py",
        ("splits that were not named are packed, too", "if self.pack_splits is None or split in self.pack_splits", "", "tests/pipeline/pack/test_stage.py::test_of_one_split_alone_the_root_stays_what_it_was"),
    ),
    *rows(
        "pipeline/data_root/saved_options.py", "tests/pipeline/pack/test_stage.py",
        ("a pack of a split that is not there is made of none", "if found.packed_splits and not absent:", "if not absent:", "tests/pipeline/pack/test_stage.py::test_of_a_root_with_fewer_splits_what_is_there_is_packed"),
    ),
    *rows(
        "pipeline/pack/writer.py", "tests/pipeline/pack/test_writer.py",
        ("images that are not on the disk count as packed", "strict=True) if end <= size)", "strict=True) if end)", "tests/pipeline/pack/test_writer.py::test_records_that_are_not_there_any_more_do_not_count"),
    ),
    *rows(
        "pipeline/pack/build.py", "tests/pipeline/pack/test_build.py",
        ("an image that has changed stays packed", "or pack.source_crc32().tolist() != _crcs_now(context, wanted)", "or False", "tests/pipeline/pack/test_build.py::test_other_boxes_leave_the_pack_and_other_images_do_not"),
    ),
    *rows(
        "vision/datasets/packed/detection.py", "tests/datasets/packed/test_detection.py",
        ("a pack of other images is read", "if self.pack.record.list_sha256 != list_digest(self._record):", "if False:", "tests/datasets/packed/test_detection.py::test_a_pack_that_cannot_be_used_is_refused_with_what_makes_it"),
    ),
    *rows(
        "vision/engine/runs/plan.py", "tests/engine/runs/test_plan.py",
        ("a pack that was made meanwhile feeds a resumed run", "before = JPEG_FEED if before == AUTO_FEED else before", "before = plan.config.feed", "tests/engine/runs/test_plan.py::test_auto_is_on_resume_what_the_run_has"),
    ),
    *rows(
        "vision/transforms/device/sampling.py", "tests/transforms/device/test_sampling.py",
        ("chroma is read as if it were of the record's size", "bits = PX_BITS + (plane.shape[1] < planes[0].shape[1])", "bits = PX_BITS", "tests/transforms/device/test_sampling.py::test_against_float64"),
        ("samples are placed by pixels' corners", "twice - (1 << bits) + (1 << (bits - BITS))", "twice + (1 << (bits - BITS))", "tests/transforms/device/test_sampling.py::test_the_same_as_on_the_cpu_image_by_image"),
    ),
    *rows(
        "vision/transforms/device/records.py", "tests/transforms/device/test_records.py",
        ("a ring is written while it is read", "self._next = (self._next + 1) % SLOTS", "self._next = 0", "tests/transforms/device/test_records.py::test_a_ring_is_used_again_and_only_when_it_is_free"),
    ),
    *rows(
        "vision/transforms/window.py", "tests/transforms/test_window.py",
        ("a packed image is seen a pixel off", "begins = start - skip * step", "begins = start + 1 - skip * step"),
    ),
)  # fmt: skip
