"""A text of several files in which every word tells its document, and settings for Beam."""

import random
from pathlib import Path

from tests.tfrecords_tools.numbered_text import SPECIAL_TOKENS, word
from tfrecords_tools.recipe.recipe import Recipe
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.text_input import TextInput

NUM_FILES, DOCUMENTS_PER_FILE, NUM_WORDS = 5, 60, 80
NUM_DOCUMENTS = NUM_FILES * DOCUMENTS_PER_FILE
VOCABULARY = SPECIAL_TOKENS + [
    word(document, place) for document in range(NUM_DOCUMENTS) for place in range(NUM_WORDS)
]
RECIPE = Recipe(max_seq_length=32, max_predictions_per_seq=5, dupe_factor=3)
HELDOUT_FRACTION = 0.1
SMALL_GROUPS = 1_000  # tokens: as many groups as the number of documents allows


def document_text(document: int) -> str:
    """Returns words that tell their document and place, in lines of 1 to 12."""
    rng = random.Random(document)
    lines, place = [], 0
    while place < NUM_WORDS:
        end = min(place + rng.randint(1, 12), NUM_WORDS)
        lines.append(" ".join(word(document, number) for number in range(place, end)))
        place = end
    return "\n".join(lines)


def write_source(folder: Path) -> None:
    """Writes the vocabulary, and the text as several files."""
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in VOCABULARY))
    for number in range(NUM_FILES):
        documents = range(number * DOCUMENTS_PER_FILE, (number + 1) * DOCUMENTS_PER_FILE)
        (folder / f"text_{number}.txt").write_text("\n\n".join(map(document_text, documents)))


def settings_for(source: Path, output_dir: Path, **changes: object) -> DatasetSettings:
    values: dict[str, object] = {
        "text": TextInput(input=f"{source}/text_*.txt"),
        "vocab_file": f"{source}/vocab.txt",
        "heldout_fraction": HELDOUT_FRACTION,
        "num_shards": 3,
        "recipes": (RECIPE,),
        "runner": "beam",
    }
    return DatasetSettings(output_dir=str(output_dir), **(values | changes))  # type: ignore[arg-type]
