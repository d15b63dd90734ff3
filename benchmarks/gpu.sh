#!/usr/bin/env bash
# All measurements of a GPU in one command, within 9 minutes: images/s of the whole trainer by each way and feed, memory, idle share,
# minutes an epoch of COCO takes. It makes its own data. ./benchmarks/gpu.sh --help; --quick tries it out in a minute or two, on a CPU too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="${PYTHON:-.venv/bin/python}"
command -v "$python" > /dev/null || python=python3
exec "$python" -m benchmarks.gpu "$@"
