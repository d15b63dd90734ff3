"""The validation data of a run, where they are now."""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.report")

from collections.abc import Sequence
from pathlib import Path

from vision.datasets.merged import DataSet
from vision.datasets.splits import open_splits
from vision.engine.checkpoints.data_place import moved, recorded_root


def measured_data(
    roots: Sequence[str],
    validation: str | None,
    run: Path,
    named: Path | None,
    line: str,
    imported: bool = False,
) -> DataSet:
    """What ``run`` was validated on.

    :param roots: ``--datasets`` of the run; validation: its ``--validation-dataset``
    :param named: another place, which this command was told
    :param line: the command that takes another place, for where they are gone
    :raises DatasetError: they are gone, damaged or do not fit each other
    """
    if named is not None:
        return open_splits(named)[1]
    places = [recorded_root(root, run) for root in roots]
    measured = recorded_root(validation, run) if validation else None
    for place in [*places, *([measured] if measured else [])]:
        if not place.is_dir():
            raise moved(place, run, line, imported)
    return open_splits(*places, validation=measured)[1]
