#!/usr/bin/env bash
# Checks the training step on a GPU against the CPU, then times every stage of BERT-Base and Large.
#
#   bash benchmarks/gpu.sh              # with a GPU: 20 minutes on an H100, by estimate from its parts
#   SIZE=tiny bash benchmarks/gpu.sh    # a tiny model on whatever there is: 3 minutes on two cores
#
# PYTHON names the interpreter, OUT the folder for results (JSON files, logs, summary.txt): a new or
# an empty one, or of a run before, whose results are replaced. Batches are 32, and the largest of a
# list at which the processes of all stages fit into memory together.
set -euo pipefail
cd "$(dirname "$0")/.."

case "$#:${1:-}" in
  0:) ;;
  1:-h | 1:--help)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
    exit
    ;;
  *)
    echo "error: '$*' is not known here. Give nothing; --help tells more." >&2
    exit 2
    ;;
esac

PYTHON=${PYTHON:-.venv/bin/python}
OUT=${OUT:-runs/gpu}
export TF_CPP_MIN_LOG_LEVEL=3
mark=$OUT/made_by_gpu_sh
shopt -s extglob nullglob dotglob
found=("$OUT"/*)
if [[ -e $OUT && ! -d $OUT ]] || [[ ${#found[@]} -gt 0 && ! -e $mark ]]; then
  echo "error: $OUT holds ${found[0]:-no folder}, not written by this script. Give OUT=FOLDER." >&2
  exit 2
fi
shopt -u nullglob dotglob
mkdir -p "$OUT"
touch "$mark"
rm -f "$OUT"/@(tiny|base|large)_bfloat16_xla_@(auto|off)_batch_+([0-9]).@(json|log)

# agree PRECISION FLAGS...: stops the script where losses differ from the CPU's in float32. On a CPU
# bfloat16 and float16 differ by 1e-4; the tolerance has room for a GPU's shorter TF32 products.
agree() {
  "$PYTHON" -m benchmarks.gpu_agreement --flagfile=configs/tiny.flags --precision="$1" \
    --tolerance=0.002 --hidden_dropout_prob=0.1 --attention_probs_dropout_prob=0.1 \
    --num_warmup_steps=10 --steps=50 "${@:2}"
}

# measure CONFIG BATCH FLAGS...: fails where a stage does not fit.
measure() {
  local name="$1_${PRECISION}_xla_${XLA}_batch_$2"
  echo "== $name ($SECONDS s)"
  "$PYTHON" -m benchmarks.step_time --flagfile="configs/$1.flags" --train_batch_size="$2" \
    --precision="$PRECISION" --xla="$XLA" --json="$OUT/$name.json" --nosplit --start_together \
    "${@:3}" >"$OUT/$name.log" 2>&1
}

# measure_largest CONFIG BATCHES FLAGS...: takes the first batch that fits.
measure_largest() {
  local batch
  for batch in $2; do
    measure "$1" "$batch" "${@:3}" && return
    echo "   did not run: $(grep -m 1 -iE 'error|killed|memory' "$OUT/$1_${PRECISION}_xla_${XLA}_batch_$batch.log" || true)"
  done
  echo "error: $1 runs at no batch of $2; see the logs in $OUT" >&2
  return 1
}

if [[ ${SIZE:-} != tiny ]]; then
  "$PYTHON" -c 'import sys, tensorflow as tf; sys.exit(not tf.config.list_physical_devices("GPU"))' ||
    { echo "error: TensorFlow sees no GPU. On a CPU use SIZE=tiny." >&2; exit 2; }
fi

PRECISION=bfloat16
XLA=auto
echo "== losses on the GPU, and on the CPU in float32"
agree float32
agree bfloat16
if [[ ${SIZE:-} == tiny ]]; then
  agree float16 --train_batch_size=4 --max_seq_length=32 # CPUs are slow in float16
  measure_largest tiny "64 32" --rounds=3 --seconds_per_turn=0.1
  measure_largest tiny 8 --rounds=3 --seconds_per_turn=0.1
  XLA=off measure_largest tiny 8 --rounds=3 --seconds_per_turn=0.1
else
  agree float16
  measure_largest base "512 384 256 128" --distribution_strategy=one_device
  measure_largest base 32 --distribution_strategy=one_device
  XLA=off measure_largest base 32 --distribution_strategy=one_device
  measure_largest large "256 192 128 64" --distribution_strategy=one_device
  measure_largest large 32 --distribution_strategy=one_device
  XLA=off measure_largest large 32 --distribution_strategy=one_device
fi
"$PYTHON" -m benchmarks.step_time.compare --files="$OUT/*_xla_*_batch_*.json" | tee "$OUT/summary.txt"
echo "Done in $SECONDS s."
