"""Can the tiny policy hold the tilted optimum? Fits it directly, without reinforcement learning, and measures on held-out prompts.

Minimises E_p[(w − leave-one-out mean of w)(−log π(y)) + Σ_t CE(p_t, π_t)] on calibrated rollouts, with w = e^{Φ(u)/β}/Z at the β of the
asked KL (for `raw`: w = e^{r/β}/Z_x, one β for all prompts), then samples afresh. Needs torch, transformers and numpy; the files are those
that the head of crates/infalign-tavern/examples/tavern.rs makes, 256 responses a prompt, of training and of held-out prompts.

    python fit.py POLICY training.jsonl held-out.jsonl "GOLD COMMAND" [KL] [STEPS]
"""

import collections
import copy
import json
import math
import shlex
import subprocess
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

torch.set_num_threads(1)
POLICY, TRAINING, HELD_OUT, GOLD = sys.argv[1:5]
KL = float(sys.argv[5]) if len(sys.argv) > 5 else 0.5
STEPS = int(sys.argv[6]) if len(sys.argv) > 6 else 120
PROMPTS, GROUP, RATE = 16, 32, 3e-3  # a step's prompts, its responses to each, the highest rate
LONGEST, N, FRESH = 15, 4, 128  # tokens of a response, N of best-of-N, responses to a held-out prompt

base = AutoModelForCausalLM.from_pretrained(POLICY, dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained(POLICY)


def rows(file):
    prompts = collections.OrderedDict()
    for line in open(file):
        row = json.loads(line)
        prompts.setdefault(row["prompt"], []).append((row["tokens"][:LONGEST], row["gold"]))
    return prompts


training, held_out = rows(TRAINING), rows(HELD_OUT)
encoded = {p: tokenizer(p)["input_ids"] for p in [*training, *held_out]}
(PREFIX,) = {len(ids) for ids in encoded.values()}  # all prompts have one length


def log_probs(model, tokens):
    """Of every token at the response's positions."""
    hidden = model.model(input_ids=tokens[:, :-1]).last_hidden_state[:, PREFIX - 1 :]
    return (hidden @ model.lm_head.weight.T).log_softmax(-1)


def price(kl):
    """The β at which the decreasing kl(β) is the budget."""
    low, high = 1e-4, 1e3
    for _ in range(100):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if kl(middle) > KL else (low, middle)
    return low


def tilt(values):
    w = np.exp(values - values.max())
    return w / w.mean()


def divergence(w):
    return float((w * np.log(np.maximum(w, 1e-300))).mean())


def quantiles(rewards):
    order = np.sort(rewards)
    return (np.searchsorted(order, rewards, "left") + np.searchsorted(order, rewards, "right")) / 2 / len(rewards)


PHI = {
    "identity": lambda u: u,
    "exp:10": lambda u: np.expm1(10 * u) / np.expm1(10),
    "exp:-10": lambda u: np.expm1(-10 * u) / np.expm1(-10),
}


def weights(reward):
    """w of every training response, a row for each prompt, with mean 1."""
    table = [np.array([gold for _, gold in responses]) for responses in training.values()]
    if reward == "raw":
        beta = price(lambda b: np.mean([divergence(tilt(r / b)) for r in table]))
        return [tilt(r / beta) for r in table]
    u = (np.arange(20_000) + 0.5) / 20_000
    beta = price(lambda b: divergence(tilt(PHI[reward](u) / b)))
    return [tilt(PHI[reward](quantiles(r)) / beta) for r in table]


@torch.no_grad()
def evaluate(model):
    """Exact KL per sequence, and (mean, standard error over prompts) of the win rates: standard, best of N, worst of N."""
    draw = torch.Generator().manual_seed(5)
    kls, lines = [], []
    for prompt in held_out:
        tokens = torch.tensor(encoded[prompt]).repeat(FRESH, 1)
        for _ in range(2 * LONGEST):
            p = model(input_ids=tokens).logits[:, -1].softmax(-1)
            tokens = torch.cat([tokens, torch.multinomial(p, 1, generator=draw)], 1)
            if (tokens[:, PREFIX:] == 0).any(1).all():
                break
        pi, p = log_probs(model, tokens), log_probs(base, tokens)
        ended = (tokens[:, PREFIX:] == 0).long()
        alive = ended.cumsum(1) - ended == 0
        kls.append(float((((pi.exp() * (pi - p)).sum(-1)) * alive).sum(1).mean()))
        for row in tokens[:, PREFIX:].tolist():
            text = tokenizer.decode(row[: row.index(0)] if 0 in row else row)
            lines.append(json.dumps({"prompt": prompt, "text": text}))
    judged = subprocess.run(shlex.split(GOLD), input="\n".join(lines), capture_output=True, text=True, check=True)
    rewards = collections.defaultdict(list)
    for line in judged.stdout.splitlines():
        row = json.loads(line)
        rewards[row["prompt"]].append(row["gold"])
    return np.mean(kls), [win_rate(rewards, *mode) for mode in ((1, True), (N, True), (N, False))]


def win_rate(rewards, n, best):
    def chosen(m):  # P(the i-th smallest of m is the best or worst of n without replacement)
        return np.array([math.comb(i if best else m - 1 - i, n - 1) / math.comb(m, n) for i in range(m)])

    wins = []
    for prompt, responses in held_out.items():
        a, b = np.sort(rewards[prompt]), np.sort([gold for _, gold in responses])
        below = np.concatenate([[0], np.cumsum(chosen(len(b)))])
        won = (below[np.searchsorted(b, a, "left")] + below[np.searchsorted(b, a, "right")]) / 2
        wins.append(float((chosen(len(a)) * won).sum()))
    return f"{np.mean(wins):.4f}±{np.std(wins) / math.sqrt(len(wins)):.4f}"


K = min(len(responses) for responses in training.values())
tokens = torch.zeros(len(training), K, PREFIX + LONGEST, dtype=torch.long)
alive = torch.zeros(len(training), K, LONGEST)
for i, (prompt, responses) in enumerate(training.items()):
    for j, (response, _) in enumerate(responses[:K]):
        tokens[i, j, : PREFIX + len(response)] = torch.tensor(encoded[prompt] + response)
        alive[i, j, : len(response)] = 1

for reward in ("exp:-10", "exp:10", "identity", "raw"):
    rng = np.random.default_rng(0)
    model = copy.deepcopy(base)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0, betas=(0.9, 0.99))
    w = np.stack([row[:K] for row in weights(reward)])
    for step in range(STEPS):
        rate = min(1, (step + 1) / 10) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / STEPS)))
        optimiser.param_groups[0]["lr"] = RATE * rate
        i = rng.choice(len(training), PROMPTS, replace=False)[:, None]
        j = np.stack([rng.choice(K, GROUP, replace=False) for _ in range(PROMPTS)])
        group = w[i, j]
        advantage = torch.tensor(group - (group.sum(1, keepdims=True) - group) / (GROUP - 1)).float().flatten()
        x, mask = tokens[i, j].flatten(0, 1), alive[i, j].flatten(0, 1)
        with torch.no_grad():
            p = log_probs(base, x).exp()
        pi = log_probs(model, x)
        taken = pi.gather(-1, x[:, PREFIX:, None])[..., 0]
        loss = -((advantage[:, None] * taken + (p * pi).sum(-1)) * mask).sum() / len(x)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    kl, (standard, best, worst) = evaluate(model)
    print(f"{reward:9} KL {kl:.3f}  standard {standard}  best-of-{N} {best}  worst-of-{N} {worst}", flush=True)
