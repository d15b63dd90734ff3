#!/usr/bin/env bash
# All checks: format, lint, types, tests. Anything after the options goes to pytest.
#
#   ./run_tests.sh                       everything but the markers `faults` and `slow`; some minutes on two cores
#   ./run_tests.sh tests/ssd -k loss     part of the tests, without format, lint and types
#   ./run_tests.sh -m faults             the long kill and fault runs
#   ./run_tests.sh -m slow               minutes: every net of the table trained, resumed and exported
#   PYTHON=python3 ./run_tests.sh        with this Python and what it has (the same: --no-env), no .venv is made
#   COCO_MINI=/path ./run_tests.sh       the tests on real images too: a folder with release.json and its files
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"

case "${1:-}" in -h | --help)
    sed -n '2,/^set -/{s/^# \{0,1\}//p;}' "$0"
    exit 0
    ;;
esac
no_env=()
if [ "${1:-}" = --no-env ]; then no_env=(--no-env); shift; fi
python=$(tools/environment.sh --dev "${no_env[@]}")
has() { "$python" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$1') is None)"; }
check() {  # NAME COMMAND…: a checker that this Python lacks is passed over, aloud
    if has "$1"; then "$python" -m "$@"; else echo "skipped: $1 is not installed in $python" >&2; fi
}

if ! has pytest; then
    echo "STOP: pytest is not installed in $python" >&2
    named=${no_env[*]:-PYTHON=$PYTHON}
    echo "  why: $named uses what is there and installs nothing" >&2
    echo "  fix: $python -m pip install -r requirements-dev.txt, or run without $named" >&2
    exit 1
fi
if [ $# -eq 0 ]; then
    check ruff format --quiet --check .
    check ruff check --quiet .
    check mypy --no-error-summary
fi

# One process more than there are cores, since many tests wait; one thread each. Files stay together, since their tests
# share what is slow to make, in the order of tests/conftest.py.
parallel=()
if has xdist; then
    parallel=(-n $(($(nproc 2>/dev/null || echo 1) + 1)) --dist loadfile --no-loadscope-reorder -p tests.warm)
fi
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" NO_ALBUMENTATIONS_UPDATE=1
exec "$python" -m pytest -q "${parallel[@]}" "$@"
