"""Folders of Hugging Face transformers: written from a trained model, and read.

Sources: transformers, modeling_bert.py and modeling_albert.py; huggingface/safetensors.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

import tensorflow as tf

from mslt_tf import json_values
from mslt_tf.conversion import (
    huggingface_config,
    huggingface_tokenizer,
    huggingface_weights,
    model_card,
    safetensors_files,
    small_files,
)
from mslt_tf.conversion.found_model import FoundModel
from mslt_tf.conversion.safetensors_files import StoredTensor
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.text_case import TextCase
from mslt_tf.vocabulary import parse_vocabulary

CONFIG_FILE: Final = "config.json"
WEIGHTS_FILE: Final = "model.safetensors"
SHARDS_FILE: Final = "model.safetensors.index.json"  # where the weights are in several files
PICKLE_FILE: Final = "pytorch_model.bin"
CARD_FILE: Final = "README.md"
_OWN_FILES: Final = (
    CONFIG_FILE,
    WEIGHTS_FILE,
    CARD_FILE,
    huggingface_tokenizer.VOCAB_FILE,
    huggingface_tokenizer.TOKENIZER_FILE,
    huggingface_tokenizer.TOKENIZER_CONFIG_FILE,
    huggingface_tokenizer.SPECIAL_TOKENS_FILE,
)


def owns(path: str) -> bool:
    """Returns whether `write` may write a file, by its path within the folder."""
    return path in _OWN_FILES


def write(model: TrainedModel, folder: str) -> None:
    """Writes the folder of a model, which `from_pretrained` of transformers loads.

    Args:
        model: of any stage; without a vocabulary the folder has no tokenizer.
        folder: a new one.

    Raises:
        tensorflow.errors.OpError: a file cannot be written.
    """
    tf.io.gfile.makedirs(folder)
    texts = {
        CONFIG_FILE: huggingface_config.to_json(model.config, model.vocabulary),
        CARD_FILE: model_card.to_markdown(model),
    }
    if model.vocabulary:
        texts |= huggingface_tokenizer.files(
            model.vocabulary,
            model.text_case,
            max_length=model.config.max_position_embeddings,
            num_segments=model.config.type_vocab_size,
        )
    for name, text in texts.items():
        with tf.io.gfile.GFile(os.path.join(folder, name), "wb") as file:
            file.write(text.encode())
    tensors = huggingface_weights.to_tensors(model.weights, model.config)
    safetensors_files.write(os.path.join(folder, WEIGHTS_FILE), tensors)


def is_folder(path: str) -> bool:
    """Returns whether `path` is a folder of this kind, whole or not."""
    named = (WEIGHTS_FILE, SHARDS_FILE, PICKLE_FILE)
    return any(_exists(path, name) for name in named)


def read(path: str) -> FoundModel:
    """Returns the model of a folder; heads and other layers that it lacks are named in it.

    Raises:
        UserError: it is not whole, cannot be read, or is of a model that this program has not.
    """
    advice = f"Give a folder with {CONFIG_FILE} and {WEIGHTS_FILE}."
    with file_errors.naming(f"{path} cannot be read", advice):
        _check_files(path, advice)
        config_path = os.path.join(path, CONFIG_FILE)
        config = huggingface_config.parse(small_files.read(config_path), path=config_path)
        weights, missing, unused = huggingface_weights.from_tensors(
            _stored_tensors(path), config, path=path
        )
        vocabulary, text_case = _vocabulary(path), _text_case(path)
    return FoundModel(
        path=path,
        config=config,
        weights=weights,
        missing=tuple(missing),
        unused=tuple(unused),
        vocabulary=vocabulary,
        text_case=text_case,
    )


def _check_files(path: str, advice: str) -> None:
    if not _exists(path, WEIGHTS_FILE) and not _exists(path, SHARDS_FILE):
        if _exists(path, PICKLE_FILE):
            raise UserError(
                f"{path} has its weights in {PICKLE_FILE} only, a pickle, which could run any "
                "code. Load it where you trust it, by from_pretrained of transformers, and save "
                f"it by save_pretrained, which writes {WEIGHTS_FILE}."
            )
        raise UserError(f"{path} has no {WEIGHTS_FILE}. {advice}")
    if not _exists(path, CONFIG_FILE):
        raise UserError(f"{path} has no {CONFIG_FILE}. {advice}")


def _stored_tensors(path: str) -> dict[str, StoredTensor]:
    """Returns the tensors of all files of weights, by name."""
    if _exists(path, WEIGHTS_FILE):
        return safetensors_files.open_file(os.path.join(path, WEIGHTS_FILE))
    index = os.path.join(path, SHARDS_FILE)
    file_of = _parse_shards(small_files.read(index), index)
    shards = {
        name: safetensors_files.open_file(os.path.join(path, name))
        for name in sorted(set(file_of.values()))
    }
    absent = next((name for name, file in file_of.items() if name not in shards[file]), None)
    if absent:
        raise UserError(f"{index} says that {absent} is in {file_of[absent]}, and it is not there.")
    return {name: shards[file][name] for name, file in file_of.items()}


def _parse_shards(content: bytes, path: str) -> Mapping[str, str]:
    """Returns in which file of the folder each tensor is."""
    try:
        index = json_values.parse(Mapping[str, Any], json_values.loads(content))
        files = json_values.parse(Mapping[str, str], index.get("weight_map"), name="weight_map")
    except json_values.JsonValueError as error:
        raise UserError(
            f"{path} is not as transformers writes it: {error}. Fetch it again."
        ) from error
    outside = next((name for name in files.values() if os.path.basename(name) != name), None)
    if outside:
        raise UserError(f"{path} names {outside!r}, which is no file beside it. Fetch it again.")
    return files


def _vocabulary(path: str) -> tuple[str, ...] | None:
    """Returns the tokens of a folder's WordPiece vocabulary; None where it has none."""
    if _exists(path, huggingface_tokenizer.VOCAB_FILE):
        return small_files.read_vocabulary(os.path.join(path, huggingface_tokenizer.VOCAB_FILE))
    if not _exists(path, huggingface_tokenizer.TOKENIZER_FILE):
        return None
    file = os.path.join(path, huggingface_tokenizer.TOKENIZER_FILE)
    tokens = huggingface_tokenizer.tokens_of(small_files.read(file), path=file)
    if tokens is None:
        return None
    return tuple(parse_vocabulary("\n".join(tokens).encode(), name=file))


def _text_case(path: str) -> TextCase | None:
    """Returns what a folder's tokenizer does to letters; None unless its files say one thing."""
    readers = {
        huggingface_tokenizer.TOKENIZER_CONFIG_FILE: huggingface_tokenizer.text_case_of_config,
        huggingface_tokenizer.TOKENIZER_FILE: huggingface_tokenizer.text_case_of_tokenizer,
    }
    files = {name: os.path.join(path, name) for name in readers if _exists(path, name)}
    told = {readers[name](small_files.read(file), path=file) for name, file in files.items()}
    told.discard(None)
    return told.pop() if len(told) == 1 else None


def _exists(path: str, name: str) -> bool:
    return bool(tf.io.gfile.exists(os.path.join(path, name)))
