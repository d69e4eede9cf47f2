r"""Compares runs: curves, speed-ups and fine-tuning scores, as a page and as Markdown.

  python -m mslt_tf.run_report --runs=original=runs/base,mslt=runs/mslt_1,mslt=runs/mslt_2 \
      --output_dir=report

writes report/report.html, which needs neither network nor other files, report/report.md, and each
figure as PNG and SVG. The runs may go on meanwhile; it reads them and changes nothing in them.
"""

import os

from absl import flags

from mslt_tf import flag_fields, startup
from mslt_tf.report_settings import ReportSettings


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of this program."""
    groups = {"Flags": flag_fields.flag_names(ReportSettings)}
    flag_fields.define_flags(groups, [ReportSettings], flag_values)


def main() -> None:
    """Writes the report that the command line asks for."""
    settings = ReportSettings(**flag_fields.values_of(ReportSettings, flags.FLAGS))
    # It needs no GPU, and TensorFlow would take all memory of one from a training run.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    # TensorFlow takes seconds to import; wrong flags are told before.
    from mslt_tf.analysis import report

    report.write(settings)


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
