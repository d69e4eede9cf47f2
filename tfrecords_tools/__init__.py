"""Creates, and looks into, TFRecords for pretraining."""
