#!/usr/bin/env bash
# Makes .venv, or repairs one that was left half made, and prints the path of its Python; with nothing to do at once.
#
#   tools/environment.sh                       with requirements.txt
#   tools/environment.sh --dev                 with the tools for tests as well
#   tools/environment.sh --venv NAME           this folder instead of .venv
#   tools/environment.sh --base PYTHON         made with this Python, if it can make one, before any other
#   tools/environment.sh --find                makes nothing: prints the Python of a complete .venv, or the one to make it with
#   tools/environment.sh -- ARGUMENTS…         runs the Python of .venv with these instead of printing its path
#   PYTHON=/usr/bin/python3 … | --no-env       that Python (or the python3 on PATH) as it is; installs nothing
#
# Installing takes about 3 GB from the registry, 6.3 GB on disk and half a minute (uv) to five minutes (pip), nearly all of
# it torch with its CUDA libraries. What is installed is noted in .venv/setup.json, written last. Only the result goes to stdout.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
trap 'echo "interrupted; run the same command to resume" >&2; exit 130' INT

requirements=requirements.txt venv=.venv base="" find=false
while [ $# -gt 0 ]; do
    case "$1" in
    --dev) requirements=requirements-dev.txt ;;
    --venv) venv=$2; shift ;;
    --base) base=$2; shift ;;
    --find) find=true ;;
    --no-env) PYTHON=${PYTHON:-python3} ;;
    --) shift; break ;;
    -h | --help) sed -n '2,/^set -/{s/^# \{0,1\}//p;}' "$0"; exit ;;
    *) printf 'error: unknown argument %s\n  all options: tools/environment.sh --help\n' "$1" >&2; exit 2 ;;
    esac
    shift
done
python=$PWD/$venv/bin/python stamp=$venv/setup.json uv=$(command -v uv || true)

say() { echo "environment: $*" >&2; }
stop() { printf 'STOP: %s\n  why: %s\n  fix: %s\n' "$@" >&2; exit 1; }
starts() { "$1" -c "${2:-}" >/dev/null 2>&1; }  # a name on PATH proves nothing: pyenv has shims of versions that are not there
stamped() { grep -qsF "$1" "$stamp"; }

# Prints this Python where it is `able` to make an environment, `supported` or at least (`any`) not the one to be made.
probe='
import os, sys
from importlib.util import find_spec as has
level, venv, uv = sys.argv[1:]
supported = (3, 10) <= sys.version_info[:2] <= (3, 13)
able = supported and has("venv") and (uv or has("ensurepip") or has("pip"))
if os.path.realpath(sys.prefix) != os.path.realpath(venv) and {"able": able, "supported": supported, "any": True}[level]:
    print(sys.executable)
'

find_base() {  # sets `base`; those with exact pins in constraints/ first, the newest of them before the others
    local level one names=(${base:+"$base"} python3.11 python3.12 python3.10 python3.13 python3 python)
    [ -z "$uv" ] || names+=("$("$uv" python find --no-python-downloads --system ">=3.10,<3.14" 2>/dev/null || true)")
    for level in able supported any; do
        for one in "${names[@]}"; do
            base=$("$one" -c "$probe" "$level" "$venv" "$uv" 2>/dev/null || true)
            if [ -n "$base" ]; then return; fi
        done
    done
    stop "no Python starts here (tried python3, and python3.10 to python3.13)" "everything else of this project is Python" \
        "install one (apt install python3 python3-venv), or name one: PYTHON=/path/to/python"
}

release_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

pins_of() {  # the exact pins and hashes for Python $1, the tools for tests included; nothing where there are none
    local found=(constraints/python"$1"-*.txt)
    if [ -e "${found[0]}" ]; then echo "${found[0]}"; fi
}

digest() {  # of everything that decides what gets installed for the requirements $1 under Python $2
    local pins; pins=$(pins_of "$2")
    { echo "$2"; sed 's/ *#.*//; /^$/d' requirements.txt "$1" ${pins:+"$pins"}; } | sha256sum | cut -d' ' -f1
}

lacks() {  # prints why something has to be done; nothing when it is complete
    local release gone
    if [ ! -e "$venv" ]; then echo "there is no $venv yet"
    elif ! release=$(release_of "$python"); then echo "the Python that $venv was made with is gone"
    elif stamped '"installing"'; then echo "the last install was interrupted"
    elif [ ! -s "$stamp" ]; then echo "$venv was not made by this script"
    elif ! stamped "\"$requirements\": \"$(digest "$requirements" "$release")\""; then
        echo "$requirements or its constraints changed, or were not installed yet"
    elif stamped '"ours": true'; then  # another one may see the system's packages
        gone=$("$python" -c 'import sys; from vision.messages.imports import not_installed
print(*not_installed(sys.argv[1]), sep=", ")' "$requirements")
        if [ -n "$gone" ]; then echo "$gone no longer in $venv"; fi
    fi
}

note() {  # state, ours, and "NAME": "DIGEST" of each file of requirements that is installed
    printf '{\n "state": "%s",\n "ours": %s,\n "digests": {%s}\n}\n' "$@" >"$stamp.part"
    mv "$stamp.part" "$stamp"
}

create() {  # without pip: Debian's Python has venv but not ensurepip, and uv needs neither
    find_base
    "$base" -c 'import tools' || exit 1  # one that is too old says so
    "$base" -m venv --without-pip "$venv" >&2 ||
        stop "the environment could not be made" "\`$base -m venv $venv\` failed; its own message is above" \
            "apt install python$(release_of "$base")-venv, or another Python: PYTHON=/path/to/python"
}

put_pip() {  # sets `pip`: that of the environment, made by ensurepip if need be, or the base Python's
    if starts "$python" "import pip" || "$python" -m ensurepip >/dev/null 2>&1; then pip=("$python" -m pip); return; fi
    find_base
    starts "$base" "import pip" || stop "$base has neither ensurepip nor pip, and there is no uv" \
        "nothing can install packages into the environment" "apt install python$(release_of "$base")-venv, or install uv"
    pip=("$base" -m pip --python "$python")
    "${pip[@]}" --version >/dev/null 2>&1 && return
    "$base" -m pip install --quiet --target "$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" pip >&2
    pip=("$python" -m pip)  # the base Python's is older than 22.3 and has no --python
}

fill() {  # with uv where it is there (measured: 28 s), else with pip (185 s)
    local quiet=(); [ -t 2 ] || quiet=(--quiet)
    if [ -n "$uv" ]; then
        if "$uv" pip install --python "$python" "${quiet[@]}" "$@" >&2; then return; fi
        say "uv did not succeed (it does not read pip's settings); trying pip"
    fi
    put_pip
    "${pip[@]}" install "${quiet[@]}" "$@" >&2 || stop "$requirements could not be installed" \
        "\`${pip[*]} install …\` failed; its own message is above" \
        "check the network and the disk and run again; what was fetched is kept in the installer's cache. Where hashes differ, the index has files of its own: install its torch and torchvision into $venv first"
}

install() {
    local ours=false release pins kept said name what digests=""
    if [ -z "$(ls -A "$venv" 2>/dev/null)" ] || stamped '"ours": true'; then ours=true; fi
    if [ -L "$venv" ]; then ours=false; fi  # that of another checkout
    mkdir -p "$venv"
    if $ours && { stamped '"installing"' || ! starts "$python"; }; then
        find "$venv" -mindepth 1 ! -path "$stamp" -delete  # half-written packages look installed: start over
    fi
    note installing "$ours" ""
    [ -x "$python" ] || create
    release=$(release_of "$python") || stop "$python does not start" "$venv was not made by this script and is broken" \
        "remove it (rm -r $(printf %q "$PWD/$venv")) and run again"
    pins=$(pins_of "$release")
    kept=$("$python" -c 'import sys; from tools.machine import torch_that_stays; print(torch_that_stays(sys.argv[1]))' "$pins")
    what=(${pins:+--require-hashes} -r "${pins:-$requirements}")
    if [ -n "$kept" ]; then
        say "torch $kept is installed already and is left alone"
        echo "torch==$kept" >"$venv/kept.txt"
        pins="" what=(-r "$requirements" -c "$venv/kept.txt")
    fi
    fill "${what[@]}"
    # what fails first when an install is incomplete or its parts do not fit: torchvision refuses another torch
    said=$("$python" -c 'import torch, torchvision, numpy, cv2, onnx, skimage' 2>&1) ||
        stop "the environment is installed and does not import" "$(tail -n 1 <<<"$said" | cut -c 1-300)" \
            "torch and torchvision must be builds that belong together; else remove $venv and run again"
    for name in requirements.txt "${pins:+requirements-dev.txt}" "$requirements"; do  # the pins hold the tools as well
        if [[ -n "$name" && "$digests" != *"\"$name\""* ]]; then
            digests+="${digests:+, }\"$name\": \"$(digest "$name" "$release")\""
        fi
    done
    note complete "$ours" "$digests"
    "$python" -c 'from tools import doctor; doctor.say(doctor.check_gpu(doctor.read_machine()))'
}

if [ -n "${PYTHON:-}" ]; then
    python=$("$PYTHON" -c 'import sys; print(sys.executable)' 2>/dev/null) || stop "PYTHON=$PYTHON does not start" \
        "it was named as the Python to use, and nothing else is tried then" \
        "name one that starts (PYTHON=/usr/bin/python3.11), or none"
    $find || "$python" -c 'from tools import doctor; doctor.say(doctor.check_python(doctor.read_machine()))' || exit 1
elif [ -z "$(lacks)" ]; then :
elif $find; then find_base; python=$base
else
    exec 9<.  # one install at a time; the lock is on the folder itself and leaves nothing behind
    flock -n 9 || { say "waiting for another install"; flock 9; }
    reason=$(lacks)  # the other one may have done it meanwhile
    if [ -n "$reason" ]; then
        say "$reason; installing $requirements into $PWD/$venv"
        install
    fi
    exec 9<&-
fi
if [ $# -gt 0 ]; then exec "$python" "$@"; fi
echo "$python"
