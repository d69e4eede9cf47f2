"""Folders of transformers, as it and others write them, become our weights, or are refused."""

import json

import numpy as np
import pytest
import safetensors.numpy

from mslt_tf.conversion import huggingface
from mslt_tf.errors import UserError
from tests.conversion.trained_models import CONFIGS, outputs, trained_model
from tests.modeling.small_models import random_inputs, tiny_albert_config, tiny_config
from tests.saved_weights import assert_bit_identical

every_config = pytest.mark.parametrize("name", CONFIGS)
WORDS = "bert.embeddings.word_embeddings.weight"


def write(folder, model=None):
    model = model or trained_model()
    huggingface.write(model, str(folder))
    return model


def edit(folder, change):
    """Gives the tensors of a folder, by name, to a function that returns others."""
    path = folder / "model.safetensors"
    found = safetensors.numpy.load(path.read_bytes())
    path.write_bytes(safetensors.numpy.save(change(found)))


@every_config
def test_what_was_written_is_read_back_bit_by_bit(tmp_path, name):
    model = write(tmp_path / "m", trained_model(CONFIGS[name]))
    found = huggingface.read(str(tmp_path / "m"))
    assert_bit_identical(found.weights, model.weights)
    assert (found.missing, found.unused) == ((), ())
    assert found.vocabulary == model.vocabulary
    inputs = random_inputs(model.config)
    assert_bit_identical(outputs(found, inputs), outputs(model, inputs))


def test_names_without_prefix_and_old_names_are_understood(tmp_path):
    model = write(tmp_path)
    old = {".LayerNorm.weight": ".LayerNorm.gamma", ".LayerNorm.bias": ".LayerNorm.beta"}

    def rename(name):
        for new, ending in old.items():
            name = name.removesuffix(new) + ending if name.endswith(new) else name
        return name.removeprefix("bert.")

    edit(tmp_path, lambda tensors: {rename(name): value for name, value in tensors.items()})
    found = huggingface.read(str(tmp_path))
    assert_bit_identical(found.weights, model.weights)
    assert (found.missing, found.unused) == ((), ())


def test_a_tensor_under_both_names_is_refused(tmp_path):
    write(tmp_path)
    name = "bert.embeddings.LayerNorm.weight"
    old = "bert.embeddings.LayerNorm.gamma"
    edit(tmp_path, lambda tensors: tensors | {old: tensors[name]})
    with pytest.raises(UserError, match=rf"{name} under its name of today and under an older"):
        huggingface.read(str(tmp_path))


def test_a_published_encoder_lacks_heads_and_may_hold_more(tmp_path):
    model = write(tmp_path)
    positions = np.arange(model.config.max_position_embeddings)[None]

    def encoder_only(tensors):
        kept = {name: v for name, v in tensors.items() if not name.startswith("cls.")}
        del kept["bert.pooler.dense.bias"]
        return {**kept, "bert.embeddings.position_ids": positions, "qa_outputs.bias": positions}

    edit(tmp_path, encoder_only)
    found = huggingface.read(str(tmp_path))
    assert found.unused == ("qa_outputs.bias",)
    assert {name.partition("/")[0] for name in found.missing} == {
        "pooler",
        "masked_lm",
        "sentence_pair",
    }
    assert "pooler/dense/bias" in found.missing
    assert "pooler/dense/kernel" not in found.missing
    assert set(found.weights) == {"embeddings", "encoder_0", "encoder_1"}


TIED = {
    "bert": (tiny_config(), "cls.predictions"),
    "albert": (tiny_albert_config(), "predictions"),
}


def add_copies(folder, kind, *, weight=0.0, bias=0.0):
    """Adds second copies of the word embeddings and of the output bias, plus numbers."""
    config, head = TIED[kind]
    model = write(folder, trained_model(config))
    words = f"{kind}.embeddings.word_embeddings.weight"

    def change(tensors):
        return tensors | {
            f"{head}.decoder.weight": tensors[words] + np.float32(weight),
            f"{head}.decoder.bias": tensors[f"{head}.bias"] + np.float32(bias),
        }

    edit(folder, change)
    return model


@pytest.mark.parametrize("kind", TIED)
def test_second_copies_of_tied_tensors_are_taken_where_they_are_equal(tmp_path, kind):
    model = add_copies(tmp_path, kind)
    both = huggingface.read(str(tmp_path))
    edit(tmp_path, lambda t: {n: v for n, v in t.items() if n != f"{TIED[kind][1]}.bias"})
    copy_only = huggingface.read(str(tmp_path))
    for found in (both, copy_only):
        assert_bit_identical(found.weights, model.weights)
        assert (found.missing, found.unused) == ((), ())


@pytest.mark.parametrize("kind", TIED)
@pytest.mark.parametrize("part", ["weight", "bias"])
def test_an_output_matrix_of_its_own_is_refused(tmp_path, kind, part):
    add_copies(tmp_path, kind, **{part: 1e-3})
    with pytest.raises(UserError, match=f"predictions.decoder.{part} with other values"):
        huggingface.read(str(tmp_path))


@pytest.mark.parametrize("part", ["weight", "bias"])
@pytest.mark.parametrize("change", [lambda value: value + 1e-3, lambda _: np.float32(1)])
def test_a_matrix_behind_wide_embeddings_must_change_nothing(tmp_path, part, change):
    write(tmp_path, trained_model(CONFIGS["albert_wide"]))
    name = f"albert.encoder.embedding_hidden_mapping_in.{part}"
    edit(tmp_path, lambda tensors: tensors | {name: np.asarray(change(tensors[name]))})
    with pytest.raises(UserError, match=rf"{part} that changes the embeddings"):
        huggingface.read(str(tmp_path))


def as_bfloat16(value):
    """Returns the upper halves of float32 numbers."""
    return (np.ascontiguousarray(value, "<f4").view("<u4") >> 16).astype("<u2")


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F64"])
def test_other_floats_become_float32(tmp_path, dtype):
    model = write(tmp_path)
    path = tmp_path / "model.safetensors"
    found = safetensors.numpy.load(path.read_bytes())
    convert = {"F16": lambda v: v.astype("<f2"), "F64": lambda v: v.astype("<f8")}
    convert = convert.get(dtype, as_bfloat16)
    stored = {
        name: {"dtype": dtype, "shape": value.shape, "data": convert(value).tobytes()}
        for name, value in found.items()
    }
    write_stored(path, stored)
    kernel = huggingface.read(str(tmp_path)).weights["encoder_1"]["output/kernel"]
    expected = model.weights["encoder_1"]["output/kernel"]
    assert kernel.dtype == np.float32
    np.testing.assert_allclose(kernel, expected, rtol={"F16": 1e-3, "BF16": 8e-3}.get(dtype, 0))
    assert np.array_equal(kernel, expected) == (dtype == "F64")


def write_stored(path, stored):
    """Writes a file of raw tensors by hand, as the format's README has it."""
    header, data = {}, b""
    for name, tensor in stored.items():
        end = len(data) + len(tensor["data"])
        header[name] = {
            "dtype": tensor["dtype"],
            "shape": list(tensor["shape"]),
            "data_offsets": [len(data), end],
        }
        data += tensor["data"]
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def write_shards(folder, **files):
    """Splits the weights of a folder in two; `files` are entries of the index beside those."""
    path = folder / "model.safetensors"
    found = safetensors.numpy.load(path.read_bytes())
    path.unlink()
    shards = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    file_of = {name: shards[index % 2] for index, name in enumerate(found)}
    for shard in shards:
        part = {name: value for name, value in found.items() if file_of[name] == shard}
        (folder / shard).write_bytes(safetensors.numpy.save(part))
    index = {"metadata": {"total_size": 1}, "weight_map": file_of | files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_weights_in_several_files_are_read(tmp_path):
    model = write(tmp_path)
    write_shards(tmp_path)
    assert_bit_identical(huggingface.read(str(tmp_path)).weights, model.weights)


def test_an_index_cannot_name_files_elsewhere_or_tensors_that_are_not_there(tmp_path):
    for folder, files, reason in (
        ("outside", {WORDS: "../outside.safetensors"}, "no file beside it"),
        ("absent", {"x": "model-00001-of-00002.safetensors"}, "x is in model-00001"),
        ("no_file", {WORDS: "model-3.safetensors"}, "model-3.safetensors"),
        ("no_name", {WORDS: 3}, "weight_map.*not a text"),
    ):
        write(tmp_path / folder)
        write_shards(tmp_path / folder, **files)
        with pytest.raises(UserError, match=reason):
            huggingface.read(str(tmp_path / folder))


def test_folders_without_weights_say_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r"has no model\.safetensors"):
        huggingface.read(str(tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    with pytest.raises(UserError, match=r"a pickle, .*save_pretrained"):
        huggingface.read(str(tmp_path))
    write(tmp_path / "m")
    (tmp_path / "m" / "config.json").unlink()
    with pytest.raises(UserError, match=r"has no config\.json"):
        huggingface.read(str(tmp_path / "m"))


def test_without_vocab_file_the_tokens_are_those_of_the_tokenizer(tmp_path):
    model = write(tmp_path)
    (tmp_path / "vocab.txt").unlink()
    assert huggingface.read(str(tmp_path)).vocabulary == model.vocabulary
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({"model": {"type": "Unigram", "vocab": [["a", -1.5]]}}))
    assert huggingface.read(str(tmp_path)).vocabulary is None
    path.unlink()
    assert huggingface.read(str(tmp_path)).vocabulary is None
    vocabulary = content["model"]["vocab"]
    for damaged, reason in (
        ("{", "no JSON"),
        (json.dumps({"model": {"type": "WordPiece", "vocab": ["a"]}}), "not an object"),
        (json.dumps({"model": {"type": "WordPiece", "vocab": vocabulary | {"new": 99}}}), "id 50"),
        (json.dumps({"model": {"type": "WordPiece", "vocab": vocabulary | {"new": 3}}}), "id 4"),
    ):
        path.write_text(damaged)
        with pytest.raises(UserError, match=reason):
            huggingface.read(str(tmp_path))


def test_text_files_of_an_absurd_size_are_not_read(tmp_path):
    write(tmp_path)
    with open(tmp_path / "vocab.txt", "r+b") as file:
        file.truncate(10**11)  # takes no room on the disk
    with pytest.raises(UserError, match="100,000,000,000 bytes"):
        huggingface.read(str(tmp_path))


def test_a_damaged_vocabulary_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\na\n")
    with pytest.raises(UserError, match=rf"^{tmp_path}/vocab.txt lacks \[UNK\]"):
        huggingface.read(str(tmp_path))
