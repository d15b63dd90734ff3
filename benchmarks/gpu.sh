#!/usr/bin/env bash
# Measure a GPU in one command, within 9 minutes, with data that it makes itself: images/s of the whole trainer by each way and feed, memory,
# idle share, minutes an epoch of COCO takes. ./benchmarks/gpu.sh --help says more; --quick tries it out within 2 minutes, on a CPU too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="${PYTHON:-.venv/bin/python}"
command -v "$python" > /dev/null || python=python3
exec "$python" -m benchmarks.gpu "$@"
