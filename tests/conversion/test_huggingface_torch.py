"""Written folders by transformers 5 on PyTorch, which need a Python environment of their own.

python -m venv torch_env
torch_env/bin/python -m pip install torch==2.13.0 'transformers==5.*'
MSLT_TORCH_PYTHON=torch_env/bin/python python -m pytest -m slow tests/conversion
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mslt_tf.conversion import huggingface, huggingface_tokenizer
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer
from tests import documented_commands, real_text
from tests.conversion.trained_models import (
    CONFIGS,
    MASKED_TEXT,
    masked_probabilities,
    outputs,
    trained_model,
)
from tests.modeling.small_models import random_inputs
from tests.saved_weights import assert_bit_identical
from tests.tokenization.texts import (
    KINDS,
    LANGUAGES,
    ODD_TEXTS,
    every_kind,
    real_vocabulary,
)

PYTHON = "MSLT_TORCH_PYTHON"  # names a Python that has torch and transformers 5
PEER = Path(__file__).with_name("torch_peer.py")
# What each class has no place for. A published BERT is loaded with the same remark.
HEADS = {
    "BertForPreTraining": (),
    "BertForMaskedLM": ("bert.pooler.", "cls.seq_relationship."),
    "BertModel": ("cls.",),
    "AlbertForPreTraining": (),
    "AlbertForMaskedLM": ("albert.pooler.", "sop_classifier."),
    "AlbertModel": ("predictions.", "sop_classifier."),
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get(PYTHON), reason=f"{PYTHON} names no Python with torch"),
]
every_config = pytest.mark.parametrize("name", CONFIGS)


def texts():
    paths = [real_text.path(f"xquad/{language}.txt") for language in LANGUAGES]
    lines = [line for path in paths for line in path.read_text("utf-8").split("\n") if line]
    return [*lines, *ODD_TEXTS]


def write_tokenizers(base):
    folders = {}
    for kind, case in KINDS.items():
        (base / kind).mkdir()
        files = huggingface_tokenizer.files(
            real_vocabulary("bert-base-uncased"), case, max_length=1_000_000, num_segments=2
        )
        for name, text in files.items():
            (base / kind / name).write_bytes(text.encode())
        folders[kind] = str(base / kind)
    return folders


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """What the other side says and computes: facts, arrays, and the folder it saved to."""
    base = tmp_path_factory.mktemp("torch")
    for name, config in CONFIGS.items():
        huggingface.write(trained_model(config), str(base / name))
    inputs = random_inputs(CONFIGS["bert_2_layers"])
    np.savez(
        base / "inputs.npz",
        input_ids=inputs["input_ids"],
        attention_mask=inputs["input_mask"],
        token_type_ids=inputs["segment_ids"],
    )
    task = {
        "inputs": str(base / "inputs.npz"),
        "outputs": str(base / "outputs.npz"),
        "saved": str(base / "saved"),
        "texts": texts(),
        "masked_text": MASKED_TEXT,
        "folders": {name: str(base / name) for name in CONFIGS},
        "tokenizers": write_tokenizers(base),
    }
    (base / "task.json").write_text(json.dumps(task))
    result = subprocess.run(
        [os.environ[PYTHON], str(PEER), str(base / "task.json")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert result.returncode == 0, result.stderr[-3_000:]
    facts = json.loads(result.stdout.splitlines()[-1])
    assert facts["version"].startswith("5.")
    return facts, np.load(base / "outputs.npz"), base / "saved"


@every_config
def test_outputs_of_torch_are_ours(peer, name, record_property):
    _, arrays, _ = peer
    inputs = random_inputs(CONFIGS[name])
    ours = outputs(trained_model(CONFIGS[name]), inputs)
    positions = inputs["masked_lm_positions"].numpy()[:, :, None]
    differences = {
        output: float(np.max(np.abs(found - ours[output])))
        for output, found in {
            "masked_lm_logits": np.take_along_axis(
                arrays[f"{name}/ForPreTraining/0"], positions, axis=1
            ),
            "sentence_pair_logits": arrays[f"{name}/ForPreTraining/1"],
            "sequence_output": arrays[f"{name}/Model/0"],
            "pooled_output": arrays[f"{name}/Model/1"],
        }.items()
    }
    record_property("differences", differences)
    assert max(differences.values()) < 1e-4, differences
    np.testing.assert_allclose(
        arrays[f"{name}/ForMaskedLM/0"], arrays[f"{name}/ForPreTraining/0"], atol=1e-6
    )


@every_config
def test_nothing_is_missing_and_only_heads_that_a_class_has_not_are_left_over(peer, name):
    facts, _, _ = peer
    family = "Albert" if name.startswith("albert") else "Bert"
    for kind in ("ForPreTraining", "ForMaskedLM", "Model"):
        found, heads = facts[name][kind], HEADS[family + kind]
        assert (found["missing_keys"], found["mismatched_keys"]) == ([], [])
        assert [key for key in found["unexpected_keys"] if not key.startswith(heads)] == []
    assert facts[name]["ForPreTraining"]["unexpected_keys"] == []
    assert facts[name]["ForPreTraining"]["said"] == []
    assert facts[name]["said_of_tokenizer"] == []


@every_kind
def test_its_tokenizer_has_our_ids(peer, kind):
    vocabulary = real_vocabulary("bert-base-uncased")
    ours = WordpieceTokenizer(vocabulary, KINDS[kind]).tokenize(texts()).to_list()
    assert peer[0]["ids"][kind] == ours


@every_config
def test_fill_mask_and_pairs_work_there(peer, name):
    facts = peer[0][name]
    assert facts["pair"]["token_type_ids"] == [0, 0, 0, 1, 1]
    assert facts["limit"] == CONFIGS[name].max_position_embeddings
    probabilities = masked_probabilities(trained_model(CONFIGS[name]))
    assert facts["best"]["token"] == np.argmax(probabilities)
    assert facts["best"]["score"] == pytest.approx(np.max(probabilities), abs=1e-4)


@every_config
def test_what_torch_saves_is_read_back(peer, name):
    _, _, saved = peer
    found = huggingface.read(str(saved / name))
    assert_bit_identical(found.weights, trained_model(CONFIGS[name]).weights)
    assert (found.missing, found.unused) == ((), ())
    assert found.config.hidden_act == CONFIGS[name].hidden_act
    assert found.config.layer_norm_eps == CONFIGS[name].layer_norm_eps


def test_the_program_of_the_page_runs_there(tmp_path):
    huggingface.write(trained_model(), str(tmp_path / "demo" / "huggingface"))
    page = (documented_commands.ROOT / "docs" / "huggingface.md").read_text("utf-8")
    program = "".join(documented_commands.code_blocks(page, "python"))
    assert program.count("demo/huggingface") == 4
    command = [os.environ[PYTHON], "-c", program]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=120)
