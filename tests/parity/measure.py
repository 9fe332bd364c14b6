"""What a fixture states about a model: logits, log-probabilities, gradients, an AdamW curve, an exact KL, sampling distributions, greedy continuations.

Every sequence runs alone, without padding, in f32 on one thread. All logarithms are natural.
"""

import copy
import math

import torch
import torch.nn.functional as F
from transformers import GenerationConfig, LogitsProcessorList, MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

PERTURBATION = 1.05  # the second model of the KL: every parameter times this
ADAMW = {"steps": 20, "peak_lr": 3e-3, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.1, "clip_norm": 1.0, "warmup_steps": 5, "floor": 0.1}
TEMPERATURE, TOP_K, TOP_P, MIN_P = 0.7, 10, 0.8, 0.1
NEW_TOKENS = 24
SMALLEST_MARGIN = 1e-3  # of the best over the second logit in a greedy continuation: far above what rounding can turn


def logits(model, sequence):
    return model(torch.tensor([sequence]), use_cache=False).logits[0]  # (time, vocab)


def mean_cross_entropy(model, sequences):
    """Mean over all predicted tokens of the batch: the first token of a sequence is not predicted."""
    total = sum(F.cross_entropy(logits(model, s)[:-1], torch.tensor(s[1:]), reduction="sum") for s in sequences)
    return total / sum(len(s) - 1 for s in sequences)


def gradients(model, loss):
    model.zero_grad(set_to_none=True)
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def per_position(model, sequences):
    """logits.I (time, vocab), logprobs.I (time - 1), entropy.I (time)."""
    found = {}
    with torch.no_grad():
        for i, sequence in enumerate(sequences):
            raw = logits(model, sequence)
            logp = raw.double().log_softmax(-1)
            found[f"logits.{i}"] = raw
            found[f"logprobs.{i}"] = logp[:-1].gather(1, torch.tensor(sequence[1:])[:, None])[:, 0].float()
            found[f"entropy.{i}"] = -(logp.exp() * logp).sum(-1).float()
    return found


def exact_kl(model, sequences):
    """kl.I (time): KL of the next-token distribution of the perturbed model, π, from that of the model, p: Σ π (ln π - ln p)."""
    perturbed = copy.deepcopy(model)
    found = {}
    with torch.no_grad():
        for weight in perturbed.parameters():
            weight.mul_(PERTURBATION)
        for i, sequence in enumerate(sequences):
            pi = logits(perturbed, sequence).double().log_softmax(-1)
            p = logits(model, sequence).double().log_softmax(-1)
            found[f"kl.{i}"] = (pi.exp() * (pi - p)).sum(-1).float()
    return found


def learning_rate(step):
    """Of step 1, 2, …: linear to the peak at step `warmup_steps`, then a cosine to `floor` times the peak at the last step."""
    warmup = ADAMW["warmup_steps"]
    if step <= warmup:
        return ADAMW["peak_lr"] * step / warmup
    progress = (step - warmup) / (ADAMW["steps"] - warmup)
    return ADAMW["peak_lr"] * (ADAMW["floor"] + (1 - ADAMW["floor"]) * 0.5 * (1 + math.cos(math.pi * progress)))


def adamw_curve(model, sequences):
    """Losses before each step and after the last, learning rates, gradient norms before clipping, and the weights' norms at the end."""
    model = copy.deepcopy(model)
    matrices = [w for w in model.parameters() if w.ndim >= 2]
    vectors = [w for w in model.parameters() if w.ndim < 2]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": ADAMW["weight_decay"]}, {"params": vectors, "weight_decay": 0.0}],
        lr=0.0, betas=tuple(ADAMW["betas"]), eps=ADAMW["eps"], foreach=False)
    curve = {"settings": ADAMW, "losses": [], "learning_rates": [], "gradient_norms": []}
    for step in range(1, ADAMW["steps"] + 1):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step)
        optimiser.zero_grad()
        loss = mean_cross_entropy(model, sequences)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), ADAMW["clip_norm"])
        optimiser.step()
        curve["losses"].append(loss.item())
        curve["learning_rates"].append(learning_rate(step))
        curve["gradient_norms"].append(norm.item())
    with torch.no_grad():
        curve["final_loss"] = mean_cross_entropy(model, sequences).item()
    curve["final_norms"] = {name: weight.detach().double().norm().item() for name, weight in model.named_parameters()}
    return curve


def sampling(model, sequence):
    """processed.NAME (vocab): ln of the distribution of the token after `sequence`; -∞ where a filter removed the token."""
    order = [("temperature", TemperatureLogitsWarper(TEMPERATURE)), ("top_k", TopKLogitsWarper(TOP_K)), ("top_p", TopPLogitsWarper(TOP_P)),
             ("min_p", MinPLogitsWarper(MIN_P))]
    chains = {name: [warper] for name, warper in order} | {"combined": [warper for _, warper in order]}
    found = {}
    with torch.no_grad():
        last = logits(model, sequence)[-1:]
        ids = torch.tensor([sequence])
        for name, chain in chains.items():
            kept = LogitsProcessorList(chain)(ids, last.clone())
            found[f"processed.{name}"] = kept.double().log_softmax(-1)[0].float()
    return found


def greedy(model, prompt):
    """The continuation by `generate`, and the smallest margin of the best token over the second."""
    settings = GenerationConfig(do_sample=False, max_new_tokens=NEW_TOKENS, pad_token_id=0, eos_token_id=None)
    ids = torch.tensor([prompt])
    whole = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)[0].tolist()
    with torch.no_grad():
        best = logits(model, whole)[len(prompt) - 1:-1].topk(2, dim=-1)
    assert best.indices[:, 0].tolist() == whole[len(prompt):], "with and without cache differ"
    return {"prompt": prompt, "continuation": whole[len(prompt):], "smallest_margin": (best.values[:, 0] - best.values[:, 1]).min().item()}
