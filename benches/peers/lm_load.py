"""Opening a safetensors file of 498 MB (GPT-2's shape, f32): seconds and peak memory of transformers and of safetensors alone.

Run:  python benches/peers/lm_load.py [--repeats 3]

The file is written once into the folder that INFALIGN_BENCH_FOLDER names (default: a folder in the system's temporary one) and stays there for the other side
of the comparison. `tokens` is the file's size in bytes. Every repeat drops what it loaded; the file is in the page cache.
"""

import os
import tempfile
from pathlib import Path

import lm_harness

FOLDER = Path(os.environ.get("INFALIGN_BENCH_FOLDER") or Path(tempfile.gettempdir()) / "infalign-bench-gpt2-124m")


def write():
    import lm_shapes

    if not (FOLDER / "model.safetensors").exists():
        lm_shapes.model("gpt2-124m").save_pretrained(FOLDER)
    return {"peer": "transformers save_pretrained", "seconds": [], "tokens": (FOLDER / "model.safetensors").stat().st_size}


def load(peer):
    def measure(repeats):
        import gc

        import torch

        file = FOLDER / "model.safetensors"

        def from_pretrained():
            from transformers import AutoModelForCausalLM

            return AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)

        def load_file():
            from safetensors.torch import load_file

            return sum(float(tensor.sum()) for tensor in load_file(file).values())  # every page is touched

        def work():
            {"transformers": from_pretrained, "safetensors": load_file}[peer]()
            gc.collect()

        return {"peer": peer, "seconds": lm_harness.timed(work, repeats), "tokens": file.stat().st_size}

    return measure


MEASUREMENTS = {"load/write": lambda repeats: write(), "load/transformers": load("transformers"), "load/safetensors": load("safetensors")}

if __name__ == "__main__":
    lm_harness.main(__doc__.splitlines()[0], MEASUREMENTS)
