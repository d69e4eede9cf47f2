"""A program in C, with TensorFlow's C library and no Python, gets the same numbers."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text
from tensorflow.core.protobuf import saved_model_pb2

SOURCE = Path(__file__).with_name("serve_from_c.c")
TENSORFLOW = Path(tf.__file__).parent
TEXT_LIBRARIES = [
    Path(tensorflow_text.__file__).parent / "python" / "ops" / name
    for name in ("_fast_wordpiece_tokenizer.so", "_normalize_ops.so")
]
IDS = [2, 20, 30, 3]
SENTENCE = "The caf\u00e9 cat sat."


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        pytest.skip("there is no C compiler here")
    program = tmp_path_factory.mktemp("program") / "serve_from_c"
    libraries = ("libtensorflow_cc.so.2", "libtensorflow_framework.so.2")
    command = [
        *(compiler, "-Wall", "-Werror", f"-isystem{TENSORFLOW / 'include'}", str(SOURCE)),
        *(str(TENSORFLOW / library) for library in libraries),
        *(f"-Wl,-rpath,{TENSORFLOW}", "-o", str(program)),
    ]
    subprocess.run(command, check=True)
    return program


def tensor_names(folder):
    """Returns the names of the tensors in the order in which the program wants them."""
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signatures = saved.meta_graphs[0].signature_def
    of_ids, of_text = signatures["serving_default"], signatures["serve_text"]
    return [
        *(of_ids.inputs[f"input_{name}"].name for name in ("word_ids", "mask", "type_ids")),
        *(of_ids.outputs["pooled_output"].name, of_text.inputs["text"].name),
        of_text.outputs["pooled_output"].name,
    ]


def test_it_gets_pythons_numbers(program, bert_export):
    folder = bert_export.folder / "bert" / "1"
    arguments = [folder, *TEXT_LIBRARIES, "--", *tensor_names(folder), *IDS, "--", SENTENCE]
    command = [program, *arguments]
    result = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    from_c = [np.array(line.split(), float) for line in result.stdout.splitlines()]
    loaded = bert_export.load("bert/1").signatures
    ids = tf.constant([IDS])
    of_ids = loaded["serving_default"](
        input_word_ids=ids, input_mask=tf.ones_like(ids), input_type_ids=tf.zeros_like(ids)
    )
    of_text = loaded["serve_text"](text=tf.constant([SENTENCE]))
    for numbers, expected in zip(from_c, (of_ids, of_text), strict=True):
        np.testing.assert_allclose(numbers, expected["pooled_output"][0], atol=1e-6)
    assert not np.allclose(from_c[0], from_c[1], atol=1e-3)
