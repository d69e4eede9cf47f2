"""BERT and ALBERT as Keras layers and functional models; knows nothing of stages."""
