"""Writes config_v4.json beside config.json: the same model as transformers 4 wrote it, which is what most folders on the hub hold.

Version 5 gathers everything about rotary positions in `rope_parameters`, calls the data type `dtype`, and lists `layer_types`; version 4 had `rope_theta`,
`rope_scaling`, `rotary_pct` and `rotary_emb_base` (GPT-NeoX), `torch_dtype`, and implied the alternation of Gemma 2. The file is loaded again here
and must give the same logits bit by bit.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification


def convert(config):
    config = dict(config)
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.44.0"
    config.pop("layer_types", None)
    rope = config.pop("rope_parameters", None)
    if rope and config["model_type"] == "gpt_neox":
        config |= {"rotary_emb_base": rope["rope_theta"], "rotary_pct": rope["partial_rotary_factor"]}
    elif rope:
        rope = dict(rope)
        config["rope_theta"] = rope.pop("rope_theta")
        config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    return config


def write(folder):
    config = json.loads((folder / "config.json").read_text())
    old = convert(config)
    (folder / "config_v4.json").write_text(json.dumps(old, indent=2, sort_keys=True) + "\n")
    auto = AutoModelForSequenceClassification if "ForSequenceClassification" in config["architectures"][0] else AutoModelForCausalLM
    tokens = torch.arange(3, 23)[None]
    load = lambda place: auto.from_pretrained(place, dtype=torch.float32, attn_implementation="eager")  # noqa: E731
    with tempfile.TemporaryDirectory() as scratch, torch.no_grad():
        copy = Path(scratch) / "model"
        shutil.copytree(folder, copy)
        (copy / "config_v4.json").replace(copy / "config.json")
        assert torch.equal(load(folder)(tokens).logits, load(copy)(tokens).logits), f"{folder.name}: the old configuration means something else"
