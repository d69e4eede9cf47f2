"""Where the parts of an export lie in its folder, for what writes it and what reads it."""

ENCODER, PREPROCESSOR = "encoder", "preprocessor"  # SavedModels for TF Hub
SAVED_MODEL_FILE = "saved_model.pb"  # in each SavedModel
CONFIG_FILE = "assets.extra/bert_config.json"  # in the encoder's
