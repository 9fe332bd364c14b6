"""Opens a folder that infalign saved, as a user of transformers would, and fails on any warning, missing key or unexpected key.

Run:  python tests/parity/check_saved.py FOLDER [--tokens 5,6,7 …] [--peft BASE]

Prints one JSON object: class, number of parameters, and for every token list its logits (causal: one row a position; classification: the scores).
With --peft BASE, FOLDER is an adapter and BASE the model below it. Where FOLDER has a tokenizer.json, AutoTokenizer must open it and give back a text that it
encoded. Exit code 0: opened without a word; 1: the reasons are on standard error.
"""

import argparse
import json
import logging
import os
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

TEXT = "Once upon a time, there was a little girl named Lily."


class Complaints(logging.Handler):
    """Collects every record at or above WARNING."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.found = []

    def emit(self, record):
        self.found.append(f"{record.name}: {record.getMessage()}")


def listen():
    complaints = Complaints()
    for name in (None, "transformers", "safetensors", "peft"):
        logging.getLogger(name).addHandler(complaints)
    transformers.logging.set_verbosity_warning()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("always")
    # Between these versions of peft and transformers, whatever the folder holds.
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing. is deprecated", category=FutureWarning)
    warnings.showwarning = lambda message, category, file, line, *_: complaints.found.append(f"{category.__name__}: {message} ({file}:{line})")
    return complaints


def open_model(folder, complaints):
    config = AutoConfig.from_pretrained(folder)
    architecture = (config.architectures or ["none named"])[0]
    auto = AutoModelForSequenceClassification if architecture.endswith("ForSequenceClassification") else AutoModelForCausalLM
    model, info = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    for kind, keys in info.items():
        if keys:
            complaints.found.append(f"{kind}: {sorted(map(str, keys))}")
    if type(model).__name__ != architecture:
        complaints.found.append(f"config.json names {architecture}, which opened as {type(model).__name__}")
    return model.eval()


def open_adapter(folder, model, complaints):
    from peft import PeftModel
    from safetensors import safe_open

    model = PeftModel.from_pretrained(model, folder).eval()
    with safe_open(Path(folder) / "adapter_model.safetensors", "pt") as file:
        saved = set(file.keys())
    expected = {name.replace(".default", "") for name, _ in model.named_parameters() if "lora_" in name}
    if saved != expected:
        complaints.found.append(f"adapter: missing {sorted(expected - saved)}, unexpected {sorted(saved - expected)}")
    return model


def check_tokenizer(folder, complaints):
    if not (Path(folder) / "tokenizer.json").exists():
        return
    tokenizer = AutoTokenizer.from_pretrained(folder)
    back = tokenizer.decode(tokenizer(TEXT)["input_ids"], skip_special_tokens=True)
    if back.strip() != TEXT:
        complaints.found.append(f"tokenizer: {TEXT!r} came back as {back!r}")


def main():
    arguments = argparse.ArgumentParser(description="Open a folder that infalign saved, in transformers.")
    arguments.add_argument("folder")
    arguments.add_argument("--tokens", nargs="*", default=["3,4,5,6,7"], help="lists of token ids, separated by commas")
    arguments.add_argument("--peft", metavar="BASE", help="FOLDER is an adapter of the model in BASE")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    complaints = listen()
    model = open_model(options.peft or options.folder, complaints)
    if options.peft:
        model = open_adapter(options.folder, model, complaints)
    check_tokenizer(options.folder, complaints)
    logits = []
    with torch.no_grad():
        for text in options.tokens:
            ids = torch.tensor([[int(token) for token in text.split(",")]])
            logits.append(model(ids).logits[0].tolist())
    print(json.dumps({"class": type(model).__name__, "parameters": sum(w.numel() for w in model.parameters()), "logits": logits}))
    for complaint in complaints.found:
        print(complaint, file=sys.stderr)
    return 1 if complaints.found else 0


if __name__ == "__main__":
    sys.exit(main())
