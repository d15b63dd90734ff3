#!/bin/sh
# Prints the Python that setup_coco.sh and run_tests.sh start with: the one that PYTHON names, else the first of 3.10
# to 3.13, else whatever there is, which then says in one line that it is too old (vision/messages/supported_python.py).
starts() { [ -n "$1" ] && "$1" -c "$2" >/dev/null 2>&1; }
supported="import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))"

if starts "${PYTHON:-}" ""; then echo "$PYTHON"; exit; fi
for python in python3 python3.11 python3.12 python3.10 python3.13; do
    if starts "$python" "$supported"; then echo "$python"; exit; fi
done
python=$(uv python find --no-python-downloads --system ">=3.10,<3.14" 2>/dev/null || true)
if starts "$python" "$supported"; then echo "$python"; exit; fi
for python in python3 python; do
    if starts "$python" ""; then echo "$python"; exit; fi
done
echo "STOP: no Python starts here (tried ${PYTHON:+$PYTHON, }python3, and python3.10 to python3.13)" >&2
echo "  why: everything else of this project is Python" >&2
echo "  fix: install one (apt install python3 python3-venv), or name one: PYTHON=/path/to/python" >&2
exit 1
