"""Every format gives our numbers on real text, of every stage, by the loaders of other sides.

A line for each format, family and stage is printed, with the largest differences:

    MSLT_TORCH_PYTHON=torch_env/bin/python GOOGLE_BERT_CODE=bert GOOGLE_ALBERT_CODE=albert \
        python -m pytest -m slow -rP tests/conversion/test_every_stage.py

Without a variable, what it names is skipped; see `test_huggingface_torch` and `test_google_tf1`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf import run_export
from mslt_tf.conversion import own_runs
from mslt_tf.export_settings import ExportSettings
from mslt_tf.text_case import TextCase
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tests import real_text
from tests.conversion import made_runs
from tests.conversion.trained_models import outputs
from tests.tokenization.texts import real_lines

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
VOCABULARY = "vocab/bert-base-uncased-vocab.txt"
# The form of GELU and the epsilon are those that Google's code has.
SIZES = {
    "vocab_size": 30_522,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "hidden_act": "gelu_new",
}
FAMILIES = {"bert": {}, "albert": made_runs.ALBERT}
FORMATS = ("saved_model", "huggingface", "google_tf1")
LOGITS = ("masked_lm_logits", "sentence_pair_logits")
VECTORS = ("sequence_output", "pooled_output")
SEQ_LENGTH, POSITIONS = 64, (3, 7, 12)


class Exports:
    """The exports of one run: by format and step, with what our own model computes."""

    def __init__(self, family: str, base: Path):
        self.family, self.base = family, base
        run = base / "run"
        vocab_file = real_text.path(VOCABULARY)
        made_runs.write(run, vocab_file=vocab_file, **SIZES, **FAMILIES[family])
        models = {step: self._export(run, step) for step in made_runs.ENDS}
        self.depths = {step: model.config.num_hidden_layers for step, model in models.items()}
        self.inputs = real_inputs(models[made_runs.ENDS[0]].vocabulary)
        self.ours = {step: outputs(model, self.inputs) for step, model in models.items()}

    def folder(self, format: str, step: int) -> Path:
        return self.base / format / f"{self.family}-{step}"

    def _export(self, run, step):
        checkpoint = f"{run}@{step}"
        for format in FORMATS:
            output_dir = str(self.folder(format, step))
            run_export._export(
                ExportSettings(checkpoint=checkpoint, format=format, output_dir=output_dir)
            )
        return own_runs.read(checkpoint, report=lambda line: None)


def real_inputs(vocabulary):
    """Returns pairs of halves of real lines, some of them padded, with [MASK] at `POSITIONS`."""
    lines = real_lines("en")[:6] + real_lines("de")[:6]
    cls, sep, mask = (vocabulary.index(token) for token in ("[CLS]", "[SEP]", "[MASK]"))
    ids = np.zeros([len(lines), SEQ_LENGTH], np.int32)
    segments = np.zeros_like(ids)
    tokenizer = WordpieceTokenizer(list(vocabulary), TextCase())
    for row, tokens in enumerate(tokenizer.tokenize(lines).to_list()):
        tokens = tokens[: 24 + 3 * row]
        half = len(tokens) // 2
        found = [cls, *tokens[:half], sep, *tokens[half:], sep]
        ids[row, : len(found)] = found
        segments[row, half + 2 : len(found)] = 1
    input_mask = (ids != 0).astype(np.int32)
    ids[:, POSITIONS] = mask
    return {
        "input_ids": tf.constant(ids),
        "input_mask": tf.constant(input_mask),
        "segment_ids": tf.constant(segments),
        "masked_lm_positions": tf.constant([POSITIONS] * len(lines), tf.int32),
        "dropout_seed": tf.zeros([2], tf.int32),
    }


@pytest.fixture(scope="module", params=FAMILIES)
def exports(request, tmp_path_factory):
    return Exports(request.param, tmp_path_factory.mktemp(request.param))


def check(exports, loader, theirs):
    """Compares what a loader computes at each step, by the names of our outputs."""
    for step, values in theirs.items():
        found = {name: np.asarray(value) for name, value in values.items()}
        differences = {
            name: float(np.max(np.abs(value - exports.ours[step][name])))
            for name, value in found.items()
        }
        text = ", ".join(f"{name} {value:.1e}" for name, value in differences.items())
        depth = exports.depths[step]
        sys.stdout.write(f"{loader} | {exports.family}, {depth} layers, step {step} | {text}\n")
        assert all(np.max(np.ptp(value, axis=0)) > 0.01 for value in found.values())
        assert max(differences.values()) < 1e-5, differences


def transformers_inputs(exports):
    names = {"input_ids": "input_ids", "attention_mask": "input_mask"}
    names["token_type_ids"] = "segment_ids"
    return {theirs: exports.inputs[ours] for theirs, ours in names.items()}


def at_positions(logits):
    return np.asarray(logits)[:, POSITIONS]


def test_a_saved_model_gives_our_vectors_and_logits(exports):
    names = {"input_ids": "input_word_ids", "segment_ids": "input_type_ids"}
    inputs = {
        names.get(name, name): value
        for name, value in exports.inputs.items()
        if name != "dropout_seed"
    }
    positions = inputs.pop("masked_lm_positions")
    of_hub, of_server = {}, {}
    for step in made_runs.ENDS:
        folder = exports.folder("saved_model", step)
        encoder = tf.saved_model.load(str(folder / "encoder"))
        logits = encoder.mlm({**inputs, "masked_lm_positions": positions})["mlm_logits"]
        vectors = encoder(inputs)
        of_hub[step] = {"masked_lm_logits": logits} | {name: vectors[name] for name in VECTORS}
        served = tf.saved_model.load(str(folder / "bert" / "1"))
        of_server[step] = served.signatures["serving_default"](**inputs)
    check(exports, "encoder/", of_hub)
    check(exports, "bert/1/", of_server)


def test_transformers_on_tensorflow_gives_our_logits(exports, monkeypatch):
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    transformers = pytest.importorskip("transformers")
    loader = getattr(transformers, f"TF{exports.family.capitalize()}ForPreTraining")
    theirs = {}
    for step in made_runs.ENDS:
        model = loader.from_pretrained(str(exports.folder("huggingface", step)))
        masked_lm, pairs = model(transformers_inputs(exports)).to_tuple()
        theirs[step] = dict(zip(LOGITS, (at_positions(masked_lm), pairs), strict=True))
    check(exports, f"transformers {transformers.__version__}", theirs)


def test_transformers_on_torch_gives_our_logits_and_vectors(exports, tmp_path):
    python = os.environ.get("MSLT_TORCH_PYTHON")
    if not python:
        pytest.skip("MSLT_TORCH_PYTHON names no Python with torch")
    np.savez(tmp_path / "inputs.npz", **transformers_inputs(exports))
    folders = [exports.folder("huggingface", step) for step in made_runs.ENDS]
    task = {
        "inputs": str(tmp_path / "inputs.npz"),
        "outputs": str(tmp_path / "outputs.npz"),
        "saved": str(tmp_path),
        "texts": [],
        "masked_text": "the [MASK] sat",
        "folders": {folder.name: str(folder) for folder in folders},
        "tokenizers": {},
    }
    (tmp_path / "task.json").write_text(json.dumps(task))
    command = [python, str(HERE / "torch_peer.py"), str(tmp_path / "task.json")]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    arrays = np.load(tmp_path / "outputs.npz")
    theirs = {}
    for step, folder in zip(made_runs.ENDS, folders, strict=True):
        masked_lm, pairs = (arrays[f"{folder.name}/ForPreTraining/{index}"] for index in (0, 1))
        vectors = (arrays[f"{folder.name}/Model/{index}"] for index in (0, 1))
        values = (at_positions(masked_lm), pairs, *vectors)
        theirs[step] = dict(zip((*LOGITS, *VECTORS), values, strict=True))
    check(exports, "transformers 5 on PyTorch", theirs)


def test_googles_own_code_gives_our_logits(exports, tmp_path):
    variable = f"GOOGLE_{exports.family.upper()}_CODE"
    code = os.environ.get(variable)
    if not code:
        pytest.skip(f"{variable} names no folder with their modeling.py")
    np.savez(tmp_path / "inputs.npz", **exports.inputs)
    theirs = {}
    for step in made_runs.ENDS:
        folder = exports.folder("google_tf1", step)
        files = (code, folder, tmp_path / "inputs.npz", tmp_path / f"{step}.npz")
        command = [sys.executable, HERE / "google_code.py", *files]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        found = np.load(tmp_path / f"{step}.npz")
        masked_lm = found["masked_lm"].reshape([-1, len(POSITIONS), SIZES["vocab_size"]])
        values = (masked_lm, found["sentence_pair"])
        theirs[step] = dict(zip(LOGITS, values, strict=True))
    check(exports, "Google's code", theirs)
