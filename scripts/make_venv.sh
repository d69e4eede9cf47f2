#!/usr/bin/env bash
# Makes an empty virtual environment of Python 3.11 with pip, in place of one that it made before.
# Usage: scripts/make_venv.sh PATH
set -euo pipefail
venv=$1
mark=$venv/made_by_make_venv # in what may be replaced; whatever else is at PATH stays

shopt -s nullglob dotglob
found=("$venv"/*)
if [[ -e $venv && ! -d $venv ]] || [[ ${#found[@]} -gt 0 && ! -e $mark ]]; then
  echo "error: $venv is there and was not made by $0, so it is not replaced. Move it away, or, when" >&2
  echo "nothing in it is yours: rm -r $venv. Then run the same command again." >&2
  exit 1
fi
mark_at_the_end() { # also after an interruption: what is there by then is this script's
  trap '[[ ! -d $venv ]] || touch -- "$mark"' EXIT
}

# Running a candidate is the only sure test: a pyenv shim may exist for a version that is not active.
is_python_311() {
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
}

without_ensurepip=""
for python in python3 python3.11; do
  if is_python_311 "$python"; then
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      # --clear instead of rm: the interpreter may be the one of the very environment, activated.
      mark_at_the_end
      "$python" -m venv --clear "$venv"
      exit
    fi
    without_ensurepip=$python
  fi
done

if command -v uv >/dev/null; then
  mark_at_the_end
  rm -rf -- "$venv"
  uv venv --quiet --seed --python 3.11 "$venv"
  exit
fi

{
  if [[ -n $without_ensurepip ]]; then
    echo "$without_ensurepip is Python 3.11 but cannot make virtual environments: ensurepip is missing."
    echo "Install the rest of it (Debian, Ubuntu: the package python3.11-venv), or install uv."
  else
    echo "Python 3.11 is needed (TensorFlow 2.15 runs on nothing newer), but there is no python3.11"
    echo "here and python3 is: $(python3 --version 2>&1 || true)"
    echo "Install Python 3.11 with its venv module (Debian, Ubuntu: python3.11-venv; or pyenv, conda),"
    echo "or install uv, which fetches a Python by itself."
  fi
  echo "Then run the same command again."
} >&2
exit 1
