#!/usr/bin/env bash
# Makes an empty virtual environment of Python 3.11 with pip, in place of what is at that path.
# Usage: scripts/make_venv.sh PATH
set -euo pipefail
venv=$1

# Running a candidate is the only sure test: a pyenv shim may exist for a version that is not active.
is_python_311() {
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
}

without_ensurepip=""
for python in python3 python3.11; do
  if is_python_311 "$python"; then
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      # --clear instead of rm: the interpreter may be the one of the very environment, activated.
      exec "$python" -m venv --clear "$venv"
    fi
    without_ensurepip=$python
  fi
done

if command -v uv >/dev/null; then
  rm -rf -- "$venv"
  exec uv venv --quiet --seed --python 3.11 "$venv"
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
