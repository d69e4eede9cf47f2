"""The process that answers by transformers on PyTorch, under a Python that has them."""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.serving.job import Job, make_tasks
from benchmarks.step_time import pipes


def torch_tasks(job: Job) -> pipes.Tasks:
    """Returns the tasks of a Hugging Face folder, see `job.make_tasks`."""
    start = time.perf_counter()
    import torch
    import transformers

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    loaded: list[Any] = []

    def load() -> None:
        loaded.append(transformers.AutoModel.from_pretrained(job.folder, dtype=torch.float32))

    def answer(ids: list[list[int]]) -> Callable[[], Any]:
        model, tokens = loaded[0].eval(), torch.tensor(ids)
        inputs = {
            "input_ids": tokens,
            "attention_mask": torch.ones_like(tokens),
            "token_type_ids": torch.zeros_like(tokens),
        }

        @torch.inference_mode()
        def ask() -> Any:
            return model(**inputs).pooler_output.numpy()

        return ask

    return make_tasks(job, clock=time.perf_counter, start=start, load=load, answer=answer)


if __name__ == "__main__":
    pipes.serve(lambda: torch_tasks(Job.read(sys.argv[1])))
