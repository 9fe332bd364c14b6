"""Makes the fixtures of crates/infalign-lm/tests/fixtures from transformers, PyTorch and peft: tiny random models of every family, and what is true of them.

Run:  tests/parity/setup.sh          (its own environment, then this script and make_templates.py)
or:   python tests/parity/make_fixtures.py [--only NAME …]   with the versions of requirements.txt: torch 2.15.0, transformers 5.23.0, peft 0.21.2.

README.md beside this file has the layout of what it writes. Seeds are fixed (families.py), so that a second run differs only by rounding. The script
stops if a feature of a family is not visible in the logits, or if a greedy continuation is nearly a tie.
"""

import argparse
import copy
import json
import os
import shutil
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

import families  # noqa: E402
import legacy  # noqa: E402
import measure  # noqa: E402

FIXTURES = Path(__file__).resolve().parents[2] / "crates/infalign-lm/tests/fixtures"
LENGTHS = (3, 8, 17)  # the longest is beyond every sliding window
LEAST_EFFECT = 5e-4  # of a switched feature on some logit: five times the tolerance of the tests


def sequences(vocab):
    """Three sequences of ordinary tokens (no special one), the same for every vocabulary up to its size."""
    draw = torch.Generator().manual_seed(20240607)
    return [torch.randint(3, vocab, (n,), generator=draw).tolist() for n in LENGTHS]


def short(tensor):
    """Sixteen bits of mantissa: 2⁻¹⁷ relative, a quarter less in git."""
    return ((tensor.contiguous().view(torch.int32) + 0x80) & ~0xFF).view(torch.float32)


def write(folder, tensors, facts):
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, folder / "expected.safetensors")
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in facts.items())
    (folder / "expected.json").write_text("{\n" + lines + "\n}\n")
    for file in folder.iterdir():
        file.chmod(0o644)


def fresh(name):
    folder = FIXTURES / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def save(folder, model, family):
    stored = model if not family.bf16 else copy.deepcopy(model).bfloat16()
    stored.save_pretrained(folder, max_shard_size=family.shard or "1GB")
    legacy.write(folder)


def causal(name, family):
    folder = fresh(name)
    model = families.build(name, family)
    batch = sequences(family.config.vocab_size)
    save(folder, model, family)
    effects = {}
    with torch.no_grad():
        for what, change in family.ablations.items():
            other = families.ablated(name, family, change)
            effects[what] = (measure.logits(model, batch[2]) - measure.logits(other, batch[2])).abs().max().item()
            assert effects[what] > LEAST_EFFECT, f"{name}: {what} is not visible: {effects[what]}"
    loss = measure.mean_cross_entropy(model, batch)
    grads = measure.gradients(model, loss)
    found = measure.per_position(model, batch) | measure.exact_kl(model, batch) | measure.sampling(model, batch[2])
    found |= {f"grad.{key}": short(grad) for key, grad in grads.items()}
    continuations = [measure.greedy(model, batch[0]), measure.greedy(model, batch[2][:9])]
    for continuation in continuations:
        assert continuation["smallest_margin"] > measure.SMALLEST_MARGIN, f"{name}: nearly a tie"
    write(folder, found, {
        "sequences": batch, "loss": loss.item(), "perturbation": measure.PERTURBATION,
        "sampling": {"temperature": measure.TEMPERATURE, "top_k": measure.TOP_K, "top_p": measure.TOP_P, "min_p": measure.MIN_P},
        "greedy": continuations, "adamw": measure.adamw_curve(model, batch), "effects": effects})
    exact = measure.per_position(model.double(), batch)
    error = max((found[f"logits.{i}"] - exact[f"logits.{i}"]).abs().max().item() for i in range(3))
    spread = found["logits.2"].std().item()
    print(f"{name:22} loss {loss.item():.4f}  std of logits {spread:.2f}  f32 against f64 {error:.1e}  "
          f"margin {min(c['smallest_margin'] for c in continuations):.3f}  effects {({k: round(v, 3) for k, v in effects.items()})}")


def classifier(name, family):
    folder = fresh(name)
    model = families.build(name, family)
    batch = sequences(family.config.vocab_size)
    save(folder, model, family)
    width = max(LENGTHS)
    padded = torch.tensor([s + [0] * (width - len(s)) for s in batch])
    mask = torch.tensor([[1] * len(s) + [0] * (width - len(s)) for s in batch])
    tail = batch[1] + [0, 0]  # ends in the padding token, as a response does whose end token is also the padding
    with torch.no_grad():
        found = {
            "scores": torch.cat([model(torch.tensor([s])).logits for s in batch]),  # (sequence, label)
            "scores_padded": model(padded, attention_mask=mask).logits,
            "scores_tail": model(torch.tensor([tail])).logits,
        }
    difference = (found["scores"] - found["scores_padded"]).abs().max().item()
    assert difference < 1e-5 and torch.equal(found["scores_tail"][0].round(decimals=4), found["scores"][1].round(decimals=4)), name
    # Bradley–Terry of the first label: the longest sequence is preferred to the second.
    first, second = (model(torch.tensor([batch[i]])).logits[0, 0] for i in (2, 1))
    loss = -torch.nn.functional.logsigmoid(first - second)
    if name in ("llama_cls", "gpt2_cls"):
        found |= {f"grad.{key}": short(grad) for key, grad in measure.gradients(model, loss).items()}
    write(folder, found, {"sequences": batch, "padded": padded.tolist(), "tail": tail, "bradley_terry_loss": loss.item()})
    print(f"{name:22} scores {[[round(x, 4) for x in row] for row in found['scores'].tolist()]}  padded differs by {difference:.1e}")


def lora(name, targets):
    """An adapter on the fixture llama2: A and B random, neither zero."""
    folder = fresh(f"lora/{name}")
    family = families.FAMILIES["llama2"]
    batch = sequences(family.config.vocab_size)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, lora_dropout=0.0, target_modules=targets)
    model = peft.get_peft_model(families.build("llama2", family), config).eval()
    draw = torch.Generator().manual_seed(len(name))
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if "lora_" in key:
                weight.copy_(0.2 * torch.randn(weight.shape, generator=draw))
    model.peft_config["default"].base_model_name_or_path = "../../llama2"
    model.peft_config["default"].target_modules = sorted(model.peft_config["default"].target_modules)  # a set: in another order every time
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it cannot look the base's vocabulary up
        model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    with torch.no_grad():
        found = {f"logits.{i}": measure.logits(model, s) for i, s in enumerate(batch)}
    loss = measure.mean_cross_entropy(model, batch)
    # Named as in adapter_model.safetensors, which leaves the adapter's name out.
    found |= {f"grad.{key.replace('.default', '')}": grad for key, grad in measure.gradients(model, loss).items() if "lora_" in key}
    write(folder, found, {"sequences": batch, "loss": loss.item()})
    print(f"{'lora/' + name:22} loss {loss.item():.4f}")


def main():
    arguments = argparse.ArgumentParser(description="Make the fixtures of infalign-lm.")
    arguments.add_argument("--only", nargs="*", default=None, help="names of fixtures (default: all)")
    only = arguments.parse_args().only
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")  # peft reads it
    transformers.logging.disable_progress_bar()
    wanted = lambda name: only is None or name in only  # noqa: E731
    for name, family in families.FAMILIES.items():
        if wanted(name):
            causal(name, family)
    for name, family in families.HEADS.items():
        if wanted(name):
            classifier(name, family)
    for name, targets in {"qv": ["q_proj", "v_proj"], "all": "all-linear"}.items():
        if wanted(f"lora/{name}"):
            lora(name, targets)


if __name__ == "__main__":
    main()
