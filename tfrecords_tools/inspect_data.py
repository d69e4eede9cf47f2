"""Shows records of a data set as text, and whether they follow the recipe.

For example:

  python -m tfrecords_tools.inspect_data --input_dir=data/embedded_128 --vocab_file=data/vocab.txt

A token to predict is shown as [original->what the model sees], e.g. [the->[MASK]], [the->the]
where it was kept and [the->cow] where a random word stands in its place.
"""

import os

from absl import flags

from mslt_tf import flag_fields, startup
from tfrecords_tools.settings import InspectionSettings


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags; only on running as a program, as other tools use the same names."""
    groups = {"Flags": flag_fields.flag_names(InspectionSettings)}
    flag_fields.define_flags(groups, [InspectionSettings], flag_values)


def settings_from_flags(flag_values: flags.FlagValues) -> InspectionSettings:
    """Returns the settings that the command line gives.

    Raises:
        UserError: a value is out of its range, or a needed one is missing.
    """
    return InspectionSettings(**flag_fields.values_of(InspectionSettings, flag_values))


def main() -> None:
    """Shows what the command line asks for."""
    settings = settings_from_flags(flags.FLAGS)
    # Text work needs no GPU, and TensorFlow would take all memory of one from a training run.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    # Imports TensorFlow, which must come after `startup.run` has prepared it; and wrong flags are
    # reported without waiting for it.
    from tfrecords_tools.dataset import inspection

    inspection.inspect(settings)


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
