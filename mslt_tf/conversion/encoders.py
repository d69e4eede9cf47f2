"""The encoder that a fine-tuning starts from, whatever a user has it in."""

import dataclasses
from collections.abc import Callable

from mslt_tf.conversion import formats, found_model, own_runs
from mslt_tf.conversion.found_model import FoundModel
from mslt_tf.conversion.own_runs import VOCAB_ADVICE
from mslt_tf.dataset_info import hash_vocabulary
from mslt_tf.errors import UserError
from mslt_tf.files import file_errors, vocabulary_file
from mslt_tf.modeling import bert, weights
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.text_case import TextCase

FLAG = "--encoder"
_PRETRAINING_HEADS = (bert.MASKED_LM, bert.SENTENCE_PAIR)


def read(
    path: str,
    *,
    vocab_file: str = "",
    text_case: TextCase | None = None,
    report: Callable[[str], None],
) -> TrainedModel:
    """Returns the model of any of `formats.FORMS`, with its vocabulary.

    Its weights are those of the embeddings, of all blocks, and of the pooler where there is one.

    Args:
        path: of --encoder.
        vocab_file: of --vocab_file; "" for the vocabulary that the model comes with.
        text_case: of --do_lower_case and --strip_accents; None for what the model comes with.
        report: takes lines about what is passed over, begins new or is taken on trust.

    Raises:
        UserError: it is in no such form, cannot be read or is not whole; a weight is no number or
            far too large; the vocabulary or what is done to letters is not known, or the vocabulary
            is another than the model's.
    """
    options = {"vocab_file": vocab_file, "text_case": text_case, "report": report}
    with file_errors.naming(f"{FLAG} {path} cannot be read", f"Give {formats.FORMS}."):
        is_own = own_runs.is_own(path)
        trained = own_runs.read(path, **options) if is_own else _read_found(path, **options)
    if trained.vocabulary is None:
        raise UserError(f"{FLAG} {path} comes without a vocabulary. {VOCAB_ADVICE}")
    encoder = {k: v for k, v in trained.weights.items() if k not in _PRETRAINING_HEADS}
    weights.check_values(encoder, what=path)
    return dataclasses.replace(trained, weights=encoder)


def _read_found(
    path: str,
    *,
    vocab_file: str,
    text_case: TextCase | None,
    report: Callable[[str], None],
) -> TrainedModel:
    found = formats.read(path, flag=FLAG, report=report)
    found_model.check_encoder(found)
    text_case = text_case or found.text_case
    if text_case is None:
        raise UserError(
            f"{FLAG} {path} does not tell what was done to letters, or tells two things. Tell it "
            "by --do_lower_case or --nodo_lower_case."
        )
    vocabulary = _vocabulary(found, vocab_file, report)
    for note in _notes(found):
        report(note)
    return TrainedModel(
        config=found.config,
        weights=found.weights,
        text_case=text_case,
        vocabulary=vocabulary,
        step=0,
        stage="",
        identity={},
    )


def _vocabulary(
    found: FoundModel, vocab_file: str, report: Callable[[str], None]
) -> tuple[str, ...] | None:
    """Returns the tokens of a file, or else those that the model comes with, of the right size."""
    size = found.config.vocab_size
    if not vocab_file:
        if found.vocabulary and len(found.vocabulary) != size:
            raise UserError(
                f"the vocabulary in {found.path} has {len(found.vocabulary):,} tokens, its model "
                f"vocab_size {size:,}. {VOCAB_ADVICE}"
            )
        return found.vocabulary
    tokens = vocabulary_file.read(vocab_file, vocab_size=size, advice=VOCAB_ADVICE)
    if found.vocabulary_sha256 and found.vocabulary_sha256 != hash_vocabulary(tokens):
        raise UserError(
            f"--vocab_file {vocab_file} is not the vocabulary that {found.path} was trained with "
            f"(its hash differs). {VOCAB_ADVICE}"
        )
    if found.vocabulary is None:
        report(f"note: {found.path} does not tell its vocabulary; {vocab_file} is taken for it")
    elif found.vocabulary != tuple(tokens):
        report(f"note: {vocab_file} is taken for the vocabulary; the one in {found.path} differs")
    return tuple(tokens)


def _notes(found: FoundModel) -> list[str]:
    notes = []
    if "hidden_act" in found.untold:
        notes.append(
            f"note: {found.path} does not tell which form of GELU it was trained with; "
            f"{found.config.hidden_act} is used, as by Google's code of today"
        )
    if bert.POOLER not in found.weights:
        notes.append(f"note: {found.path} lacks a pooler, which gets initial weights")
    return notes + found_model.unused_notes(found)
