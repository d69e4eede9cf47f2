"""build_vocab that takes its time: `python -m tests.tfrecords_tools.slow_vocabulary SECONDS ...`.

It sleeps so long between reading the text and writing the vocabulary.
"""

import sys

from mslt_tf import startup
from tests.tfrecords_tools.small_tasks import slowed
from tfrecords_tools import build_vocab


def main() -> None:
    """Runs build_vocab with a slow learner."""
    from tfrecords_tools import vocabulary_learning

    vocabulary_learning.learn = slowed(vocabulary_learning.learn, seconds)
    build_vocab.main()


if __name__ == "__main__":
    seconds = float(sys.argv.pop(1))
    startup.run(main, define_flags=build_vocab.define_flags, description="")
