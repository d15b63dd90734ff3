"""Every command that is printed is run by a test in the situation in which it is printed, or has its reason here."""

from __future__ import annotations

from pathlib import Path

from tests.house.printed_sites import claimed, product_sites

INSTALLS = "it changes the machine or the Python that runs the tests"
NOT_RUN = {
    "tools/demo.py:Journey.step": "it is the command that is running",
    "tools/setup.py:main": "it is the command that is running",
    "tools/demo.py:report": "it fetches 20 GB; that setup_coco.sh starts is a test of its own",
    "tools/export_onnx.py:report": "it runs on the board; tests/tools/test_export_onnx.py holds its words",
    "vision/engine/report.py:end#4": "it serves pages until it is ended",
    "vision/datasets/root_advice.py:_sources": "two paths, and no command",
    "tools/doctor.py:check_python": INSTALLS,
    "tools/doctor.py:check_installer": INSTALLS,
    "tools/doctor.py:check_packages": INSTALLS,
    "tools/doctor.py:check_compiler": INSTALLS,
    "tools/doctor.py:check_memory": "an option of docker",
    "tools/environment.py:pip_for": INSTALLS,
    "vision/engine/machine.py:require_compiler": INSTALLS,
    "vision/datasets/loading.py:_fits_shared_memory": "an option of docker",
    "vision/datasets/workers.py:cause_of": "an option of docker",
    "vision/artefacts/system_errors.py:": "a limit of the shell that it is typed into",
}
"""Why no test runs the command that is printed there."""


def test_every_printed_command_is_run_by_a_test(repository: Path) -> None:
    sites = {site.name: site for site in product_sites()}
    tests: dict[str, list[str]] = {}
    for file in sorted((repository / "tests").rglob("test_*.py")):
        for name, test in claimed(file, set(sites)):
            tests.setdefault(name, []).append(test)
    missing = [
        f"{site.file.relative_to(repository)}:{site.first}: no test runs what is printed there: printed(said, {name!r}),"
        " see tests/printed.py"
        for name, site in sites.items()
        if name not in tests and name not in NOT_RUN
    ]
    assert not missing, "\n".join(missing)
    assert not NOT_RUN.keys() - sites.keys(), "these are gone"
    assert not NOT_RUN.keys() & tests.keys(), "these are run after all"
