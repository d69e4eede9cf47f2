"""The config.json of transformers: as it writes it, and of models that are not expressed here."""

import json

import pytest

from mslt_tf.conversion import huggingface, huggingface_config
from mslt_tf.errors import UserError
from tests.conversion.trained_models import trained_model
from tests.modeling.small_models import tiny_albert_config, tiny_config


def write(folder, config=None):
    huggingface.write(trained_model(config), str(folder))


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("kind", ["Bert", "Albert"])
def test_a_config_as_transformers_writes_it_is_read(tmp_path, kind):
    transformers = pytest.importorskip("transformers")
    config = tiny_config(hidden_act="gelu_new") if kind == "Bert" else tiny_albert_config()
    write(tmp_path, config)
    theirs = getattr(transformers, f"{kind}Config").from_pretrained(tmp_path)
    theirs.save_pretrained(tmp_path / "saved")
    content = (tmp_path / "saved" / "config.json").read_bytes()
    assert huggingface_config.parse(content, path="p") == config


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_type": "roberta"}, "model_type 'roberta'"),
        ({"model_type": ["bert"]}, "model_type"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
        ({"is_decoder": True}, "is_decoder True"),
        ({"add_cross_attention": True}, "add_cross_attention True"),
        ({"pruned_heads": {"0": [1]}}, "pruned_heads"),
        ({"inner_group_num": 2}, "inner_group_num 2"),
        ({"hidden_act": "relu"}, "hidden_act 'relu'"),
        ({"hidden_act": None}, None),
        ({"hidden_size": "32"}, "hidden_size is '32', not a whole number"),
        ({"hidden_size": 0}, "config.json: hidden_size is 0"),
        ({"num_attention_heads": 5}, "num_attention_heads"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
        ({"vocab_size": 51}, r"word_embeddings.weight as float32 \[50, 32\]"),
        ({"intermediate_size": 10**12}, "intermediate.dense.weight"),
    ],
)
def test_models_that_cannot_be_expressed_are_refused_by_name(tmp_path, changes, reason):
    write(tmp_path)
    edit_config(tmp_path, **changes)
    if reason is None:
        huggingface.read(str(tmp_path))
        return
    with pytest.raises(UserError, match=reason) as caught:
        huggingface.read(str(tmp_path))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("gelu", "gelu"), ("gelu_python", "gelu"), ("gelu_pytorch_tanh", "gelu_new")],
)
def test_both_forms_of_gelu_are_known_by_all_their_names(tmp_path, theirs, ours):
    write(tmp_path)
    edit_config(tmp_path, hidden_act=theirs)
    assert huggingface.read(str(tmp_path)).config.hidden_act == ours


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00", '{"model_type": "bert"'])
def test_a_damaged_config_is_named(tmp_path, content):
    write(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json is not as transformers writes it"):
        huggingface.read(str(tmp_path))
