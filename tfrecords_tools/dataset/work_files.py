"""JSON files of unfinished work: they appear whole, and damaged ones are as good as none."""

import json
import os
from typing import Any, TypeVar

from mslt_tf import json_values
from mslt_tf.terminal import say

T = TypeVar("T")


def write_json(path: str, content: Any) -> None:
    """Writes a JSON file that appears whole or not at all."""
    temporary = f"{path}.{os.getpid()}.partial"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
    os.replace(temporary, path)


def read_result(path: str, declared: type[T]) -> T | None:
    """Returns the result of a task; None where it has none, or a damaged one, which is said.

    Args:
        path: of a file of `write_json`.
        declared: what the task's result is, see `json_values.parse`.
    """
    try:
        with open(path, "rb") as file:
            return json_values.parse(declared, json_values.loads(file.read()))
    except FileNotFoundError:
        return None
    except json_values.JsonValueError as error:
        say_damaged(path, str(error))
        return None


def say_damaged(path: str, reason: str) -> None:
    """Says that finished work is none."""
    say(f"{path} is damaged: {reason}. What it stands for is done again.")
