"""Times one RL step beside TRL's RLOO in the same run, and writes benches/results/rl-YYYY-MM-DD.json.

    python3 benches/peers/rl_run.py --program target/release/infalign

Needs the Python of INFALIGN_PEER_PYTHON (torch, transformers, trl, datasets). The model is a Llama of 4.4 M parameters with random weights; a step is
16 completions (2 prompts of 8 or of 160 tokens, 8 each) of 64 tokens; the reward is the response's length, which costs nothing. Each side runs in turn in a process of its own,
pinned to one core, on one thread; a run has a few steps, of which the first is left out, and its figure is the median over its steps. Ours uses the
exact KL over the vocabulary and a frozen reference; TRL's RLOO uses k1 and a frozen reference (beta > 0).
"""

import argparse
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

MODEL = """
import json, sys, torch
from tokenizers import Tokenizer, models, pre_tokenizers, decoders
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
folder = sys.argv[1]
words = ["<eos>", "<pad>", "<unk>"] + [f"w{i}" for i in range(4093)]
tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>", unk_token="<unk>").save_pretrained(folder)
torch.manual_seed(0)
config = LlamaConfig(vocab_size=4096, hidden_size=224, intermediate_size=592, num_hidden_layers=6, num_attention_heads=8, num_key_value_heads=8,
                     max_position_embeddings=256, tie_word_embeddings=True, eos_token_id=0, pad_token_id=1, bos_token_id=None)
model = LlamaForCausalLM(config)
print(sum(p.numel() for p in model.parameters()))
model.save_pretrained(folder)
"""

TRL = """
import sys, time, json, resource, torch
from datasets import Dataset
from trl import RLOOConfig, RLOOTrainer
from transformers import TrainerCallback, AutoTokenizer
folder, steps, scratch = sys.argv[1], int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
prompts = Dataset.from_list([{"prompt": " ".join(f"w{(7 * i + j) % 4000}" for j in range(int(sys.argv[4])))} for i in range(64)])
class Clock(TrainerCallback):
    times = []
    def on_step_end(self, *a, **k):
        self.times.append(time.perf_counter())
config = RLOOConfig(output_dir=scratch, per_device_train_batch_size=16, num_generations=8, max_completion_length=64, beta=0.05, max_steps=steps,
                    learning_rate=1e-4, logging_steps=1000, save_strategy="no", report_to=[], use_cpu=True, bf16=False, fp16=False, disable_tqdm=True, gradient_checkpointing=False)
trainer = RLOOTrainer(model=folder, reward_funcs=lambda completions, **k: [float(len(c)) for c in completions], args=config, train_dataset=prompts,
                      processing_class=AutoTokenizer.from_pretrained(folder), callbacks=[Clock()])
trainer.train()
t = Clock.times
print(json.dumps({"seconds": [b - a for a, b in zip(t, t[1:])], "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def pinned(command, **kwargs):
    return subprocess.run(["taskset", "-c", "0", *command], env=ENVIRONMENT, check=True, capture_output=True, text=True, **kwargs)


def ours(program, model, words, steps, scratch, round_):
    prompts = scratch / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": " ".join(f"w{(7 * i + j) % 4000}" for j in range(words))}) + "\n" for i in range(72)))
    config = scratch / "rl.toml"
    config.write_text(f"""
[policy]
model = "{model}"
[prompts]
file = "{prompts}"
held_out = 8
[sampling]
max_tokens = 64
[reward]
train_on = "length"
judges = []
[calibration]
rollouts = 2
check = 0
shard = 64
[design]
rewards = ["raw"]
[train]
steps = {steps}
prompts = 2
samples = 8
learning_rate = 1e-4
beta = 0.05
held_out_every = 100000
save_every = 100000
""")
    runs = scratch / f"ours-{words}-{round_}"
    command = [program, "train", str(config), "--runs", str(runs), "--threads", "1", "--quiet"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    script = f"import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    rss = float(pinned([sys.executable, "-c", script, *command]).stdout.strip().splitlines()[-1])
    rows = [json.loads(line) for line in (runs / "rl/policies/raw/timing.jsonl").read_text().splitlines()]
    walls = [row["wall"] for row in rows]
    return {"seconds": [b - a for a, b in zip(walls, walls[1:])][:-1], "rss_mb": rss}


def figures(found):
    sides = {
        side: {"seconds": statistics.median(statistics.median(r["seconds"]) for r in runs), "rss_mb": max(r["rss_mb"] for r in runs)}
        for side, runs in found.items()
    }
    return {**sides, "faster": sides["trl"]["seconds"] / sides["ours"]["seconds"], "memory": sides["ours"]["rss_mb"] / sides["trl"]["rss_mb"]}


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--program", default=str(ROOT / "target/release/infalign"))
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--words", type=int, nargs="+", default=[8, 160], help="tokens of a prompt, one row of the record each")
    options = options.parse_args()
    peer = os.environ.get("INFALIGN_PEER_PYTHON", sys.executable)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        model = scratch / "model"
        parameters = int(pinned([peer, "-c", MODEL, str(model)]).stdout.split()[-1])
        for words in options.words:
            found = {"ours": [], "trl": []}
            for round_ in range(options.rounds):
                found["ours"].append(ours(options.program, model, words, options.steps, scratch, round_))
                done = pinned([peer, "-c", TRL, str(model), str(options.steps), str(scratch / "trl"), str(words)])
                found["trl"].append(json.loads(done.stdout.strip().splitlines()[-1]))
            rows.append({"prompt_tokens": words, **figures(found), "runs": found})
    versions = subprocess.run([peer, "-c", "import torch, trl, transformers; print(torch.__version__, trl.__version__, transformers.__version__)"], capture_output=True, text=True).stdout.split()
    record = {"parameters": parameters, "torch": versions[0], "trl": versions[1], "transformers": versions[2], "rows": rows}
    out = ROOT / f"benches/results/rl-{datetime.date.today().isoformat()}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps([{key: row[key] for key in row if key != "runs"} for row in rows], indent=1))
    print(out)


main()
