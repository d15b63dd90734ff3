"""Deliberate faults of the stages (``pipeline/``): what is fetched, unpacked, checked, remapped, indexed, and published."""

from __future__ import annotations

from benchmarks.deliberate_faults.fault import Fault, rows

STAGES: tuple[Fault, ...] = (
    *rows(
        "pipeline/transfer/request.py", "tests/pipeline/transfer/test_request.py tests/pipeline/transfer/test_fetch.py",
        ("a range asks for one byte too many", "else str(end - 1))", "else str(end))"),
        ("a Content-Range from elsewhere is taken", "if span is None or int(span[1]) != start:", "if span is None:"),
        ("a weak ETag identifies the object", 'if etag and not etag.startswith("W/"):', "if etag:"),
        ("a redirect from https to http is followed", '== ("https", "http")', '== ("http", "https")'),
        ("a 416 is tried again as it is", 'return NotResumable(f"HTTP 416: the server{told} has', 'return TransientError(f"HTTP 416: the server{told} has'),
    ),
    *rows(
        "pipeline/transfer/partial.py", "tests/pipeline/transfer/test_partial.py",
        ("what no fsync has proven is believed after a restart of the machine", 'elif row["synced"] or same_boot:', "else:"),
        ("the part of another file is resumed", ' or head["sha256"] != self.identity:', ":"),
        ("a byte is believed that the part does not have", "span.position > size:", "span.position > size + 1:"),
        ("a failed fsync is forgotten", "self._forget_unsynced()\n", "pass\n"),
    ),
    *rows(
        "pipeline/transfer/fetch.py", "tests/pipeline/transfer/test_fetch.py",
        ("the digest is not compared where the size is right", "return None if digest == self.sha256 else", "return None if have == self.bytes else"),
        ("bytes of two objects of one address are mixed", "if not whole and known and answer.validator and known", "if whole and known and answer.validator and known"),
        ("a connection writes into the next one's span", "span.position + len(chunk) > span.end:", "span.position > span.end:"),
        ("a server that asks to be left alone is not", "return min(after_s, RETRY_AFTER_LIMIT_S)", "return BACKOFF_S"),
        ("named before it is on the disk", "part.close()\n", "part.close(sync=False)\n"),
    ),
    *rows(
        "pipeline/transfer/mirrors.py", "tests/pipeline/transfer/test_mirrors.py",
        ("a mirror that cannot resume is asked again", "out = self._barred | self._dead", "out = self._dead"),
    ),
    *rows(
        "pipeline/download/stage.py", "tests/pipeline/download/test_stage.py",
        ("an archive of the right size is taken for the right one", "path.stat().st_size == file.bytes and sha256_of(path, context.stop.check) == file.sha256", "path.stat().st_size == file.bytes"),
        ("another digest in the release makes nothing stale", "files = {file.path: file.sha256 for", "files = {file.path: file.bytes for"),
    ),
    *rows(
        "pipeline/archives/unpack_member.py", "tests/pipeline/archives/test_unpack.py tests/pipeline/archives/test_archive.py",
        ("the CRC of a member is not compared", "if left or crc != member.crc32:", "if left:"),
        ("a chunk is unpacked whole, however large it becomes", "inflate.decompress(chunk, CHUNK)", "inflate.decompress(chunk)"),
    ),
    *rows(
        "pipeline/archives/unpack.py", "tests/pipeline/archives/test_unpack.py tests/pipeline/extract/test_split_folder.py",
        ("a file of the right size is taken for the member", "return known == now or trees.crc32_of", "return True or trees.crc32_of"),
    ),
    *rows(
        "pipeline/archives/archive.py", "tests/pipeline/archives/test_archive.py",
        ("members that swell are counted one by one", "swollen += entry.size if", "swollen = entry.size if"),
        ("members may overlap by one byte", "if gap < 0:", "if gap < -1:"),
    ),
    *rows(
        "pipeline/archives/zip_directory.py", "tests/pipeline/archives/test_zip_directory.py",
        ("bytes in front of the archive shift no member", "attributes, offset + shift, second), end", "attributes, offset, second), end"),
    ),
    *rows(
        "pipeline/archives/local_header.py", "tests/pipeline/archives/test_local_header.py",
        ("a header may name another compression", "method != member.method\n        or flags", "flags"),
    ),
    *rows(
        "pipeline/plain_paths.py", "tests/pipeline/test_plain_paths.py",
        ("a duplicate name in another normal form is none", 'unicodedata.normalize("NFD", path).casefold()', "path.casefold()"),
    ),
    *rows(
        "pipeline/extract/split_folder.py", "tests/pipeline/extract/test_split_folder.py",
        ("the owner's file is removed by its name alone", "if is_ours(folder / name, name, own, stop.check)]", "if name in own]", "tests/pipeline/runner/test_owners_files.py tests/pipeline/extract/test_split_folder.py tests/pipeline/extract/test_stage.py"),
        ("what a kill left half written is taken over", "if e.name not in files or not", "if not"),
    ),
    *rows(
        "pipeline/image_check/journal.py", "tests/pipeline/image_check/test_journal.py",
        ("a verdict holds whatever the file is now", "if known is None or known.facts != facts_now(Path(job.folder), job.name):", "if known is None:"),
        ("the verdict on an image that is missing is kept", "if checked.facts is not None:", "if True:"),
    ),
    *rows(
        "pipeline/image_check/check_many.py", "tests/pipeline/image_check/test_check_many.py tests/pipeline/image_check/test_absence.py",
        ("an image that is there meanwhile stays missing", "other = is_absent(checked.verdict.reason) and is_readable(folder, job.name)", "other = False"),
        ("an image is bad when the system kills its process", "if result.crashed:", "if True:", "tests/pipeline/image_check/test_check_many.py tests/pipeline/validate_images/test_stage.py"),
    ),
    *rows(
        "pipeline/image_check/worker_pool.py", "tests/pipeline/image_check/test_worker_pool.py",
        ("what a dead worker had waiting is lost", "self._again.extend(waiting)\n", "pass\n"),
    ),
    *rows(
        "pipeline/image_check/absence.py", "tests/pipeline/image_check/test_absence.py",
        ("a disk that is not mounted makes rejects", "if len(absent) <= HANDFUL and 4", "if len(absent) <= HANDFUL or 4"),
    ),
    *rows(
        "pipeline/validate_images/table.py", "tests/pipeline/validate_images/test_table.py tests/pipeline/validate_images/test_stage.py",
        ("rejects are counted as kept", 'if of.verdict == "reject":', 'if of.verdict == "rejected":'),
        ("height and width are compared the wrong way round", '(raw["height"], raw["width"]))', '(raw["width"], raw["height"]))'),
    ),
    *rows(
        "pipeline/validate_images/image_splits.py", "tests/pipeline/validate_images/test_image_splits.py",
        ("images in two splits are told by content alone", 'keys = {"content": trees.content(member)} | keys', 'keys = {"content": trees.content(member)}'),
    ),
    *rows(
        "pipeline/annotations/rules.py", "tests/pipeline/remap_categories/test_writer.py tests/pipeline/remap_categories/test_stage.py",
        ("boxes are clipped at −1", "left, top = max(x, 0), max(y, 0)", "left, top = max(x, -1), max(y, -1)"),
        ("a box without width is kept", "if w == 0 or h == 0:", "if w == 0 and h == 0:"),
        ("the mask's area is lost", "return (min(area, of_box) if clipped else area), None", "return of_box, None"),
    ),
    *rows(
        "pipeline/annotations/json_strict.py", "tests/pipeline/annotations/test_scan.py tests/pipeline/annotations/test_json_scan.py",
        ("a key that comes twice is taken", "return quotes == 2 * outside_lists or", "return True or"),
    ),
    *rows(
        "pipeline/remap_categories/writer.py", "tests/pipeline/remap_categories/test_writer.py tests/pipeline/remap_categories/test_stage.py",
        ("crowds become objects", 'raw["iscrowd"] = int(raw.get("iscrowd", 0))', 'raw["iscrowd"] = 0'),
        ("boxes are clipped to the turned image", 'raw["width"] * SIDES + raw["height"]', 'raw["height"] * SIDES + raw["width"]'),
        ("an id may come twice", 'self._seen.add(raw["id"])', "pass"),
        ("refused images stay", 'if verdict == "reject":', 'if verdict == "rejected":'),
    ),
    *rows(
        "pipeline/remap_categories/category_map.py", "tests/pipeline/remap_categories/test_stage.py",
        ("labels are shifted by one", "{category.id: label for label, category in enumerate(self.chosen, start=1)}", "{category.id: label for label, category in enumerate(self.chosen, start=0)}"),
        ("a split may mean something else by an id", "elif first.name != category.name:", "elif first.id != category.id:"),
    ),
    *rows(
        "pipeline/remap_categories/stage.py", "tests/pipeline/remap_categories/test_stage.py",
        ("other classes make nothing stale", '{"splits": list(settings.splits), "classes": _classes(settings)}', '{"splits": list(settings.splits)}'),
    ),
    *rows(
        "pipeline/index/columns.py", "tests/pipeline/index/test_stage.py tests/pipeline/index/test_arrays.py",
        ("images in the order of the file", "self.images = sorted(", "self.images = list("),
        ("boxes in the order of their ids", "np.lexsort((whole[:, 0], whole[:, 1]))", "np.lexsort((whole[:, 1], whole[:, 0]))"),
    ),
    *rows(
        "pipeline/index/arrays.py", "tests/pipeline/index/test_stage.py tests/pipeline/index/test_arrays.py",
        ("an image has the boxes of the next one", 'columns.image_ids, side="left")', 'columns.image_ids, side="right")'),
        ("width and height in the place of the far corner", "np.concatenate([low, low + size], axis=1)", "np.concatenate([low, size], axis=1)"),
    ),
    *rows(
        "pipeline/index/tables.py", "tests/pipeline/index/test_stage.py",
        ("the original id is the label", "yield id_, image, label, original[label], x", "yield id_, image, label, label, x"),
    ),
    *rows(
        "pipeline/index/build.py", "tests/pipeline/index/test_stage.py",
        ("the arrays of a split have another one's orientations", "_orientations(of, (verdicts or {}).get(of.split, {}))", "_orientations(of, (verdicts or {}).get(splits[0], {}))"),
    ),
    *rows(
        "pipeline/runner/run.py", "tests/pipeline/runner/test_run.py",
        ("a newer version of a stage makes nothing stale", "if receipt.version != stage.version:", "if receipt.version > stage.version:"),
        ("inputs are not looked at again after the work", "_require_unchanged(stage, inputs, _inputs_now(stage, settings, observer))", "pass"),
        ("an input that was away for a while is not noticed", "_require_unmoved(stage, changed, _last_changes(stage, settings))", "pass"),
        ("half-done work of another plan is resumed", "(fresh or not _same_plan(noted, plan))", "fresh"),
        ("a stage does not wait for a stale one before it", "and decisions[name].must_run]", 'and decisions[name].state == "missing"]'),
    ),
    *rows(
        "pipeline/runner/publish.py", "tests/pipeline/runner/test_publish.py",
        ("named before it is on the disk, in the root", "_bring_to_disk(staging / path, context.stop)\n", "pass\n"),
        ("the folder of a new name is not brought to the disk", "os.replace(staged, final)\n        fsync_folder(final.parent)", "os.replace(staged, final)"),
    ),
    *rows(
        "pipeline/runner/ownership.py", "tests/pipeline/runner/test_ownership.py",
        ("what was put aside is removed although it differs", "and now is not None and now.sha256 == each.sha256:", "and now is not None:"),
    ),
    *rows(
        "pipeline/data_root/fingerprints.py", "tests/pipeline/data_root/test_fingerprints.py",
        ("another file of the same size and time is the same", "if now == (recorded.bytes, recorded.mtime_ns, recorded.inode):", "if now[:2] == (recorded.bytes, recorded.mtime_ns):"),
    ),
    *rows(
        "pipeline/data_root/manifests.py", "tests/pipeline/data_root/test_manifests.py",
        ("other content of the same size is the same", "\\t{m[0]}\\t{m[1]:08x}\\n\" for name, m in", "\\t{m[0]}\\n\" for name, m in"),
        ("a time that was put back hides a change", "written = since_ns is not None and now.st_ctime_ns >= since_ns", "written = False", "tests/pipeline/data_root/test_manifests.py tests/pipeline/data_root/test_fingerprints.py"),
    ),
    *rows(
        "pipeline/data_root/receipts.py", "tests/pipeline/data_root/test_receipts.py",
        ("a receipt whose counts do not add up is believed", "receipt.taken_in != receipt.kept + sum", "receipt.taken_in < receipt.kept + sum"),
    ),
    *rows(
        "pipeline/command/working_folder.py", "tests/pipeline/command/test_working_folder.py",
        ("two processes make one file", "if descriptor is None:", "if descriptor == -1:"),
    ),
)  # fmt: skip
