"""Log-probabilities of given tokens by transformers: forward, log_softmax, gather, without gradients; one thread.

Run:  python benches/peers/lm_score.py [--repeats 3] [--only score/llama5.8m]

ROWS sequences of 256 tokens, in batches of 8 or all at once.
"""

import lm_harness

ROWS = {"llama5.8m": 64, "stories260k": 64, "gpt2-124m": 4}
TIME = 256


def score(shape, batch):
    def measure(repeats):
        import torch

        import lm_shapes

        model = lm_shapes.model(shape).eval()
        rows = ROWS[shape]
        ids = lm_shapes.tokens(shape, rows, TIME)

        def work():
            found = []
            with torch.no_grad():
                for part in ids.split(batch):
                    logp = model(part, use_cache=False).logits[:, :-1].log_softmax(-1)
                    found.append(logp.gather(2, part[:, 1:, None])[..., 0])
            assert torch.cat(found).shape == (rows, TIME - 1)

        return {"peer": f"transformers forward, batches of {batch}", "seconds": lm_harness.timed(work, repeats), "tokens": rows * TIME,
                "parameters": lm_shapes.parameters(model)}

    return measure


MEASUREMENTS = {f"score/{shape}/batch-{batch}": score(shape, batch) for shape, rows in ROWS.items() for batch in sorted({min(8, rows), 1, rows})}

if __name__ == "__main__":
    lm_harness.main(__doc__.splitlines()[0], MEASUREMENTS)
