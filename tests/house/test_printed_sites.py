"""Every command that is printed is run by a test in the situation in which it is printed, or has its reason here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house import printed_sites
from tests.house.printed_sites import claimed, product_sites, sites_of

INSTALLS = "it changes the machine or the Python that runs the tests"
NOT_RUN = {
    "tools/demo.py:Journey.step": "it is the command that is running",
    "tools/setup.py:main": "it is the command that is running",
    "tools/setup.py:named_python": "what was typed, and no command",
    "tools/demo.py:report": "it fetches 20 GB; that setup_coco.sh starts is a test of its own",
    "tools/export_onnx.py:report": "it runs on the board; tests/tools/test_export_onnx.py holds its words",
    "vision/engine/training/report.py:end#4": "it serves pages until it is ended",
    "vision/nn/weights/published.py:require_there": "a path, and no command",
    "vision/datasets/root_advice.py:_sources": "two paths, and no command",
    "vision/datasets/root_advice.py:arrays_wanted": "a path, and no command",
    "vision/datasets/root_advice.py:root_wanted": "a path, and no command",
    "pipeline/statistics/splits.py:open_splits": "a path, and no command",
    "tools/foreign/data.py:data_root": "an option of the command that is running",
    "tools/doctor.py:check_installer": INSTALLS,
    "tools/doctor.py:check_packages": INSTALLS,
    "tools/doctor.py:check_compiler": INSTALLS,
    "tools/doctor.py:check_memory": "an option of docker",
    "vision/engine/machine.py:require_compiler": INSTALLS,
    "vision/datasets/loading.py:_fits_shared_memory": "an option of docker",
    "vision/datasets/workers.py:cause_of": "an option of docker",
    "vision/messages/imports.py:said_of_import": "the path of this Python, and no command",
    "vision/messages/imports.py:said_of_import#2": INSTALLS,
    "vision/messages/imports.py:_with_the_environment#4": INSTALLS,
    "vision/export/onnx.py:export": "an option, for callers without a command line",
    "vision/messages/system_errors.py:": "a limit of the shell that it is typed into",
}
"""Why no test runs the command that is printed there."""


IMPORTS = "tests/messages/test_imports.py::test_the_printed_command_works"
PHOTOGRAPHS = "tests/end_to_end/test_photographs.py"
RUN_IN_ANOTHER_WAY = {
    "vision/messages/imports.py:said_of_import#3": IMPORTS,
    "vision/messages/imports.py:_with_the_environment": IMPORTS,
    "vision/messages/imports.py:_with_the_environment#2": IMPORTS,
    "vision/messages/imports.py:_with_the_environment#3": IMPORTS,
    "pipeline/image_check/settings.py:to_apply": f"{PHOTOGRAPHS}::test_where_none_can_be_used_the_command_is_the_fix",
    "tools/export_onnx.py:_again": "tests/tools/test_export_onnx.py::test_the_printed_command_exports_beside_a_network_of_ones_own",
}
"""In a process of its own, by that test."""


def test_every_printed_command_is_run_by_a_test(repository: Path) -> None:
    sites = {site.name: site for site in product_sites()}
    run = {
        name
        for file in (repository / "tests").rglob("test_*.py")
        for name, _ in claimed(file, set(sites))
    }  # fmt: skip
    missing = [
        f"{name} (line {site.first}): no test runs what is printed there by printed(said, {name!r}), see tests/printed.py"
        for name, site in sites.items()
        if name not in run | NOT_RUN.keys() | RUN_IN_ANOTHER_WAY.keys()
    ]
    assert not missing, "\n".join(missing)
    assert not (NOT_RUN.keys() | RUN_IN_ANOTHER_WAY.keys()) - sites.keys(), "these are gone"
    assert not (NOT_RUN.keys() | RUN_IN_ANOTHER_WAY.keys()) & run, "these are run after all"


@pytest.mark.parametrize("test", sorted(set(RUN_IN_ANOTHER_WAY.values())))
def test_what_runs_it_in_another_way_is_there(test: str, repository: Path) -> None:
    file, _, name = test.partition("::")
    (found,) = (
        node
        for node in ast.parse((repository / file).read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    )
    assert re.search(r"\b(?:obey\w*|main|subprocess\.run)\(", ast.unparse(found)), f"{test} runs nothing"


def test_a_command_without_a_test_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed_sites, "REPOSITORY", tmp_path)
    product, tests = tmp_path / "product.py", tmp_path / "test_it.py"
    product.write_text(
        "from vision.messages.advice import command\n"
        "def one(root): return f'fix: {command(\"python -m pipeline run\", root)}'\n"
        "def two(root): return [command('mv', root), 'then python -m tools.doctor']\n"
        "def none(root): return f'{root}: no such file'\n"
    )
    names = {site.name for site in sites_of(product)}
    assert names == {"product.py:one", "product.py:two", "product.py:two#2"}
    tests.write_text(
        "TABLE = ['product.py:two']\n"
        "def test_a(printed): printed('', 'product.py:one')\n"
        "def test_b(printed): printed('', TABLE[0])\n"
        "def test_c(): print('product.py:two#2')\n"
    )
    assert {name for name, _ in claimed(tests, names)} == {"product.py:one", "product.py:two"}
