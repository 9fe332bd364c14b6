"""What vLLM answers, recorded: one file per request, for tests that have no vLLM.

Run:  python record.py VLLM MODELS OUT          the program vllm, the folder of models.py, the folder of the recordings
"""

import json
import sys
from pathlib import Path

from servers import Server, ask

CHAT = [{"role": "user", "content": "tell me a story"}]
ANSWERED = [*CHAT, {"role": "assistant", "content": "once there was a fox"}]
DRAW = {"model": "policy", "max_tokens": 6, "temperature": 1.0}

# name: (server, path, body)
REQUESTS = {
    "version": ("policy", "/version", None),
    "models": ("policy", "/v1/models", None),
    "completions": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "n": 2, "seed": 7}),
    "completions-default": ("policy", "/v1/completions", {"model": "policy", "prompt": "the cat"}),
    "completions-prompts": ("policy", "/v1/completions", {**DRAW, "prompt": ["the cat", "a bird"], "n": 2, "seed": 7}),
    "completions-prompts-again": ("policy", "/v1/completions", {**DRAW, "prompt": ["a bird", "the cat"], "n": 2, "seed": 7}),
    "completions-ids": ("policy", "/v1/completions", {**DRAW, "prompt": [0, 10, 11], "seed": 7, "return_token_ids": True}),
    "completions-logprobs": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "n": 2, "seed": 7, "logprobs": 1, "return_token_ids": True}),
    "completions-logprobs-0": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "seed": 7, "logprobs": 0, "return_token_ids": True}),
    "completions-logprobs-cold": ("policy", "/v1/completions", {**DRAW, "temperature": 0.5, "prompt": "the cat", "seed": 7, "logprobs": 0, "top_k": 3}),
    "completions-echo": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "max_tokens": 1, "echo": True, "logprobs": 0, "return_token_ids": True}),
    "completions-echo-text": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "max_tokens": 1, "echo": True}),
    "completions-end": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "n": 2, "seed": 7, "logit_bias": {"1": 5}, "return_token_ids": True, "logprobs": 0}),
    "completions-prompt-logprobs": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "max_tokens": 1, "seed": 7, "prompt_logprobs": 0}),
    "completions-stop": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "seed": 7, "max_tokens": 60, "stop": ["e", " "]}),
    "chat": ("policy", "/v1/chat/completions", {"model": "policy", "messages": CHAT, "n": 2, "seed": 7, "max_completion_tokens": 6}),
    "chat-logprobs": ("policy", "/v1/chat/completions", {"model": "policy", "messages": CHAT, "seed": 7, "max_completion_tokens": 3, "logprobs": True,
                                                         "top_logprobs": 0, "return_token_ids": True}),
    "tokenize": ("policy", "/tokenize", {"model": "policy", "prompt": "the cat"}),
    "error-unknown-model": ("policy", "/v1/completions", {**DRAW, "model": "nobody", "prompt": "x"}),
    "error-too-long": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat sat on the mat. " * 120}),
    "error-max-tokens": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "max_tokens": 999}),
    "error-field": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "temperature": -1}),
    "error-type": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "n": "two"}),
    "error-n": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "n": 100000}),
    "error-greedy-n": ("policy", "/v1/completions", {**DRAW, "temperature": 0, "prompt": "the cat", "n": 2}),
    "error-seed": ("policy", "/v1/completions", {**DRAW, "prompt": "the cat", "seed": 2**64 - 1}),
    "error-json": ("policy", "/v1/completions", '{"prompt": '),
    "error-no-such-path": ("policy", "/v1/nothing", {}),
    "error-no-classify": ("policy", "/classify", {"input": "x"}),
    "pooling-models": ("reward", "/v1/models", None),
    "classify": ("reward", "/classify", {"model": "reward", "input": ["the cat", "a small bird"], "use_activation": False}),
    "classify-one": ("reward", "/classify", {"input": "the cat", "use_activation": False}),
    "classify-no-special-tokens": ("reward", "/classify", {"input": "the cat", "use_activation": False, "add_special_tokens": False}),
    "classify-activation": ("reward", "/classify", {"input": ["the cat", "a small bird"]}),
    "classify-messages": ("reward", "/classify", {"messages": ANSWERED, "use_activation": False}),
    "classify-messages-as-text": ("reward", "/classify", {"input": "user: tell me a story\nassistant: once there was a fox\n", "use_activation": False}),
    "pooling": ("reward", "/pooling", {"model": "reward", "input": ["the cat", "a small bird"], "task": "classify", "use_activation": False}),
    "pooling-activation": ("reward", "/pooling", {"input": "the cat", "task": "classify"}),
    "score": ("reward", "/score", {"queries": "the cat", "documents": ["sat on the mat", "ran"]}),
    "score-no-activation": ("reward", "/score", {"queries": "the cat", "documents": ["sat on the mat", "ran"], "use_activation": False}),
    "rerank": ("reward", "/rerank", {"query": "the cat", "documents": ["sat on the mat", "ran", "x"]}),
    "rerank-no-activation": ("reward", "/rerank", {"query": "the cat", "documents": ["sat on the mat", "ran", "x"], "use_activation": False}),
    "error-pooling-completions": ("reward", "/v1/completions", {"model": "reward", "prompt": "x"}),
    "error-classify-too-long": ("reward", "/classify", {"input": "the cat sat on the mat. " * 120}),
    "error-classify-unknown-model": ("reward", "/classify", {"model": "nobody", "input": "x"}),
}  # fmt: skip


def record(urls: dict[str, str], models: Path, out: Path) -> None:
    """Asks servers that run, and writes OUT/NAME.json."""
    out.mkdir(parents=True, exist_ok=True)
    for name, (server, path, body) in REQUESTS.items():
        status, answer = ask(urls[server], path, body)
        method = "GET" if body is None else "POST"
        text = json.dumps({"request": {"method": method, "path": path, "body": body}, "status": status, "answer": answer}, indent=1)
        (out / f"{name}.json").write_text(text.replace(str(models), "models") + "\n")
        print(f"{name}: {status}", flush=True)


def main() -> None:
    vllm, models, out = map(Path, sys.argv[1:])
    servers = {name: Server(vllm, models, name) for name in ("policy", "reward")}
    try:
        for server in servers.values():
            server.start()
        for name, server in servers.items():
            print(f"{name}: answers after {server.wait():.0f} s", flush=True)
        record({name: server.url for name, server in servers.items()}, models, out)
    finally:
        for server in servers.values():
            server.kill()


if __name__ == "__main__":
    main()
