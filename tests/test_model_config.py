"""The shape of a model: what it derives from the sizes, and which sizes it refuses."""

import dataclasses

import pytest

from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig

BERT = ModelConfig()
ALBERT = ModelConfig(vocab_size=30_000, embedding_size=128, num_hidden_groups=4)


def test_in_bert_every_layer_is_a_block_and_nothing_widens_the_embeddings():
    assert (BERT.num_blocks, BERT.layers_per_block, BERT.block_unit) == (12, 1, "layers")
    assert (BERT.embedding_width, BERT.projects_embeddings) == (768, False)


@pytest.mark.parametrize(("groups", "layers_per_block"), [(1, 12), (4, 3), (12, 1)])
def test_in_albert_every_group_is_a_block(groups, layers_per_block):
    config = dataclasses.replace(ALBERT, num_hidden_groups=groups)
    assert (config.num_blocks, config.layers_per_block) == (groups, layers_per_block)
    assert config.block_unit == "groups"


@pytest.mark.parametrize(
    ("size", "width", "projects"), [(128, 128, True), (768, 768, False), (1_024, 1_024, True)]
)
def test_embeddings_are_projected_where_their_width_is_not_the_hidden_size(size, width, projects):
    config = ModelConfig(embedding_size=size)
    assert (config.embedding_width, config.projects_embeddings) == (width, projects)


def test_narrow_embeddings_and_groups_go_without_each_other():
    narrow, grouped = ModelConfig(embedding_size=128), ModelConfig(num_hidden_groups=4)
    assert (narrow.projects_embeddings, narrow.num_blocks, narrow.block_unit) == (
        True,
        12,
        "layers",
    )
    assert (grouped.projects_embeddings, grouped.num_blocks) == (False, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_groups": 5}, "12 layers .* over num_hidden_groups 5. Use a divisor of 12"),
        ({"num_hidden_groups": 24}, "12 layers .* over num_hidden_groups 24. Use a divisor of 12"),
        ({"num_hidden_groups": -1}, "num_hidden_groups is -1. Use at least 0"),
        ({"embedding_size": -128}, "embedding_size is -128. Use at least 0"),
        ({"hidden_size": 0}, "hidden_size is 0. Use at least 1"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0. Use 1 to 1000"),
        ({"vocab_size": -5}, "vocab_size is -5. Use at least 1"),
        ({"num_attention_heads": 7}, "hidden_size 768 .* num_attention_heads 7. Use a multiple"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob is 1.0. Use at least 0 and below 1"),
        ({"attention_probs_dropout_prob": -0.1}, "attention_probs_dropout_prob is -0.1. Use at"),
    ],
)
def test_sizes_that_make_no_model_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        ModelConfig(**changes)


def test_the_file_of_bert_has_none_of_alberts_sizes():
    content = ModelConfig(hidden_dropout_prob=0.0).to_bert_config()
    assert content == {
        "vocab_size": 30_522,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3_072,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,  # a zero of its own, not a size that is left out
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-12,
    }


@pytest.mark.parametrize(
    "sizes",
    [
        {"embedding_size": 128, "num_hidden_groups": 4},
        {"embedding_size": 128},
        {"num_hidden_groups": 1},
        {"embedding_size": 768},
    ],
)
def test_the_file_of_albert_adds_the_sizes_that_are_set_and_makes_the_same_config(sizes):
    config = ModelConfig(**sizes)
    assert config.to_bert_config() == {**BERT.to_bert_config(), **sizes}
    assert ModelConfig(**config.to_bert_config()) == config


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (BERT, "12 layers, hidden size 768, vocabulary 30,522"),
        (
            ALBERT,
            "12 layers in 4 groups of equal weights, hidden size 768, embeddings 128, "
            "vocabulary 30,000",
        ),
        (
            ModelConfig(num_hidden_groups=1),
            "12 layers in 1 group of equal weights, hidden size 768, vocabulary 30,522",
        ),
        (
            ModelConfig(embedding_size=768),
            "12 layers, hidden size 768, vocabulary 30,522",
        ),
    ],
)
def test_the_summary_names_what_makes_it_albert(config, line):
    assert config.summary() == line
