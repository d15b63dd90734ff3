#!/usr/bin/env bash
# The reference data run: from a clean clone to checked COCO 2017 training data. `./setup_coco.sh --help` says all.
#
#   what                              fetched     on disk   minutes (100 Mbit/s, four cores)
#   .venv, mostly torch + CUDA         3.0 GB      6.3 GB    1 with uv, 3-5 with pip; later runs 0
#   train2017.zip, val2017.zip        20.2 GB     20.2 GB    27
#   annotations_trainval2017.zip       0.25 GB     0.25 GB    -
#   images, out of the archives       -          20.1 GB    1
#   every image decoded once          -            -        2-6
#   remapped annotations, index         -           1-2 GB    2
#
#   --sample: val2017 only, 1.1 GB    --demo: no COCO at all, rendered images, 8-15 minutes on two cores
#   --have DIR: archives that are on this disk already are linked or copied, only the others are fetched
#
# Here only a Python to start with is chosen; tools/setup.py says the cost and asks the doctor, tools/environment.sh makes
# .venv, and `python -m pipeline run` (or `python -m tools.demo`) does the work with the Python of it.
set -euo pipefail
export SETUP_CALLED_FROM="$PWD"
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
case " $* " in *" --no-env "* | *" --no_env "*) export PYTHON="${PYTHON:-python3}" ;; esac
python=$(tools/environment.sh --find)
exec "$python" -m tools.setup "$@"
