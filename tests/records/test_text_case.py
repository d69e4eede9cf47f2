"""Records of text that was lower-cased or not, and the run that is told which."""

import pytest

from mslt_tf.errors import UserError
from mslt_tf.records import record_sets
from tests import tiny


def open_sets(folder, settings, **told):
    """Opens records that say they were made with `settings`, in a run with these flags."""
    records = tiny.write_random_shards(folder, sizes=(5,))
    tiny.describe(folder, ["part-0.tfrecord"], settings=settings)
    config = tiny.config(train_records=records, output_dir=folder, method="original", **told)
    return record_sets.open_record_sets(config, report=lambda line: None)


@pytest.mark.parametrize(
    ("made_with", "told"),
    [
        ({"do_lower_case": False}, {}),  # of versions that had one flag
        ({"do_lower_case": True, "strip_accents": False}, {}),
        ({"do_lower_case": True, "strip_accents": True}, {"strip_accents": False}),
    ],
)
def test_records_are_refused_in_a_run_that_is_told_otherwise(tmp_path, made_with, told):
    message = r"--train_records was made with --\w+ --\w+, but this run is told --\w+ --\w+,"
    with pytest.raises(UserError, match=message):
        open_sets(tmp_path, made_with, **told)
    open_sets(tmp_path, made_with, **made_with)
    open_sets(tmp_path, {}, **told)  # records that do not say
