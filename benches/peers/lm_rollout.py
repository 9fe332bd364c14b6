"""Rollouts by transformers' `generate`, sampling at temperature 1, one thread: many prompts, and many samples of one prompt.

Run:  python benches/peers/lm_rollout.py [--repeats 3] [--only rollout/llama5.8m/many-dynamic]

`many`: ROWS prompts of 16 different tokens each. `one`: ROWS samples of one prompt of 256 tokens by `num_return_sequences`, which prefills every copy;
`one-shared` prefills once and repeats the cache, as someone who looked would. `batch-N` is `many-dynamic` at other batch sizes, for the plot.
`tokens` counts new tokens.
"""

import lm_harness

# rows, new tokens
SIZES = {"llama5.8m": (64, 128), "stories260k": (64, 128), "gpt2-124m": (8, 16)}
MANY, ONE = 16, 256


def prepared(shape, rows, new, **more):
    import lm_shapes
    from transformers import GenerationConfig

    model = lm_shapes.model(shape).eval()
    settings = GenerationConfig(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=new, eos_token_id=None, pad_token_id=0, **more)
    return lm_shapes, model, settings


def finish(peer, work, repeats, rows, new, shapes, model):
    return {"peer": peer, "seconds": lm_harness.timed(work, repeats), "tokens": rows * new, "parameters": shapes.parameters(model)}


def many(shape, cache, rows=None):
    def measure(repeats):
        import torch

        r, new = SIZES[shape]
        r = rows or r
        shapes, model, settings = prepared(shape, r, new, cache_implementation=cache)
        ids = shapes.tokens(shape, r, MANY)

        def work():
            with torch.no_grad():
                out = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
            assert out.shape == (r, MANY + new)

        return finish(f"transformers generate, {cache} cache", work, repeats, r, new, shapes, model)

    return measure


def one(shape, cache, shared):
    def measure(repeats):
        import torch
        from transformers import DynamicCache

        rows, new = SIZES[shape]
        shapes, model, settings = prepared(shape, rows, new, **({} if shared else {"cache_implementation": cache, "num_return_sequences": rows}))
        ids = shapes.tokens(shape, 1, ONE)

        def work():
            with torch.no_grad():
                if shared:
                    cached = DynamicCache(config=model.config)
                    model(ids[:, :-1], past_key_values=cached, use_cache=True, logits_to_keep=1)
                    cached.batch_repeat_interleave(rows)
                    copies = ids.expand(rows, -1).contiguous()
                    out = model.generate(copies, attention_mask=torch.ones_like(copies), generation_config=settings, past_key_values=cached)
                else:
                    out = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
            assert out.shape == (rows, ONE + new)

        return finish(f"transformers generate, {cache} cache" + (", one prefill" if shared else ""), work, repeats, rows, new, shapes, model)

    return measure


MEASUREMENTS = {}
for _shape in SIZES:
    for _cache in ("dynamic", "static"):
        MEASUREMENTS[f"rollout/{_shape}/many-{_cache}"] = many(_shape, _cache)
        MEASUREMENTS[f"rollout/{_shape}/one-{_cache}"] = one(_shape, _cache, shared=False)
    MEASUREMENTS[f"rollout/{_shape}/one-shared"] = one(_shape, "dynamic", shared=True)
for _rows in (1, 4, 16, 256):
    MEASUREMENTS[f"rollout/llama5.8m/batch-{_rows}"] = many("llama5.8m", "dynamic", _rows)

if __name__ == "__main__":
    lm_harness.main(__doc__.splitlines()[0], MEASUREMENTS)
