"""What our model computes from weights."""

from mslt_tf.modeling import bert, weights


def logits(model, inputs):
    """Returns the logits of both heads of whatever has `config` and `weights`, as NumPy."""
    ours = bert.build_bert(model.config, num_blocks=model.config.num_blocks)
    weights.load(ours, model.weights)
    outputs = ours(inputs, training=False)
    return outputs["masked_lm_logits"].numpy(), outputs["sentence_pair_logits"].numpy()
