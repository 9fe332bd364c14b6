"""TRL trains with CalibratedReward: what TRL logs is what the package computes. Driven by run.sh.

Run:  python run.py TRAINER OUT          TRAINER: rloo | grpo | async | model | chat
      torchrun --nproc_per_node 2 run.py rloo OUT
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

import infalign
from infalign.trl import BestOfNSampler, CalibratedReward, WinRateCallback, prompt_key

WORDS = "the a cat dog bird sat ran flew on over under mat tree roof good bad small big and then".split()
TEMPLATE = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}"
STEPS = int(os.environ.get("STEPS", "20"))


def make_models(folder: Path) -> None:
    """A random Llama of two layers and a random reward model, with a tokenizer of words."""
    specials = ["<pad>", "<eos>", "<unk>", "user", "assistant"]
    vocabulary = {word: i for i, word in enumerate(specials + WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    fast.chat_template = TEMPLATE
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    for name, kind in (("policy", LlamaForCausalLM), ("reward", LlamaForSequenceClassification)):
        config.num_labels = 1
        kind(config).save_pretrained(folder / name)
        fast.save_pretrained(folder / name)


def text_of(completion):
    return completion if isinstance(completion, str) else completion[0]["content"]


def cats(prompts, completions, **_):
    """The raw reward: cats less dogs, on no particular scale."""
    return [100.0 * (text_of(c).split().count("cat") - text_of(c).split().count("dog")) for c in completions]


async def cats_async(prompts, completions, **columns):
    return cats(prompts, completions, **columns)


class Rows(TrainerCallback):
    """The rows of the completions table at every log: TRL writes them to a file for GRPO, and only prints them for RLOO."""

    def __init__(self, trainer):
        self.trainer, self.tables = trainer, []

    def on_log(self, args, state, control, logs=None, **_):
        if "reward" in logs:
            own = self.trainer._logs
            columns = {"prompt": own["prompt"], "completion": own["completion"], **own["rewards"], **own["extra"]}
            self.tables.append(pandas.DataFrame({name: list(values) for name, values in columns.items()}))


def main() -> None:
    ap = argparse.ArgumentParser()
    ap.add_argument("trainer", choices=["rloo", "grpo", "async", "model", "chat"])
    ap.add_argument("out", type=Path)
    args = ap.parse_args()
    folder = args.out / "models"
    if not (folder / "policy").exists():
        make_models(folder)
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS, 4)) for _ in range(16)]
    prompts = [[{"role": "user", "content": text}] for text in texts] if args.trainer == "chat" else texts
    dataset = Dataset.from_list([{"prompt": p, "prompt_id": str(i)} if args.trainer == "grpo" else {"prompt": p} for i, p in enumerate(prompts)])
    ids = [str(i) for i in range(16)] if args.trainer == "grpo" else [prompt_key(p) for p in prompts]
    rewards = {"async": cats_async, "model": str(folder / "reward")}
    raw = rewards.get(args.trainer, cats)
    scale = 0.01 if args.trainer == "model" else 100.0
    table = np.round(rng.normal(size=(16, 32))) * scale
    calibration = infalign.Calibration.from_rollouts(ids, table)
    reward = CalibratedReward(raw, calibration, "exp:10")

    kind, config = (GRPOTrainer, GRPOConfig) if args.trainer == "grpo" else (RLOOTrainer, RLOOConfig)
    extra = {"scale_rewards": "none"} if args.trainer == "grpo" else {}
    out = args.out / args.trainer
    config = config(
        output_dir=str(out), max_steps=STEPS, per_device_train_batch_size=4, num_generations=4, max_completion_length=16,
        beta=0.1, learning_rate=1e-3, logging_steps=1, report_to="none", save_strategy="no", use_cpu=True, log_completions=True,
        seed=3, bf16=False, **extra,
    )  # fmt: skip
    trainer = kind(model=str(folder / "policy"), reward_funcs=reward, args=config, train_dataset=dataset)
    if args.trainer == "rloo":
        base = np.stack([calibration.rewards(prompt_key(p)) for p in prompts[:4]])
        trainer.add_callback(
            WinRateCallback(trainer, prompts[:4], cats, base, procedures=["standard", "best-of:4"], n=4, every=10, max_new_tokens=16)
        )
    seen = Rows(trainer)
    trainer.add_callback(seen)
    seconds = [0.0]
    inner = reward.shaping.__class__.__call__

    def timed(self, *given):
        start = time.perf_counter()
        result = inner(self, *given)
        seconds[0] += time.perf_counter() - start
        return result

    reward.shaping.__class__.__call__ = timed
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.perf_counter()
        trainer.train()
        total = time.perf_counter() - start
    assert not [w for w in caught if "calibrated_" in str(w.message)], "a sound configuration was warned about"
    if trainer.accelerator.is_main_process:
        check(seen.tables, trainer, reward, calibration, ids, prompts)
        print(json.dumps({"trainer": args.trainer, "steps": STEPS, "processes": trainer.accelerator.num_processes,
                          "seconds": round(total, 2), "calibration_share": round(seconds[0] / total, 5)}))  # fmt: skip


def check(tables, trainer, reward, calibration, ids, prompts) -> None:
    """Every row that TRL logs against the package, and the logged means against the rows."""
    assert len(tables) == STEPS, f"{len(tables)} tables of {STEPS} steps"
    phi, name = infalign.Transform("exp:10"), reward.name
    for rows in tables:
        by_prompt = {p if isinstance(p, str) else p[0]["content"]: i for i, p in zip(ids, prompts)}
        own = [next(i for p, i in by_prompt.items() if p in str(row)) for row in rows["prompt"]]
        u = calibration.quantiles(own, rows[f"{name}_raw"].to_numpy())
        assert (rows[f"{name}_calibrated"].to_numpy() == u).all()
        assert (rows[f"{name}_transformed"].to_numpy() == phi(u)).all()
        # TRL keeps the reward itself in single precision.
        assert (rows[f"calibrated_{name}"].to_numpy().astype(np.float32) == phi(u).astype(np.float32)).all()
        if name.startswith("cats"):
            expected = cats(None, [c if isinstance(c, str) else c[0]["content"] for c in rows["completion"]])
            assert (rows[f"{name}_raw"].to_numpy() == expected).all()
    logged = [row for row in trainer.state.log_history if f"rewards/calibrated_{name}/mean" in row]
    assert len(logged) == STEPS
    for row, rows in zip(logged, tables):
        mean = rows[f"{name}_transformed"].mean()
        assert abs(row[f"rewards/calibrated_{name}/mean"] - mean) < 1e-6
        assert abs(row[f"infalign/{name}_transformed"] - mean) < 1e-6
    if reward.name == "cats" and any("win_rate/best-of:4" in row for row in trainer.state.log_history):
        rates = [row for row in trainer.state.log_history if "win_rate/best-of:4" in row]
        assert [r["step"] for r in rates] == [*range(0, STEPS, 10), STEPS] and all(0 <= r["win_rate/best-of:4"] <= 1 for r in rates)
        sampler = BestOfNSampler(trainer.accelerator.unwrap_model(trainer.model), trainer.processing_class, cats, n=3, max_new_tokens=8)
        kept = sampler(prompts[:2])
        assert all(k.reward == max(k.rewards) == cats(None, [k.text])[0] and len(k.texts) == 3 for k in kept)


if __name__ == "__main__":
    main()
