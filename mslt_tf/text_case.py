"""Which text a vocabulary is for: lower-cased or not, with accents or without."""

import dataclasses

# What --help says of the second flag, in every program that has it.
STRIP_ACCENTS = (
    "Take accents and other marks off the letters. Not told: with do_lower_case, as in BERT."
)


@dataclasses.dataclass(frozen=True)
class TextCase:
    """What is done to letters before words are looked up, the same in records, runs and exports."""

    do_lower_case: bool = True
    strip_accents: bool = True

    @classmethod
    def of(cls, do_lower_case: bool, strip_accents: bool | None) -> "TextCase":
        """Takes the two flags; accents follow the case where they are not told, as in BERT."""
        return cls(do_lower_case, do_lower_case if strip_accents is None else strip_accents)

    def __str__(self) -> str:
        """Returns the flags, e.g. "--do_lower_case --nostrip_accents"."""
        return (
            f"--{'' if self.do_lower_case else 'no'}do_lower_case "
            f"--{'' if self.strip_accents else 'no'}strip_accents"
        )
