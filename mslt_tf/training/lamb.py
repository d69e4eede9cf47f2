"""LAMB (You et al. 2020, algorithm 2) as in tensorflow-addons, in fewer passes over memory.

The update is bound by memory, not by arithmetic: tensorflow-addons reads or writes each parameter
and its slots about forty times, an operation after the other. Here XLA makes one pass of clipping,
both moments and the update; then follow the two norms and the step itself.
"""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from mslt_tf.modeling.forms import Forms

with warnings.catch_warnings():
    # It announces its end of support at each import; setup.py pins the last release on purpose.
    warnings.simplefilter("ignore")
    import tensorflow_addons as tfa

# What `_update_moments` takes that is the same for all variables, in its order.
_SHARED_COEFFICIENTS = (
    *("beta_1_t", "one_minus_beta_1_t", "beta_2_t", "one_minus_beta_2_t"),
    *("bias_correction_1", "bias_correction_2", "epsilon"),
)


class Lamb(tfa.optimizers.LAMB):
    """tensorflow-addons' LAMB: the same hyperparameters, slots and, within rounding, weights."""

    def __init__(self, *, forms: Forms = Forms.COMPILED, **settings: Any):
        """Makes an optimizer without slots.

        Args:
            forms: whether XLA makes one pass of the update; no more depends on them.
            settings: tensorflow-addons' own.
        """
        super().__init__(**settings)
        self._forms = forms
        self._gradient_scale: tf.Tensor | float = 1.0

    @contextlib.contextmanager
    def scaling_gradients(self, scale: tf.Tensor) -> Iterator[None]:
        """Multiplies every gradient by a float32 scalar, in `apply_gradients` within this context.

        Clipping then costs no pass of its own.
        """
        self._gradient_scale = scale
        try:
            yield
        finally:
            self._gradient_scale = 1.0  # nothing of this trace may reach another one

    def _prepare_local(self, var_device: str, var_dtype: tf.DType, apply_state: dict) -> None:
        """Computes what all variables of a device and type share, once."""
        super()._prepare_local(var_device, var_dtype, apply_state)
        shared = apply_state[var_device, var_dtype]
        shared["bias_correction_1"] = 1.0 - shared["beta_1_power"]
        shared["bias_correction_2"] = 1.0 - shared["beta_2_power"]

    def _resource_apply_dense(
        self, grad: tf.Tensor, var: tf.Variable, apply_state: dict | None = None
    ) -> tf.Operation:
        device_and_type = var.device, var.dtype.base_dtype
        coefficients = (apply_state or {}).get(device_and_type)
        coefficients = coefficients or self._fallback_apply_state(*device_and_type)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        decay = coefficients["weight_decay"] if self._do_use_weight_decay(var) else 0.0
        weights = tf.convert_to_tensor(var)
        update = self._forms.one_pass(
            _update_moments,
            # Of a variable on several replicas `tf.function` would take the first one's.
            m.handle,
            v.handle,
            grad,
            weights,
            tf.convert_to_tensor(self._gradient_scale),
            *(coefficients[name] for name in _SHARED_COEFFICIENTS),
            tf.convert_to_tensor(decay, tf.float32),
        )
        ratio = _norm_ratio(weights, update) if self._do_layer_adaptation(var) else 1.0
        # In place: another array of the weights' size would cost a pass.
        return tf.raw_ops.ResourceApplyGradientDescent(
            var=var.handle, alpha=ratio * coefficients["lr_t"], delta=update
        )

    def _resource_apply_sparse(self, grad: object, var: object, indices: object, **_: object):
        raise NotImplementedError("gradients of this optimizer are dense: see train_step")


def _update_moments(
    m_handle: tf.Tensor,
    v_handle: tf.Tensor,
    gradient: tf.Tensor,
    weights: tf.Tensor,
    gradient_scale: tf.Tensor,
    beta_1: tf.Tensor,
    one_minus_beta_1: tf.Tensor,
    beta_2: tf.Tensor,
    one_minus_beta_2: tf.Tensor,
    bias_correction_1: tf.Tensor,
    bias_correction_2: tf.Tensor,
    epsilon: tf.Tensor,
    weight_decay: tf.Tensor,
) -> tf.Tensor:
    """Updates both moments, and returns the update before it is scaled to the weights' norm."""
    gradient = gradient * gradient_scale
    m = tf.raw_ops.ReadVariableOp(resource=m_handle, dtype=tf.float32)
    v = tf.raw_ops.ReadVariableOp(resource=v_handle, dtype=tf.float32)
    m = m * beta_1 + gradient * one_minus_beta_1
    v = v * beta_2 + gradient * gradient * one_minus_beta_2
    tf.raw_ops.AssignVariableOp(resource=m_handle, value=m)
    tf.raw_ops.AssignVariableOp(resource=v_handle, value=v)
    update = (m / bias_correction_1) / (tf.sqrt(v / bias_correction_2) + epsilon)
    return update + weight_decay * weights


def _norm_ratio(weights: tf.Tensor, update: tf.Tensor) -> tf.Tensor:
    """Returns the norm of the weights over that of the update, 1 where either is 0."""
    weights_square, update_square = tf.nn.l2_loss(weights), tf.nn.l2_loss(update)
    both_positive = (weights_square > 0) & (update_square > 0)
    return tf.where(both_positive, tf.sqrt(weights_square / update_square), 1.0)
