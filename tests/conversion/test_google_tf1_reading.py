"""Checkpoints of Google's TF1 code read: what they lack, what is of no use, what is damaged."""

import json

import numpy as np
import pytest
import tensorflow as tf

from mslt_tf.conversion import google_tf1
from mslt_tf.errors import UserError
from tests import tiny
from tests.conversion import tf1_checkpoints
from tests.conversion.trained_models import trained_model
from tests.modeling.small_models import tiny_albert_config
from tests.saved_weights import assert_bit_identical

HIDDEN = 32  # of the tiny config


@pytest.fixture
def folder(tmp_path):
    """A written BERT that may be changed."""
    google_tf1.write(trained_model(), str(tmp_path / "export"))
    return tmp_path / "export"


def add(folder, **tensors):
    """Adds tensors to the checkpoint, or replaces them; in a name "/" is "__"."""
    added = {name.replace("__", "/"): value for name, value in tensors.items()}
    prefix = folder / "bert_model.ckpt"
    tf1_checkpoints.save(prefix, tf1_checkpoints.load(prefix) | added)


def edit_config(folder, **changes):
    path = folder / "bert_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def message_of(path):
    with pytest.raises(UserError) as error:
        google_tf1.read(str(path))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_state_of_the_optimizer_is_passed_over_and_other_tensors_are_named(folder):
    add(
        folder,
        global_step=np.int64(7),
        bert__pooler__dense__bias__adam_m=np.zeros(HIDDEN, np.float32),
        bert__pooler__dense__bias__adam_v=np.zeros(HIDDEN, np.float32),
        output_weights=np.zeros([3, HIDDEN], np.float32),  # of a fine-tuned classifier
    )
    found = google_tf1.read(str(folder))
    assert found.unused == ("output_weights",)
    assert found.missing == ()


def test_a_head_that_is_not_there_is_missing_and_no_error(folder):
    tf1_checkpoints.drop_heads(folder / "bert_model.ckpt")
    found = google_tf1.read(str(folder))
    assert {"masked_lm", "sentence_pair"}.isdisjoint(found.weights)
    assert "pooler" in found.weights
    assert "masked_lm/output_bias" in found.missing
    assert "sentence_pair/dense/kernel" in found.missing


def test_a_checkpoint_in_several_shards_is_read(folder):
    tensors = tf1_checkpoints.load(folder / "bert_model.ckpt")
    names = sorted(tensors)
    for index, part in enumerate((names[::2], names[1::2])):
        tf1_checkpoints.save(folder / f"part-{index}", {name: tensors[name] for name in part})
    whole = google_tf1.read(str(folder / "bert_model.ckpt"))
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=[str(folder / f"part-{index}") for index in (0, 1)],
        destination_prefix=str(folder / "two"),
        delete_old_dirs=False,
    )
    assert (folder / "two.data-00001-of-00002").exists()
    assert_bit_identical(google_tf1.read(str(folder / "two")).weights, whole.weights)
    (folder / "two.data-00001-of-00002").unlink()
    assert "two.data-00001-of-00002 is missing" in message_of(folder / "two")


def test_a_module_of_tf_hub_is_read_by_the_path_of_its_variables(folder):
    (folder / "variables").mkdir()
    tensors = tf1_checkpoints.load(folder / "bert_model.ckpt")
    tf1_checkpoints.save(folder / "variables" / "variables", tensors)
    (folder / "assets").mkdir()
    (folder / "bert_config.json").rename(folder / "assets" / "bert_config.json")
    found = google_tf1.read(str(folder / "variables" / "variables"))
    assert found.missing == ()


def test_a_folder_with_two_checkpoints_is_refused_by_their_names(folder):
    tensors = tf1_checkpoints.load(folder / "bert_model.ckpt")
    tf1_checkpoints.save(folder / "model.ckpt-100", tensors)
    assert "holds bert_model.ckpt, model.ckpt-100" in message_of(folder)
    assert google_tf1.read(str(folder / "model.ckpt-100")).missing == ()


def test_a_missing_or_a_second_configuration_is_told(folder):
    (folder / "albert_config.json").write_text("{}")
    assert "holds bert_config.json and albert_config.json" in message_of(folder)
    (folder / "albert_config.json").unlink()
    (folder / "bert_config.json").unlink()
    assert "has no bert_config.json or albert_config.json" in message_of(folder)


def test_missing_or_damaged_files_are_named_in_one_line(folder):
    data, index = folder / "bert_model.ckpt.data-00000-of-00001", folder / "bert_model.ckpt.index"
    contents = {path: path.read_bytes() for path in (data, index)}
    data.unlink()
    assert "bert_model.ckpt.data-00000-of-00001 is missing" in message_of(folder)
    data.write_bytes(contents[data][:100])  # less than one tensor
    assert "and all data has 100 bytes" in message_of(folder)
    data.write_bytes(contents[data][:-100])
    assert "is damaged" in message_of(folder)
    data.write_bytes(contents[data])
    tiny.damage(data)
    assert "Checksum does not match" in message_of(folder)
    data.write_bytes(contents[data])
    for cut in (0, 100, len(contents[index]) - 1):
        index.write_bytes(contents[index][:cut])
        assert "bert_model.ckpt is damaged" in message_of(folder)
    index.write_bytes(contents[index])
    assert google_tf1.read(str(folder)).missing == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 64}, "word_embeddings as float32 [50, 32]; by its sizes the model has"),
        ({"max_position_embeddings": 128}, "position_embeddings as float32 [64, 32]"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"gelu_form": "cubic"}, "gelu_form 'cubic'"),
        ({"gelu_form": []}, "gelu_form '[]'"),
        ({"vocab_size": "fifty"}, "vocab_size is 'fifty', not a whole number"),
        ({"num_hidden_layers": 10**12}, "num_hidden_layers is 1000000000000"),
        ({"num_attention_heads": 5}, "cannot be split over num_attention_heads 5"),
    ],
)
def test_a_configuration_that_does_not_fit_is_told(folder, changes, message):
    edit_config(folder, **changes)
    assert message in message_of(folder)


def test_a_configuration_that_is_none_or_lacks_a_size_is_told(folder):
    path = folder / "bert_config.json"
    content = json.loads(path.read_text())
    del content["type_vocab_size"]
    path.write_text(json.dumps(content))
    assert "type_vocab_size is missing" in message_of(folder)
    path.write_bytes(b"\x80\x04")  # as a pickle begins
    assert "it is no JSON" in message_of(folder)


def test_inner_groups_of_albert_are_refused(tmp_path):
    google_tf1.write(trained_model(tiny_albert_config()), str(tmp_path / "a"))
    path = tmp_path / "a" / "albert_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"inner_group_num": 2}))
    assert "inner_group_num is 2, not 1" in message_of(tmp_path / "a")


def test_tensors_of_another_type_are_refused(folder):
    add(folder, bert__pooler__dense__bias=np.zeros(HIDDEN, np.int64))
    assert "bert/pooler/dense/bias as int64 [32]" in message_of(folder)
