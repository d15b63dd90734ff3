"""Every command that is printed is run by a test in the situation in which it is printed, or has its reason here."""

from __future__ import annotations

from pathlib import Path

from tests.house.printed_sites import claimed, product_sites

NOT_RUN = {}


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
