"""The process that trains Hugging Face's BertForPreTraining on PyTorch, under a Python that has it.

As its users do: labels are -100 but at the masked positions, logits are computed at all positions.
Attention is PyTorch's fused one, AdamW too is the fused one.
"""

import json
import os
import sys
import time
from typing import Any

import torch
from transformers import BertConfig, BertForPreTraining

from benchmarks.step_time import pipes

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
IGNORED = -100  # a label that counts nothing
LEARNING_RATE, CLIP_NORM = 1e-4, 1.0


def make_tasks(shapes: dict[str, Any]) -> pipes.Tasks:
    """Returns "step", of the whole model on one batch over and over."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = BertConfig(**shapes["model"], attn_implementation="sdpa")
    model = BertForPreTraining(config).to(device).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), LEARNING_RATE, eps=1e-6, weight_decay=0.01, fused=True
    )
    batch = {name: values.to(device) for name, values in random_batch(shapes).items()}
    compute_loss = torch.compile(model) if shapes["torch_compile"] else model
    dtype = DTYPES[shapes["precision"]]

    def step() -> torch.Tensor:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            loss = compute_loss(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def timed(num_steps: int) -> dict[str, float]:
        start = time.perf_counter()
        for _ in range(num_steps):
            loss = step()
        loss.item()  # waits for the device
        return {"seconds": time.perf_counter() - start}

    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"step": timed, "facts": lambda _: {"parameters": parameters}}


def random_batch(shapes: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Returns random tokens without padding, equally many predictions in each sequence."""
    batch, seq = shapes["batch_size"], shapes["seq_length"]
    ids = torch.randint(shapes["model"]["vocab_size"], (batch, seq))
    order = torch.rand(batch, seq).argsort(dim=1)
    is_predicted = torch.zeros(batch, seq, dtype=torch.bool)
    is_predicted.scatter_(1, order[:, : shapes["max_predictions_per_seq"]], True)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "token_type_ids": torch.zeros_like(ids),
        "labels": ids.masked_fill(~is_predicted, IGNORED),
        "next_sentence_label": torch.randint(2, (batch,)),
    }


if __name__ == "__main__":
    pipes.serve(lambda: make_tasks(json.loads(sys.argv[1])))
