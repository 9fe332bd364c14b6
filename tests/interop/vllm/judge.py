"""A language model as a judge behind a real vLLM: it is taught by `infalign sft` to rate by a rule, served, and asked by the program. See run.sh.

Run:  python judge.py PROGRAM VLLM FOLDER

The rule is one that two layers can learn: a response that holds `good` is a 9, one that holds `bad` a 2, any other a 5. What the judge is taught on is what the
program asks: a server that knows the rule writes it down. Ratings and comparisons of responses that it has not seen are then compared with the rule.
"""

import json
import random
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch
from models import TEMPLATE
from servers import PORTS, Server
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from run import FOLDER, VLLM, program, told

WORDS = "the soup was cold and my room had a window on a green lake where two men sat".split()
RUBRIC = "Rate this.\n{response}"
PAIR_RUBRIC = "Compare these.\n{response_a}\n{response_b}"
TAUGHT, ASKED, N = 600, 40, 4


def response(chance: random.Random) -> str:
    words = [chance.choice(WORDS) for _ in range(chance.randint(3, 7))]
    words[chance.randrange(len(words))] = chance.choice(["good", "bad", "plain"])
    return " ".join(words)


def rating(text: str) -> int:
    return 9 if "good" in text else 2 if "bad" in text else 5


def verdict(question: str) -> str:
    """What the rule says to a question of the program."""
    found = dict(re.findall(r"-----BEGIN (RESPONSE(?: [AB])?) [^\n]*\n(.*?)\n-----END", question, re.DOTALL))
    if "RESPONSE" in found:
        return f"Rating: [[{rating(found['RESPONSE'])}]]"
    a, b = rating(found["RESPONSE A"]), rating(found["RESPONSE B"])
    return f"Verdict: [[{'tie' if a == b else 'A' if a > b else 'B'}]]"


class Recorder(BaseHTTPRequestHandler):
    """A judge that knows the rule, and writes down what it is asked."""

    taught: list[dict[str, object]] = []

    def answer(self, page: object) -> None:
        body = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer({"object": "list", "data": [{"id": "judge", "object": "model"}]})

    def do_POST(self) -> None:
        messages = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
        said = {"role": "assistant", "content": verdict(messages[-1]["content"])}
        self.taught.append({"messages": [*messages, said]})
        self.answer({"choices": [{"index": 0, "message": said}]})

    def log_message(self, *_: object) -> None:
        pass


def samples(file: str, prompts: int, chance: random.Random) -> None:
    rows = [{"prompt": f"Was stay {i} fine?", "responses": [response(chance) for _ in range(N)]} for i in range(prompts)]
    (FOLDER / file).write_text("".join(json.dumps(row) + "\n" for row in rows))


def judged(url: str, ours: str, base: str, out: str) -> dict[str, object]:
    """Ratings and comparisons of two files of samples by a judge; results.json."""
    judge = f"judge:{url}#judge"
    program("evaluate", "--samples", ours, "--base", base, "--judge", judge, "--compare", judge, "--compare-pairs", N, "--procedure", "standard", "--rubric", "rubric.txt",
            "--pair-rubric", "pairs.txt", "--judge-tokens", 32, "--out", out)  # fmt: skip
    return json.loads((FOLDER / out / "results.json").read_text())


def in_short(results: dict[str, object]) -> dict[str, object]:
    """The win rate by ratings, and what became of the comparisons."""
    rated = next(w for w in results["policies"][0]["win_rates"] if w["procedure"] == "standard")["win_rate"]
    [pairs] = results["pairwise"]
    return {"by ratings": rated["mean"], "by comparisons": pairs["win_rate"]["mean"]} | {key: pairs[key] for key in ("pairs", "wins", "losses", "ties", "inconsistent", "unparsed")}


def tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    letters = "".join(map(chr, range(32, 127))) + "\n"
    made.train_from_iterator([letters, *texts], trainers.BpeTrainer(vocab_size=700, special_tokens=["<s>", "</s>", "<pad>"], show_progress=False))
    fast = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    fast.chat_template = TEMPLATE.replace("{% endfor %}", "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}")
    return fast


def teach(texts: list[str]) -> None:
    """FOLDER/judge, from random weights."""
    words = tokenizer(texts)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=128, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4,
        max_position_embeddings=1024, bos_token_id=0, eos_token_id=1, pad_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(FOLDER / "untaught")
    words.save_pretrained(FOLDER / "untaught")
    program("sft", "--model", "untaught", "--data", "taught.jsonl", "--out", "judge", "--epochs", 6, "--batch-size", 16, "--learning-rate", 2e-3, "--quiet")


def main() -> None:
    chance = random.Random(0)
    (FOLDER / "rubric.txt").write_text(RUBRIC)
    (FOLDER / "pairs.txt").write_text(PAIR_RUBRIC)
    for file, prompts in (("taught-a.jsonl", TAUGHT // N), ("taught-b.jsonl", TAUGHT // N), ("asked-a.jsonl", ASKED), ("asked-b.jsonl", ASKED)):
        samples(file, prompts, chance)
    recorder = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=recorder.serve_forever, daemon=True).start()
    rule = f"http://127.0.0.1:{recorder.server_port}"
    judged(rule, "taught-a.jsonl", "taught-b.jsonl", "taught")
    taught = list(Recorder.taught)
    (FOLDER / "taught.jsonl").write_text("".join(json.dumps(row) + "\n" for row in taught))
    expected = judged(rule, "asked-a.jsonl", "asked-b.jsonl", "rule")
    teach([message["content"] for row in taught for message in row["messages"]])
    server = Server(VLLM, FOLDER, "judge")
    server.start()
    try:
        server.wait()
        found = judged(f"http://127.0.0.1:{PORTS['judge']}", "asked-a.jsonl", "asked-b.jsonl", "vllm")
    finally:
        server.kill()
    expected, found = in_short(expected), in_short(found)
    told("judge", taught=len(taught), expected=expected, found=found)
    for measure in ("by ratings", "by comparisons"):
        assert abs(found[measure] - expected[measure]) < 0.03, f"{measure}: the judge does not follow the rule that it was taught"
    assert found["unparsed"] == 0 and found["inconsistent"] <= found["pairs"] // 20


if __name__ == "__main__":
    main()
