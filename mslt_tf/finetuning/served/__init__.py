"""Fine-tuned models as TensorFlow Serving takes them: text in, labels or answers out."""
