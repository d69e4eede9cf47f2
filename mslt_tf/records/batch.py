"""What the input pipeline yields and a training step takes.

Shapes: batch, seq (tokens of a sequence, padding included), predictions (masked positions of a
sequence, padding included).
"""

import tensorflow as tf

# input_ids, input_mask (0 at padding), segment_ids            int32 [batch, seq]
# masked_lm_positions, masked_lm_ids                           int32 [batch, predictions]
# masked_lm_weights (0 at padding)                             float32 [batch, predictions]
# next_sentence_labels                                         int32 [batch]
# example_weights (0 at filling; in evaluation only)           float32 [batch]
Batch = dict[str, tf.Tensor]
