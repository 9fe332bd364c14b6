"""Training tokens per second and peak memory of PyTorch: forward, cross-entropy, backward, clipping, AdamW; one thread.

Run:  python benches/peers/lm_train.py [--repeats 3] [--only train/llama5.8m]

One repeat is one step on the same batch. `transformers` is its model with SDPA, `plain` a hand-written Llama (lm_shapes.py); `fused` and `foreach` are the two
fast forms of torch.optim.AdamW.
"""

import lm_harness

BATCHES = {"llama5.8m": (8, 256), "llama6.8m": (8, 256), "stories260k": (8, 256), "gpt2-124m": (2, 128)}


def train(shape, code, form):
    def measure(repeats):
        import torch
        import torch.nn.functional as F

        import lm_shapes

        model = (lm_shapes.model(shape) if code == "transformers" else lm_shapes.PlainLlama(lm_shapes.CONFIGS[shape])).train()
        rows, columns = BATCHES[shape]
        ids = lm_shapes.tokens(shape, rows, columns)
        matrices = [w for w in model.parameters() if w.ndim > 1]
        vectors = [w for w in model.parameters() if w.ndim < 2]
        optimiser = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}], lr=1e-3, **{form: True})

        def step():
            out = model(ids, use_cache=False).logits if code == "transformers" else model(ids)
            loss = F.cross_entropy(out[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

        return {"peer": f"PyTorch, {code}, {form} AdamW", "seconds": lm_harness.timed(step, repeats), "tokens": rows * columns,
                "parameters": lm_shapes.parameters(model)}

    return measure


MEASUREMENTS = {
    f"train/{shape}/{code}-{form}": train(shape, code, form)
    for shape in BATCHES for code in ("transformers", "plain") for form in ("fused", "foreach")
    if not (shape == "gpt2-124m" and code == "plain")
}

if __name__ == "__main__":
    lm_harness.main(__doc__.splitlines()[0], MEASUREMENTS)
