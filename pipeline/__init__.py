"""Room 1: the stages, bytes on a server → files on disk. No torch; stages meet on disk and never import each other.

The runner, once for all stages: __main__.py and command.py (the command line), stage.py (what a stage is), stages.py
(their order), runner.py (decide, act, receipt), observe.py and trees.py (what is on the disk now), receipts.py (what
was), choices.py, lock.py, leftovers.py (of killed runs), clean.py, brought.py (what stages put there file by file),
owners_files.py (what they did not), claims.py, ownership.py, own_data.py (whose a file is), next_step.py (what is printed
in the end), rejects.py, working_folder.py (a file of one's own).

download.py, download_file.py ← fetch.py (one file), part.py (what of it is there), request.py (one GET), mirrors.py,
    logins.py (secrets of addresses), network_errors.py,
    progress.py; release.py, space.py
extract.py, extract_file.py ← split_folder.py (what is there already), already_unpacked.py,
    unpacking.py (threads, restart),
    archive.py (what is refused), archive_directory.py (its entries), archive_members.py (a million in little room),
    archive_unpack.py (one member), archive_fault.py (what helps), plain_paths.py (which paths meet)
validate_images.py ← image_table.py and image_folder.py (what there is to check), image_survey.py (the check of many),
    image_check.py (of one), image_files.py, image_absence.py, image_splits.py (leaks), image_journal.py, image_rules.py, worker_pool.py, fork_server.py; verdicts.py reads the
    table, image_rejects.py makes rejects.jsonl of it again
remap_categories.py, remap_file.py ← remap_one.py, remapped.py (writes), annotations.py ← annotation_bytes.py,
    json_scan.py, json_structure.py, json_strict.py (read), annotation_rules.py (what is kept), image_names.py, categories.py, category_map_file.py, remap_report.py,
    published_together.py
index.py ← index_build.py, index_rules.py, columns.py, tables.py (SQLite), arrays.py (flat arrays), query.py (asks)
miniature.py ← miniature_scene.py, miniature_shapes.py, coco_categories.py: the rendered release, to try all of it on
"""

from vision.messages import supported_python as supported_python
