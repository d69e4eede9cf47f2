#!/usr/bin/env bash
# Writes constraints.txt: the versions that pip chooses in a clean environment for '.[dev]'.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
echo "Installing the newest versions that setup.py allows into a temporary environment (minutes)."
scripts/make_venv.sh "$folder/venv"
pip=("$folder/venv/bin/python" -m pip --disable-pip-version-check --quiet)
"${pip[@]}" install --upgrade pip
# Eager: also what the environment was born with, an old setuptools.
PYTHONWARNINGS=ignore "${pip[@]}" install --upgrade --upgrade-strategy eager -e '.[dev]'
{
  echo "# The version of every package in .venv, also of those that setup.py does not name."
  echo "# Generated on Python 3.11 for Linux; write it anew with: make constraints"
  "${pip[@]}" freeze --all --exclude-editable # --all: pip and setuptools as well
} >"$folder/constraints.txt"
cp "$folder/constraints.txt" constraints.txt
git --no-pager diff --stat -- constraints.txt 2>/dev/null || true
