"""The process that fine-tunes by transformers on PyTorch, under a Python that has them.

As transformers' example run_glue does: its model, its fast tokenizer, batches in random order that
are padded to their longest sequence, AdamW, a linear schedule with warm-up, gradients clipped. The
loop is a plain one, without what its Trainer does besides. The windows of SQuAD come tokenised.
"""

import itertools
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import transformers

from benchmarks.finetuning.job import Examples, Job
from benchmarks.step_time import pipes

CLIP_NORM = 1.0
EVAL_BATCH_SIZE = 128
NO_DECAY = ("bias", "LayerNorm.weight")
Batch = dict[str, torch.Tensor]


class FineTuning:
    """A model with its training."""

    def __init__(self, job: Job):
        """Reads the encoder and tokenises the training examples."""
        torch.manual_seed(job.seed)
        self._job = job
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(job.encoder)
        self._collate = transformers.DataCollatorWithPadding(self._tokenizer)
        self._model = (
            getattr(transformers, job.model)
            .from_pretrained(job.encoder, num_labels=job.num_outputs, dtype=torch.float32)
            .to(self._device)
        )
        self._compute = torch.compile(self._model) if job.torch_compile else self._model
        self._train = self._tokenise(job.train)
        self._optimizer = torch.optim.AdamW(
            parameter_groups(self._model, job.weight_decay_rate), job.learning_rate, fused=True
        )
        num_steps = job.num_epochs * -(-len(self._train) // job.batch_size)
        self._schedule = transformers.get_linear_schedule_with_warmup(
            self._optimizer, int(job.warmup_fraction * num_steps), num_steps
        )

    def batches(self) -> Iterator[Batch]:
        """Yields the padded batches of one epoch after the other, without end."""
        for epoch in itertools.count():
            yield from self._epoch(epoch)

    def train_epochs(self) -> None:
        """Trains from the start to the end."""
        for epoch in range(self._job.num_epochs):
            for batch in self._epoch(epoch):
                self.update(batch)

    def update(self, batch: Batch) -> torch.Tensor:
        """Trains on a batch, and returns the loss; does not wait for a GPU."""
        self._model.train()
        with self._casting():
            loss = self._compute(**{name: x.to(self._device) for name, x in batch.items()}).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), CLIP_NORM)
        self._optimizer.step()
        self._schedule.step()
        self._optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def logits(self, given: Examples) -> list[Any]:
        """Returns the outputs of each example: [num_outputs]; of a window [its tokens, 2]."""
        self._model.eval()
        examples = self._tokenise(given)
        found = []
        with torch.inference_mode(), self._casting():
            for start in range(0, len(examples), EVAL_BATCH_SIZE):
                batch = self._collate(examples[start : start + EVAL_BATCH_SIZE])
                inputs = {name: x.to(self._device) for name, x in batch.items()}
                found += outputs_of(self._model(**inputs), inputs["attention_mask"])
        return found

    def tokens_per_example(self) -> dict[str, float]:
        """Returns the means over an epoch, without padding and with it."""
        batches = list(self._epoch(0))
        tokens = sum(int(batch["attention_mask"].sum()) for batch in batches)
        padded = sum(batch["attention_mask"].numel() for batch in batches)
        return {"tokens": tokens / len(self._train), "padded": padded / len(self._train)}

    def _epoch(self, epoch: int) -> Iterator[Batch]:
        chosen: Sequence[Sequence[int]] | None = None
        if self._job.epochs:
            chosen = self._job.epochs[epoch % len(self._job.epochs)]
        loader = torch.utils.data.DataLoader(
            self._train,
            collate_fn=self._collate,
            **({"batch_sampler": chosen} if chosen else self._random_order(epoch)),
        )
        yield from loader

    def _random_order(self, epoch: int) -> dict[str, Any]:
        order = torch.Generator().manual_seed(self._job.seed + epoch)
        return {"batch_size": self._job.batch_size, "shuffle": True, "generator": order}

    def _tokenise(self, given: Examples) -> list[dict[str, Any]]:
        if "texts" in given:
            encoded = self._tokenizer(
                given["texts"], given["pairs"], truncation=True, max_length=self._job.max_length
            )
            given = {"label": given["labels"], **encoded}
        rows = zip(*given.values(), strict=True)
        return [dict(zip(given, row, strict=True)) for row in rows]

    def _casting(self) -> torch.autocast:
        is_short = self._job.precision == "bfloat16"
        return torch.autocast(self._device.type, torch.bfloat16, enabled=is_short)


def outputs_of(output: Any, mask: torch.Tensor) -> list[Any]:
    """Returns what a model says of each example of a batch, without padding."""
    if "logits" in output:
        return output.logits.float().tolist()
    spans = torch.stack([output.start_logits, output.end_logits], -1).float()
    lengths = mask.sum(-1).tolist()
    return [each[:length].tolist() for each, length in zip(spans, lengths, strict=True)]


def parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Returns what decays and what does not, as an optimizer takes them."""
    named = dict(model.named_parameters())
    kept = [x for name, x in named.items() if name.endswith(NO_DECAY)]
    decayed = [x for name, x in named.items() if not name.endswith(NO_DECAY)]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]


def make_tasks(job: Job) -> pipes.Tasks:
    """Returns "train", "score" and "facts", see `ours.make_tasks`."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tuning = FineTuning(job)
    batches = tuning.batches()

    def train(num_examples: int) -> dict[str, float]:
        start, num_done = time.perf_counter(), 0
        while num_done < num_examples:
            batch = next(batches)
            loss = tuning.update(batch)
            num_done += len(batch["input_ids"])
        loss.item()  # waits for the device
        seconds = time.perf_counter() - start
        return {"seconds": seconds * num_examples / num_done}

    def score(_: int) -> dict[str, Any]:
        start = time.perf_counter()
        tuning.train_epochs()
        outputs = {split: tuning.logits(given) for split, given in job.scored.items()}
        return {"seconds": time.perf_counter() - start, "outputs": outputs}

    return {"train": train, "score": score, "facts": lambda _: tuning.tokens_per_example()}


if __name__ == "__main__":
    pipes.serve(lambda: make_tasks(Job.read(sys.argv[1])))
