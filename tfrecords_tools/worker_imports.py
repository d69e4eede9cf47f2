"""What workers need and is slow to import: done once, by the server they are forked from."""

from mslt_tf import startup

startup.prepare_tensorflow()

import blingfire  # noqa: E402, F401
import tensorflow  # noqa: E402, F401
import tensorflow_text  # noqa: E402, F401
