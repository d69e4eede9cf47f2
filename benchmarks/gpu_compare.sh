#!/usr/bin/env bash
# Compares the methods at equal cost on one GPU: 12 layers of 512 on text of your own.
#
#   INPUT='enwiki/wiki_*' bash benchmarks/gpu_compare.sh data   # vocabulary and records, on any machine
#   bash benchmarks/gpu_compare.sh                              # trains what is not trained yet
#   SIZE=tiny INPUT=embedded bash benchmarks/gpu_compare.sh     # a tiny model, two runs, anywhere
#
# By arithmetic the second takes some 25 minutes on an H100; not yet run there. It may be stopped at
# any time and given again. PYTHON names the interpreter, OUT the folder of data, runs and table.
# Records of 60 MB of text take about as much room.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-.venv/bin/python}
OUT=${OUT:-runs/compare_gpu}
flags=--dynamic_masking=token # few records, read several times
command=("$PYTHON" -m benchmarks.learning --configs=configs/compare_gpu --output_dir="$OUT"
  --input="${INPUT:-embedded}" --vocab_size=8192 --json="$OUT/table.json"
  --data_flags=--dupe_factor=1,--compression=GZIP,--heldout_fraction=0.02)
if [[ ${SIZE:-} == tiny ]]; then
  flags+=,--num_hidden_layers=4,--hidden_size=32,--intermediate_size=64
  flags+=,--num_train_steps=20,--num_warmup_steps=2,--train_batch_size=8,--eval_steps=0
  flags+=,--precision=float32
  command+=(--runs=original,mslt_first_60)
elif [[ ${1:-} == data ]]; then
  command+=(--data_only)
else
  "$PYTHON" -c 'import sys, tensorflow as tf; sys.exit(not tf.config.list_physical_devices("GPU"))' ||
    { echo "error: TensorFlow sees no GPU. On a CPU use SIZE=tiny." >&2; exit 2; }
fi
"${command[@]}" --extra_flags="$flags"
