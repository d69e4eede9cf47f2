"""Where input, output and work lie: apart, so that none is read, replaced or removed as another."""

import dataclasses
import functools
import os
from collections.abc import Sequence

from mslt_tf.errors import UserError
from tfrecords_tools.settings import DatasetSettings
from tfrecords_tools.text.files import file_access, file_search
from tfrecords_tools.text.text_input import EMBEDDED, TextInput

_LOCAL = "file://"
_APART = "Give folders apart from each other."


@dataclasses.dataclass(frozen=True)
class Place:
    """A file or folder that the command line names."""

    flag: str  # with its value, as messages have it
    path: str

    @functools.cached_property
    def real(self) -> str:
        """The path without links, `..` and a slash at its end; a remote one as it is."""
        return file_access.real_path(self.path)

    def __str__(self) -> str:
        path = self.path.removeprefix(_LOCAL)
        is_plain = "://" in path or (".." not in path.split("/") and self._is_no_link(path))
        return self.flag if is_plain else f"{self.flag} (which is {self.real})"

    def _is_no_link(self, path: str) -> bool:
        return self.real == os.path.abspath(path)

    def is_within(self, other: "Place") -> bool:
        """Returns whether this is, or lies in, the other."""
        outer = other.real
        return self.real == outer or self.real.startswith(f"{outer.rstrip('/')}/")


def own_places(settings: DatasetSettings) -> list[str]:
    """Returns the files and folders of a run's own that are no input where one holds them."""
    places = [*_outputs(settings), *_work(settings)]
    return [settings.vocab_file, *(place.path for place in places)]


def check_apart(settings: DatasetSettings) -> None:
    """Checks that no input lies in the output or the work folder, nor these in one another.

    The default work folder, in the output folder, may. An input folder may hold them, as
    `own_places` are left out of it; but the folder of a data set may not.

    Raises:
        UserError: names the two that lie in one another.
    """
    outputs, work = _outputs(settings), _work(settings)
    data_sets = _data_sets(settings.text)
    for folder in data_sets:
        _refuse_within(outputs, folder, "records would be read as text")
        _refuse_within(work, folder, "work files would be read as text")
    for place in [*outputs, *work]:
        _refuse_within(
            [*data_sets, *_inputs(settings.text)],
            place,
            "this program writes and removes files there",
        )
    vocabulary = Place(f"--vocab_file {settings.vocab_file}", settings.vocab_file)
    for place in work:
        _refuse_within([*outputs, vocabulary], place, "work files come and go there")


def _refuse_within(inner: Sequence[Place], outer: Place, reason: str) -> None:
    for place in inner:
        if place.is_within(outer):
            relation = "is the same as" if place.real == outer.real else "lies in"
            raise UserError(f"{place} {relation} {outer}: {reason}. {_APART}")


def _outputs(settings: DatasetSettings) -> list[Place]:
    whole = f"--output_dir {settings.output_dir}"
    below = {settings.folder_of(recipe) for recipe in settings.recipes} - {settings.output_dir}
    places = [Place(f"{whole}, whose records go to {folder},", folder) for folder in below]
    return [Place(whole, settings.output_dir), *places]


def _work(settings: DatasetSettings) -> list[Place]:
    """Returns the work folder; none for Beam."""
    if settings.runner != "local":
        return []
    folder = settings.work_folder
    default = f"the work folder {folder}, in whose place --work_dir can give another,"
    return [Place(f"--work_dir {folder}" if settings.work_dir else default, folder)]


def _inputs(text: TextInput) -> list[Place]:
    """Returns the files and folders that are named, and the folders in which others are looked for.

    None of the embedded corpus: of the Python installation, sources alone are read.
    """
    if not text.input or text.input == EMBEDDED:
        return []
    starts = file_search.find_starts(text.input)
    return [Place(f"--input {pattern}", path) for pattern, path in starts]


def _data_sets(text: TextInput) -> list[Place]:
    if not text.tfds:
        return []
    from tfrecords_tools.text.formats import tfds_text  # slow to import

    path = tfds_text.find_folder(text.tfds, data_dir=text.tfds_data_dir)
    return [Place(f"--tfds {text.tfds} in {path}", path)]
