#!/usr/bin/env bash
# Compares the methods at equal cost on one GPU: 12 layers of 512 on text of your own.
#
#   INPUT='enwiki/wiki_*' bash benchmarks/gpu_compare.sh data   # vocabulary and records
#   bash benchmarks/gpu_compare.sh                              # trains what is not trained yet
#   SIZE=tiny bash benchmarks/gpu_compare.sh                    # both for a tiny model and two runs
#
# The first runs on any machine; copy OUT, the folder of data, runs and table, to the one with the
# GPU. Records of 60 MB of text take about as much room. By arithmetic the second takes some 25
# minutes on an H100; not yet run there. It may be stopped at any time and given again. The third
# runs anywhere. PYTHON names the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

# refuse TEXT: says what is wrong, and ends.
refuse() {
  echo "error: $1" >&2
  exit 2
}

case "$#:${1:-}" in
  0: | 1:data) ;;
  1:-h | 1:--help)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
    exit
    ;;
  *) refuse "'$*' is not known here. Give 'data', or nothing to train; --help tells more." ;;
esac
SIZE=${SIZE:-full}
[[ $SIZE == full || $SIZE == tiny ]] || refuse "SIZE is '$SIZE'. Give tiny, or leave it out."

PYTHON=${PYTHON:-.venv/bin/python}
if [[ $SIZE == tiny ]]; then
  INPUT=${INPUT:-embedded}
  OUT=${OUT:-runs/compare_gpu_tiny}
else
  INPUT=${INPUT:-}
  OUT=${OUT:-runs/compare_gpu}
fi
[[ $INPUT || ${1:-} != data ]] || refuse "Name the text: INPUT='enwiki/wiki_*'."
flags=--dynamic_masking=token # few records, read several times
command=("$PYTHON" -m benchmarks.learning --configs=configs/compare_gpu --output_dir="$OUT"
  --input="$INPUT" --vocab_size=8192 --json="$OUT/table.json"
  --data_flags=--dupe_factor=1,--compression=GZIP,--heldout_fraction=0.02)
if [[ $SIZE == tiny ]]; then
  flags+=,--num_hidden_layers=4,--hidden_size=32,--intermediate_size=64
  flags+=,--num_train_steps=20,--num_warmup_steps=2,--train_batch_size=8,--eval_steps=0
  flags+=,--precision=float32
  command+=(--runs=original,mslt_first_60)
fi
if [[ ${1:-} == data ]]; then
  command+=(--data_only)
elif [[ $SIZE == full ]]; then
  list_gpus='import tensorflow as tf; print(*tf.config.list_physical_devices("GPU"))'
  gpus=$("$PYTHON" -c "$list_gpus") || refuse "$PYTHON could not load TensorFlow. Run make setup."
  [[ -n $gpus ]] || refuse "TensorFlow sees no GPU. On a CPU use SIZE=tiny."
fi
"${command[@]}" --extra_flags="$flags"
