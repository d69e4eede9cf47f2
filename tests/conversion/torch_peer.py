"""What transformers on PyTorch makes of folders; runs in a Python of its own, which has both.

  python torch_peer.py TASK.json

The task names a file of inputs, a file for outputs, and the folders; see `main`.
"""

import json
import logging
import sys


def main(task: dict) -> dict:
    """Computes outputs of each folder's model, and returns what was said when it was loaded.

    Args:
        task: "inputs" (.npz of input_ids, attention_mask, token_type_ids), "outputs" (.npz to
            write), "folders" of models and of "tokenizers" by name, "texts", "masked_text",
            "saved" (a folder to save the models to).
    """
    import numpy as np
    import torch
    import transformers

    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    transformers.logging.add_handler(handler)
    transformers.logging.disable_progress_bar()
    inputs = {name: torch.tensor(value) for name, value in np.load(task["inputs"]).items()}
    arrays, facts = {}, {"version": transformers.__version__}
    for name, folder in task["folders"].items():
        records.clear()
        family = "Albert" if "albert" in name else "Bert"
        found = {}
        for kind in ("ForPreTraining", "ForMaskedLM", "Model"):
            loader = getattr(transformers, family + kind)
            model, info = loader.from_pretrained(folder, output_loading_info=True)
            keys = ("missing_keys", "unexpected_keys", "mismatched_keys")
            found[kind] = {key: sorted(info[key]) for key in keys}
            found[kind]["said"] = list(records)
            records.clear()
            with torch.no_grad():
                for index, value in enumerate(model(**inputs).to_tuple()):
                    arrays[f"{name}/{kind}/{index}"] = value.numpy()
            if kind == "ForPreTraining":
                model.save_pretrained(f"{task['saved']}/{name}")
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        found["pair"] = dict(tokenizer("a", "b"))
        found["limit"] = tokenizer.model_max_length
        tokenizer.save_pretrained(f"{task['saved']}/{name}")
        found["said_of_tokenizer"] = list(records)
        fill_mask = transformers.pipeline("fill-mask", model=folder)
        found["best"] = fill_mask(task["masked_text"])[0]
        facts[name] = found
    facts["ids"] = {}
    for name, folder in task["tokenizers"].items():
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        facts["ids"][name] = tokenizer(task["texts"], add_special_tokens=False)["input_ids"]
    np.savez(task["outputs"], **arrays)
    return facts


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write(json.dumps(main(json.load(file))) + "\n")
